/* One run of zedctl: where the two planes are, how answers are shown, and the waiting for
 * answers. Nothing runs beside the verb, so each call here turns the loop until its
 * answer is there. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/io/bus.h"
#include "base/io/fetch.h"
#include "base/io/loop.h"
#include "base/io/store.h"
#include "base/jsn.h"
#include "zedctl/args.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1, /* the system said no */
	CTL_USAGE = 2,
	CTL_TIMEOUT = 3, /* timed out waiting */
	CTL_NO_CONNECTION = 4,
};

enum ctl_output { CTL_TABLE, CTL_WIDE, CTL_JSON };

struct ctl {
	const struct args *args;
	enum ctl_output output;
	bool is_tty; /* stdout: colours, progress, redrawing */
	struct id tenant;
	const char *server; /* URL without a slash at the end */
	char *token;        /* NULL: none; owned */
	int64_t connect_timeout_ms;
	struct bus_conf bus_conf;
	bool lifecycled_answered; /* once in this run: if it is away, it will be back */
	/* private */
	struct loop *loop;
	struct bus *bus; /* made when first needed */
	struct store *store;
	struct fetch *fetch;
	char server_text[1024];
};

/* From flags and environment. ERROR_INVALID: a flag makes no sense. */
int ctl_init(struct ctl *c, const struct args *a, struct err *e) MUST_CHECK;
void ctl_deinit(struct ctl *c);

/* Turn the loop until *@done, at most @timeout_ms (-1: for ever); false when time is up.
 */
bool ctl_wait(struct ctl *c, const bool *done, int64_t timeout_ms);

/* Connect to the broker. CTL_DONE, or CTL_NO_CONNECTION, CTL_USAGE with the reason on
 * stderr. */
int ctl_connect(struct ctl *c);
/* The store over that connection, which must be there. */
struct store *ctl_store(struct ctl *c);
/* The HTTP client. */
struct fetch *ctl_fetch(struct ctl *c);

/* "zedctl: ..." on stderr; returns @exit_code. */
int ctl_fail(int exit_code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* {"error":{"code","message"}} of either plane, said on stderr; the exit code it means.
 * CTL_DONE if there is none. */
int ctl_check_error(const struct jsn *reply);
/* Print a value as one line of JSON, or indented when a person reads it. */
void ctl_print_json(const struct ctl *c, const struct jsn *v);
