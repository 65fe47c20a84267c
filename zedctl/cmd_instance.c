/* Verbs on instances and runners. */
#include <inttypes.h>
#include <string.h>

#include "proto/subjects.h"
#include "zedctl/cmds.h"
#include "zedctl/lc.h"
#include "zedctl/render.h"
#include "zedctl/watch.h"

#define INSTANCE_ENDED "STOPPED,EXITED,FAILED"

enum {
	INSTANCE_WAIT_MS = 120000,
	INSTANCE_PAGE = 500,
};

/* ---- showing records */

static const char *instance_reason(const struct jsn *r)
{
	const char *reason = jsn_get_string(r, "reason");

	return reason ? reason : "";
}

static void instance_say(const struct ctl *c, const struct jsn *r)
{
	const char *state = jsn_get_string(r, "state");
	const char *runner = jsn_get_string(r, "runner");
	const char *detail = jsn_get_string(r, "detail");
	const char *id = jsn_get_string(r, "instance_id");

	if (c->output == CTL_JSON) {
		ctl_print_json(c, r);
		return;
	}
	printf("%s %s%s%s", id ? id : "-",
	    render_colour(render_state_colour(state ? state : ""), c->is_tty),
	    state ? state : "-", render_reset(c->is_tty));
	if (*instance_reason(r))
		printf(" %s", instance_reason(r));
	if (runner && *runner)
		printf(" on %s", runner);
	printf(" (generation %" PRId64 ")", jsn_get_int(r, "generation", 0));
	if (jsn_get_bool(r, "duplicate", false))
		printf(", as before");
	if (detail && *detail)
		printf(": %s", detail);
	putchar('\n');
}

static void instance_add_int(struct table *t, const struct jsn *r, const char *key)
{
	int64_t v;

	if (jsn_int(jsn_get(r, key), &v))
		table_addf(t, "%" PRId64, v);
	else
		table_add(t, NULL);
}

static void instance_row(const struct ctl *c, struct table *t, const struct jsn *r)
{
	char age[16];

	render_age(jsn_get_int(r, "since_unix_ms", 0), age);
	table_add(t, jsn_get_string(r, "instance_id"));
	table_add(t, jsn_get_string(r, "state"));
	table_add(t, jsn_get_string(r, "reason"));
	table_add(t, age);
	table_add(t, jsn_get_string(r, "profile"));
	table_add(t, jsn_get_string(r, "session_id"));
	table_add(t, jsn_get_string(r, "runner"));
	if (c->output != CTL_WIDE)
		return;
	instance_add_int(t, r, "generation");
	instance_add_int(t, r, "pid");
	instance_add_int(t, r, "restarts");
	instance_add_int(t, r, "exit_code");
	instance_add_int(t, r, "signal");
	table_add(t, jsn_get_string(r, "detail"));
}

/* ---- progress of what is waited for */

static void instance_on_event(void *data, const struct bus_msg *m)
{
	const char *to, *reason, *runner;
	struct jsn *ev = NULL;

	(void)data;
	if (jsn_parse(m->data.p, m->data.n, &ev, NULL) != 0)
		return;
	to = jsn_get_string(ev, "to");
	reason = jsn_get_string(ev, "reason");
	runner = jsn_get_string(ev, "runner");
	if (to)
		fprintf(stderr, "  %s%s%s%s%s%s%s\n",
		    render_colour(render_state_colour(to), true), to, render_reset(true),
		    reason ? " " : "", reason ? reason : "",
		    runner && *runner ? " on " : "", runner ? runner : "");
	jsn_free(ev);
}

/* On a terminal each step is told as it happens. */
static int instance_follow(struct ctl *c, const char *id)
{
	struct err e = ERR_NULL;
	int exit_code = ctl_connect(c);

	if (exit_code != CTL_DONE || !c->is_tty || !args_has(c->args, "wait"))
		return exit_code;
	if (bus_subscribe(c->bus, SUBJECT_OF(evt_of, c->tenant.s, id).s, NULL,
		instance_on_event, c, &e) != 0)
		return ctl_fail(CTL_REFUSED, "%s", e.text);
	return CTL_DONE;
}

/* ---- commands */

/* Send a command; *reply_out is its record, or what says that it is stored but not
 * decided yet (CTL_TIMEOUT without
 * --wait). */
static int instance_command(struct ctl *c, const char *verb, const char *id,
    struct jsn *body, struct jsn **reply_out)
{
	const char *command_id = args_get(c->args, "command-id");
	int exit_code = instance_follow(c, id);

