/* The listener, its connections' clock and the end of it all. HTTP and WebSocket framing
 * are our own (http_head, http_chunked, ws_codec) over libuv and OpenSSL;
 * docs/decisions/http-server.md says why.
 *
 * happy path: listen, accept; before each wait of the loop the flusher lets every
 * connection that has something to send or to go on with do so; close: every connection
 * ends, then the handles, then closed_cb
 *
 * failure modes: out of descriptors (accepting rests for a moment); a peer that hinders
 * the close (dropped) */
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/clock.h"
#include "base/io/addr.h"
#include "base/io/http_internal.h"
#include "base/io/tls.h"

enum {
	LISTEN_BACKLOG = 4096,
	ACCEPTS_A_TURN = 64,
	ACCEPT_REST_MS = 100,
	BODY_MAX_BYTES = 1024 * 1024,
	IDLE_TIMEOUT_MS = 75 * 1000,
	HEADER_TIMEOUT_MS = 10 * 1000,
	BODY_TIMEOUT_MS = 30 * 1000,
	FDS_RESERVED = 256, /* for everything that is not a connection */
	CONNECTIONS_MIN = 64,
};

/* clock */

/* Woken when something may be due, not every tick: quiet connections cost nothing. */
static void server_set_ticker(struct http_server *s, int64_t now_ms)
{
	int64_t in_ms = wheel_next_ms(&s->wheel, now_ms);

	if (in_ms >= 0 && s->ticker)
		loop_timer_start(s->ticker, in_ms, 0);
	s->tick_at_ms = now_ms + in_ms;
}

static void server_on_tick(struct loop_timer *t, void *data)
{
	struct http_server *s = data;
	int64_t now_ms = clock_mono_ms();

	(void)t;
	wheel_turn(&s->wheel, now_ms);
	server_set_ticker(s, now_ms);
}

void http_server_arm(struct http_server *s, struct wheel_timer *t, int64_t delay_ms)
{
	int64_t now_ms = clock_mono_ms();

	wheel_arm_from(&s->wheel, t, now_ms, delay_ms);
	if (!s->wheel.turning && s->ticker &&
	    (!loop_timer_armed(s->ticker) || t->due_ms < s->tick_at_ms))
		server_set_ticker(s, now_ms);
}

const char *http_server_date(struct http_server *s)
{
	int64_t now_s = clock_unix_ms() / 1000;
	time_t t = (time_t)now_s;
	struct tm tm;

	if (now_s != s->date_unix_s) {
		gmtime_r(&t, &tm);
		strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		s->date_unix_s = now_s;
	}
	return s->date;
}

void http_server_on_flush(uv_prepare_t *h)
{
	struct http_server *s = h->data;
	struct list_link *link;

	while ((link = list_pop(&s->dirty)))
		http_conn_go(list_entry(link, struct http_conn, dirty));
	uv_prepare_stop(h);
}

/* accepting */

static void server_rest(struct http_server *s)
{
	uv_poll_stop(&s->listener);
	http_server_arm(s, &s->accept_again, ACCEPT_REST_MS);
}

static void server_on_connect(uv_poll_t *h, int status, int events)
{
	struct http_server *s = h->data;

	(void)status, (void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t n = sizeof(peer);
		int fd = accept4(s->listen_fd, (struct sockaddr *)&peer, &n,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		int r = fd < 0 ? errno : 0;

		if (fd >= 0)
			http_conn_new(s, fd, (struct sockaddr *)&peer);
		else if (r == EMFILE || r == ENFILE || r == ENOMEM || r == ENOBUFS)
			server_rest(s);
		if (r != 0 && r != ECONNABORTED && r != EINTR)
			return;
	}
}

static void server_on_rested(struct wheel_timer *t)
{
	struct http_server *s = container_of(t, struct http_server, accept_again);

	uv_poll_start(&s->listener, UV_READABLE, server_on_connect);
}

static void server_on_listener_closed(uv_handle_t *h)
{
	http_server_handle_closed(h->data);
}

void http_server_drain(struct http_server *s)
{
	s->draining = true;
	if (s->listen_fd < 0)
		return;
	wheel_cancel(&s->wheel, &s->accept_again);
	uv_close((uv_handle_t *)&s->listener, server_on_listener_closed);
	close(s->listen_fd);
	s->listen_fd = -1;
}

/* end */

static void server_free(struct http_server *s)
{
	tls_free(s->tls);
	free(s->tls_cert);
	free(s->tls_key);
	free(s);
}

static void server_on_flusher_closed(uv_handle_t *h)
{
	struct http_server *s = h->data;
	loop_task_cb *cb = s->closed_cb;
	void *data = s->closed_data;

	server_free(s);
	if (cb)
		cb(data);
}

/* Of connections and listener; the flusher goes last. */
void http_server_handle_closed(struct http_server *s)
{
	s->n_handles--;
	if (!s->closing || s->n_handles > 0)
		return;
	s->ticker = loop_timer_free(s->ticker);
	uv_close((uv_handle_t *)&s->flusher, server_on_flusher_closed);
}

void http_server_close(struct http_server *s, loop_task_cb *closed_cb, void *data)
{
	must(!s->closing);
	s->closing = true;
	s->closed_cb = closed_cb;
	s->closed_data = data;
	s->n_handles++; /* held until all have been told */
	http_server_drain(s);
	list_for_each (it, &s->conns)
		http_conn_shutdown(list_entry(it, struct http_conn, link));
	http_server_handle_closed(s);
}

/* start */

static int make_address(
    const char *text, struct sockaddr_storage *out, socklen_t *n_out, struct err *e)
{
	struct addr a;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	int r = addr_parse(text, &a, e);

	if (r)
		return r;
	*out = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, a.host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a.port);
		*n_out = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, a.host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(a.port);
		*n_out = sizeof(*v6);
		return 0;
	}
	return err_set(e, ERROR_INVALID, "'%s' has no numeric address", text);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &n);
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

