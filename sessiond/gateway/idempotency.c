/* Idempotency-Key: the same key, token, route and body again give the same answer, and
 * nothing is made twice. */
#include "base/must.h"
#include "sessiond/gateway/requests.h"

enum {
	IDEMPOTENCY_KEY_MAX = 255,
};

static void call_on_request(void *data, struct request *r, enum request_outcome o)
{
	static const struct http_header replay = {"Idempotent-Replay", "true"};
	struct call *c = data;

	switch (o) {
	case REQUEST_NEW:
	case REQUEST_AGAIN:
		c->request = r;
		c->route->handle(c);
		break;
	case REQUEST_ANSWERED:
		call_reply(c, r->rec.status, "application/json", &replay, 1,
		    slice_of(r->rec.body));
		break;
	case REQUEST_OTHER:
		call_reply_error(
		    c, ERROR_UNPROCESSABLE, "Idempotency-Key was used with another body");
		break;
	case REQUEST_FAILED:
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the request cannot be stored now: try again");
		break;
	}
}

void call_run_once(struct call *c)
{
	const char *key = http_req_header(c->req, "Idempotency-Key");
	const char *parts[] = {"key", auth_role_name(c->who.role), c->who.sub,
	    c->route->method, http_req_path(c->req), key, NULL};
	char hash[TURN_HASH_LEN + 1], body_hash[TURN_HASH_LEN + 1];
	struct id session = id_make("ses_"), turn = id_make("int_");
	struct request_new n = {hash, body_hash, session.s, turn.s};
	struct buf body = BUF_NULL(SIZE_MAX / 2);

	if (!(c->route->flags & ROUTE_IDEMPOTENT) || !key || !*key) {
		c->route->handle(c);
		return;
	}
	if (strlen(key) > IDEMPOTENCY_KEY_MAX) {
		call_reply_error(c, ERROR_INVALID,
		    "Idempotency-Key: longer than %d bytes", IDEMPOTENCY_KEY_MAX);
		return;
	}
	if (c->body)
		jsn_print(c->body, &body);
	request_key(hash, parts);
	request_hash(buf_slice(&body), body_hash);
	buf_deinit(&body);
	request_begin(c->g, &n, call_on_request, c);
}

/* What was made is kept with its answer; a refusal leaves the key free. */
void call_keep_answer(struct call *c, int status, struct slice body)
{
	struct request *r = c->request;
	char *text = NULL;

	c->request = NULL;
	str_set_n(&text, body.n ? body.p : "", body.n);
	if (status < 200 || status > 299)
		request_done(r, 0, "");
	else
		request_done(r, status, c->route->flags & ROUTE_SECRET ? NULL : text);
	free(text);
}
