/* A connection: dialled, one request at a time, kept while the server keeps it.
 *
 * happy path: dial, write, head, body, idle, next request
 *
 * failure modes: no connection, refused certificate, cut off; cut off before a word about
 * a request that was not the first (the server had ended it, we did not know yet): asked
 * once more on a connection of its own */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/fetch_internal.h"
#include "base/io/tls.h"

enum {
	CONN_READ_BYTES = 16 * 1024,
	CONN_READS_A_TURN = 8,
	CONN_IDLE_MAX = 16, /* kept at a time */
	/* Longer, and something on the way may have forgotten it without telling. */
	CONN_IDLE_MAX_MS = 110 * 1000,
};

bool fetch_job_was_sent(const struct fetch_job *j)
{
	const struct fetch_conn *c = j->conn;

	return j->sent || (c && c->has_sock && (c->heard || c->sock.n_out < j->out.n));
}

/* end */

static void conn_let_go(struct fetch_conn *c)
{
	struct fetch_job *j = c->job;

	j->sent = fetch_job_was_sent(j);
	j->conn = NULL;
	c->job = NULL;
}

static void conn_on_closed(uv_handle_t *h)
{
	struct fetch_conn *c = h->data;
	struct fetch *f = c->fetch;

	list_del(&f->conns, &c->link);
	free(c);
	fetch_maybe_closed(f);
}

void fetch_conn_drop(struct fetch_conn *c)
{
	if (c->job)
		conn_let_go(c);
	buf_deinit(&c->in);
	if (c->has_sock) {
		c->has_sock = false;
		c->sock.poll.data = c;
		sock_close(&c->sock, conn_on_closed);
	} else if (c->dial) {
		dial_cancel(c->dial);
		list_del(&c->fetch->conns, &c->link);
		free(c);
	}
}

static bool conn_is_idle(const struct fetch_conn *c)
{
	return c->has_sock && !c->job;
}

static size_t conn_n_idle(const struct fetch *f)
{
	size_t n = 0;

	list_for_each (it, &f->conns)
		n += conn_is_idle(list_entry(it, struct fetch_conn, link));
	return n;
}

/* The request's end; the connection stays for another if it can. */
static void conn_finish(struct fetch_conn *c, int code, const char *why, bool keep)
{
	struct fetch_job *j = c->job;

	conn_let_go(c);
	c->n_answered++;
	c->idle_since_mono_ms = clock_mono_ms();
	if (!keep || c->sock.n_out > 0 || conn_n_idle(c->fetch) > CONN_IDLE_MAX)
		fetch_conn_drop(c);
	fetch_job_finish(j, code, why);
}

/* Nothing more will come: @r as sock_read says it, or -errno. */
static void conn_on_end(struct fetch_conn *c, ssize_t r)
{
	const char *why = r < 0 ? strerror((int)-r) : "the server ended the connection";
	struct fetch_job *j = c->job;

	if (c->sock.tls && tls_refusal(c->sock.tls))
		why = tls_refusal(c->sock.tls);
	else if (r == -EPROTO)
		why = "the TLS handshake failed";
	if (!j) {
		fetch_conn_drop(c);
	} else if (fetch_job_is_over(j)) {
		sock_set_reading(&c->sock, false);
	} else if (c->phase == FETCH_UNTIL_END && r == 0) {
		conn_finish(c, 0, "", false);
	} else if (!c->heard && c->n_answered > 0 && !j->again) {
		fetch_conn_drop(c);
		j->again = true;
		fetch_conn_begin(j);
	} else {
		conn_finish(c, ERROR_UNAVAILABLE, why, false);
	}
}

/* body: each true if the body goes on, and more may be read */

static bool conn_give(struct fetch_conn *c, struct slice part)
{
	int code = part.n ? fetch_job_on_body(c->job, part) : 0;

	if (code)
		conn_finish(c, code, c->job->why, false);
	return !code && !fetch_job_is_over(c->job);
}

