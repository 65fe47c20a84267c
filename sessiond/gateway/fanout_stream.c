/* SSE streams: numbered events, resumed by number, a snapshot where numbers cannot help.
 *
 * happy path: begin, replay from the ring or a snapshot, then each event as it is made; a
 * comment every 15 s
 *
 * failure modes: peer gone (closed); slow (behind: on drain it goes on
 * from the ring, or gets a snapshot); the transcript cannot be read for a snapshot: it
 * goes without the last finished turn
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/fanout_internal.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session_json.h"
#include "sessiond/metrics.h"

/* Reading the last finished turn for a snapshot. */
struct snapshot_op {
	struct subscriber *sub; /* NULL: gone */
};

/* ---- writing ---- */

static void stream_write(struct subscriber *sub, struct slice bytes)
{
	metric_inc(M_deliveries_sse);
	if (http_stream_write(sub->st, bytes) <= FANOUT_BEHIND_BYTES || sub->behind)
		return;
	sub->behind = true;
	sub->behind_mono_ms = clock_mono_ms();
}

/* @after: how many events the subscriber has then seen; what it resumes with. */
static void stream_write_frame(
    struct subscriber *sub, const char *name, struct slice data, uint64_t after)
{
	struct buf frame = BUF_NULL(FANOUT_TEXT_MAX);

	buf_addf(
	    &frame, "id: %s.%" PRIu64 "\nevent: %s\ndata: ", sub->g->epoch, after, name);
	buf_add_slice(&frame, data);
	buf_adds(&frame, "\n\n");
	if (buf_check(&frame) == 0)
		stream_write(sub, buf_slice(&frame));
	buf_deinit(&frame);
}

void stream_send_event(struct subscriber *sub, const struct event *ev, uint64_t number)
{
	stream_write_frame(
	    sub, ev->name, (struct slice){ev->data, ev->n_data}, number + 1);
	sub->pos = number + 1;
}

/* ---- snapshots ---- */

void snapshot_cancel(struct subscriber *sub)
{
	if (sub->snapshot)
		sub->snapshot->sub = NULL;
	sub->snapshot = NULL;
}

static void snapshot_push(
    struct jsn *list, const struct session *s, const struct turn *t, bool text)
{
	struct jsn *v = interaction_json(t, text);

	jsn_set_string(v, "session_id", s->rec.id.s);
	jsn_push(list, v);
}

static void snapshot_send(
    struct subscriber *sub, struct jsn *session, struct jsn *interactions)
{
	struct jsn *v = jsn_new_object();
	struct buf data = BUF_NULL(FANOUT_TEXT_MAX);

	jsn_set(v, "session", session);
	jsn_set(v, "interactions", interactions);
	jsn_set_bool(v, "recovered", false);
	jsn_print(v, &data);
	jsn_free(v);
	sub->waiting = false;
	sub->pos = subscriber_ring(sub)->next;
	if (buf_check(&data) == 0)
		stream_write_frame(sub, "snapshot", buf_slice(&data), sub->pos);
	buf_deinit(&data);
	metric_inc(M_resumes_snapshot);
}

/* Open turns and the last one that ended; @last when that is only in the transcript. */
static void snapshot_of_session(struct subscriber *sub, const struct turn *last)
{
	struct session *s = sub->s;
	struct jsn *list = jsn_new_array();
	const struct turn *ended = NULL;

	if (s->chat.active)
		fanout_flush(s, s->chat.active);
	list_for_each (it, &s->chat.turns) {
		const struct turn *t = list_entry(it, struct turn, link);

		if (!turn_told_open(t))
			ended = t;
	}
	if (!ended && last)
		snapshot_push(list, s, last, true);
	list_for_each (it, &s->chat.turns) {
		const struct turn *t = list_entry(it, struct turn, link);

		if (t == ended || (turn_told_open(t) && !t->storing_create))
			snapshot_push(list, s, t, true);
	}
	snapshot_send(sub, session_json(s), list);
}

static void snapshot_on_last(void *data, const struct history_record *r)
{
	struct snapshot_op *op = data;
	struct subscriber *sub = op->sub;

	free(op);
	if (sub) {
		sub->snapshot = NULL;
		snapshot_of_session(sub, r->t);
	}
	turn_free(r->t);
}

static bool session_has_ended_turn(const struct session *s)
{
	list_for_each (it, &s->chat.turns)
		if (!turn_told_open(list_entry(it, struct turn, link)))
			return true;
	return false;
}

