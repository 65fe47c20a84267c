/* Peers that say anything, in any pieces, and leave at any moment, while the application
 * answers late, streams, sends, closes and aborts: nothing is used after it is gone (the
 * sanitizers see to that), and in the end nothing is left. ZEDBUS_SEED repeats a run,
 * ZEDBUS_RUN_MS makes it longer. */
#include "tests/lib/http_fixture.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

enum {
	N_PEERS = 12,
	N_HELD = 16,
	RUN_MS = 3000,
};

struct peer {
	int fd; /* -1: none */
	const char *say;
	size_t n_left;
};

struct world {
	struct http_fixture http; /* its loop and raw address; the handlers are ours */
	unsigned short rng[3];
	struct peer peers[N_PEERS];
	struct http_req *reqs[N_HELD];
	struct http_stream *streams[N_HELD];
	struct held_stream *holders[N_HELD]; /* of the streams */
	struct http_ws *sockets[N_HELD];
	size_t n_requests, n_aborted, n_streams, n_streams_closed, n_opened, n_closed;
};

struct held_stream {
	struct world *w;
	size_t i;
};

#define UPGRADE                                                                          \
	"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"   \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "                               \
	"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static const char *const sayings[] = {
    "GET /now HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /late HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    "GET /now HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /late HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n0\r\n\r\n",
    "POST /late HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n",
    "GET /stream HTTP/1.1\r\nHost: a\r\n\r\nGET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /refused HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n",
    UPGRADE "\x81\x82\1\1\1\1ab\x01\x81\1\1\1\1a\x89\x80\1\1\1\1\x80\x81\1\1\1\1b",
    UPGRADE "\x81\x82\1\1\1\1ab\x88\x82\1\1\1\1\2\xe9",
    UPGRADE "\x83\x82\1\1\1\1ab",
};

static size_t roll(struct world *w, size_t n)
{
	return (size_t)nrand48(w->rng) % n;
}

static size_t free_place(void *const *held)
{
	size_t i = 0;

	while (i < N_HELD && held[i])
		i++;
	return i;
}

static void forget(void **held, const void *what)
{
	for (size_t i = 0; i < N_HELD; i++)
		if (held[i] == what)
			held[i] = NULL;
}

/* the application */

static void on_stream_closed(void *data)
{
	struct held_stream *s = data;

	s->w->streams[s->i] = NULL;
	s->w->holders[s->i] = NULL;
	s->w->n_streams_closed++;
	free(s);
}

static void hold_stream(struct world *w, struct http_req *r)
{
	struct http_stream_cb cb = {.closed = on_stream_closed};
	struct held_stream *s = malloc(sizeof(*s));
	size_t i = free_place((void *const *)w->streams);

	must(s);
	*s = (struct held_stream){w, i};
	cb.data = s;
	if (i == N_HELD) {
		free(s);
		http_reply_error(r, ERROR_UNAVAILABLE, NULL);
		return;
	}
	w->n_streams++;
	w->holders[i] = s;
	w->streams[i] = http_stream_begin(r, 200, "text/event-stream", NULL, 0, &cb);
}

static void on_opened(void *data, struct http_ws *ws)
{
	struct world *w = data;
	size_t i = free_place((void *const *)w->sockets);

	w->n_opened++;
	if (i < N_HELD)
		w->sockets[i] = ws;
	else
		http_ws_close(ws, WS_CLOSE_POLICY, NULL);
}

static void on_message(void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	struct world *w = data;

	(void)is_text;
	switch (roll(w, 4)) {
	case 0:
		http_ws_close(ws, WS_CLOSE_NORMAL, "enough");
		break;
	case 1:
		http_ws_pause(ws, true);
		break;
	default:
		must(http_ws_send(ws, msg) >= 0);
	}
}

static void on_closed(void *data, struct http_ws *ws, int code)
{
	struct world *w = data;

	(void)code;
	w->n_closed++;
	forget((void **)w->sockets, ws);
}

static enum http_decision on_headers(void *data, struct http_req *r)
{
	(void)data;
	if (strcmp(http_req_path(r), "/refused") != 0)
		return HTTP_ACCEPT;
	http_reply_error(r, ERROR_FORBIDDEN, NULL);
	return HTTP_REPLIED;
}

static void accept_ws(struct world *w, struct http_req *r)
{
	const struct http_ws_conf conf = {.message_max_bytes = 1000,
	    .queue_max_bytes = 4000,
	    .ping_interval_ms = 100,
	    .pong_timeout_ms = 200,
	    .message = on_message,
	    .closed = on_closed,
	    .opened = on_opened,
	    .data = w};

	http_ws_accept(r, &conf);
}

static void answer(struct world *w, struct http_req *r)
{
	if (http_req_is_upgrade(r) && roll(w, 4) > 0)
		accept_ws(w, r);
	else if (strcmp(http_req_path(r), "/stream") == 0)
		hold_stream(w, r);
	else
		http_reply(r, 200, "text/plain", NULL, 0, http_req_body(r));
}

static void on_request(void *data, struct http_req *r)
{
	struct world *w = data;
	size_t i = free_place((void *const *)w->reqs);

	w->n_requests++;
	if (strcmp(http_req_path(r), "/now") == 0 || i == N_HELD || roll(w, 3) == 0)
		answer(w, r);
	else
		w->reqs[i] = r;
}

