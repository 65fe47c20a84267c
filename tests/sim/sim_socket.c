/* happy path: start, opened, ping, events one at a time (each waits for the kernel to
 * take the one before) failure modes: refused or broken connection: the event under way
 * is lost, the rest waits; next try after 1, 2, 4, 8, 16, 30, 30... s, counted anew after
 * every handshake that succeeds */
#include "tests/sim/sim_socket.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/sim/sim_events.h"

enum {
	SIM_MESSAGE_MAX_BYTES = 64 << 20, /* tungstenite's limit on what comes in */
	SIM_QUEUE_MAX_BYTES = 128 << 20,
	SIM_RETRY_FIRST_MS = 1000,
	SIM_RETRY_CAP_MS = 30000,
	SIM_HANDSHAKE_MS = 60000,
};

struct sim_event {
	struct list_link link;
	size_t n;
	char data[];
};

static void sim_socket_connect(struct sim_socket *s);

static struct sim_event *sim_event_new(struct slice json)
{
	struct sim_event *ev = malloc(sizeof *ev + json.n);

	must(ev);
	*ev = (struct sim_event){.n = json.n};
	memcpy(ev->data, json.p, json.n);
	return ev;
}

static void sim_socket_lose(struct sim_socket *s)
{
	if (!s->flying)
		return;
	free(s->flying);
	s->flying = NULL;
	s->stats->events_lost++;
	log_event(EV_sim_event_lost, LF("url", s->url));
}

static void sim_socket_landed(struct sim_socket *s)
{
	free(s->flying);
	s->flying = NULL;
	s->stats->events_sent++;
	if (s->cb.sent)
		s->cb.sent(s->cb.data);
}

static void sim_socket_pump(struct sim_socket *s)
{
	while (s->connected && !s->flying && s->backlog.n > 0) {
		struct sim_event *ev =
		    list_entry(list_pop(&s->backlog), struct sim_event, link);

		s->flying = ev;
		if (ws_client_send(s->ws, (struct slice){ev->data, ev->n}) != 0) {
			sim_socket_lose(s);
			continue;
		}
		if (ws_client_queued(s->ws) == 0)
			sim_socket_landed(s);
	}
}

static void sim_socket_retry_later(struct sim_socket *s)
{
	int64_t delay_ms = SIM_RETRY_CAP_MS;

	if (s->stopping)
		return;
	if (s->n_failures < 5)
		delay_ms = SIM_RETRY_FIRST_MS << s->n_failures;
	s->n_failures++;
	log_event(EV_sim_disconnected, LF("url", s->url), LF_I("retry_ms", delay_ms));
	loop_timer_start(s->retry, delay_ms, 0);
}

static void sim_socket_on_drained(void *data)
{
	struct sim_socket *s = data;

	if (s->flying)
		sim_socket_landed(s);
	sim_socket_pump(s);
}

static void sim_socket_on_closed(void *data, int code, int status, const char *why)
{
	struct sim_socket *s = data;
	bool was_connected = s->connected;

	(void)code;
	(void)why;
	s->ws = NULL;
	s->connected = false;
	sim_socket_lose(s);
	if (was_connected) {
		s->stats->disconnects++;
		s->cb.closed(s->cb.data);
	} else {
		s->stats->handshake_failures++;
		log_event(EV_sim_disconnected, LF("url", s->url), LF_I("status", status));
	}
	sim_socket_retry_later(s);
}

static void sim_socket_on_message(void *data, struct slice msg, bool is_text)
{
	struct sim_socket *s = data;

	if (!is_text) {
		s->stats->frames_binary++;
		return;
	}
	s->cb.text(s->cb.data, msg);
}

/* Zed's greeting, before anything that was left over. */
static void sim_socket_ping(struct sim_socket *s)
{
	char json[96];
	int n = snprintf(json, sizeof json,
	    "{\"event_type\":\"ping\",\"data\":{\"timestamp\":%" PRId64 "}}",
	    clock_unix_ms() / 1000);

	list_push_front(
	    &s->backlog, &sim_event_new((struct slice){json, (size_t)n})->link);
}

static void sim_socket_on_opened(void *data)
{
	struct sim_socket *s = data;

	s->connected = true;
	s->n_failures = 0;
	s->stats->connects++;
	log_event(EV_sim_connected, LF("url", s->url));
	sim_socket_ping(s);
	s->cb.opened(s->cb.data);
	sim_socket_pump(s);
}

static void sim_socket_on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	sim_socket_connect(data);
}

static void sim_socket_connect(struct sim_socket *s)
{
	struct err e = ERR_NULL;
	struct ws_client_conf conf = {
	    .url = s->url,
	    .bearer = s->bearer,
	    .host_without_port = true,
	    .message_max_bytes = SIM_MESSAGE_MAX_BYTES,
	    .queue_max_bytes = SIM_QUEUE_MAX_BYTES,
	    .handshake_timeout_ms = SIM_HANDSHAKE_MS,
	    .opened = sim_socket_on_opened,
	    .message = sim_socket_on_message,
	    .drained = sim_socket_on_drained,
	    .closed = sim_socket_on_closed,
	    .data = s,
	};

	if (ws_client_connect(s->ctx, &conf, &s->ws, &e) != 0) {
		/* A URL that makes no sense: Zed goes on trying all the same. */
		s->ws = NULL;
		s->stats->handshake_failures++;
		log_event(EV_sim_disconnected, LF("url", s->url), LF("detail", e.text));
		sim_socket_retry_later(s);
	}
}

void sim_socket_init(struct sim_socket *s, struct loop *l, struct ws_client_ctx *ctx,
    char *url, const char *bearer, struct sim_stats *stats,
    const struct sim_socket_cb *cb)
{
	*s = (struct sim_socket){.loop = l,
	    .ctx = ctx,
	    .stats = stats,
	    .cb = *cb,
	    .url = url,
	    .bearer = bearer};
	list_init(&s->backlog);
	s->retry = loop_timer_new(l, sim_socket_on_retry, s);
}

void sim_socket_start(struct sim_socket *s)
{
	sim_socket_connect(s);
}

void sim_socket_push(struct sim_socket *s, struct slice json)
{
	list_push(&s->backlog, &sim_event_new(json)->link);
	sim_socket_pump(s);
}

bool sim_socket_drop(struct sim_socket *s)
{
	if (!s->connected)
		return false;
	ws_client_close(s->ws, 0, NULL);
	return true;
}

void sim_socket_stop(struct sim_socket *s)
{
	s->stopping = true;
	s->retry = loop_timer_free(s->retry);
	if (s->ws)
		ws_client_close(s->ws, 0, NULL);
}

void sim_socket_deinit(struct sim_socket *s)
{
	struct list_link *l;

	while ((l = list_pop(&s->backlog)))
		free(list_entry(l, struct sim_event, link));
	free(s->flying);
	free(s->url);
}
