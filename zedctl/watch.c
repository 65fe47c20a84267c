#include "zedctl/watch.h"

enum {
	WATCH_PERIOD_MS =
	    2000, /* ages grow, and not everything that changes is published */
	WATCH_SETTLE_MS = 100,
};

static void watch_on_message(void *data, const struct bus_msg *m)
{
	(void)m;
	*(bool *)data = true;
}

static void watch_clear(const struct ctl *c)
{
	if (c->is_tty)
		fputs("\033[H\033[2J", stdout);
}

int watch_run(struct ctl *c, const struct args *a, const char *subject, watch_show *show)
{
	static bool changed; /* subscriptions live as long as the connection */
	const bool never = false;
	struct err e = ERR_NULL;
	int exit_code = CTL_DONE;

	if (!args_has(a, "watch"))
		return show(c, a);
	if (subject)
		exit_code = ctl_connect(c);
	if (subject && exit_code == CTL_DONE &&
	    bus_subscribe(c->bus, subject, NULL, watch_on_message, &changed, &e) != 0)
		exit_code = ctl_fail(CTL_REFUSED, "%s", e.text);
	while (exit_code == CTL_DONE) {
		watch_clear(c);
		exit_code = show(c, a);
		fflush(stdout);
		changed = false;
		ctl_wait(c, &changed, WATCH_PERIOD_MS);
		ctl_wait(c, &never, WATCH_SETTLE_MS);
	}
	return exit_code;
}
