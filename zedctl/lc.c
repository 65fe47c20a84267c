#include "zedctl/lc.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "proto/subjects.h"

enum {
	LC_BODY_MAX_BYTES = 1 << 20,
	LC_WAIT_CHUNK_MS = 30000,
	LC_WAIT_MARGIN_MS = 3000,
	LC_WAIT_RETRY_MS = 300,
};

struct lc_call {
	bool done;
	int code;
	struct jsn *reply;
	struct err e;
};

static void lc_on_reply(void *data, int code, const struct bus_msg *m)
{
	struct lc_call *call = data;

	call->code = code;
	if (code == 0)
		call->code = jsn_parse(m->data.p, m->data.n, &call->reply, &call->e);
	call->done = true;
}

/* Takes @body; call->code is the outcome. */
static void lc_send(struct ctl *c, const char *verb, struct jsn *body, int64_t timeout_ms,
    struct lc_call *call)
{
	struct subject subject = SUBJECT_OF(api_call, verb, c->tenant.s);
	struct buf text = BUF_NULL(LC_BODY_MAX_BYTES);
	struct bus_request r = {
	    .subject = subject.s,
	    .timeout_ms = timeout_ms,
	    .cb = lc_on_reply,
	    .cb_data = call,
	};

	jsn_print(body, &text);
	jsn_free(body);
	r.data = buf_slice(&text);
	call->code = buf_check(&text) == 0 ? 0 : ERROR_TOO_LARGE;
	if (call->code == 0) {
		bus_request(c->bus, &r);
		ctl_wait(c, &call->done, -1); /* the bus keeps the time */
		c->lifecycled_answered = c->lifecycled_answered || call->reply;
	}
	buf_deinit(&text);
}

static int lc_outcome(const struct ctl *c, const struct lc_call *call)
{
	switch (call->code) {
	case 0:
		return CTL_DONE;
	case ERROR_TIMEOUT:
		return ctl_fail(CTL_TIMEOUT, "lifecycled did not answer in time");
	case ERROR_UNAVAILABLE:
		return ctl_fail(CTL_NO_CONNECTION,
		    "no lifecycled answers on the broker %s", c->bus_conf.url);
	case ERROR_FORBIDDEN:
		return ctl_fail(CTL_REFUSED, "the broker does not permit this");
	default:
		return ctl_fail(CTL_REFUSED, "%s: %s", error_name(call->code),
		    call->e.text[0] ? call->e.text : error_sentence(call->code));
	}
}

int lc_ask(struct ctl *c, const char *verb, struct jsn *body, int64_t timeout_ms,
    struct jsn **reply_out)
{
	struct lc_call call = {.e = ERR_NULL};
	int exit_code = ctl_connect(c);

	*reply_out = NULL;
	if (exit_code != CTL_DONE) {
		jsn_free(body);
		return exit_code;
	}
	lc_send(c, verb, body, timeout_ms, &call);
	*reply_out = call.reply;
	return lc_outcome(c, &call);
}

int lc_request(struct ctl *c, const char *verb, struct jsn *body, int64_t timeout_ms,
    struct jsn **reply_out)
{
	int exit_code = lc_ask(c, verb, body, timeout_ms, reply_out);

	if (exit_code == CTL_DONE)
		exit_code = ctl_check_error(*reply_out);
	if (exit_code != CTL_DONE) {
		jsn_free(*reply_out);
		*reply_out = NULL;
	}
	return exit_code;
}

int lc_set_map(const struct ctl *c, const char *flag, struct jsn *body, const char *key)
{
	struct jsn *map = jsn_new_object();
	const char *given;

	for (size_t i = 0; (given = args_nth(c->args, flag, i)); i++) {
		const char *eq = strchr(given, '=');
		char name[1024];

		if (!eq || eq == given || (size_t)(eq - given) >= sizeof name) {
			jsn_free(map);
			return ctl_fail(
			    CTL_USAGE, "--%s %s: not of the form K=V", flag, given);
		}
		snprintf(name, sizeof name, "%.*s", (int)(eq - given), given);
		jsn_set_string(map, name, eq + 1);
	}
	if (jsn_count(map) > 0)
		jsn_set(body, key, map);
	else
		jsn_free(map);
	return CTL_DONE;
}

