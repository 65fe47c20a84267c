/* Writing the transcript: what has ended is moved into it, oldest first, one record at a
 * time.
 *
 * happy path: history_load once a session, then per turn: append its parts, remove its
 * key and its live log, forget it
 *
 * failure modes: each step is tried again until it works;
 * a restart between steps finds the turn in both places and goes on with the next step; a
 * sequence that is not as expected (a lost answer) makes us read the end again
 */
#include "sessiond/gateway/history.h"

#include <errno.h>
#include <inttypes.h>

#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/gateway/history_parts.h"
#include "sessiond/gateway/live.h"
#include "sessiond/metrics.h"
#include "sessiond/wire.h"

enum {
	HISTORY_PART_BYTES = 512 * 1024,
	HISTORY_BYTES_MAX = 96 * 1024 * 1024,
	HISTORY_RETRY_MS = 500,
	HISTORY_HELD_MAX =
	    64, /* ended turns waiting for an older one; more go before it */
	NUMBER_LEN = 24,
};

struct history_waiter {
	struct list_link link;
	durable_cb *cb;
	void *data;
};

/* ---- reading the end ---- */

struct history_load_op {
	struct session *s; /* NULL: gone */
	struct gateway *g;
	struct seen *seen;
	struct wheel_timer retry;
	bool reading;
};

static struct history *history_of(struct session *s)
{
	if (!s->history) {
		s->history = calloc(1, sizeof(*s->history));
		must(s->history);
		list_init(&s->history->waiters);
	}
	return s->history;
}

/* Waiters may wait again, or end the session: from a list of their own. */
static void history_wake(struct history *h, int code)
{
	struct list woken;
	struct list_link *l;

	list_init(&woken);
	while ((l = list_pop(&h->waiters)))
		list_push(&woken, l);
	while ((l = list_pop(&woken))) {
		struct history_waiter *w = list_entry(l, struct history_waiter, link);

		w->cb(w->data, code);
		free(w);
	}
}

/* Ended turns that are not in the transcript yet have been seen too. */
static void history_add_unarchived(struct session *s)
{
	list_for_each (it, &s->chat.turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (turn_state_terminal(t->state) && t->order > s->history->last_order)
			seen_add_entries(s->chat.seen, &t->entries);
	}
}

static void history_take_end(struct history_load_op *op, const struct history_record *r)
{
	struct session *s = op->s;
	struct history *h = s->history;

	h->loaded = true;
	h->tail_seq = r->tail;
	if (r->code == 0) {
		h->last_seq = r->seq;
		h->last_order = r->t->order;
		memcpy(h->last_turn, r->t->id, sizeof(h->last_turn));
	}
	seen_free(s->chat.seen);
	s->chat.seen = op->seen;
	history_add_unarchived(s);
	h->load_op = NULL;
	free(op);
	history_wake(h, 0);
}

static void history_on_end(void *data, const struct history_record *r)
{
	struct history_load_op *op = data;

	op->reading = false;
	if (op->s && (r->code == 0 || r->code == ERROR_NOT_FOUND)) {
		history_take_end(op, r);
	} else if (op->s && r->code != -ECANCELED) {
		gateway_arm(op->g, &op->retry, HISTORY_RETRY_MS);
	} else {
		if (op->s)
			op->s->history->load_op = NULL;
		seen_free(op->seen);
		free(op);
	}
	turn_free(r->t);
}

static void history_read_end(struct history_load_op *op)
{
	seen_clear(op->seen);
	op->reading = true;
	history_read_back(op->g, op->s->rec.id.s, 0, op->seen, history_on_end, op);
}

static void history_on_read_retry(struct wheel_timer *t)
{
	history_read_end(container_of(t, struct history_load_op, retry));
}

void history_load(struct session *s, durable_cb *cb, void *data)
{
	struct history *h = history_of(s);
	struct history_waiter *w;

	if (h->loaded) {
		cb(data, 0);
		return;
	}
	w = calloc(1, sizeof(*w));
	must(w);
	w->cb = cb;
	w->data = data;
	list_push(&h->waiters, &w->link);
	if (h->load_op)
		return;
	h->load_op = calloc(1, sizeof(*h->load_op));
	must(h->load_op);
	h->load_op->s = s;
	h->load_op->g = s->g;
	h->load_op->seen = seen_new();
	h->load_op->retry.fire = history_on_read_retry;
	history_read_end(h->load_op);
}

void history_begin_empty(struct session *s)
{
	history_of(s)->loaded = true;
	if (!s->chat.seen)
		s->chat.seen = seen_new();
}

/* ---- moving a turn into the transcript ---- */

struct history_move {
	struct session *s; /* NULL: gone */
	struct gateway *g;
	struct turn *t;
	struct buf record;
	size_t n_parts, i_part; /* from 0 */
	uint64_t first_seq;
	struct wheel_timer retry;
	bool sending;
};

static void move_next_part(struct history_move *m);

static void move_free(struct history_move *m)
{
	gateway_disarm(m->g, &m->retry);
	buf_deinit(&m->record);
	free(m);
}

/* Its end was concluded, and no other turn was handed over since: it may come back to
 * life. */
