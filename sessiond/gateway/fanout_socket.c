/* User WebSockets: Helix's frontend events. Nothing is kept for them: one that did not
 * keep up, or has just come, is told the state there is. */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/fanout_internal.h"
#include "sessiond/gateway/route.h"
#include "sessiond/metrics.h"

enum {
	SOCKET_IN_MAX = 64 * 1024,
	SOCKET_PING_MS = 15 * 1000,
	SOCKET_PONG_MS = 15 * 1000,
};

/* What the connection knows: it may outlive its subscriber by a close handshake. */
struct socket_handle {
	struct subscriber *sub; /* NULL: ended */
};

void socket_end(struct subscriber *sub, int code, const char *reason)
{
	struct http_ws *ws = sub->ws;

	sub->handle->sub = NULL;
	subscriber_free(sub);
	http_ws_close(ws, code, reason);
}

void socket_send(struct subscriber *sub, struct slice text)
{
	if (sub->behind) {
		metric_inc(M_coalesced);
		return;
	}
	metric_inc(M_deliveries_ws);
	if (http_ws_send(sub->ws, text))
		return; /* closing: closed() follows */
	if (http_ws_queued(sub->ws) <= FANOUT_BEHIND_BYTES)
		return;
	sub->behind = true;
	sub->behind_mono_ms = clock_mono_ms();
}

static void socket_send_buf(struct subscriber *sub, struct buf *text)
{
	if (text->n && buf_check(text) == 0)
		socket_send(sub, buf_slice(text));
	buf_deinit(text);
}

/* The text of the turn under way, whole. What others have not been told yet is told
 * first, so that their next patch fits this one's text too. */
static void socket_send_active(struct subscriber *sub)
{
	struct session *s = sub->s;
	struct turn *t = s->chat.active;
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);

	if (!t || entries_n_shown(&t->entries) == 0)
		return;
	frontend_add_full_patch(s, t, 0, &text);
	socket_send_buf(sub, &text);
}

static void socket_on_opened(void *data, struct http_ws *ws)
{
	struct subscriber *sub = ((struct socket_handle *)data)->sub;

	(void)ws;
	if (!sub)
		return;
	if (sub->s->chat.active)
		fanout_flush(sub->s, sub->s->chat.active);
	sub->opened = true;
	if (sub->config_only)
		return;
	sub->s->fan.n_sockets++;
	socket_send_active(sub);
}

static void socket_on_drained(void *data, struct http_ws *ws)
{
	struct subscriber *sub = ((struct socket_handle *)data)->sub;
	struct buf text;

	(void)ws;
	if (!sub || !sub->behind)
		return;
	sub->behind = false;
	if (sub->missed_config) {
		sub->missed_config = false;
		socket_send(sub, SLICE_LIT("{\"type\":\"config_changed\"}"));
	}
	if (sub->missed_overrides) {
		char event[80];

		snprintf(event, sizeof(event),
		    "{\"type\":\"user_settings_changed\",\"revision\":%llu}",
		    (unsigned long long)sub->missed_overrides);
		sub->missed_overrides = 0;
		socket_send(sub, slice_of(event));
	}
	if (sub->config_only)
		return;
	list_for_each (it, &sub->s->chat.turns) {
		text = BUF_NULL(FANOUT_TEXT_MAX);
		frontend_add_interaction(
		    sub->s, list_entry(it, struct turn, link), &text);
		socket_send_buf(sub, &text);
	}
	text = BUF_NULL(FANOUT_TEXT_MAX);
	frontend_add_session(sub->s, &text);
	socket_send_buf(sub, &text);
}

static void socket_on_message(
    void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	(void)data; /* what browsers say here is read and dropped */
	(void)ws;
	(void)msg;
	(void)is_text;
}

static void socket_on_closed(void *data, struct http_ws *ws, int code)
{
	struct socket_handle *h = data;

	(void)ws;
	(void)code;
	if (h->sub)
		subscriber_free(h->sub);
	free(h);
}

void fanout_open_socket(struct call *c, struct session *s)
{
	struct subscriber *sub;
	struct http_ws_conf conf = {.message_max_bytes = SOCKET_IN_MAX,
	    .queue_max_bytes = FANOUT_SOCKET_QUEUE_MAX,
	    .ping_interval_ms = SOCKET_PING_MS,
	    .pong_timeout_ms = SOCKET_PONG_MS,
	    .message = socket_on_message,
	    .drained = socket_on_drained,
	    .closed = socket_on_closed,
	    .opened = socket_on_opened};

	if (subscriber_is_full(c->g, s)) {
		call_reply_error(
		    c, ERROR_RATE_LIMITED, "too many subscribers of this session");
		return;
	}
	sub = subscriber_new(c->g, s);
	sub->config_only = c->who.role == AUTH_AGENT;
	sub->handle = calloc(1, sizeof(*sub->handle));
	must(sub->handle);
	sub->handle->sub = sub;
	conf.data = sub->handle;
	sub->ws = http_ws_accept(c->req, &conf);
	c->req = NULL;
	call_release(c);
}
