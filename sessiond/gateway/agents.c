/* Connected Zeds: coming, being ready, going.
 *
 * happy path: handshake, open_thread if its session has a thread, agent_ready (or 60 s),
 * prompts, events, closed
 *
 * failure modes: the same id again: the newest wins, the old is
 * closed with 4001 and heard no more; silent for 35 s: gone; gone: its sessions keep
 * their turns, handed over or not, and go on when it is back
 */
#include "sessiond/gateway/agents.h"

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/zed_command.h"
#include "sessiond/events.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

enum {
	AGENT_MESSAGE_MAX = 64 * 1024 * 1024,
	AGENT_QUEUE_MAX = 8 * 1024 * 1024,
	AGENT_COMMAND_MAX = 4 * 1024 * 1024, /* a prompt of 256 KiB, escaped */
	AGENT_PING_MS = 25 * 1000,
	AGENT_PONG_MS = 10 * 1000,
	AGENT_READY_MS = 60 * 1000,
};

/* What the connection knows; it outlives its agent by a close handshake. */
struct agent_handle {
	struct agent *a; /* NULL: gone */
};

/* ---- sending ---- */

static void agent_send(struct agent *a, struct buf *command)
{
	if (buf_check(command) == 0 && a->ws && http_ws_send(a->ws, buf_slice(command)))
		log_event(EV_agent_stuck, LF("agent", a->id));
	buf_deinit(command);
}

void agent_send_prompt(struct agent *a, struct session *s, struct turn *t)
{
	struct buf b = BUF_NULL(AGENT_COMMAND_MAX);
	struct zed_chat_message m = {.message = t->prompt,
	    .n_message = t->n_prompt,
	    .request_id = t->id,
	    .thread_id = s->chat.thread_id,
	    .agent_name = t->agent_name ? t->agent_name : s->rec.agent_name,
	    .session_id = s->rec.id.s,
	    .interrupt = t->interrupt && s->chat.thread_id};

	zed_add_chat_message(&b, &m);
	agent_send(a, &b);
}

void agent_send_cancel(struct agent *a, const struct turn *t)
{
	struct buf b = BUF_NULL(AGENT_COMMAND_MAX);

	zed_add_cancel(&b, t->id);
	agent_send(a, &b);
}

/* Before anything else, so that its five-second timer stays silent and ready means
 * loaded. */
static void agent_open_thread(struct agent *a, struct session *s)
{
	struct buf b = BUF_NULL(AGENT_COMMAND_MAX);
	const struct turn *t = s->chat.active ? s->chat.active : chat_next(&s->chat);
	struct id made = id_make("open_");

	snprintf(a->open_request, sizeof(a->open_request), "%s", t ? t->id : made.s);
	zed_add_open_thread(
	    &b, s->chat.thread_id, s->rec.id.s, a->open_request, s->rec.agent_name);
	agent_send(a, &b);
}

/* ---- sessions of a connection ---- */

void agent_attach(struct agent *a, struct session *s)
{
	if (s->agent == a || s->deleting)
		return;
	if (s->agent)
		agent_detach(s);
	s->agent = a;
	list_push(&a->sessions, &s->agent_link);
	TALK(s, .kind = CHAT_LINK_UP, .link = &a->zed);
	fanout_session(s);
}

void agent_detach(struct session *s)
{
	struct agent *a = s->agent;

	if (!a)
		return;
	s->agent = NULL;
	list_del(&a->sessions, &s->agent_link);
	TALK(s, .kind = CHAT_LINK_DOWN);
	if (!s->deleting)
		fanout_session(s);
}

/* A claim counts when whoever connected may see the session, or it belongs to the same
 * owner as the connection's own. */
static bool agent_may_serve(const struct agent *a, const struct session *s)
{
	const struct session *own = sessions_find(a->g->sessions, a->id);

	return s == own || caller_may_see(&a->who, s) ||
	       (own && strcmp(session_owner(own), session_owner(s)) == 0);
}

static void agent_attach_all(struct agent *a)
{
	struct session *own = sessions_find(a->g->sessions, a->id);
	struct list *claims = sessions_claiming(a->g->sessions, a->id);

	if (own && !own->agent)
		agent_attach(a, own);
	if (!claims)
		return;
	list_for_each_safe (it, claims) {
		struct session *s = list_entry(it, struct session, claim_link);

		if (agent_may_serve(a, s))
			agent_attach(a, s);
	}
}

void agents_attach_session(struct session *s)
{
	struct agents *as = s->g->agents;
	struct agent *a = s->rec.agent_id ? agents_find(as, s->rec.agent_id) : NULL;

	if (!a || !agent_may_serve(a, s))
		a = agents_find(as, s->rec.id.s);
	if (a)
		agent_attach(a, s);
	else
		agent_detach(s);
}

