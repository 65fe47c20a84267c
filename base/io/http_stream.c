/* Streaming answers: a chunked body that goes on until the application ends it. For
 * HTTP/1.0, which has no chunks, the end of the connection ends the body. */
#include "base/io/http_internal.h"

struct http_stream {
	struct http_conn *conn;
	struct http_stream_cb cb;
	bool chunked;
	bool no_body; /* the answer to HEAD */
	bool keep_alive;
};

struct http_stream *http_stream_begin(struct http_req *r, int status,
    const char *content_type, const struct http_header *headers, size_t n_headers,
    const struct http_stream_cb *cb)
{
	struct http_conn *c = r->conn;
	struct http_stream *st = calloc(1, sizeof(*st));
	bool chunked = !r->head.is_http10;
	const struct http_answer a = {
	    .status = status,
	    .content_type = content_type,
	    .headers = headers,
	    .n_headers = n_headers,
	    .content_length = -1,
	    .chunked = chunked,
	    .keep_alive = chunked && http_req_can_keep_alive(r),
	};

	must(st && c->req == r && c->state == HTTP_CONN_HANDLING);
	*st = (struct http_stream){.conn = c,
	    .cb = *cb,
	    .chunked = chunked,
	    .keep_alive = a.keep_alive,
	    .no_body = strcmp(r->head.method, "HEAD") == 0};
	http_conn_write_head(c, &a);
	http_req_free(r);
	c->req = NULL;
	c->stream = st;
	c->state = HTTP_CONN_STREAM;
	return st;
}

size_t http_stream_write(struct http_stream *st, struct slice data)
{
	struct sock *sock = &st->conn->sock;
	char size[24];

	if (data.n == 0 || st->no_body)
		return sock->n_out;
	if (st->chunked) {
		int n = snprintf(size, sizeof(size), "%zx\r\n", data.n);

		sock_write(sock, size, (size_t)n);
	}
	sock_write(sock, data.p, data.n);
	if (st->chunked)
		sock_write(sock, "\r\n", 2);
	http_conn_touch(st->conn);
	return sock->n_out;
}

size_t http_stream_queued(const struct http_stream *st)
{
	return st->conn->sock.n_out;
}

void http_stream_end(struct http_stream *st)
{
	struct http_conn *c = st->conn;
	bool keep_alive = st->keep_alive;

	if (st->chunked && !st->no_body)
		sock_write(&c->sock, "0\r\n\r\n", 5);
	c->stream = NULL;
	free(st);
	http_conn_answered(c, keep_alive);
}

void http_stream_abort(struct http_stream *st)
{
	struct http_conn *c = st->conn;

	c->stream = NULL;
	free(st);
	http_conn_drop(c);
}

void http_stream_lost(struct http_conn *c, bool ended)
{
	struct http_stream_cb cb = c->stream->cb;

	if (ended) {
		http_stream_end(c->stream);
	} else {
		free(c->stream);
		c->stream = NULL;
	}
	if (cb.closed)
		cb.closed(cb.data);
}

void http_stream_on_drained(struct http_conn *c)
{
	struct http_stream *st = c->stream;

	/* The answer to HEAD is complete: nobody would read more. */
	if (st->no_body)
		http_stream_lost(c, true);
	else if (st->cb.drained)
		st->cb.drained(st->cb.data);
}