/* An IPv6 address is itself alone, also "::". */
static int server_listen(struct http_server *s, const char *text, struct err *e)
{
	struct sockaddr_storage a;
	socklen_t n = 0;
	int on = 1, fd, r = make_address(text, &a, &n, e);

	if (r)
		return r;
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, n) || listen(fd, LISTEN_BACKLOG)) {
		r = -errno;
		close(fd);
		return err_set(e, r, "cannot listen on %s: %s", text, strerror(-r));
	}
	s->listen_fd = fd;
	s->port = port_of(fd);
	return 0;
}

static size_t default_connections(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return 1 << 20;
	if (lim.rlim_cur < FDS_RESERVED + CONNECTIONS_MIN)
		return CONNECTIONS_MIN;
	return (size_t)lim.rlim_cur - FDS_RESERVED;
}

static void fill_conf(struct http_conf *c)
{
	c->listen = c->tls_cert = c->tls_key = NULL;
	if (!c->body_max_bytes)
		c->body_max_bytes = BODY_MAX_BYTES;
	if (!c->idle_timeout_ms)
		c->idle_timeout_ms = IDLE_TIMEOUT_MS;
	if (!c->header_timeout_ms)
		c->header_timeout_ms = HEADER_TIMEOUT_MS;
	if (!c->body_timeout_ms)
		c->body_timeout_ms = BODY_TIMEOUT_MS;
	if (!c->max_connections)
		c->max_connections = default_connections();
}

static char *copy(const char *s)
{
	char *p = s ? strdup(s) : NULL;

	must(p || !s);
	return p;
}

static void server_start(struct http_server *s)
{
	uv_loop_t *uv = loop_uv(s->loop);

	list_init(&s->conns);
	list_init(&s->dirty);
	wheel_init(&s->wheel, HTTP_TICK_MS, clock_mono_ms());
	s->accept_again.fire = server_on_rested;
	s->ticker = loop_timer_new(s->loop, server_on_tick, s);
	uv_prepare_init(uv, &s->flusher);
	s->flusher.data = s;
	must(uv_poll_init(uv, &s->listener, s->listen_fd) == 0);
	s->listener.data = s;
	uv_poll_start(&s->listener, UV_READABLE, server_on_connect);
	s->n_handles = 1;
}

int http_server_new(struct loop *l, const struct http_conf *conf,
    const struct http_handlers *h, struct http_server **out, struct err *e)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int r;

	must(s && h->request);
	s->loop = l;
	s->conf = *conf;
	s->handlers = *h;
	s->listen_fd = -1;
	s->tls_cert = copy(conf->tls_cert);
	s->tls_key = copy(conf->tls_key);
	fill_conf(&s->conf);
	r = s->tls_cert ? tls_server_new(s->tls_cert, s->tls_key, &s->tls, e) : 0;
	if (!r)
		r = server_listen(s, conf->listen, e);
	if (r) {
		server_free(s);
		return r;
	}
	server_start(s);
	*out = s;
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

int http_server_reload_tls(struct http_server *s, struct err *e)
{
	struct ssl_ctx_st *fresh;
	int r;

	if (!s->tls_cert)
		return 0;
	r = tls_server_new(s->tls_cert, s->tls_key, &fresh, e);
	if (r)
		return r;
	tls_free(s->tls);
	s->tls = fresh;
	return 0;
}

size_t http_server_n_connections(const struct http_server *s)
{
	return s->conns.n;
}