	if (exit_code != CTL_DONE) {
		jsn_free(body);
		return exit_code;
	}
	if (command_id)
		jsn_set_string(body, "command_id", command_id);
	exit_code = lc_ask(c, verb, body, LC_TIMEOUT_MS, reply_out);
	if (exit_code == CTL_DONE && jsn_get_bool(*reply_out, "accepted", false)) {
		if (args_has(c->args, "wait"))
			return CTL_DONE;
		return ctl_fail(CTL_TIMEOUT,
		    "%s is stored (number %" PRId64 ") but not decided yet", verb,
		    jsn_get_int(*reply_out, "seq", 0));
	}
	return exit_code == CTL_DONE ? ctl_check_error(*reply_out) : exit_code;
}

/* Wait, and say how it came out. */
static int instance_await(struct ctl *c, const struct lc_wait *w)
{
	struct jsn *r = NULL;
	const char *state;
	int exit_code = lc_wait(c, w, &r);

	if (exit_code != CTL_DONE)
		return exit_code;
	state = jsn_get_string(r, "state");
	instance_say(c, r);
	if (!state || !strstr(w->good, state))
		exit_code = ctl_fail(CTL_REFUSED, "%s is %s, not %s", w->instance_id,
		    state ? state : "nowhere", w->good);
	jsn_free(r);
	return exit_code;
}

static int instance_await_running(struct ctl *c, const char *id, int64_t generation)
{
	struct lc_wait w = {
	    .instance_id = id,
	    .good = "RUNNING",
	    .bad = INSTANCE_ENDED ",LOST",
	    .generation = generation,
	    .timeout_ms = args_int(c->args, "timeout", INSTANCE_WAIT_MS),
	};

	return instance_await(c, &w);
}

static int instance_await_end(struct ctl *c, const char *id)
{
	struct lc_wait w = {
	    .instance_id = id,
	    .good = INSTANCE_ENDED,
	    .bad = "LOST,STOP_STUCK",
	    .timeout_ms = args_int(c->args, "timeout", INSTANCE_WAIT_MS),
	};

	return instance_await(c, &w);
}

static int start_body(const struct ctl *c, const struct args *a, struct jsn *body)
{
	static const char *const texts[][2] = {{"profile", "profile"},
	    {"session", "session_id"}, {"workspace", "workspace"}};
	struct jsn *sub;
	int exit_code;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (args_has(a, texts[i][0]))
			jsn_set_string(body, texts[i][1], args_get(a, texts[i][0]));
	}
	if (args_has(a, "restart")) {
		sub = jsn_new_object();
		jsn_set_string(sub, "policy", args_get(a, "restart"));
		jsn_set(body, "restart", sub);
	}
	if (args_has(a, "grace")) {
		sub = jsn_new_object();
		jsn_set_int(sub, "grace_ms", args_int(a, "grace", 0));
		jsn_set(body, "stop", sub);
	}
	if (args_has(a, "idle"))
		jsn_set_int(body, "idle_timeout_ms", args_int(a, "idle", 0));
	exit_code = lc_set_map(c, "env", body, "env");
	if (exit_code == CTL_DONE)
		exit_code = lc_set_map(c, "param", body, "params");
	if (exit_code == CTL_DONE)
		exit_code = lc_set_map(c, "label", body, "labels");
	return exit_code;
}

int cmd_start(struct ctl *c, const struct args *a)
{
	const char *id = a->operands[0];
	struct jsn *body = lc_body(id), *reply = NULL;
	int exit_code;

	if (!body)
		return CTL_USAGE;
	exit_code = start_body(c, a, body);
	if (exit_code != CTL_DONE) {
		jsn_free(body);
		return exit_code;
	}
	exit_code = instance_command(c, "start", id, body, &reply);
	if (exit_code == CTL_DONE && args_has(a, "wait"))
		exit_code =
		    instance_await_running(c, id, jsn_get_int(reply, "generation", 0));
	else if (exit_code == CTL_DONE)
		instance_say(c, reply);
	jsn_free(reply);
	return exit_code;
}

