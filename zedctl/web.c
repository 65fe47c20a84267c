#include "zedctl/web.h"

#include <ctype.h>
#include <string.h>

enum {
	WEB_URL_MAX_BYTES = 16 << 10,
	WEB_BODY_MAX_BYTES = 64 << 20,
};

struct web_call {
	bool done;
	struct web_answer *out;
	int code;
	char detail[160];
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

int web_ask(struct ctl *c, const struct web_request *r, struct web_answer *out)
{
	const char *headers[2] = {NULL, NULL};
	struct web_call call = {.out = out};
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
	    .data = &call,
	};

	if (r->if_match) {
		snprintf(if_match, sizeof if_match, "If-Match: %s", r->if_match);
		headers[0] = if_match;
	}
	buf_addf(&url, "%s%s", c->server, r->path);
	fr.url = buf_cstr(&url);
	fetch_start(ctl_fetch(c), &fr);
	ctl_wait(c, &call.done, -1); /* fetch keeps the time */
	buf_deinit(&url);
	return web_outcome(c, &call);
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
