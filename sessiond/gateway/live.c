/* The live log of open turns.
 *
 * happy path: mark, a record at once or after LIVE_GAP_MS, its acknowledgement, the next
 * one if more has come
 *
 * failure modes: a record whose fate is unknown is sent again:
 * applying it twice changes nothing
 */
#include "sessiond/gateway/live.h"

#include <errno.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/metrics.h"
#include "sessiond/wire.h"

enum {
	LIVE_GAP_MS = 250,
	LIVE_RETRY_MS = 500,
	LIVE_TEXT_MAX = 512 * 1024,
};

/* One record, from its making until it is stored. */
struct live_op {
	struct turn_shell *ts; /* NULL: the turn is gone */
	struct buf record;
	bool sending; /* else waiting to be sent again */
};

struct live_waiter {
	struct list_link link;
	durable_cb *cb;
	void *data;
};

static void live_on_stored(void *data, const struct store_result *r);

static void live_op_free(struct live_op *op)
{
	buf_deinit(&op->record);
	free(op);
}

static void live_wake(struct turn_shell *ts, int code)
{
	struct list woken;
	struct list_link *l;

	list_init(&woken);
	while ((l = list_pop(&ts->live_waiters)))
		list_push(&woken, l);
	while ((l = list_pop(&woken))) {
		struct live_waiter *w = list_entry(l, struct live_waiter, link);

		w->cb(w->data, code);
		free(w);
	}
}

static void live_send(struct turn_shell *ts)
{
	struct subject subject = SUBJECT_OF(session_live, ts->s->rec.id.s, ts->token);
	struct store_append a = {.subject = subject.s,
	    .value = buf_slice(&ts->live_op->record),
	    .expected_last_subject_seq = STORE_ANY_REVISION};

	ts->live_op->sending = true;
	ts->live_mono_ms = clock_mono_ms();
	ts->live_any = true;
	store_append(ts->s->g->store, &a, live_on_stored, ts->live_op);
}

/* Make a record of what is new, if anything is. */
static bool live_begin(struct turn_shell *ts)
{
	struct live_op *op = calloc(1, sizeof(*op));

	must(op);
	op->ts = ts;
	op->record = BUF_NULL(STORE_VALUE_MAX);
	if (wire_pack_live(&ts->t->entries, ENTRIES_STORED, LIVE_TEXT_MAX, &op->record) ==
	    0) {
		live_op_free(op);
		return false;
	}
	must(buf_check(&op->record) == 0);
	metric_add(M_live_bytes, (int64_t)op->record.n);
	ts->live_op = op;
	live_send(ts);
	return true;
}

/* Go on: at once when somebody waits for it, else not more often than every LIVE_GAP_MS.
 */
static void live_next(struct turn_shell *ts)
{
	int64_t due = ts->live_mono_ms + LIVE_GAP_MS - clock_mono_ms();

	if (ts->live_op)
		return;
	if (ts->live_waiters.n == 0 && ts->live_any && due > 0) {
		if (ts->t->entries.dirty[ENTRIES_STORED] && ts->live_timer.due_ms == 0)
			gateway_arm(ts->s->g, &ts->live_timer, due);
		return;
	}
	if (!live_begin(ts))
		live_wake(ts, 0);
}

static void live_on_stored(void *data, const struct store_result *r)
{
	struct live_op *op = data;
	struct turn_shell *ts = op->ts;

	if (!ts || r->code == -ECANCELED) {
		if (ts)
			ts->live_op = NULL;
		live_op_free(op);
		return;
	}
	if (r->code) {
		op->sending = false;
		metric_inc(M_store_retries);
		gateway_arm(ts->s->g, &ts->live_timer, LIVE_RETRY_MS);
		return;
	}
	ts->live_op = NULL;
	live_op_free(op);
	live_next(ts);
}

static void live_on_timer(struct wheel_timer *t)
{
	struct turn_shell *ts = container_of(t, struct turn_shell, live_timer);

	if (ts->live_op && !ts->live_op->sending)
		live_send(ts);
	else
		live_next(ts);
}

void live_init(struct turn_shell *ts)
{
	list_init(&ts->live_waiters);
	ts->live_timer.fire = live_on_timer;
}

void live_deinit(struct turn_shell *ts)
{
	gateway_disarm(ts->s->g, &ts->live_timer);
	if (ts->live_op && ts->live_op->sending)
		ts->live_op->ts = NULL; /* freed when its answer comes */
	else if (ts->live_op)
		live_op_free(ts->live_op);
	ts->live_op = NULL;
	live_wake(ts, -ECANCELED);
}

void live_mark(struct turn_shell *ts)
{
	live_next(ts);
}

void live_flush(struct turn_shell *ts, durable_cb *cb, void *data)
{
	struct live_waiter *w;

	if (!ts->live_op && !ts->t->entries.dirty[ENTRIES_STORED]) {
		cb(data, 0);
		return;
	}
	w = calloc(1, sizeof(*w));
	must(w);
	w->cb = cb;
	w->data = data;
	list_push(&ts->live_waiters, &w->link);
	live_next(ts);
}

/* What stays behind if this fails is removed by its age. */
static void live_on_purged(void *data, const struct store_result *r)
{
	(void)data;
	(void)r;
}

void live_purge(struct turn_shell *ts)
{
	struct subject subject = SUBJECT_OF(session_live, ts->s->rec.id.s, ts->token);

	if (ts->live_any)
		store_purge(ts->s->g->store, STREAM_session_live, subject.s,
		    live_on_purged, NULL);
}