void agent_offer_link(struct agent *a)
{
	size_t n = a->sessions.n;

	/* Each once, and who looked goes to the end: fair between sessions. */
	while (n-- > 0 && !a->zed.follow_up) {
		struct list_link *l = list_pop(&a->sessions);
		struct session *s = list_entry(l, struct session, agent_link);

		list_push(&a->sessions, l);
		TALK(s, .kind = CHAT_LOOK);
	}
}

/* ---- readiness ---- */

void agent_set_ready(struct agent *a)
{
	gateway_disarm(a->g, &a->ready_timer);
	if (a->zed.ready)
		return;
	a->zed.ready = true;
	a->open_request[0] = '\0';
	metric_observe_us(
	    M_ready_wait_seconds, 1000 * (clock_unix_ms() - a->connected_unix_ms));
	list_for_each_safe (it, &a->sessions) {
		struct session *s = list_entry(it, struct session, agent_link);

		TALK(s, .kind = CHAT_LINK_READY);
		fanout_session(s);
	}
}

static void agent_on_ready_time(struct wheel_timer *t)
{
	struct agent *a = container_of(t, struct agent, ready_timer);

	log_event(EV_agent_not_ready, LF("agent", a->id));
	agent_set_ready(a);
}

const char *agent_state(const struct agent *a)
{
	if (!a->zed.ready)
		return "connected";
	list_for_each (it, &a->sessions)
		if (list_entry(it, struct session, agent_link)->chat.active)
			return "busy";
	return "ready";
}

struct jsn *agent_json(const struct agent *a)
{
	struct jsn *o = jsn_new_object();
	const struct session *own = sessions_find(a->g->sessions, a->id);
	int64_t heard_ago =
	    a->ws ? clock_mono_ms() - http_ws_last_heard_mono_ms(a->ws) : 0;
	size_t depth = 0;

	if (!own && a->sessions.n)
		own = list_entry(list_first(&a->sessions), struct session, agent_link);
	list_for_each (it, &a->sessions)
		depth += chat_n_queued(&list_entry(it, struct session, agent_link)->chat);
	jsn_set_string(o, "id", a->id);
	jsn_set_string(o, "session_id", own ? own->rec.id.s : NULL);
	jsn_set_string(o, "state", agent_state(a));
	jsn_set_string(o, "agent_name", a->agent_name);
	jsn_set_string(o, "replica", a->g->epoch);
	jsn_set_time(o, "connected_at", a->connected_unix_ms);
	jsn_set_time(o, "last_seen_at", clock_unix_ms() - heard_ago);
	jsn_set_int(o, "queue_depth", (int64_t)depth);
	return o;
}

/* ---- coming and going ---- */

struct agent *agents_find(const struct agents *as, const char *id)
{
	return map_get(as->by_id, slice_of(id));
}

/* Gone for the rest of the program; the socket may still be closing. */
static void agent_leave(struct agent *a)
{
	struct agents *as = a->g->agents;

	/* A newer connection may have the id already. */
	if (agents_find(as, a->id) == a)
		map_del(&as->by_id, slice_of(a->id));
	list_del(&as->all, &a->link);
	a->handle->a = NULL;
	a->ws = NULL;
	gateway_disarm(a->g, &a->ready_timer);
	while (a->sessions.n)
		agent_detach(
		    list_entry(list_first(&a->sessions), struct session, agent_link));
	agent_pending_deinit(a);
	zed_link_deinit(&a->zed);
	metric_set(M_agents, (int64_t)as->all.n);
	free(a->agent_name);
	free(a);
}

static void agent_close(struct agent *a, int code, const char *reason)
{
	struct http_ws *ws = a->ws;

	agent_leave(a);
	http_ws_close(ws, code, reason);
}

static void agent_on_opened(void *data, struct http_ws *ws)
{
	struct agent *a = ((struct agent_handle *)data)->a, *old;
	struct session *own;

	(void)ws;
	if (!a)
		return;
	old = map_put(&a->g->agents->by_id, slice_of(a->id), a);
	if (old) {
		metric_inc(M_takeovers);
		log_event(EV_agent_superseded, LF("agent", a->id));
		agent_close(old, AGENT_CLOSE_SUPERSEDED, "superseded");
	}
	metric_inc(M_agent_connects);
	log_event(
	    EV_agent_connected, LF("agent", a->id), LF("peer", http_ws_peer(a->ws)));
	agent_attach_all(a);
	own = sessions_find(a->g->sessions, a->id);
	if (own && own->agent == a && own->chat.thread_id)
		agent_open_thread(a, own);
	gateway_arm(a->g, &a->ready_timer, AGENT_READY_MS);
}

