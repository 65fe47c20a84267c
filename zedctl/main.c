/* zedctl: the operator's hand on both planes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "zedctl/args.h"
#include "zedctl/ctl.h"

enum {
	HELP_MAX_BYTES = 64 << 10,
};

static int main_help(const struct args *a)
{
	struct buf text = BUF_NULL(HELP_MAX_BYTES);

	if (a->verb)
		help_verb(a->verb, &text);
	else
		help_all(&text);
	fputs(buf_cstr(&text), stdout);
	buf_deinit(&text);
	return CTL_DONE;
}

static int main_run(const struct args *a)
{
	struct err e = ERR_NULL;
	struct ctl c;
	int exit_code;

	if (ctl_init(&c, a, &e) != 0)
		exit_code = ctl_fail(CTL_USAGE, "%s", e.text);
	else
		exit_code = a->verb->run(&c, a);
	ctl_deinit(&c);
	if (fflush(stdout) != 0 && exit_code == CTL_DONE)
		exit_code = ctl_fail(CTL_REFUSED, "the output could not be written");
	return exit_code;
}

int main(int argc, char **argv)
{
	struct err e = ERR_NULL;
	struct args a;

	log_init("zedctl", LOG_ERROR, false);
	if (args_parse(argc, argv, &a, &e) != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	if (args_has(&a, "version")) {
		puts("zedctl " ZEDBUS_VERSION);
		return CTL_DONE;
	}
	if (args_has(&a, "help"))
		return main_help(&a);
	if (!a.verb)
		return ctl_fail(CTL_USAGE, "a verb is missing (see zedctl --help)");
	return main_run(&a);
}