struct jsn *lc_body(const char *id)
{
	struct jsn *body;

	if (!id_token_valid(slice_of(id))) {
		ctl_fail(0,
		    "%s: not an instance id (letters, digits, _ and -, at most 64)", id);
		return NULL;
	}
	body = jsn_new_object();
	jsn_set_string(body, "instance_id", id);
	return body;
}

static void lc_push_states(struct jsn *list, const char *states)
{
	while (states && *states) {
		size_t n = strcspn(states, ",");

		if (n > 0)
			jsn_push(list, jsn_new_string_n(states, n));
		states += n + (states[n] == ',');
	}
}

/* One request. CTL_TIMEOUT and CTL_NO_CONNECTION without a word: the caller may ask
 * again. */
static int lc_wait_once(
    struct ctl *c, const struct lc_wait *w, int64_t timeout_ms, struct jsn **record_out)
{
	struct jsn *body = lc_body(w->instance_id), *states;
	struct lc_call call = {.e = ERR_NULL};
	const char *code;

	if (!body)
		return CTL_USAGE;
	states = jsn_new_array();
	lc_push_states(states, w->good);
	lc_push_states(states, w->bad);
	jsn_set(body, "states", states);
	jsn_set_int(body, "timeout_ms", timeout_ms);
	lc_send(c, "wait", body, timeout_ms + LC_WAIT_MARGIN_MS, &call);
	if (call.code == ERROR_UNAVAILABLE)
		return CTL_NO_CONNECTION;
	if (call.code == ERROR_TIMEOUT)
		return CTL_TIMEOUT;
	if (call.code != 0)
		return lc_outcome(c, &call);
	*record_out = call.reply;
	code = jsn_get_string(jsn_get(call.reply, "error"), "code");
	if (code && strcmp(code, "TIMEOUT") == 0)
		return CTL_TIMEOUT;
	return ctl_check_error(call.reply);
}

/* How the last try ended is said when time is up. */
static int lc_wait_give_up(const struct ctl *c, const struct lc_wait *w, int last)
{
	if (last == CTL_NO_CONNECTION)
		return ctl_fail(
		    last, "no lifecycled answers on the broker %s", c->bus_conf.url);
	return ctl_fail(CTL_TIMEOUT, "%s is not %s after %" PRId64 " ms", w->instance_id,
	    w->good, w->timeout_ms);
}

/* Whoever never answered is not waited for as long as one who restarts. */
static int64_t lc_patience_ms(const struct ctl *c, const struct lc_wait *w)
{
	if (c->lifecycled_answered || w->timeout_ms < c->connect_timeout_ms)
		return w->timeout_ms;
	return c->connect_timeout_ms;
}

/* A broker or lifecycled that restarts meanwhile only makes the waiting longer. */
int lc_wait(struct ctl *c, const struct lc_wait *w, struct jsn **record_out)
{
	int64_t began_ms = clock_mono_ms();
	const bool never = false;
	int exit_code = ctl_connect(c);

	while (exit_code == CTL_DONE) {
		int64_t left_ms = began_ms + lc_patience_ms(c, w) - clock_mono_ms();
		int64_t chunk_ms =
		    left_ms < LC_WAIT_CHUNK_MS ? left_ms : LC_WAIT_CHUNK_MS;

		exit_code = lc_wait_once(c, w, chunk_ms > 0 ? chunk_ms : 0, record_out);
		if (exit_code == CTL_DONE &&
		    jsn_get_int(*record_out, "generation", 0) >= w->generation)
			return CTL_DONE;
		jsn_free(*record_out);
		*record_out = NULL;
		if (exit_code == CTL_REFUSED || exit_code == CTL_USAGE)
			return exit_code;
		if (chunk_ms <= 0)
			return lc_wait_give_up(c, w, exit_code);
		if (exit_code == CTL_NO_CONNECTION)
			ctl_wait(c, &never, LC_WAIT_RETRY_MS);
		exit_code = CTL_DONE;
	}
	return exit_code;
}
