/* WebSocket connections to a server, over the same socket and frame code as the
 * server's.
 *
 * happy path: DIALLING, HANDSHAKE, OPEN, CLOSING (our close frame is out), GONE
 *
 * failure modes: no connection, certificate refused, handshake refused or malformed or
 * too slow, malformed frames, silence, peer gone: closed() once, from the flusher, never
 * from inside a call of the application */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/tls.h"
#include "base/io/ws_client_internal.h"

/* end */

static void client_free(struct ws_client *w)
{
	struct ws_client_ctx *c = w->ctx;

	list_del(&c->clients, &w->link);
	free(w->url);
	free(w->bearer);
	buf_deinit(&w->in);
	ws_decoder_deinit(&w->decoder);
	free(w);
	ws_client_ctx_maybe_closed(c);
}

static void client_on_sock_closed(uv_handle_t *h)
{
	client_free(h->data);
}

void ws_client_end(struct ws_client *w, int code, const char *why)
{
	if (w->state == WS_GONE)
		return;
	w->state = WS_GONE;
	w->code = code;
	if (!w->why[0])
		snprintf(w->why, sizeof(w->why), "%s", why);
	wheel_cancel(&w->ctx->wheel, &w->deadline);
	if (w->dial)
		dial_cancel(w->dial);
	w->dial = NULL;
	ws_client_touch(w);
}

void ws_client_let_go(struct ws_client *w)
{
	if (w->conf.closed)
		w->conf.closed(w->conf.data, w->code, w->status, w->why);
	if (w->has_sock)
		sock_close(&w->sock, client_on_sock_closed);
	else
		client_free(w);
}

/* time */

static void client_on_deadline(struct wheel_timer *t)
{
	struct ws_client *w = container_of(t, struct ws_client, deadline);
	int64_t silent_ms = clock_mono_ms() - w->last_heard_mono_ms;

	if (w->state == WS_CLOSING)
		ws_client_end(w, w->code, "the close frame was not answered");
	else if (w->state != WS_OPEN)
		ws_client_end(w, WS_ABNORMAL, "no handshake in the time given");
	else if (silent_ms < w->conf.silence_timeout_ms)
		ws_client_deadline(w, w->conf.silence_timeout_ms - silent_ms);
	else
		ws_client_end(w, WS_ABNORMAL, "nothing was heard for too long");
}

/* Reading or writing has come to an end with @r, as sock_read says it. */
static void client_on_end(struct ws_client *w, ssize_t r)
{
	const char *refusal = w->sock.tls ? tls_refusal(w->sock.tls) : NULL;

	if (refusal)
		ws_client_end(w, WS_ABNORMAL, refusal);
	else if (r == -EPROTO)
		ws_client_end(w, WS_ABNORMAL, "the TLS handshake failed");
	else if (r < 0)
		ws_client_end(w, WS_ABNORMAL, strerror((int)-r));
	else
		ws_client_end(w, WS_ABNORMAL, "the server ended the connection");
}

/* output */

void ws_client_flush(struct ws_client *w)
{
	int r = sock_flush(&w->sock);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		client_on_end(w, r);
	} else if (w->state == WS_OPEN && w->wants_drained) {
		w->wants_drained = false;
		if (w->conf.drained)
			w->conf.drained(w->conf.data);
	}
}

static void client_write_frame(
    struct ws_client *w, enum ws_opcode op, struct slice payload)
{
	uint8_t header[WS_HEADER_MAX_BYTES], mask[WS_MASK_BYTES];
	size_t n;
	char *p;

	arc4random_buf(mask, sizeof(mask));
	n = ws_header(header, op, payload.n, mask);
	sock_write(&w->sock, header, n);
	if (payload.n > 0) {
		p = sock_write_space(&w->sock, payload.n);
		memcpy(p, payload.p, payload.n);
		ws_mask(p, payload.n, mask, 0);
	}
	ws_client_touch(w);
}

static void client_write_close(struct ws_client *w, int code, const char *reason)
{
	char payload[WS_CONTROL_MAX_BYTES];
	size_t n = ws_close_payload(payload, code, reason);

	client_write_frame(w, WS_OP_CLOSE, (struct slice){payload, n});
}

/* The close frame is the last we say; what the kernel takes at once has to do. */
static void client_answer_close(struct ws_client *w, int send, int code, const char *why)
{
	if (w->state == WS_OPEN)
		client_write_close(w, send, NULL);
	sock_flush(&w->sock);
	ws_client_end(w, code, why);
}

