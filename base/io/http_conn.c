/* One connection: requests one after the other, in order.
 *
 * happy path: HEAD, (BODY,) HANDLING, HEAD ...; HANDLING, STREAM, HEAD; HANDLING, WS; at
 * the end FLUSH, LINGER, CLOSED
 *
 * failure modes: malformed or oversized input (refused, FLUSH); too slow (408, FLUSH);
 * the peer leaves (what hangs on the connection is told, CLOSED) */
#include "base/io/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>

#include "base/io/addr.h"
#include "base/io/events.h"
#include "base/io/tls.h"

enum {
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_INTERVAL_S = 10,
	KEEPALIVE_PROBES = 3,
	USER_TIMEOUT_MS = 60 * 1000,
	READS_A_TURN = 4, /* then others have their turn */
	IN_MAX_BYTES = HTTP_AHEAD_MAX_BYTES + HTTP_READ_BYTES + HTTP_HEAD_MAX_BYTES,
};

/* end */

static void conn_on_closed(uv_handle_t *h)
{
	struct http_conn *c = h->data;
	struct http_server *s = c->server;

	list_del(&s->conns, &c->link);
	free(c);
	http_server_handle_closed(s);
}

void http_conn_drop(struct http_conn *c)
{
	struct http_req *r = c->req;
	bool handling = c->state == HTTP_CONN_HANDLING || c->state == HTTP_CONN_BODY;

	if (c->state == HTTP_CONN_CLOSED)
		return;
	c->state = HTTP_CONN_CLOSED;
	c->req = NULL;
	wheel_cancel(&c->server->wheel, &c->deadline);
	if (list_linked(&c->dirty))
		list_del(&c->server->dirty, &c->dirty);
	buf_deinit(&c->in);
	sock_close(&c->sock, conn_on_closed);
	if (r && handling && c->server->handlers.aborted)
		c->server->handlers.aborted(c->server->handlers.data, r);
	http_req_free(r);
	if (c->stream)
		http_stream_lost(c, false);
	if (c->ws)
		http_ws_lost(c);
}

struct http_req *http_conn_take_back(struct http_conn *c)
{
	struct http_req *r = c->req;

	if (!r->in_headers && c->server->handlers.aborted)
		c->server->handlers.aborted(c->server->handlers.data, r);
	return r;
}

void http_conn_shutdown(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_BODY:
	case HTTP_CONN_HANDLING:
		http_refuse(http_conn_take_back(c), 503, ERROR_UNAVAILABLE,
		    "the server is stopping");
		break;
	case HTTP_CONN_STREAM:
		http_stream_lost(c, true);
		break;
	case HTTP_CONN_WS:
		http_ws_shutdown(c->ws);
		return;
	case HTTP_CONN_HEAD:
		if (c->sock.n_out > 0)
			http_conn_finish(c);
		else
			http_conn_drop(c);
		break;
	default:
		break;
	}
	if (c->state != HTTP_CONN_CLOSED)
		http_conn_deadline(c, HTTP_SHUTDOWN_MS);
}

void http_conn_finish(struct http_conn *c)
{
	c->state = HTTP_CONN_FLUSH;
	buf_deinit(&c->in);
	http_conn_deadline(c, HTTP_SEND_STALL_MS);
	http_conn_touch(c);
}

void http_conn_refuse(struct http_conn *c, int status, int code, const char *message)
{
	struct http_req *r = calloc(1, sizeof(*r));

	must(r);
	r->conn = c;
	c->req = r;
	http_refuse(r, status, code, message);
}

void http_conn_answered(struct http_conn *c, bool keep_alive)
{
	http_req_free(c->req);
	c->req = NULL;
	if (!keep_alive || c->server->closing) {
		http_conn_finish(c);
		return;
	}
	c->state = HTTP_CONN_HEAD;
	http_conn_deadline(c, c->server->conf.idle_timeout_ms);
	http_conn_touch(c);
}

/* deadlines */

