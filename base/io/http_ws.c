/* WebSockets of the server.
 *
 * happy path: accept, opened, messages both ways, one side sends a close frame, the
 * other answers it, closed
 *
 * failure modes: malformed frames or too much in them (close frame with the code, closed
 * with 1006); nothing heard for too long, peer gone, close frame not answered (dropped,
 * closed with 1006); peer reads too slowly (1008) */
#include "base/io/http_internal.h"

#include <stdlib.h>

#include "base/clock.h"

enum {
	WS_DEFAULT_MAX_BYTES = 16 * 1024 * 1024,
	WS_CLOSE_MS = 5000,
	WS_CONTROL_QUEUE_BYTES = 64 * 1024, /* for pongs, over the owner's bound */
};

struct http_ws {
	struct http_conn *conn;
	struct http_ws_conf conf;
	struct ws_decoder decoder;
	int64_t last_heard_mono_ms;
	int64_t ping_due_mono_ms;
	int64_t ping_every_ms;
	int code; /* to report */
	bool opened, paused, close_sent;
};

/* handshake */

int http_ws_check_handshake(const struct http_req *r, const char **why_out)
{
	const char *version = http_req_header(r, "sec-websocket-version");
	const char *key = http_req_header(r, "sec-websocket-key");
	static const char base64[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (!version || strcmp(version, "13") != 0) {
		*why_out = "Sec-WebSocket-Version must be 13";
		return 426;
	}
	if (!key || strlen(key) != WS_KEY_LEN || strspn(key, base64) != WS_KEY_LEN - 2 ||
	    strcmp(key + WS_KEY_LEN - 2, "==") != 0) {
		*why_out = "Sec-WebSocket-Key is not 16 bytes in base64";
		return 400;
	}
	return 0;
}

struct http_ws *http_ws_accept(struct http_req *r, const struct http_ws_conf *conf)
{
	struct http_conn *c = r->conn;
	struct http_ws *ws = calloc(1, sizeof(*ws));
	char accept[WS_ACCEPT_MAX];
	const struct http_header headers[] = {
	    {"Upgrade", "websocket"},
	    {"Connection", "Upgrade"},
	    {"Sec-WebSocket-Accept", accept},
	};

	must(ws && c->req == r && c->state == HTTP_CONN_HANDLING && r->head.is_upgrade);
	ws_accept_value(http_req_header(r, "sec-websocket-key"), accept);
	http_conn_write_head(c, &(struct http_answer){.status = 101,
				    .headers = headers,
				    .n_headers = ARRAY_LEN(headers),
				    .content_length = -1});
	http_req_free(r);
	c->req = NULL;
	c->state = HTTP_CONN_WS;
	c->ws = ws;
	*ws = (struct http_ws){.conn = c, .conf = *conf, .code = WS_ABNORMAL};
	if (!ws->conf.message_max_bytes)
		ws->conf.message_max_bytes = WS_DEFAULT_MAX_BYTES;
	if (!ws->conf.queue_max_bytes)
		ws->conf.queue_max_bytes = WS_DEFAULT_MAX_BYTES;
	ws_decoder_init(&ws->decoder, ws->conf.message_max_bytes, true);
	return ws;
}

/* end */

/* The last callback; the connection may live on to flush. */
static void ws_gone(struct http_ws *ws)
{
	ws->conn->ws = NULL;
	if (!ws->opened && ws->conf.opened)
		ws->conf.opened(ws->conf.data, ws); /* the pair is always whole */
	if (ws->conf.closed)
		ws->conf.closed(ws->conf.data, ws, ws->code);
	ws_decoder_deinit(&ws->decoder);
	free(ws);
}

void http_ws_lost(struct http_conn *c)
{
	c->ws->close_sent = true;
	ws_gone(c->ws);
}

static void ws_write_frame(struct http_ws *ws, enum ws_opcode op, struct slice payload)
{
	uint8_t header[WS_HEADER_MAX_BYTES];
	size_t n = ws_header(header, op, payload.n, NULL);

	sock_write(&ws->conn->sock, header, n);
	sock_write(&ws->conn->sock, payload.p, payload.n);
	http_conn_touch(ws->conn);
}

static void ws_write_close(struct http_ws *ws, int code, const char *reason)
{
	char payload[WS_CONTROL_MAX_BYTES];
	size_t n = ws_close_payload(payload, code, reason);

	ws_write_frame(ws, WS_OP_CLOSE, (struct slice){payload, n});
	ws->close_sent = true;
}

/* Nothing more is expected: send what is queued and end the connection. */
static void ws_finish(struct http_ws *ws)
{
	http_conn_finish(ws->conn);
	ws_gone(ws);
}

void http_ws_close(struct http_ws *ws, int code, const char *reason)
{
	if (ws->close_sent)
		return;
	ws_write_close(ws, code, reason);
	http_conn_deadline(ws->conn, WS_CLOSE_MS);
}

void http_ws_shutdown(struct http_ws *ws)
{
	http_ws_close(ws, WS_CLOSE_GOING_AWAY, "the server is stopping");
	http_conn_deadline(ws->conn, HTTP_SHUTDOWN_MS);
}

/* input */

/* True: go on decoding. */
static bool ws_on_item(struct http_ws *ws, enum ws_event ev, const struct ws_item *item)
{
	switch (ev) {
	case WS_EVENT_MESSAGE:
		if (!ws->close_sent)
			ws->conf.message(ws->conf.data, ws, item->payload, item->is_text);
		return !http_ws_is_paused(ws);
	case WS_EVENT_PING:
		if (!ws->close_sent)
			ws_write_frame(ws, WS_OP_PONG, item->payload);
		return true;
	case WS_EVENT_PONG:
		return true;
	case WS_EVENT_CLOSE:
		ws->code = item->code;
		if (!ws->close_sent)
			ws_write_close(ws, item->code, NULL);
		ws_finish(ws);
		return false;
	case WS_EVENT_ERROR:
		if (!ws->close_sent)
			ws_write_close(ws, item->code, item->why);
		ws_finish(ws);
		return false;
	case WS_EVENT_NONE:
		break;
	}
	return false;
}

size_t http_ws_feed(struct http_ws *ws, char *p, size_t n)
{
	struct http_conn *c = ws->conn;
	size_t n_used = 0, n_now;
	struct ws_item item;
	bool more = true;

	ws->last_heard_mono_ms = clock_mono_ms();
	while (more) {
		enum ws_event ev =
		    ws_decode(&ws->decoder, p + n_used, n - n_used, &n_now, &item);

		n_used += n_now;
		more = ws_on_item(ws, ev, &item);
		if (c->state != HTTP_CONN_WS)
			return n; /* nothing after a close frame counts */
		if (c->sock.n_out > ws->conf.queue_max_bytes + WS_CONTROL_QUEUE_BYTES) {
			http_conn_drop(c); /* it pings and does not read */
			return n;
		}
	}
	return n_used;
}

/* time */

static void ws_arm(struct http_ws *ws, int64_t now_ms)
{
	const struct http_ws_conf *conf = &ws->conf;
	int64_t due_ms = ws->ping_due_mono_ms;

	if (conf->ping_interval_ms <= 0)
		return;
	if (conf->pong_timeout_ms > 0) {
		int64_t silent_ms = ws->last_heard_mono_ms + conf->ping_interval_ms +
				    conf->pong_timeout_ms;

		if (silent_ms < due_ms)
			due_ms = silent_ms;
	}
	http_conn_deadline(ws->conn, due_ms - now_ms);
}

static bool ws_is_silent(const struct http_ws *ws, int64_t now_ms)
{
	return ws->conf.pong_timeout_ms > 0 && !ws->paused &&
	       now_ms - ws->last_heard_mono_ms >=
		   ws->conf.ping_interval_ms + ws->conf.pong_timeout_ms;
}

void http_ws_on_deadline(struct http_ws *ws)
{
	int64_t now_ms = clock_mono_ms();

	if (ws->close_sent || ws_is_silent(ws, now_ms)) {
		http_conn_drop(ws->conn);
		return;
	}
	if (ws->paused)
		ws->last_heard_mono_ms = now_ms;
	if (now_ms >= ws->ping_due_mono_ms) {
		ws_write_frame(ws, WS_OP_PING, SLICE_NULL);
		ws->ping_due_mono_ms = now_ms + ws->ping_every_ms;
	}
	ws_arm(ws, now_ms);
}

void http_ws_open(struct http_ws *ws)
{
	int64_t interval_ms = ws->conf.ping_interval_ms;

	ws->opened = true;
	ws->last_heard_mono_ms = clock_mono_ms();
	if (interval_ms > 0) {
		/* A little early, each in its own way, so that pings do not come in
		 * crowds after a restart. */
		uint32_t jitter = (uint32_t)(interval_ms / 5 + 1);

		ws->ping_every_ms = interval_ms - arc4random_uniform(jitter);
		ws->ping_due_mono_ms = ws->last_heard_mono_ms + ws->ping_every_ms;
		if (!ws->close_sent)
			ws_arm(ws, ws->last_heard_mono_ms);
	}
	if (ws->conf.opened)
		ws->conf.opened(ws->conf.data, ws);
}

/* the application's calls */

bool http_ws_is_open(const struct http_ws *ws)
{
	return ws->opened;
}

bool http_ws_is_paused(const struct http_ws *ws)
{
	return ws->paused && !ws->close_sent;
}

void http_ws_on_drained(struct http_ws *ws)
{
	if (ws->opened && !ws->close_sent && ws->conf.drained)
		ws->conf.drained(ws->conf.data, ws);
}

int http_ws_send(struct http_ws *ws, struct slice text)
{
	if (ws->close_sent)
		return ERROR_UNAVAILABLE;
	if (text.n > ws->conf.queue_max_bytes ||
	    ws->conn->sock.n_out > ws->conf.queue_max_bytes - text.n) {
		http_ws_close(ws, WS_CLOSE_POLICY, "messages are not read fast enough");
		return ERROR_TOO_LARGE;
	}
	ws_write_frame(ws, WS_OP_TEXT, text);
	return 0;
}

size_t http_ws_queued(const struct http_ws *ws)
{
	return ws->conn->sock.n_out;
}

const char *http_ws_peer(const struct http_ws *ws)
{
	return ws->conn->peer;
}

int64_t http_ws_last_heard_mono_ms(const struct http_ws *ws)
{
	return ws->last_heard_mono_ms;
}

void http_ws_pause(struct http_ws *ws, bool paused)
{
	if (ws->paused == paused)
		return;
	ws->paused = paused;
	ws->last_heard_mono_ms = clock_mono_ms();
	http_conn_touch(ws->conn);
}