static void stream_send_wanted(struct subscriber *sub, const struct session *s)
{
	struct buf data = BUF_NULL(FANOUT_TEXT_MAX);
	struct jsn *v = fanout_wanted_json(s);

	jsn_print(v, &data);
	jsn_free(v);
	if (buf_check(&data) == 0)
		stream_write_frame(sub, "wanted", buf_slice(&data), sub->pos);
	buf_deinit(&data);
}

static void snapshot_of_all(struct subscriber *sub)
{
	struct jsn *list = jsn_new_array();
	struct list *all = &sub->g->sessions->all;

	list_for_each (it, all) {
		struct session *s = list_entry(it, struct session, all_link);

		list_for_each (jt, &s->chat.turns) {
			const struct turn *t = list_entry(jt, struct turn, link);

			if (turn_told_open(t) && !t->storing_create)
				snapshot_push(list, s, t, false);
		}
	}
	snapshot_send(sub, jsn_new_null(), list);
	list_for_each (it, all) {
		struct session *s = list_entry(it, struct session, all_link);

		if (s->chat.wanted)
			stream_send_wanted(sub, s);
	}
}

static void stream_begin_snapshot(struct subscriber *sub)
{
	struct session *s = sub->s;

	if (!s) {
		snapshot_of_all(sub);
		return;
	}
	if (session_has_ended_turn(s) ||
	    (s->history && s->history->loaded && !s->history->last_seq)) {
		snapshot_of_session(sub, NULL);
		return;
	}
	sub->waiting = true;
	sub->snapshot = calloc(1, sizeof(*sub->snapshot));
	must(sub->snapshot);
	sub->snapshot->sub = sub;
	history_read_back(s->g, s->rec.id.s, 0, NULL, snapshot_on_last, sub->snapshot);
}

/* ---- going on ---- */

void stream_catch_up(struct subscriber *sub)
{
	struct ring *r = subscriber_ring(sub);

	if (!ring_has_from(r, sub->pos)) {
		stream_begin_snapshot(sub);
		return;
	}
	while (!sub->behind && sub->pos < r->next)
		stream_send_event(sub, ring_get(r, sub->pos), sub->pos);
}

static void stream_on_drained(void *data)
{
	struct subscriber *sub = data;

	if (!sub->behind)
		return;
	sub->behind = false;
	if (!sub->waiting)
		stream_catch_up(sub);
}

static void stream_on_closed(void *data)
{
	subscriber_free(data);
}

void stream_end(struct subscriber *sub)
{
	struct http_stream *st = sub->st;

	subscriber_free(sub);
	http_stream_end(st);
}

void stream_cut(struct subscriber *sub)
{
	struct http_stream *st = sub->st;

	subscriber_free(sub);
	http_stream_abort(st);
}

/* "<epoch>.<events seen>" of this process and this ring. */
static bool stream_parse_since(const struct gateway *g, const char *text, uint64_t *out)
{
	size_t n = strlen(g->epoch);
	const char *p = text + n + 1;
	uint64_t v = 0;

	if (strncmp(text, g->epoch, n) != 0 || text[n] != '.' || !*p || strlen(p) > 18)
		return false;
	for (; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*out = v;
	return true;
}

void fanout_open_stream(struct call *c, struct session *s)
{
	static const struct http_header base[] = {
	    {"Cache-Control", "no-cache, no-transform"}, {"X-Accel-Buffering", "no"}};
	struct http_header headers[ARRAY_LEN(base) + 2];
	const char *since = http_req_header(c->req, "Last-Event-ID");
	struct http_stream_cb cb = {
	    .drained = stream_on_drained, .closed = stream_on_closed};
	struct subscriber *sub;
	uint64_t pos = 0;
	size_t n;
	bool resume;

	if (subscriber_is_full(c->g, s)) {
		call_reply_error(c, ERROR_RATE_LIMITED, "too many subscribers");
		return;
	}
	memcpy(headers, base, sizeof(base));
	n = ARRAY_LEN(base) + call_cors_headers(c, &headers[ARRAY_LEN(base)]);
	since = since ? since : http_req_query(c->req, "since");
	resume = since && stream_parse_since(c->g, since, &pos);
	sub = subscriber_new(c->g, s);
	cb.data = sub;
	sub->st = http_stream_begin(
	    c->req, 200, "text/event-stream; charset=utf-8", headers, n, &cb);
	c->req = NULL;
	call_release(c);
	sub->pos = pos;
	if (resume && ring_has_from(subscriber_ring(sub), pos)) {
		metric_inc(M_resumes_replayed);
		stream_write(sub, SLICE_LIT(": resumed\n\n"));
		stream_catch_up(sub);
	} else {
		stream_begin_snapshot(sub);
	}
}