/* input */

/* True: go on decoding. */
static bool client_on_item(
    struct ws_client *w, enum ws_event ev, const struct ws_item *item)
{
	switch (ev) {
	case WS_EVENT_MESSAGE:
		if (w->state == WS_OPEN && w->conf.message)
			w->conf.message(w->conf.data, item->payload, item->is_text);
		return w->state != WS_GONE;
	case WS_EVENT_PING:
		if (w->state == WS_OPEN)
			client_write_frame(w, WS_OP_PONG, item->payload);
		if (w->sock.n_out <= w->conf.queue_max_bytes + WS_CONTROL_QUEUE_BYTES)
			return true;
		ws_client_end(w, WS_ABNORMAL, "it pings and does not read");
		return false;
	case WS_EVENT_PONG:
		return true;
	case WS_EVENT_CLOSE:
		snprintf(w->why, sizeof(w->why), SLICE_FMT, SLICE_ARG(item->payload));
		client_answer_close(w, item->code, item->code, "closed by the server");
		return false;
	case WS_EVENT_ERROR:
		client_answer_close(w, item->code, WS_ABNORMAL, item->why);
		return false;
	case WS_EVENT_NONE:
		break;
	}
	return false;
}

static void client_decode(struct ws_client *w, char *p, size_t n)
{
	size_t n_used = 0, n_now;
	struct ws_item item;
	enum ws_event ev;

	do {
		ev = ws_decode(&w->decoder, p + n_used, n - n_used, &n_now, &item);
		n_used += n_now;
	} while (client_on_item(w, ev, &item));
}

/* handshake */

static void client_on_answer(struct ws_client *w, size_t n_head)
{
	struct http_head head;
	struct err e;
	const char *why;

	if (http_head_parse_answer(w->in.data, n_head, &head, &e)) {
		ws_client_end(w, WS_ABNORMAL, e.text);
		return;
	}
	why = ws_handshake_check(&head, w->key);
	w->status = why ? head.status : 0;
	http_head_deinit(&head);
	if (why) {
		ws_client_end(w, WS_ABNORMAL, why);
		return;
	}
	w->state = WS_OPEN;
	wheel_cancel(&w->ctx->wheel, &w->deadline);
	if (w->conf.silence_timeout_ms > 0)
		ws_client_deadline(w, w->conf.silence_timeout_ms);
	if (w->conf.opened)
		w->conf.opened(w->conf.data);
	if (w->state != WS_GONE)
		client_decode(w, w->in.data + n_head, w->in.n - n_head);
	buf_deinit(&w->in);
}

static void client_on_handshake(struct ws_client *w, const char *p, size_t n)
{
	int64_t n_head;

	buf_add(&w->in, p, n);
	must(!w->in.failed);
	n_head = http_head_end(w->in.data, w->in.n, &w->in_scanned);
	if (n_head > 0)
		client_on_answer(w, (size_t)n_head);
	else if (n_head < 0 || w->in.n > HTTP_HEAD_MAX_BYTES)
		ws_client_end(
		    w, WS_ABNORMAL, "the answer's head is malformed or too long");
}

static void client_send_handshake(struct ws_client *w)
{
	struct buf b = BUF_NULL(SIZE_MAX);

	ws_handshake_write(&b, w->url, w->bearer, !w->conf.host_without_port, w->key);
	must(!b.failed);
	sock_write(&w->sock, b.data, b.n);
	buf_deinit(&b);
	free(w->url);
	w->url = NULL;
	w->state = WS_HANDSHAKE;
	ws_client_touch(w);
}

/* input and events */

static void client_on_input(struct ws_client *w, char *p, size_t n)
{
	w->last_heard_mono_ms = clock_mono_ms();
	if (w->state == WS_HANDSHAKE)
		client_on_handshake(w, p, n);
	else
		client_decode(w, p, n);
}

static void client_read(struct ws_client *w)
{
	struct ws_client_ctx *c = w->ctx;
	ssize_t n = sizeof(c->rdbuf);

	for (int i = 0; i < WS_READS_A_TURN && w->state != WS_GONE; i++) {
		/* Without TLS a short read has emptied the socket. */
		if (!w->sock.tls && n < (ssize_t)sizeof(c->rdbuf))
			return;
		n = sock_read(&w->sock, c->rdbuf, sizeof(c->rdbuf));
		if (n == -EAGAIN)
			return;
		if (n > 0)
			client_on_input(w, c->rdbuf, (size_t)n);
		else
			client_on_end(w, n);
	}
}

