/* Who listens to a session, and what they are told. Events are encoded once; a subscriber
 * that does not keep up is told nothing until it has drained, and then the newest state:
 * its share of memory is bounded, nobody waits for it.
 *
 * happy path: state changes and text become events in the session's ring, written to
 * every subscriber at once
 *
 * failure modes: a slow subscriber is behind (stream_catch_up,
 * socket catch up) and cut off when it stays so
 */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/fanout_internal.h"
#include "sessiond/gateway/session_json.h"
#include "sessiond/metrics.h"

/* ---- subscribers ---- */

static void subscriber_on_beat(struct wheel_timer *t)
{
	struct subscriber *sub = container_of(t, struct subscriber, beat);
	struct gateway *g = sub->g;

	if (sub->behind && clock_mono_ms() - sub->behind_mono_ms > FANOUT_STUCK_MS) {
		metric_inc(M_slow_closed);
		if (sub->st)
			stream_cut(sub);
		else
			socket_end(sub, 4408, "slow");
		return;
	}
	if (sub->st && !sub->behind)
		(void)http_stream_write(sub->st, SLICE_LIT(": beat\n\n"));
	gateway_arm(g, &sub->beat, FANOUT_BEAT_MS);
}

struct subscriber *subscriber_new(struct gateway *g, struct session *s)
{
	struct subscriber *sub = calloc(1, sizeof(*sub));

	must(sub);
	sub->g = g;
	sub->s = s;
	sub->beat.fire = subscriber_on_beat;
	list_push(s ? &s->fan.subscribers : &g->fanout->all, &sub->link);
	list_push(&g->fanout->every, &sub->every_link);
	gateway_arm(g, &sub->beat, FANOUT_BEAT_MS);
	metric_set(M_subscribers, (int64_t)g->fanout->every.n);
	return sub;
}

void subscriber_free(struct subscriber *sub)
{
	struct fanout *f = sub->g->fanout;

	if (sub->ws && sub->s && !sub->config_only && sub->opened)
		sub->s->fan.n_sockets--;
	list_del(sub->s ? &sub->s->fan.subscribers : &f->all, &sub->link);
	list_del(&f->every, &sub->every_link);
	gateway_disarm(sub->g, &sub->beat);
	snapshot_cancel(sub);
	metric_set(M_subscribers, (int64_t)f->every.n);
	free(sub);
}

bool subscriber_is_full(struct gateway *g, const struct session *s)
{
	return s ? s->fan.subscribers.n >= FANOUT_PER_SESSION
		 : g->fanout->all.n >= FANOUT_ALL_MAX;
}

struct ring *subscriber_ring(const struct subscriber *sub)
{
	return sub->s ? &sub->s->fan.ring : &sub->g->fanout->ring;
}

/* ---- events ---- */

static void fanout_offer(struct subscriber *sub, const struct event *ev, uint64_t number)
{
	if (!sub->st || sub->waiting)
		return;
	if (sub->behind)
		metric_inc(M_coalesced);
	else
		stream_send_event(sub, ev, number);
}

/* Takes @data. */
static void fanout_emit(struct session *s, const char *name, struct buf *data)
{
	struct fanout *f = s->g->fanout;
	struct event *ev;
	uint64_t n;

	if (buf_check(data)) {
		buf_deinit(data);
		return;
	}
	ev = event_new(name, data);
	n = ring_push(&s->fan.ring, ev);
	list_for_each_safe (it, &s->fan.subscribers)
		fanout_offer(list_entry(it, struct subscriber, link), ev, n);
	n = ring_push(&f->ring, ev);
	list_for_each_safe (it, &f->all)
		fanout_offer(list_entry(it, struct subscriber, link), ev, n);
	metric_inc(M_events);
	event_unref(ev);
}

static void fanout_emit_json(struct session *s, const char *name, struct jsn *v)
{
	struct buf data = BUF_NULL(FANOUT_TEXT_MAX);

	jsn_print(v, &data);
	jsn_free(v);
	fanout_emit(s, name, &data);
}

/* To the sockets that want everything. */
static void fanout_to_sockets(struct session *s, struct buf *text)
{
	if (buf_check(text) == 0)
		list_for_each_safe (it, &s->fan.subscribers) {
			struct subscriber *sub = list_entry(it, struct subscriber, link);

			if (sub->ws && sub->opened && !sub->config_only)
				socket_send(sub, buf_slice(text));
		}
	buf_deinit(text);
}