static void agent_on_closed(void *data, struct http_ws *ws, int code)
{
	struct agent_handle *h = data;

	(void)ws;
	if (h->a) {
		log_event(EV_agent_gone, LF("agent", h->a->id), LF_I("code", code));
		agent_leave(h->a);
	}
	free(h);
}

static void agent_on_ws_message(
    void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	struct agent *a = ((struct agent_handle *)data)->a;

	(void)ws;
	(void)is_text; /* JSON in a binary frame is as good */
	if (!a)
		return;
	metric_add(M_agent_bytes, (int64_t)msg.n);
	agent_on_message(a, msg);
}

static void agent_accept(struct call *c, const char *id)
{
	struct agent_handle *h = calloc(1, sizeof(*h));
	struct agent *a = calloc(1, sizeof(*a));
	struct http_ws_conf conf = {.message_max_bytes = AGENT_MESSAGE_MAX,
	    .queue_max_bytes = AGENT_QUEUE_MAX,
	    .ping_interval_ms = AGENT_PING_MS,
	    .pong_timeout_ms = AGENT_PONG_MS,
	    .message = agent_on_ws_message,
	    .closed = agent_on_closed,
	    .opened = agent_on_opened,
	    .data = h};

	must(h && a);
	h->a = a;
	a->g = c->g;
	a->handle = h;
	a->who = c->who;
	snprintf(a->id, sizeof(a->id), "%s", id);
	list_init(&a->sessions);
	list_init(&a->pending);
	a->ready_timer.fire = agent_on_ready_time;
	a->connected_unix_ms = clock_unix_ms();
	list_push(&c->g->agents->all, &a->link);
	metric_set(M_agents, (int64_t)c->g->agents->all.n);
	a->ws = http_ws_accept(c->req, &conf);
	c->req = NULL;
	call_release(c);
}

/* ---- the handshake ---- */

static void agent_on_session(struct call *c, struct session *s)
{
	agent_accept(c, s->rec.id.s);
}

static bool agent_has_visible_claim(const struct call *c, const char *id)
{
	struct list *claims = sessions_claiming(c->g->sessions, id);

	if (!claims)
		return false;
	list_for_each (it, claims)
		if (caller_may_see(&c->who, list_entry(it, struct session, claim_link)))
			return true;
	return false;
}

static bool agent_id_ok(const char *id)
{
	for (const char *p = id; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p == 0x7F)
			return false;
	return strlen(id) <= AGENT_ID_MAX;
}

void agent_on_sync(struct call *c)
{
	const char *id = http_req_query(c->req, "session_id");
	char made[64];

	if (!id || !*id)
		id = http_req_query(c->req, "agent_id");
	if (!id || !*id) {
		snprintf(made, sizeof(made), "external-agent-%lld",
		    (long long)clock_unix_ms() * 1000000 + clock_mono_us() % 1000000);
		id = made;
	}
	if (!agent_id_ok(id)) {
		call_reply_error(c, ERROR_INVALID, "session_id: not an id");
		return;
	}
	if (!gateway_warm(c->g) || daemon_stopping(c->g->daemon)) {
		call_reply_error(c, ERROR_UNAVAILABLE, "not ready yet: try again");
		return;
	}
	if (strncmp(id, "ses_", 4) == 0 || sessions_find(c->g->sessions, id))
		call_with_session(c, id, true, agent_on_session);
	else if (c->who.role == AUTH_AGENT && !agent_has_visible_claim(c, id))
		call_reply_error(c, ERROR_FORBIDDEN, "the token does not name %s", id);
	else
		agent_accept(c, id);
}

/* ---- all of them ---- */

void agents_session_gone(struct session *s)
{
	struct agent *own = agents_find(s->g->agents, s->rec.id.s);

	agent_detach(s);
	if (own)
		agent_close(own, AGENT_CLOSE_NO_SESSION, "session deleted");
}

struct agents *agents_new(struct gateway *g)
{
	struct agents *as = calloc(1, sizeof(*as));

	must(as);
	as->g = g;
	list_init(&as->all);
	return as;
}

void agents_stop(struct agents *as)
{
	while (as->all.n)
		agent_close(list_entry(list_first(&as->all), struct agent, link),
		    WS_CLOSE_RESTART, "restart");
}

struct agents *agents_free(struct agents *as)
{
	if (!as)
		return NULL;
	must(as->all.n == 0);
	map_clear(&as->by_id);
	free(as);
	return NULL;
}