static void client_on_poll(uv_poll_t *h, int status, int events)
{
	struct ws_client *w = h->data;

	if (w->state == WS_GONE)
		return;
	if (status < 0 || (events & UV_READABLE) || w->sock.tls_wants_write)
		client_read(w); /* after a reset it says what happened */
	if (status < 0)
		ws_client_end(w, WS_ABNORMAL, "the connection was reset");
	if (w->state != WS_GONE && ((events & UV_WRITABLE) || w->sock.tls_wants_read))
		ws_client_flush(w);
}

static void client_on_dialled(void *data, int fd, const char *why)
{
	struct ws_client *w = data;
	struct ssl_st *tls = NULL;
	int r;

	w->dial = NULL;
	if (fd < 0) {
		ws_client_end(w, WS_ABNORMAL, why);
		return;
	}
	if (w->url->tls)
		tls = tls_connect(ws_client_ctx_tls(w->ctx), w->url->addr.host);
	r = sock_open(&w->sock, loop_uv(w->ctx->loop), fd, tls, client_on_poll);
	if (r) {
		ws_client_end(w, WS_ABNORMAL, strerror(-r));
		return;
	}
	w->sock.poll.data = w;
	w->has_sock = true;
	client_send_handshake(w);
}

/* the application's calls */

static bool is_header_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void client_init(struct ws_client *w)
{
	struct ws_client_conf *conf = &w->conf;

	if (!conf->message_max_bytes)
		conf->message_max_bytes = WS_DEFAULT_MAX_BYTES;
	if (!conf->queue_max_bytes)
		conf->queue_max_bytes = WS_DEFAULT_MAX_BYTES;
	if (conf->handshake_timeout_ms <= 0)
		conf->handshake_timeout_ms = WS_HANDSHAKE_MS;
	w->bearer = conf->bearer ? strdup(conf->bearer) : NULL;
	must(w->bearer || !conf->bearer);
	conf->url = conf->bearer = NULL; /* were borrowed */
	w->in = BUF_NULL(WS_IN_MAX_BYTES);
	ws_decoder_init(&w->decoder, conf->message_max_bytes, false);
	w->deadline.fire = client_on_deadline;
	w->code = WS_ABNORMAL;
}

int ws_client_connect(struct ws_client_ctx *c, const struct ws_client_conf *conf,
    struct ws_client **out, struct err *e)
{
	struct ws_client *w;

	must(!c->closing);
	if (conf->bearer &&
	    (!is_header_text(conf->bearer) || strlen(conf->bearer) > URL_TARGET_MAX))
		return err_set(e, ERROR_INVALID, "the token is malformed");
	w = calloc(1, sizeof(*w));
	must(w);
	w->url = malloc(sizeof(*w->url));
	must(w->url);
	if (url_parse(conf->url, "ws", w->url, e)) {
		free(w->url);
		free(w);
		return ERROR_INVALID;
	}
	w->ctx = c;
	w->conf = *conf;
	client_init(w);
	list_push(&c->clients, &w->link);
	ws_client_deadline(w, w->conf.handshake_timeout_ms);
	w->dial = dial_start(
	    c->loop, w->url->addr.host, w->url->addr.port, client_on_dialled, w);
	*out = w;
	return 0;
}

int ws_client_send(struct ws_client *w, struct slice text)
{
	if (w->state != WS_OPEN)
		return ERROR_UNAVAILABLE;
	if (text.n > w->conf.queue_max_bytes ||
	    w->sock.n_out > w->conf.queue_max_bytes - text.n)
		return ERROR_TOO_LARGE;
	client_write_frame(w, WS_OP_TEXT, text);
	w->wants_drained = true;
	return 0;
}

size_t ws_client_queued(const struct ws_client *w)
{
	return w->has_sock ? w->sock.n_out : 0;
}

void ws_client_close(struct ws_client *w, int code, const char *reason)
{
	if (w->state == WS_GONE || (w->state == WS_CLOSING && code != 0))
		return;
	if (w->state != WS_OPEN || code == 0) {
		ws_client_end(w, code ? code : WS_ABNORMAL, "closed by ourselves");
		return;
	}
	client_write_close(w, code, reason);
	w->state = WS_CLOSING;
	ws_client_deadline(w, WS_CLOSE_MS);
}