void fanout_session(struct session *s)
{
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);

	fanout_emit_json(s, "session", session_json(s));
	if (s->fan.n_sockets == 0)
		return;
	frontend_add_session(s, &text);
	fanout_to_sockets(s, &text);
}

void fanout_interaction(struct session *s, const struct turn *t)
{
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);
	struct jsn *v = interaction_json(t, false);

	jsn_set_string(v, "session_id", s->rec.id.s);
	fanout_emit_json(s, "interaction", v);
	if (s->fan.n_sockets == 0)
		return;
	frontend_add_interaction(s, t, &text);
	fanout_to_sockets(s, &text);
}

struct jsn *fanout_wanted_json(const struct session *s)
{
	struct jsn *v = jsn_new_object();

	jsn_set_string(v, "session_id", s->rec.id.s);
	jsn_set_string(v, "owner", s->rec.owner);
	jsn_set_string(v, "agent_id", s->rec.agent_id);
	jsn_set_int(v, "queue_depth", (int64_t)chat_n_queued(&s->chat));
	return v;
}

void fanout_wanted(struct session *s)
{
	fanout_emit_json(s, "wanted", fanout_wanted_json(s));
}

/* ---- text ---- */

static void fanout_emit_delta(
    struct session *s, const struct turn *t, const struct entry_patch *p)
{
	struct buf d = BUF_NULL(FANOUT_TEXT_MAX);
	const struct entry *en = p->entry;

	buf_addf(&d, "{\"session_id\":\"%s\",\"interaction_id\":", s->rec.id.s);
	buf_add_json_string(&d, t->id, strlen(t->id));
	buf_adds(&d, ",\"message_id\":");
	buf_add_json_string(&d, en->message_id, strlen(en->message_id));
	buf_addf(&d, ",\"type\":\"%s\",\"offset_utf16\":%zu,\"append\":",
	    entry_type_name(en->type), p->offset_utf16);
	buf_add_json_string(&d, p->append.p, p->append.n);
	buf_addf(&d, ",\"total_utf16\":%zu", en->n_utf16);
	if (en->type == ENTRY_TOOL_CALL) {
		buf_adds(&d, ",\"tool_name\":");
		buf_add_json_string(&d, en->tool_name, strlen(en->tool_name));
		buf_adds(&d, ",\"tool_status\":");
		buf_add_json_string(&d, en->tool_status, strlen(en->tool_status));
	}
	buf_addc(&d, '}');
	fanout_emit(s, "delta", &d);
}

/* Where an entry stands among those with content; *moved: it came or went before others,
 * so theirs have changed. */
static size_t fanout_index(struct entries *e, size_t i_entry, bool *moved)
{
	size_t index = 0;
	bool shown = e->v[i_entry].n_content > 0;

	for (size_t i = 0; i < i_entry; i++)
		index += e->v[i].n_content > 0;
	if (shown != e->v[i_entry].shown)
		for (size_t i = i_entry + 1; i < e->n && !*moved; i++)
			*moved = e->v[i].shown;
	e->v[i_entry].shown = shown;
	return index;
}

void fanout_flush(struct session *s, struct turn *t)
{
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);
	struct entry_patch p;
	size_t from = SIZE_MAX, n = 0;

	gateway_disarm_fine(s->g, &s->fan.flush);
	frontend_begin_patch(s, t, &text);
	while (entries_next_patch(&t->entries, ENTRIES_TOLD, FANOUT_APPEND_MAX, &p)) {
		bool moved = false;
		size_t index = fanout_index(&t->entries, p.index, &moved);

		fanout_emit_delta(s, t, &p);
		if (s->fan.n_sockets && p.entry->n_content > 0)
			frontend_add_patch(&text, index, &p);
		if (moved && index < from)
			from = index;
		n++;
	}
	if (n == 0 || s->fan.n_sockets == 0) {
		buf_deinit(&text);
		return;
	}
	if (from == SIZE_MAX) {
		frontend_end_patch(t, &text);
	} else {
		buf_reset(&text);
		frontend_add_full_patch(s, t, from, &text);
	}
	s->fan.flushed_mono_ms = clock_mono_ms();
	fanout_to_sockets(s, &text);
}

