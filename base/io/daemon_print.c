/* --help, --version and --print of every daemon. */
#include "base/io/daemon_print.h"

#include <string.h>

enum {
	TEXT_MAX = 1024 * 1024,
};

static void print_events(const struct daemon_def *def, struct buf *out)
{
	static const char *const levels[LOG_LEVEL_N_] = {
	    "error", "warn", "info", "debug"};

	buf_adds(out, "| event | level | meaning |\n|---|---|---|\n");
	for (size_t i = 0; def->events && def->events[i]; i++) {
		for (const struct log_event *const *ev = def->events[i]; *ev; ev++)
			buf_addf(out, "| `%s` | %s | %s |\n", (*ev)->name,
			    levels[(*ev)->level], (*ev)->sentence);
	}
}

static void print_metrics(const struct daemon_def *def, struct buf *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};

	buf_adds(out, "| metric | labels | type | meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; def->metrics && def->metrics[i]; i++) {
		for (struct metric *const *m = def->metrics[i]; *m; m++)
			buf_addf(out, "| `%s` | %s | %s | %s |\n", (*m)->name,
			    (*m)->labels, types[(*m)->type], (*m)->sentence);
	}
}

static void print_errors(struct buf *out)
{
	buf_adds(out,
	    "| code | HTTP status | retry may help | meaning |\n|---|---|---|---|\n");
	for (int i = ERROR_NONE + 1; i < ERROR_N_; i++)
		buf_addf(out, "| `%s` | %d | %s | %s |\n", error_name(i),
		    error_http_status(i), error_retryable(i) ? "yes" : "no",
		    error_sentence(i));
}

static bool print_reference(
    const struct daemon_def *def, const char *name, struct buf *out)
{
	if (strcmp(name, "config") == 0)
		conf_print(&def->spec, out);
	else if (strcmp(name, "events") == 0)
		print_events(def, out);
	else if (strcmp(name, "metrics") == 0)
		print_metrics(def, out);
	else if (strcmp(name, "errors") == 0)
		print_errors(out);
	else
		return false;
	return true;
}

int daemon_print(const struct daemon_def *def, enum conf_outcome what, const char *name)
{
	struct buf text = BUF_NULL(TEXT_MAX);
	int code = -1;

	if (what == CONF_HELP)
		conf_help(&def->spec, &text);
	else if (what == CONF_VERSION)
		buf_addf(&text, "%s %s\n", def->spec.program, ZEDBUS_VERSION);
	else if (!print_reference(def, name, &text)) {
		fprintf(stderr,
		    "%s: --print: '%s' is not config, events, metrics or errors\n",
		    def->spec.program, name);
		code = 2;
	}
	if (code < 0)
		fputs(buf_cstr(&text), stdout);
	buf_deinit(&text);
	return code;
}