int cmd_stop(struct ctl *c, const struct args *a)
{
	const char *id = a->operands[0];
	struct jsn *body = lc_body(id), *reply = NULL;
	int exit_code;

	if (!body)
		return CTL_USAGE;
	if (args_has(a, "force"))
		jsn_set_bool(body, "force", true);
	if (args_has(a, "grace"))
		jsn_set_int(body, "grace_ms", args_int(a, "grace", 0));
	if (args_has(a, "reason"))
		jsn_set_string(body, "reason", args_get(a, "reason"));
	exit_code = instance_command(c, "stop", id, body, &reply);
	if (exit_code == CTL_DONE && args_has(a, "wait") &&
	    jsn_get_bool(reply, "known", true))
		exit_code = instance_await_end(c, id);
	else if (exit_code == CTL_DONE)
		instance_say(c, reply);
	jsn_free(reply);
	return exit_code;
}

int cmd_restart(struct ctl *c, const struct args *a)
{
	const char *id = a->operands[0];
	struct jsn *body = lc_body(id), *before = NULL, *reply = NULL;
	int exit_code;

	if (!body)
		return CTL_USAGE;
	exit_code = lc_request(c, "get", jsn_copy(body), LC_TIMEOUT_MS, &before);
	if (exit_code != CTL_DONE) {
		jsn_free(body);
		return exit_code;
	}
	exit_code = instance_command(c, "restart", id, body, &reply);
	if (exit_code == CTL_DONE && args_has(a, "wait"))
		exit_code = instance_await_running(
		    c, id, jsn_get_int(before, "generation", 0) + 1);
	else if (exit_code == CTL_DONE)
		instance_say(c, reply);
	jsn_free(before);
	jsn_free(reply);
	return exit_code;
}

/* A command without flags of its own; takes @body. */
static int instance_simple(struct ctl *c, const char *verb, struct jsn *body)
{
	struct jsn *reply = NULL;
	int exit_code = lc_request(c, verb, body, LC_TIMEOUT_MS, &reply);

	if (exit_code == CTL_DONE)
		instance_say(c, reply);
	jsn_free(reply);
	return exit_code;
}

int cmd_signal(struct ctl *c, const struct args *a)
{
	struct jsn *body = lc_body(a->operands[0]);

	if (!body)
		return CTL_USAGE;
	jsn_set_string(body, "signal", a->operands[1]);
	return instance_simple(c, "signal", body);
}

int cmd_purge(struct ctl *c, const struct args *a)
{
	struct jsn *body = lc_body(a->operands[0]);

	return body ? instance_simple(c, "purge", body) : CTL_USAGE;
}

int cmd_wait(struct ctl *c, const struct args *a)
{
	struct lc_wait w = {
	    .instance_id = a->operands[0],
	    .good = args_get(a, "for"),
	    .timeout_ms = args_int(a, "timeout", INSTANCE_WAIT_MS),
	};
	struct jsn *r = NULL;
	int exit_code = lc_wait(c, &w, &r);

	if (exit_code == CTL_DONE)
		instance_say(c, r);
	jsn_free(r);
	return exit_code;
}

/* ---- lists */

static int ls_page(
    struct ctl *c, const struct args *a, const char *cursor, struct jsn **reply_out)
{
	struct jsn *body = jsn_new_object();
	int exit_code;

	if (args_has(a, "state"))
		jsn_set_string(body, "state", args_get(a, "state"));
	if (args_has(a, "profile"))
		jsn_set_string(body, "profile", args_get(a, "profile"));
	jsn_set_int(body, "limit", INSTANCE_PAGE);
	if (cursor)
		jsn_set_string(body, "cursor", cursor);
	exit_code = lc_set_map(c, "label", body, "labels");
	if (exit_code != CTL_DONE) {
		jsn_free(body);
		return exit_code;
	}
	return lc_request(c, "list", body, LC_TIMEOUT_MS, reply_out);
}

/* All pages as one array. */
static int ls_all(struct ctl *c, const struct args *a, struct jsn *all)
{
	struct jsn *page = NULL;
	char cursor[512] = "";
	const char *next;
	int exit_code;

	do {
		exit_code = ls_page(c, a, cursor[0] ? cursor : NULL, &page);
		if (exit_code != CTL_DONE)
			return exit_code;
		jsn_for_each (r, jsn_get(page, "instances"))
			jsn_push(all, jsn_copy(r));
		next = jsn_get_string(page, "next_cursor");
		snprintf(cursor, sizeof cursor, "%s", next ? next : "");
		jsn_free(page);
		page = NULL;
	} while (cursor[0]);
	return CTL_DONE;
}