void http_conn_deadline(struct http_conn *c, int64_t delay_ms)
{
	http_server_arm(c->server, &c->deadline, delay_ms);
}

static void conn_on_deadline(struct wheel_timer *t)
{
	struct http_conn *c = container_of(t, struct http_conn, deadline);

	switch (c->state) {
	case HTTP_CONN_HEAD:
		if (c->in.n > 0)
			http_conn_refuse(
			    c, 408, ERROR_TIMEOUT, "the request's head took too long");
		else
			http_conn_drop(c);
		break;
	case HTTP_CONN_BODY:
		http_refuse(http_conn_take_back(c), 408, ERROR_TIMEOUT,
		    "the request's body took too long");
		break;
	case HTTP_CONN_WS:
		http_ws_on_deadline(c->ws);
		break;
	case HTTP_CONN_FLUSH:
	case HTTP_CONN_LINGER:
		http_conn_drop(c);
		break;
	default:
		break;
	}
}

/* going on */

static bool conn_wants_input(const struct http_conn *c)
{
	if (c->state == HTTP_CONN_WS)
		return !http_ws_is_paused(c->ws);
	if (c->state == HTTP_CONN_FLUSH)
		return false;
	return c->in.n <= HTTP_AHEAD_MAX_BYTES;
}

static void conn_process(struct http_conn *c)
{
	if (c->processing)
		return;
	c->processing = true;
	while (http_conn_step(c))
		;
	c->processing = false;
	if (c->state == HTTP_CONN_CLOSED)
		return;
	/* The first bytes of a head start its deadline; later ones do not move it. */
	if (c->state == HTTP_CONN_HEAD && c->in.n > 0 && !c->head_begun) {
		c->head_begun = true;
		http_conn_deadline(c, c->server->conf.header_timeout_ms);
	}
	if (c->in.n == 0)
		buf_deinit(&c->in);
	sock_set_reading(&c->sock, conn_wants_input(c));
}

/* output */

void http_conn_touch(struct http_conn *c)
{
	if (c->state == HTTP_CONN_CLOSED || list_linked(&c->dirty))
		return;
	list_push(&c->server->dirty, &c->dirty);
	if (c->server->dirty.n == 1)
		uv_prepare_start(&c->server->flusher, http_server_on_flush);
}

static void conn_on_drained(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_STREAM:
		http_stream_on_drained(c);
		break;
	case HTTP_CONN_WS:
		http_ws_on_drained(c->ws);
		break;
	case HTTP_CONN_FLUSH:
		sock_shutdown(&c->sock);
		c->state = HTTP_CONN_LINGER;
		http_conn_deadline(
		    c, c->server->closing ? HTTP_LINGER_CLOSING_MS : HTTP_LINGER_MS);
		sock_set_reading(&c->sock, true);
		break;
	default:
		if (c->in.n > 0)
			http_conn_touch(c); /* requests that waited for the backlog */
		break;
	}
}

static void conn_flush(struct http_conn *c)
{
	size_t n_before = c->sock.n_out;
	int r = sock_flush(&c->sock);

	if (r < 0 && r != -EAGAIN) {
		http_conn_drop(c);
		return;
	}
	if (c->sock.n_out < n_before && c->state == HTTP_CONN_FLUSH)
		http_conn_deadline(c, HTTP_SEND_STALL_MS);
	else if (c->sock.n_out < n_before && c->state == HTTP_CONN_HEAD && !c->head_begun)
		http_conn_deadline(c, c->server->conf.idle_timeout_ms);
	if (c->sock.n_out == 0 && (n_before > 0 || c->state == HTTP_CONN_FLUSH))
		conn_on_drained(c);
}

void http_conn_go(struct http_conn *c)
{
	conn_process(c);
	if (c->state != HTTP_CONN_CLOSED)
		conn_flush(c);
}

/* input */