static void fanout_on_flush(struct wheel_timer *timer)
{
	struct fan *fan = container_of(timer, struct fan, flush);
	struct session *s = container_of(fan, struct session, fan);

	s->fan.flushed_mono_ms = clock_mono_ms();
	if (s->chat.active)
		fanout_flush(s, s->chat.active);
}

void fanout_output(struct session *s, struct turn *t)
{
	int64_t now = clock_mono_ms(), due = s->fan.flushed_mono_ms + FANOUT_GAP_MS - now;

	if (due <= 0) {
		s->fan.flushed_mono_ms = now;
		fanout_flush(s, t);
	} else if (s->fan.flush.due_ms == 0) {
		gateway_arm_fine(s->g, &s->fan.flush, due);
	}
}

/* ---- settings ---- */

/* Everybody's sockets, agents' too. Takes @text. @overrides: their revision, 0: it is the
 * base. */
static void fanout_config(struct session *s, struct buf *text, uint64_t overrides)
{
	list_for_each_safe (it, &s->fan.subscribers) {
		struct subscriber *sub = list_entry(it, struct subscriber, link);

		if (!sub->ws || !sub->opened)
			continue;
		if (sub->behind && overrides)
			sub->missed_overrides = overrides;
		else if (sub->behind)
			sub->missed_config = true;
		else
			socket_send(sub, buf_slice(text));
	}
	buf_deinit(text);
}

static void fanout_settings(struct gateway *g, const struct id *session,
    const char *event, const char *type, struct jsn *v, uint64_t overrides)
{
	struct session *s = sessions_find(g->sessions, session->s);
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);

	if (!s) {
		jsn_free(v);
		return;
	}
	jsn_set_string(v, "type", type);
	jsn_set_string(v, "session_id", session->s);
	jsn_print(v, &text);
	fanout_config(s, &text, overrides);
	jsn_del(v, "type");
	fanout_emit_json(s, event, v);
}

void fanout_config_changed(
    struct gateway *g, const struct id *session, const char *field, struct jsn *extra)
{
	struct jsn *v = extra ? extra : jsn_new_object();

	if (field)
		jsn_set_string(v, "field", field);
	fanout_settings(g, session, "config_changed", "config_changed", v, 0);
}

void fanout_user_settings_changed(
    struct gateway *g, const struct id *session, uint64_t revision)
{
	struct jsn *v = jsn_new_object();

	jsn_set_int(v, "revision", (int64_t)revision);
	fanout_settings(g, session, "overrides", "user_settings_changed", v, revision);
}

/* ---- life ---- */

struct fanout *fanout_new(struct gateway *g)
{
	struct fanout *f = calloc(1, sizeof(*f));

	must(f);
	f->g = g;
	ring_init(&f->ring, RING_ALL_EVENTS_MAX, RING_ALL_BYTES_MAX);
	list_init(&f->all);
	list_init(&f->every);
	return f;
}

void fanout_stop(struct fanout *f)
{
	f->stopping = true;
	list_for_each_safe (it, &f->every) {
		struct subscriber *sub = list_entry(it, struct subscriber, every_link);

		if (sub->st)
			stream_end(sub);
		else
			socket_end(sub, WS_CLOSE_RESTART, "restart");
	}
}

struct fanout *fanout_free(struct fanout *f)
{
	if (!f)
		return NULL;
	ring_deinit(&f->ring);
	free(f);
	return NULL;
}

void fanout_session_init(struct session *s)
{
	ring_init(&s->fan.ring, RING_EVENTS_MAX, RING_BYTES_MAX);
	list_init(&s->fan.subscribers);
	s->fan.flush.fire = fanout_on_flush;
}

void fanout_session_deinit(struct session *s)
{
	list_for_each_safe (it, &s->fan.subscribers) {
		struct subscriber *sub = list_entry(it, struct subscriber, link);

		if (sub->st)
			stream_end(sub);
		else
			socket_end(sub, 4404, "session deleted");
	}
	gateway_disarm_fine(s->g, &s->fan.flush);
	ring_deinit(&s->fan.ring);
}