static int ls_show(struct ctl *c, const struct args *a)
{
	struct jsn *out = jsn_new_object(), *all = jsn_new_array();
	struct table t;
	int exit_code = ls_all(c, a, all);

	if (exit_code == CTL_DONE && c->output != CTL_JSON) {
		table_init(
		    &t, c->output == CTL_WIDE
			    ? "INSTANCE STATE REASON SINCE PROFILE SESSION RUNNER "
			      "GENERATION PID RESTARTS EXIT SIGNAL DETAIL"
			    : "INSTANCE STATE REASON SINCE PROFILE SESSION RUNNER");
		jsn_for_each (r, all)
			instance_row(c, &t, r);
		table_print(&t, c->is_tty);
	}
	jsn_set(out, "instances", all);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, out);
	jsn_free(out);
	return exit_code;
}

int cmd_ls(struct ctl *c, const struct args *a)
{
	return watch_run(c, a, SUBJECT_OF(evt_tenant, c->tenant.s).s, ls_show);
}

static void get_print(const struct ctl *c, const struct jsn *r)
{
	struct table t;

	table_init(&t, "FIELD VALUE");
	jsn_for_each (v, r) {
		struct buf text = BUF_NULL(4096);
		char age[16];

		if (jsn_type(v) == JSN_NULL)
			continue;
		table_add(&t, jsn_key(v));
		if (jsn_string(v)) {
			table_add(&t, jsn_string(v));
		} else if (strstr(jsn_key(v), "_unix_ms")) {
			render_age(jsn_get_int(r, jsn_key(v), 0), age);
			table_addf(&t, "%s ago", age);
		} else {
			jsn_print(v, &text);
			table_add(&t, buf_cstr(&text));
		}
		buf_deinit(&text);
	}
	table_print(&t, c->is_tty);
}

static int get_show(struct ctl *c, const struct args *a)
{
	struct jsn *body = lc_body(a->operands[0]), *r = NULL;
	int exit_code = CTL_USAGE;

	if (body)
		exit_code = lc_request(c, "get", body, LC_TIMEOUT_MS, &r);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, r);
	else if (exit_code == CTL_DONE)
		get_print(c, r);
	jsn_free(r);
	return exit_code;
}

int cmd_get(struct ctl *c, const struct args *a)
{
	if (!id_token_valid(slice_of(a->operands[0])))
		return get_show(c, a); /* says why not */
	return watch_run(
	    c, a, SUBJECT_OF(evt_of, c->tenant.s, a->operands[0]).s, get_show);
}

/* ---- runners */

static void runners_join(struct buf *out, const struct jsn *list)
{
	jsn_for_each (v, list) {
		buf_adds(out, out->n ? "," : "");
		if (*jsn_key(v))
			buf_addf(out, "%s=", jsn_key(v));
		buf_adds(out, jsn_string(v) ? jsn_string(v) : "");
	}
}

static void runners_add_list(struct table *t, const struct jsn *list)
{
	struct buf text = BUF_NULL(2048);

	runners_join(&text, list);
	table_add(t, buf_cstr(&text));
	buf_deinit(&text);
}

static void runners_row(struct table *t, const struct jsn *r)
{
	char age[16];

	render_age(jsn_get_int(r, "last_seen_unix_ms", 0), age);
	table_add(t, jsn_get_string(r, "id"));
	table_add(t, jsn_get_string(r, "state"));
	table_addf(t, "%" PRId64 "/%" PRId64, jsn_get_int(r, "running", 0),
	    jsn_get_int(r, "slots", 0));
	table_add(t, age);
	runners_add_list(t, jsn_get(r, "profiles"));
	runners_add_list(t, jsn_get(r, "labels"));
	runners_add_list(t, jsn_get(r, "degraded"));
}

static int runners_show(struct ctl *c, const struct args *a)
{
	struct jsn *reply = NULL;
	struct table t;
	int exit_code = lc_request(c, "runners", jsn_new_object(), LC_TIMEOUT_MS, &reply);

	(void)a;
	if (exit_code != CTL_DONE)
		return exit_code;
	if (c->output == CTL_JSON) {
		ctl_print_json(c, reply);
	} else {
		table_init(&t, "RUNNER STATE RUNNING SEEN PROFILES LABELS DEGRADED");
		jsn_for_each (r, jsn_get(reply, "runners"))
			runners_row(&t, r);
		table_print(&t, c->is_tty);
	}
	jsn_free(reply);
	return CTL_DONE;
}

int cmd_runners(struct ctl *c, const struct args *a)
{
	return watch_run(c, a, SUBJECT_OF(evt_tenant, c->tenant.s).s, runners_show);
}