static void conn_on_input(struct http_conn *c, char *p, size_t n)
{
	size_t n_used = 0;

	if (c->state == HTTP_CONN_LINGER || c->state == HTTP_CONN_FLUSH)
		return;
	if (c->state == HTTP_CONN_WS && c->in.n == 0 && http_ws_is_open(c->ws))
		n_used = http_ws_feed(c->ws, p, n); /* not through the buffer */
	if (c->state == HTTP_CONN_CLOSED)
		return;
	buf_add(&c->in, p + n_used, n - n_used);
	must(!c->in.failed);
	conn_process(c);
}

/* The peer has ended its side: as far as anyone can tell, it has left. */
static void conn_on_end(struct http_conn *c)
{
	if (c->state == HTTP_CONN_HEAD && c->sock.n_out > 0)
		http_conn_finish(c);
	else
		http_conn_drop(c);
}

static void conn_read(struct http_conn *c)
{
	struct http_server *s = c->server;
	ssize_t n = sizeof(s->rdbuf);

	for (int i = 0; i < READS_A_TURN && c->sock.reading; i++) {
		/* Without TLS a short read has emptied the socket. */
		if (!c->sock.tls && n < (ssize_t)sizeof(s->rdbuf))
			return;
		n = sock_read(&c->sock, s->rdbuf, sizeof(s->rdbuf));
		if (n == -EAGAIN)
			return;
		if (n > 0)
			conn_on_input(c, s->rdbuf, (size_t)n);
		else if (n == 0)
			conn_on_end(c);
		else
			http_conn_drop(c);
		if (n <= 0 || c->state == HTTP_CONN_CLOSED)
			return;
	}
}

/* While not reading. A paused WebSocket may still have input to come. */
static void conn_on_hangup(struct http_conn *c)
{
	if (c->state == HTTP_CONN_HANDLING || c->state == HTTP_CONN_STREAM) {
		http_conn_drop(c);
		return;
	}
	c->sock.hung_up = true;
	sock_set_reading(&c->sock, c->sock.reading);
}

static void conn_on_poll(uv_poll_t *h, int status, int events)
{
	struct http_conn *c = h->data;

	if (status < 0) {
		http_conn_drop(c);
		return;
	}
	if (((events & UV_READABLE) && c->sock.reading) || c->sock.tls_wants_write)
		conn_read(c);
	else if ((events & UV_DISCONNECT) && !c->sock.reading)
		conn_on_hangup(c);
	if (c->state == HTTP_CONN_CLOSED)
		return;
	if ((events & UV_WRITABLE) || c->sock.tls_wants_read)
		conn_flush(c);
}

/* start */

static void conn_set_peer(struct http_conn *c, const struct sockaddr *peer)
{
	const void *addr = &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
	int family = peer->sa_family;

	if (family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)peer;

		addr = &v6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			addr = &v6->sin6_addr.s6_addr[12];
			family = AF_INET;
		}
	}
	inet_ntop(family, addr, c->peer, sizeof(c->peer));
	c->peer_is_loopback = addr_is_loopback(c->peer);
}

static void conn_set_options(int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
	    {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
	    {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};

	/* Each only helps; none is needed. */
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof(options[i].value));
}

void http_conn_new(struct http_server *s, int fd, const struct sockaddr *peer)
{
	struct http_conn *c = calloc(1, sizeof(*c));
	struct ssl_st *tls = s->tls ? tls_accept(s->tls) : NULL;

	must(c);
	conn_set_options(fd);
	if (sock_open(&c->sock, loop_uv(s->loop), fd, tls, conn_on_poll)) {
		free(c);
		return;
	}
	c->sock.poll.data = c;
	c->server = s;
	c->in = BUF_NULL(IN_MAX_BYTES);
	c->deadline.fire = conn_on_deadline;
	conn_set_peer(c, peer);
	list_push(&s->conns, &c->link);
	s->n_handles++;
	http_conn_deadline(c, s->conf.header_timeout_ms);
	if (s->conns.n > s->conf.max_connections)
		http_conn_refuse(
		    c, 503, ERROR_UNAVAILABLE, "there are too many connections");
}
