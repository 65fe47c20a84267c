#include "zedctl/web.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"

enum {
	WEB_URL_MAX_BYTES = 16 << 10,
	WEB_BODY_MAX_BYTES = 64 << 20,
	WEB_REPEAT_MS = 10000, /* a sessiond that restarts is back by then */
	WEB_PAUSE_MS = 100,
	WEB_PAUSE_MAX_MS = 2000,
};

struct web_call {
	bool done;
	struct web_answer *out;
	int code;
	char detail[160];
	int64_t retry_after_ms;
	bool sent;
};

void web_answer_deinit(struct web_answer *a)
{
	buf_deinit(&a->body);
	jsn_free(a->json);
	a->json = NULL;
}

static void web_on_response(void *data, const struct fetch_response *r)
{
	struct web_call *call = data;

	call->code = r->code;
	call->retry_after_ms = r->retry_after_s * 1000;
	call->sent = r->sent;
	snprintf(call->detail, sizeof call->detail, "%s", r->detail);
	if (r->code == 0) {
		call->out->status = r->status;
		buf_add_slice(&call->out->body, r->body);
		snprintf(call->out->etag, sizeof call->out->etag, "%s", r->etag);
		if (r->body.n > 0 &&
		    jsn_parse(r->body.p, r->body.n, &call->out->json, NULL) != 0)
			call->out->json = NULL;
	}
	call->done = true;
}

static int web_outcome(const struct ctl *c, const struct web_call *call)
{
	switch (call->code) {
	case 0:
		return CTL_DONE;
	case ERROR_TIMEOUT:
		return ctl_fail(CTL_TIMEOUT, "%s did not answer in time", c->server);
	case ERROR_UNAVAILABLE:
		return ctl_fail(CTL_NO_CONNECTION, "cannot reach sessiond at %s: %s",
		    c->server, call->detail);
	case ERROR_INVALID:
		return ctl_fail(CTL_USAGE, "--server %s: %s", c->server, call->detail);
	default:
		return ctl_fail(CTL_REFUSED, "%s: %s", c->server, call->detail);
	}
}

static void web_once(struct ctl *c, const struct web_request *r, struct web_call *call)
{
	const char *headers[2] = {NULL, NULL};
	struct buf url = BUF_NULL(WEB_URL_MAX_BYTES);
	char if_match[160];
	struct fetch_request fr = {
	    .method = r->method,
	    .bearer = c->token,
	    .headers = headers,
	    .content_type = r->body.n ? "application/json" : NULL,
	    .body = r->body,
	    .body_max_bytes = WEB_BODY_MAX_BYTES,
	    .timeout_ms = r->timeout_ms,
	    .cb = web_on_response,
	    .data = call,
	};

	if (r->if_match) {
		snprintf(if_match, sizeof if_match, "If-Match: %s", r->if_match);
		headers[0] = if_match;
	}
	buf_addf(&url, "%s%s", c->server, r->path);
	fr.url = buf_cstr(&url);
	fetch_start(ctl_fetch(c), &fr);
	ctl_wait(c, &call->done, -1); /* fetch keeps the time */
	buf_deinit(&url);
}

int web_ask(struct ctl *c, const struct web_request *r, struct web_answer *out)
{
	struct web_call call = {.out = out};

	web_once(c, r, &call);
	return web_outcome(c, &call);
}

static bool web_is_lost(const struct web_call *call)
{
	if (call->code == 0)
		return call->out->status == 503;
	return call->code == ERROR_UNAVAILABLE;
}

int web_repeat(struct ctl *c, const struct web_request *r, struct web_answer *out)
{
	int64_t deadline_ms = clock_mono_ms() + WEB_REPEAT_MS, pause_ms = WEB_PAUSE_MS;
	const bool never = false;
	bool reached = false;

	for (;;) {
		struct web_call call = {.out = out};

		web_once(c, r, &call);
		reached |= call.sent;
		if (pause_ms < call.retry_after_ms)
			pause_ms = call.retry_after_ms;
		if (!web_is_lost(&call) || !reached ||
		    clock_mono_ms() + pause_ms > deadline_ms)
			return web_outcome(c, &call);
		web_answer_deinit(out);
		*out = WEB_ANSWER_NULL;
		ctl_wait(c, &never, pause_ms);
		pause_ms = 2 * pause_ms < WEB_PAUSE_MAX_MS ? 2 * pause_ms
							   : WEB_PAUSE_MAX_MS;
	}
}

int web_check(const struct web_answer *a)
{
	int exit_code;

	if (a->status >= 200 && a->status < 300)
		return CTL_DONE;
	exit_code = ctl_check_error(a->json);
	if (exit_code == CTL_DONE)
		ctl_fail(0, "sessiond answered with status %d", a->status);
	return CTL_REFUSED;
}

int web_call(struct ctl *c, const struct web_request *r, struct web_answer *out)
{
	int exit_code = web_ask(c, r, out);

	return exit_code == CTL_DONE ? web_check(out) : exit_code;
}

int web_send(struct ctl *c, const char *method, const char *path, struct jsn *body,
    struct web_answer *out)
{
	struct buf text = BUF_NULL(WEB_BODY_MAX_BYTES);
	struct web_request r = {.method = method, .path = path};
	int exit_code;

	if (body) {
		jsn_print(body, &text);
		jsn_free(body);
	}
	r.body = buf_slice(&text);
	exit_code = web_call(c, &r, out);
	buf_deinit(&text);
	return exit_code;
}

void web_add_encoded(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			buf_addc(b, *s);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

const char *web_session_path(struct buf *b, const char *session_id, const char *tail)
{
	buf_reset(b);
	buf_adds(b, "/api/v1/sessions/");
	web_add_encoded(b, session_id);
	buf_adds(b, tail);
	return buf_cstr(b);
}

void web_add_query(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addf(b, "%c%s=", memchr(b->data, '?', b->n) ? '&' : '?', name);
	web_add_encoded(b, value);
}