static void on_aborted(void *data, struct http_req *r)
{
	struct world *w = data;

	w->n_aborted++;
	forget((void **)w->reqs, r);
}

static void end_stream(struct world *w, size_t i, bool abort_it)
{
	struct http_stream *st = w->streams[i];

	free(w->holders[i]);
	w->streams[i] = NULL;
	w->holders[i] = NULL;
	w->n_streams_closed++;
	if (abort_it)
		http_stream_abort(st);
	else
		http_stream_end(st);
}

static void act(struct world *w)
{
	size_t i = roll(w, N_HELD);

	if (w->reqs[i] && roll(w, 3) == 0) {
		struct http_req *r = w->reqs[i];

		w->reqs[i] = NULL;
		answer(w, r);
	}
	if (w->streams[i] && roll(w, 8) > 0)
		http_stream_write(w->streams[i], SLICE_LIT("data: x\n\n"));
	if (w->streams[i] && roll(w, 20) == 0)
		end_stream(w, i, roll(w, 2));
	if (w->sockets[i] && roll(w, 3) == 0)
		must(http_ws_send(w->sockets[i], SLICE_LIT("unasked")) >= 0);
	if (w->sockets[i])
		http_ws_pause(w->sockets[i], roll(w, 4) == 0);
	if (w->sockets[i] && roll(w, 10) == 0)
		http_ws_close(w->sockets[i], WS_CLOSE_RESTART, NULL);
}

/* the peers */

static void peer_leave(struct world *w, struct peer *p)
{
	const struct linger hard = {.l_onoff = 1};

	if (roll(w, 2))
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(p->fd);
	p->fd = -1;
}

static void peer_act(struct world *w, struct peer *p)
{
	char sink[4096];
	struct raw r;
	size_t n;

	if (p->fd < 0) {
		raw_open(&r, &w->http);
		p->fd = r.fd;
		p->n_left = 0;
	}
	if (p->n_left == 0) {
		p->say = sayings[roll(w, ARRAY_LEN(sayings))];
		p->n_left = strlen(p->say);
	}
	n = 1 + roll(w, roll(w, 2) ? p->n_left : 8);
	if (n > p->n_left)
		n = p->n_left;
	if (send(p->fd, p->say, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		peer_leave(w, p);
		return;
	}
	p->say += n;
	p->n_left -= n;
	if (roll(w, 3) > 0)
		recv(p->fd, sink, sizeof(sink), MSG_DONTWAIT);
	if (roll(w, 60) == 0)
		shutdown(p->fd, SHUT_WR);
	else if (roll(w, 40) == 0)
		peer_leave(w, p);
}

/* one world */

static void world_open(struct world *w)
{
	const struct http_handlers h = {.headers = on_headers,
	    .request = on_request,
	    .aborted = on_aborted,
	    .data = w};
	struct err e;

	http_fixture_init(&w->http);
	w->http.conf.header_timeout_ms = 300;
	w->http.conf.body_timeout_ms = 300;
	w->http.conf.idle_timeout_ms = 300;
	if (http_server_new(w->http.loop, &w->http.conf, &h, &w->http.server, &e))
		fail_msg("%s", e.text);
	w->http.port = http_server_port(w->http.server);
	for (size_t i = 0; i < N_PEERS; i++)
		w->peers[i].fd = -1;
}

static void world_close(struct world *w)
{
	http_fixture_close(&w->http);
	for (size_t i = 0; i < N_PEERS; i++)
		if (w->peers[i].fd >= 0)
			close(w->peers[i].fd);
	for (size_t i = 0; i < N_HELD; i++)
		assert_true(!w->reqs[i] && !w->streams[i] && !w->sockets[i]);
	assert_int_equal(w->n_streams, w->n_streams_closed);
	assert_int_equal(w->n_opened, w->n_closed);
	http_fixture_deinit(&w->http);
}

static void whoever_comes_and_goes_nothing_is_left(void **state)
{
	const char *given = getenv("ZEDBUS_SEED");
	struct world w = {0};
	uint32_t seed = given ? (uint32_t)strtoul(given, NULL, 10) : arc4random();
	const char *given_ms = getenv("ZEDBUS_RUN_MS");
	int64_t run_ms = given_ms ? strtoll(given_ms, NULL, 10) : RUN_MS;
	int64_t until_ms = clock_mono_ms() + run_ms;

	(void)state;
	print_message("ZEDBUS_SEED=%u\n", seed);
	memcpy(w.rng, &seed, sizeof(seed));
	world_open(&w);
	while (clock_mono_ms() < until_ms) {
		peer_act(&w, &w.peers[roll(&w, N_PEERS)]);
		loop_turn(w.http.loop);
		act(&w);
		if (roll(&w, 50) == 0)
			run_for(w.http.loop, 1);
	}
	print_message("%zu requests, %zu aborted, %zu streams, %zu WebSockets\n",
	    w.n_requests, w.n_aborted, w.n_streams, w.n_opened);
	assert_true(w.n_requests > 100 && w.n_aborted > 0);
	assert_true(w.n_streams > 0 && w.n_opened > 0);
	world_close(&w);
}

TEST_MAIN(cmocka_unit_test(whoever_comes_and_goes_nothing_is_left))