static bool conn_on_length(struct fetch_conn *c, struct slice in)
{
	struct slice part = {in.p, in.n < c->n_left ? in.n : (size_t)c->n_left};

	if (!conn_give(c, part))
		return false;
	c->n_left -= part.n;
	if (c->n_left > 0)
		return true;
	conn_finish(c, 0, "", c->job->head.keep_alive && part.n == in.n);
	return false;
}

static bool conn_on_chunks(struct fetch_conn *c, struct slice in)
{
	while (in.n > 0 && c->chunks.state != HTTP_CHUNKED_DONE) {
		struct slice part;

		if (!http_chunked_next(&c->chunks, &in, &part)) {
			conn_finish(
			    c, ERROR_UNAVAILABLE, "the answer's chunks are malformed", false);
			return false;
		}
		if (!conn_give(c, part))
			return false;
	}
	if (c->chunks.state == HTTP_CHUNKED_DONE) {
		conn_finish(c, 0, "", c->job->head.keep_alive && in.n == 0);
		return false;
	}
	return true;
}

static bool conn_on_body(struct fetch_conn *c, struct slice in)
{
	switch (c->phase) {
	case FETCH_LENGTH:
		return conn_on_length(c, in);
	case FETCH_CHUNKS:
		return conn_on_chunks(c, in);
	case FETCH_UNTIL_END:
		return conn_give(c, in);
	case FETCH_HEAD:
		break;
	}
	return false;
}

/* head */

static enum fetch_phase conn_phase_of(const struct fetch_job *j, uint64_t *n_left_out)
{
	const struct http_head *h = &j->head;

	*n_left_out = h->content_length;
	if (j->is_head || h->status == 204 || h->status == 304) {
		*n_left_out = 0;
		return FETCH_LENGTH;
	}
	if (h->chunked)
		return FETCH_CHUNKS;
	return http_head_field(h, "content-length") ? FETCH_LENGTH : FETCH_UNTIL_END;
}

/* One head is there, @n bytes of c->in. */
static bool conn_on_one_head(struct fetch_conn *c, size_t n)
{
	struct http_head *h = &c->job->head;
	struct err e = ERR_NULL;

	http_head_deinit(h);
	if (http_head_parse_answer(c->in.data, n, h, &e)) {
		conn_finish(c, ERROR_UNAVAILABLE, e.text, false);
		return false;
	}
	buf_consume(&c->in, n);
	c->in_scanned = 0;
	if (h->status >= 100 && h->status < 200) { /* not the answer yet */
		http_head_deinit(h);
		return true;
	}
	c->phase = conn_phase_of(c->job, &c->n_left);
	c->chunks = (struct http_chunked){0};
	fetch_job_on_head(c->job);
	return true;
}

static bool conn_on_head(struct fetch_conn *c, struct slice in)
{
	struct buf rest;
	int64_t n;
	bool more;

	buf_add_slice(&c->in, in);
	while (c->phase == FETCH_HEAD) {
		n = c->in.n ? http_head_end(c->in.data, c->in.n, &c->in_scanned) : 0;
		if (n < 0 || (n == 0 && c->in.n > HTTP_HEAD_MAX_BYTES)) {
			conn_finish(c, ERROR_UNAVAILABLE,
			    "the answer's head is malformed or too long", false);
			return false;
		}
		if (n == 0)
			return true;
		if (!conn_on_one_head(c, (size_t)n))
			return false;
	}
	rest = c->in; /* the connection may be gone after its body */
	c->in = BUF_NULL(rest.max);
	more = conn_on_body(c, buf_slice(&rest));
	buf_deinit(&rest);
	return more;
}

/* input and output */

static bool conn_on_input(struct fetch_conn *c, struct slice in)
{
	if (!c->job) { /* nothing was asked */
		fetch_conn_drop(c);
		return false;
	}
	c->heard = true;
	c->job->last_byte_mono_ms = clock_mono_ms();
	return c->phase == FETCH_HEAD ? conn_on_head(c, in) : conn_on_body(c, in);
}

static void conn_read(struct fetch_conn *c)
{
	char bytes[CONN_READ_BYTES];

	for (int i = 0; i < CONN_READS_A_TURN; i++) {
		ssize_t n = sock_read(&c->sock, bytes, sizeof(bytes));

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			conn_on_end(c, n);
			return;
		}
		if (!conn_on_input(c, (struct slice){bytes, (size_t)n}))
			return;
		/* Without TLS a short read has emptied the socket. */
		if (!c->sock.tls && n < (ssize_t)sizeof(bytes))
			return;
	}
}

