/* What a connection does with its input, state by state: heads, bodies, frames. */
#include "base/io/events.h"
#include "base/io/http_internal.h"

/* The whole request is here. */
static void conn_hand_over(struct http_conn *c)
{
	const struct http_handlers *h = &c->server->handlers;

	c->state = HTTP_CONN_HANDLING;
	wheel_cancel(&c->server->wheel, &c->deadline);
	h->request(h->data, c->req);
}

static bool conn_begin_body(struct http_conn *c)
{
	struct http_req *r = c->req;

	if (r->head.content_length > r->body_max) {
		http_refuse(http_conn_take_back(c), 413, ERROR_TOO_LARGE,
		    "the request's body is over its limit");
		return false;
	}
	r->body.max = r->body_max;
	if (r->head.expects_continue && c->in.n == 0) {
		sock_write(&c->sock, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		http_conn_touch(c);
	}
	http_conn_deadline(c, c->server->conf.body_timeout_ms);
	return true;
}

static bool req_has_body(const struct http_req *r)
{
	return r->head.chunked || r->head.content_length > 0;
}

/* The head is here: ask the application, then await the body or hand over. */
static bool conn_begin_request(struct http_conn *c)
{
	struct http_req *r = c->req;
	const struct http_handlers *h = &c->server->handlers;
	enum http_decision decision;
	const char *why;
	int status;

	c->state = HTTP_CONN_BODY;
	r->in_headers = true;
	decision = h->headers ? h->headers(h->data, r) : HTTP_ACCEPT;
	if (decision == HTTP_REPLIED) {
		must(c->req != r);
		return true;
	}
	if (c->req != r || c->state != HTTP_CONN_BODY)
		return false; /* the server was closed in the callback */
	r->in_headers = false;
	status = r->head.is_upgrade ? http_ws_check_handshake(r, &why) : 0;
	if (status) {
		http_refuse(http_conn_take_back(c), status, ERROR_INVALID, why);
		return true;
	}
	if (req_has_body(r))
		return conn_begin_body(c);
	conn_hand_over(c);
	return true;
}

static bool conn_refuse_head(struct http_conn *c, int status, const char *why)
{
	int code = status == 431 || status == 414 ? ERROR_TOO_LARGE : ERROR_INVALID;

	log_event(EV_http_refused, LF("peer", c->peer), LF_I("status", status),
	    LF("detail", why));
	http_conn_refuse(c, status, code, why);
	return false;
}

static bool conn_on_whole_head(struct http_conn *c, size_t n)
{
	struct err e;
	struct http_req *r = calloc(1, sizeof(*r));
	int status;

	must(r);
	status = http_head_parse(c->in.data, n, &r->head, &e);
	if (status) {
		free(r);
		return conn_refuse_head(c, status, e.text);
	}
	buf_consume(&c->in, n);
	c->in_scanned = 0;
	c->head_begun = false;
	r->conn = c;
	r->body_max = c->server->conf.body_max_bytes;
	c->req = r;
	return conn_begin_request(c);
}

/* True: go on with the input. */
static bool conn_step_head(struct http_conn *c)
{
	int64_t n;

	while (c->in.n >= 2 && memcmp(c->in.data, "\r\n", 2) == 0 && c->in_scanned == 0)
		buf_consume(&c->in, 2);
	if (c->in.n == 0 || c->sock.n_out > HTTP_BACKLOG_MAX_BYTES)
		return false;
	n = http_head_end(c->in.data, c->in.n, &c->in_scanned);
	if (n < 0)
		return conn_refuse_head(
		    c, 400, "a line of the head does not end in CR LF");
	if (n > HTTP_HEAD_MAX_BYTES || (n == 0 && c->in.n > HTTP_HEAD_MAX_BYTES))
		return conn_refuse_head(c,
		    memchr(c->in.data, '\n', HTTP_HEAD_MAX_BYTES) ? 431 : 414,
		    "the request's head is over 16 KiB");
	return n > 0 && conn_on_whole_head(c, (size_t)n);
}

/* Take what is here of the body; 0, or the status to refuse it with. *@done_out: it is
 * whole. */
static int conn_take_body(struct http_conn *c, bool *done_out)
{
	struct http_req *r = c->req;
	struct slice in = buf_slice(&c->in), data;
	uint64_t n_missing = r->head.content_length - r->body.n;

	if (r->head.chunked) {
		while (in.n > 0 && r->chunked.state != HTTP_CHUNKED_DONE) {
			if (!http_chunked_next(&r->chunked, &in, &data))
				return 400;
			buf_add_slice(&r->body, data);
			if (r->body.failed)
				return 413;
		}
		*done_out = r->chunked.state == HTTP_CHUNKED_DONE;
	} else {
		data = (struct slice){in.p, in.n < n_missing ? in.n : (size_t)n_missing};
		buf_add_slice(&r->body, data);
		must(!r->body.failed);
		in.n -= data.n;
		*done_out = r->body.n == r->head.content_length;
	}
	buf_consume(&c->in, c->in.n - in.n);
	return 0;
}

static bool conn_step_body(struct http_conn *c)
{
	bool done = false;
	int status;

	if (c->in.n == 0)
		return false;
	http_conn_deadline(c, c->server->conf.body_timeout_ms);
	status = conn_take_body(c, &done);
	if (status == 413)
		http_refuse(http_conn_take_back(c), 413, ERROR_TOO_LARGE,
		    "the request's body is over its limit");
	else if (status)
		http_refuse(http_conn_take_back(c), status, ERROR_INVALID,
		    "the chunked body is malformed");
	else if (done)
		conn_hand_over(c);
	return done;
}

static bool conn_step_ws(struct http_conn *c)
{
	size_t n;

	if (!http_ws_is_open(c->ws)) {
		http_ws_open(c->ws);
		return true;
	}
	if (c->in.n == 0 || http_ws_is_paused(c->ws))
		return false;
	n = http_ws_feed(c->ws, c->in.data, c->in.n);
	if (c->state == HTTP_CONN_WS)
		buf_consume(&c->in, n);
	return n > 0;
}

bool http_conn_step(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_HEAD:
		return conn_step_head(c);
	case HTTP_CONN_BODY:
		return conn_step_body(c);
	case HTTP_CONN_WS:
		return conn_step_ws(c);
	default:
		return false;
	}
}
