/* One request: its answers, and finding the session it is about. */
#include <stdarg.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session.h"
#include "sessiond/metrics.h"

enum {
	CALL_MESSAGE_MAX = 512,
	CALL_ANSWER_MAX = 96 * 1024 * 1024,
	CALL_HEADERS_MAX = 8,
	RETRY_AFTER_S = 2,
};

struct call *call_new(struct gateway *g, struct http_req *r)
{
	struct call *c = calloc(1, sizeof(*c));

	must(c);
	c->g = g;
	c->req = r;
	c->raw_body = BUF_NULL(SIZE_MAX / 2);
	c->began_us = clock_mono_us();
	http_req_set_data(r, c);
	return c;
}

void call_release(struct call *c)
{
	metric_observe_us(M_http_request_seconds, clock_mono_us() - c->began_us);
	if (c->request)
		call_keep_answer(c, 0, SLICE_NULL);
	if (c->req)
		http_req_set_data(c->req, NULL);
	jsn_free(c->body);
	buf_deinit(&c->raw_body);
	free(c->cors);
	free(c);
}

/* Before its handler ran nobody else holds the call; later the handler ends it, unheard.
 */
void call_abort(struct call *c)
{
	bool running = c->running;

	http_req_set_data(c->req, NULL);
	c->req = NULL;
	if (!running)
		call_release(c);
}

size_t call_cors_headers(const struct call *c, struct http_header out[static 2])
{
	if (!c->cors)
		return 0;
	out[0] = (struct http_header){"Access-Control-Allow-Origin", c->cors};
	out[1] = (struct http_header){"Vary", "Origin"};
	return 2;
}

void call_reply(struct call *c, int status, const char *content_type,
    const struct http_header *headers, size_t n_headers, struct slice body)
{
	struct http_header all[CALL_HEADERS_MAX];
	struct http_req *req = c->req;
	size_t n = call_cors_headers(c, all);

	must(n_headers + n <= CALL_HEADERS_MAX);
	if (c->request)
		call_keep_answer(c, status, body);
	if (n_headers)
		memcpy(&all[n], headers, n_headers * sizeof(*headers));
	if (req) {
		http_req_set_data(req, NULL);
		http_reply(req, status, content_type, all, n + n_headers, body);
		c->req = NULL;
	}
	call_release(c);
}

void call_reply_json(struct call *c, int status, struct jsn *body)
{
	struct buf text = BUF_NULL(CALL_ANSWER_MAX);

	jsn_print(body, &text);
	jsn_free(body);
	if (buf_check(&text))
		call_reply_error(c, ERROR_INTERNAL, "the answer is too large");
	else
		call_reply(c, status, "application/json", NULL, 0, buf_slice(&text));
	buf_deinit(&text);
}

void call_reply_empty(struct call *c, int status)
{
	call_reply(c, status, NULL, NULL, 0, SLICE_NULL);
}

static bool call_error_waits(int status)
{
	return status == 429 || status == 503;
}

void call_reply_error(struct call *c, int code, const char *fmt, ...)
{
	char message[CALL_MESSAGE_MAX], after[16];
	struct http_header retry = {"Retry-After", after};
	struct buf text = BUF_NULL(8 * CALL_MESSAGE_MAX);
	int status = error_http_status(code);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	snprintf(after, sizeof(after), "%d", RETRY_AFTER_S);
	buf_addf(&text, "{\"error\":{\"code\":\"%s\",\"message\":", error_name(code));
	buf_add_json_string(&text, message, strlen(message));
	buf_adds(&text, "}}");
	metric_inc(M_http_refused);
	call_reply(c, status, "application/json", &retry,
	    call_error_waits(status) ? 1 : 0, buf_slice(&text));
	buf_deinit(&text);
}

/* ---- whose session ---- */

static bool caller_names(const struct caller *who, const char *id)
{
	for (size_t i = 0; i < who->n_sessions; i++)
		if (strcmp(who->sessions[i].s, id) == 0)
			return true;
	return false;
}

bool caller_may_see(const struct caller *who, const struct session *s)
{
	switch (who->role) {
	case AUTH_ADMIN:
	case AUTH_SERVICE:
		return true;
	case AUTH_USER:
		return strcmp(session_owner(s), who->sub) == 0;
	case AUTH_AGENT:
		return caller_names(who, session_id(s));
	case AUTH_OPERATOR:
	case AUTH_ROLE_N_:
		break;
	}
	return false;
}

bool caller_may_create_at_contact(const struct caller *who, const char *id)
{
	return who->local || who->role == AUTH_ADMIN || who->role == AUTH_SERVICE ||
	       caller_names(who, id);
}

struct call_contact {
	struct call *c;
	void (*cb)(struct call *c, struct session *s);
};

static void call_on_contact(void *data, struct session *s, int code)
{
	struct call_contact *k = data;
	struct call *c = k->c;
	void (*cb)(struct call *, struct session *) = k->cb;

	free(k);
	if (code)
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the session could not be stored: try again");
	else if (!c->req)
		call_release(c);
	else
		cb(c, s);
}

static void call_first_contact(
    struct call *c, const char *id, void (*cb)(struct call *c, struct session *s))
{
	struct session_new n = {.id = id, .owner = c->who.sub};
	struct call_contact *k = calloc(1, sizeof(*k));

	must(k);
	k->c = c;
	k->cb = cb;
	sessions_create(c->g, &n, call_on_contact, k);
}

void call_with_session(struct call *c, const char *id, bool first_contact,
    void (*cb)(struct call *c, struct session *s))
{
	struct session *s = sessions_find(c->g->sessions, id);

	if (s && s->deleting) {
		call_reply_error(c, ERROR_NOT_FOUND, "session %s is being deleted", id);
		return;
	}
	if (s && caller_may_see(&c->who, s)) {
		cb(c, s);
		return;
	}
	if (s) {
		call_reply_error(c, ERROR_FORBIDDEN, "session %s is not yours", id);
		return;
	}
	if (!gateway_warm(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the sessions are not read yet: try again");
		return;
	}
	if (!first_contact || strncmp(id, "ses_", 4) != 0 ||
	    !id_token_valid(slice_of(id))) {
		call_reply_error(c, ERROR_NOT_FOUND, "there is no session %.64s", id);
		return;
	}
	if (!caller_may_create_at_contact(&c->who, id))
		call_reply_error(
		    c, ERROR_FORBIDDEN, "the token does not name session %s", id);
	else
		call_first_contact(c, id, cb);
}