/* What cannot be written shows when it is read: an answer may be there all the same. */
static void conn_on_poll(uv_poll_t *h, int status, int events)
{
	struct fetch_conn *c = h->data;

	if (!c->has_sock)
		return;
	if ((events & UV_WRITABLE) || c->sock.tls_wants_read)
		(void)sock_flush(&c->sock);
	if (status < 0 || (events & UV_READABLE) || c->sock.tls_wants_write)
		conn_read(c);
}

/* beginning */

static void conn_ask(struct fetch_conn *c)
{
	const struct buf *out = &c->job->out;

	c->phase = FETCH_HEAD;
	c->heard = false;
	c->in = BUF_NULL(HTTP_HEAD_MAX_BYTES + CONN_READ_BYTES);
	c->in_scanned = 0;
	sock_write(&c->sock, out->data, out->n);
	(void)sock_flush(&c->sock);
}

static struct ssl_st *conn_tls(struct fetch_conn *c, struct err *e)
{
	struct fetch *f = c->fetch;

	if (!f->tls && tls_client_new(f->ca_file, f->skip_verify, &f->tls, e))
		return NULL;
	return tls_connect(f->tls, c->peer.addr.host);
}

static void conn_on_dialled(void *data, int fd, const char *why)
{
	struct fetch_conn *c = data;
	struct fetch_job *j = c->job;
	struct fetch *f = c->fetch;
	struct ssl_st *tls = NULL;
	struct err e = ERR_NULL;
	int r = 0;

	c->dial = NULL;
	if (fd < 0)
		err_set(&e, ERROR_UNAVAILABLE, "%s:%u: %s", c->peer.addr.host,
		    c->peer.addr.port, why);
	else if (c->peer.tls)
		tls = conn_tls(c, &e);
	if (!e.code)
		r = sock_open(&c->sock, loop_uv(f->loop), fd, tls, conn_on_poll);
	else if (fd >= 0)
		close(fd);
	if (e.code || r) {
		list_del(&f->conns, &c->link);
		free(c);
		j->conn = NULL;
		fetch_job_finish(j, ERROR_UNAVAILABLE, r ? strerror(-r) : e.text);
		return;
	}
	c->sock.poll.data = c;
	c->has_sock = true;
	conn_ask(c);
}

static bool peer_same(const struct fetch_peer *a, const struct fetch_peer *b)
{
	return a->tls == b->tls && a->addr.port == b->addr.port &&
	       strcmp(a->addr.host, b->addr.host) == 0;
}

/* The one used last; those that have been idle for too long go. */
static struct fetch_conn *conn_find(struct fetch *f, const struct fetch_peer *peer)
{
	int64_t oldest_ms = clock_mono_ms() - CONN_IDLE_MAX_MS;
	struct fetch_conn *found = NULL;

	list_for_each_safe (it, &f->conns) {
		struct fetch_conn *c = list_entry(it, struct fetch_conn, link);

		if (!conn_is_idle(c))
			continue;
		if (c->idle_since_mono_ms < oldest_ms)
			fetch_conn_drop(c);
		else if (peer_same(&c->peer, peer) &&
			 (!found || c->idle_since_mono_ms > found->idle_since_mono_ms))
			found = c;
	}
	return found;
}

void fetch_conn_begin(struct fetch_job *j)
{
	struct fetch *f = j->fetch;
	struct fetch_conn *c = j->again ? NULL : conn_find(f, &j->peer);

	if (c) {
		c->job = j;
		j->conn = c;
		conn_ask(c);
		return;
	}
	c = calloc(1, sizeof(*c));
	must(c);
	c->fetch = f;
	c->peer = j->peer;
	c->job = j;
	j->conn = c;
	list_push(&f->conns, &c->link);
	c->dial = dial_start(f->loop, c->peer.addr.host, c->peer.addr.port, conn_on_dialled, c);
}