static bool turn_may_revive(const struct session *s, const struct turn *t)
{
	if (t->state != TURN_LOST && !t->inferred)
		return false;
	list_for_each (it, &s->chat.turns) {
		struct turn *other = list_entry(it, struct turn, link);

		if (other != t && other->hand != HAND_NONE &&
		    other->sent_unix_ms >= t->sent_unix_ms)
			return false;
	}
	return true;
}

static struct turn *history_next(const struct session *s)
{
	struct turn *first = NULL;
	bool blocked = false;
	size_t n = 0;

	list_for_each (it, &s->chat.turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (t->storing_create)
			continue;
		if (!t->end_stored || turn_may_revive(s, t)) {
			blocked = true;
			continue;
		}
		if (!blocked)
			return t;
		n++;
		first = first ? first : t;
	}
	return n > HISTORY_HELD_MAX ? first : NULL;
}

static void move_done(struct history_move *m)
{
	struct session *s = m->s;
	struct turn *t = m->t;

	s->history->move = NULL;
	live_purge(turn_shell(t));
	turn_forget(t);
	move_free(m);
	history_archive(s);
}

static void move_on_removed(void *data, int code)
{
	if (code == 0)
		move_done(data);
}

static void move_archived(struct history_move *m)
{
	m->t->archived = true;
	durable_remove(&turn_shell(m->t)->cell, move_on_removed, m);
}

static void move_on_stored(void *data, const struct store_result *r)
{
	struct history_move *m = data;
	struct history *h = m->s ? m->s->history : NULL;

	m->sending = false;
	if (!m->s) {
		move_free(m);
		return;
	}
	if (r->code == -ECANCELED)
		return;
	if (r->code) {
		h->loaded = false; /* whether it is there is read, not guessed */
		metric_inc(M_store_retries);
		gateway_arm(m->g, &m->retry, HISTORY_RETRY_MS);
		return;
	}
	h->tail_seq = r->revision;
	if (m->i_part == 0)
		m->first_seq = r->revision;
	if (++m->i_part < m->n_parts) {
		move_next_part(m);
		return;
	}
	h->last_seq = r->revision;
	h->last_order = m->t->order;
	memcpy(h->last_turn, m->t->id, sizeof(h->last_turn));
	move_archived(m);
}

static void move_next_part(struct history_move *m)
{
	struct history *h = m->s->history;
	struct subject subject = SUBJECT_OF(session_transcript, m->s->rec.id.s);
	char part[NUMBER_LEN], parts[NUMBER_LEN], first[NUMBER_LEN], prev[NUMBER_LEN];
	struct bus_header headers[] = {{HISTORY_PART, part}, {HISTORY_PARTS, parts},
	    {HISTORY_PREV, prev}, {HISTORY_FIRST, first}};
	size_t at = m->i_part * HISTORY_PART_BYTES;
	size_t n =
	    m->record.n - at < HISTORY_PART_BYTES ? m->record.n - at : HISTORY_PART_BYTES;
	struct store_append a = {.subject = subject.s,
	    .headers = headers,
	    .n_headers = m->i_part ? 4 : 3,
	    .value = {m->record.data + at, n},
	    .expected_last_subject_seq = (int64_t)h->tail_seq};

	snprintf(part, sizeof(part), "%zu", m->i_part + 1);
	snprintf(parts, sizeof(parts), "%zu", m->n_parts);
	snprintf(first, sizeof(first), "%" PRIu64, m->first_seq);
	snprintf(prev, sizeof(prev), "%" PRIu64, h->last_seq);
	m->sending = true;
	store_append(m->g->store, &a, move_on_stored, m);
}

static void move_on_loaded(void *data, int code)
{
	struct history_move *m = data;
	struct session *s = m->s;

	if (code)
		return;
	if (strcmp(s->history->last_turn, m->t->id) == 0) {
		move_archived(m);
		return;
	}
	buf_reset(&m->record);
	wire_pack_finished(m->t, s->chat.seen, &m->record);
	must(buf_check(&m->record) == 0);
	m->i_part = 0;
	m->n_parts = (m->record.n + HISTORY_PART_BYTES - 1) / HISTORY_PART_BYTES;
	metric_add(M_transcript_bytes, (int64_t)m->record.n);
	move_next_part(m);
}

static void move_on_retry(struct wheel_timer *t)
{
	struct history_move *m = container_of(t, struct history_move, retry);

	history_load(m->s, move_on_loaded, m);
}

void history_archive(struct session *s)
{
	struct turn *t = s->deleting ? NULL : history_next(s);
	struct history *h = history_of(s);

	if (!t || h->move)
		return;
	h->move = calloc(1, sizeof(*h->move));
	must(h->move);
	h->move->s = s;
	h->move->g = s->g;
	h->move->t = t;
	h->move->record = BUF_NULL(HISTORY_BYTES_MAX);
	h->move->retry.fire = move_on_retry;
	history_load(s, move_on_loaded, h->move);
}

void history_deinit(struct session *s)
{
	struct history *h = s->history;

	if (!h)
		return;
	history_wake(h, -ECANCELED);
	if (h->load_op) {
		gateway_disarm(s->g, &h->load_op->retry);
		h->load_op->s = NULL;
		if (!h->load_op->reading) {
			seen_free(h->load_op->seen);
			free(h->load_op);
		}
	}
	if (h->move) {
		h->move->s = NULL;
		gateway_disarm(s->g, &h->move->retry);
		if (!h->move->sending)
			move_free(h->move);
	}
	free(h);
	s->history = NULL;
}
