/* The state machine of a conversation. See chat.h for its rules. */
#include "sessiond/core/chat.h"

#include "base/must.h"
#include "sessiond/core/session_rec.h"

/* ---- links ---- */

void zed_link_deinit(struct zed_link *l)
{
	for (size_t i = 0; i < l->n_turns; i++)
		free(l->turns[i]);
	free(l->turns);
	*l = (struct zed_link){0};
}

void zed_link_set_turns(struct zed_link *l, const char *const *ids, size_t n)
{
	char **turns = calloc(n ? n : 1, sizeof(*turns));

	must(turns);
	for (size_t i = 0; i < n; i++)
		str_set(&turns[i], ids[i]);
	for (size_t i = 0; i < l->n_turns; i++)
		free(l->turns[i]);
	free(l->turns);
	l->turns = turns;
	l->n_turns = n;
	l->knows_turns = true;
}

static bool link_has_turn(const struct zed_link *l, const char *id)
{
	for (size_t i = 0; i < l->n_turns; i++)
		if (strcmp(l->turns[i], id) == 0)
			return true;
	return false;
}

/* ---- turns ---- */

void chat_init(struct chat *c)
{
	*c = (struct chat){0};
	list_init(&c->turns);
}

void chat_deinit(struct chat *c)
{
	struct list_link *l;

	if (!c->turns.head.next)
		return;
	while ((l = list_pop(&c->turns)))
		turn_free(list_entry(l, struct turn, link));
	free(c->thread_id);
	free(c->seen);
	*c = (struct chat){0};
}

void chat_effects_deinit(struct chat_effects *fx)
{
	free(fx->v);
	*fx = (struct chat_effects){0};
}

void chat_add(struct chat *c, struct turn *t)
{
	struct list_link *at = &c->turns.head;

	while (at->prev != &c->turns.head &&
	       list_entry(at->prev, struct turn, link)->order > t->order)
		at = at->prev;
	list_insert_before(&c->turns, at, &t->link);
}

void chat_remove(struct chat *c, struct turn *t)
{
	must(c->active != t);
	list_del(&c->turns, &t->link);
}

struct turn *chat_find(const struct chat *c, const char *turn_id)
{
	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (strcmp(t->id, turn_id) == 0)
			return t;
	}
	return NULL;
}

static bool turn_queued(const struct turn *t)
{
	return turn_open(t) && t->hand == HAND_NONE && t->origin == TURN_FROM_PROMPT &&
	       !t->storing_create;
}

/* A prompt that interrupts goes before others, but not before the first has made a
 * thread. */
static bool turn_goes_before(
    const struct chat *c, const struct turn *a, const struct turn *b)
{
	if (c->thread_id && a->interrupt != b->interrupt)
		return a->interrupt;
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->order < b->order;
}

struct turn *chat_next(const struct chat *c)
{
	struct turn *best = NULL;

	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (turn_queued(t) && (!best || turn_goes_before(c, t, best)))
			best = t;
	}
	return best;
}

size_t chat_n_queued(const struct chat *c)
{
	size_t n = 0;

	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		n +=
		    turn_open(t) && t->hand == HAND_NONE && t->origin == TURN_FROM_PROMPT;
	}
	return n;
}

size_t chat_position(const struct chat *c, const struct turn *t)
{
	size_t n = c->active && c->active != t;

	if (t == c->active || !turn_open(t))
		return 0;
	list_for_each (it, &c->turns) {
		struct turn *other = list_entry(it, struct turn, link);

		n += other != t && turn_queued(other) && turn_goes_before(c, other, t);
	}
	return n;
}

/* ---- steps ---- */

/* What one application works with. */
struct chat_step {
	struct chat *c;
	const struct chat_now *now;
	struct chat_effects *fx;
};

static void step_effect(struct chat_step *st, enum chat_effect_kind kind, struct turn *t)
{
	struct chat_effects *fx = st->fx;

	if (fx->n == fx->cap) {
		fx->cap = fx->cap ? 2 * fx->cap : 16;
		fx->v = realloc(fx->v, fx->cap * sizeof(*fx->v));
		must(fx->v);
	}
	fx->v[fx->n++] = (struct chat_effect){kind, t};
}

/* Once an application: what is told is the state at its end. */
static void step_tell(struct chat_step *st, struct turn *t)
{
	for (size_t i = st->fx->n; i > 0; i--)
		if (st->fx->v[i - 1].kind == CHAT_CHANGED && st->fx->v[i - 1].turn == t)
			return;
	step_effect(st, CHAT_CHANGED, t);
}

static void step_set_state(struct chat_step *st, struct turn *t, enum turn_state to)
{
	if (t->state == to)
		return;
	must(turn_state_may_follow(t->state, to));
	t->state = to;
	if (!turn_state_terminal(to))
		step_tell(st, t);
}

static void step_free_link(struct chat_step *st)
{
	struct zed_link *l = st->c->link;

	if (!l || l->follow_up != st->c)
		return;
	l->follow_up = NULL;
	step_effect(st, CHAT_LINK_FREED, NULL);
}

static void step_release(struct chat_step *st, struct turn *t)
{
	if (st->c->active != t)
		return;
	st->c->active = NULL;
	step_free_link(st);
}

static void step_end(
    struct chat_step *st, struct turn *t, enum turn_state to, const char *cause)
{
	step_set_state(st, t, to);
	t->cause = cause;
	t->completed_unix_ms = st->now->unix_ms;
	t->drain_until_mono_ms = t->noop_until_mono_ms = t->cancel_mono_ms = 0;
	t->completion_held = false;
	if (to == TURN_COMPLETE)
		str_set(&t->error, NULL);
	step_release(st, t);
	st->c->n_ending++;
	step_effect(st, CHAT_ENDED, t);
}

static void step_fail(
    struct chat_step *st, struct turn *t, const char *cause, const char *error)
{
	str_set(&t->error, error);
	step_end(st, t, TURN_ERROR, cause);
}

/* A turn concluded without Zed's word is alive after all. */
static void step_revive(struct chat_step *st, struct turn *t)
{
	t->inferred = false;
	t->completed_unix_ms = 0;
	t->cause = NULL;
	t->hand = HAND_SENT;
	st->c->active = t;
	step_set_state(st, t, TURN_STREAMING);
	step_effect(st, CHAT_STORE, t);
}

static void step_send_cancel(struct chat_step *st, struct turn *t)
{
	if (!st->c->link || t->cancel_mono_ms)
		return;
	t->cancel_mono_ms = st->now->mono_ms;
	step_effect(st, CHAT_SEND_CANCEL, t);
}

static void step_cancel(struct chat_step *st, struct turn *t)
{
	if (turn_state_terminal(t->state))
		return;
	if (t->hand == HAND_NONE && t->origin == TURN_FROM_PROMPT) {
		step_end(st, t, TURN_INTERRUPTED, "cancelled before it was handed over");
		return;
	}
	if (!t->cancel_unix_ms) {
		t->cancel_unix_ms = st->now->unix_ms;
		if (t->hand == HAND_SENT)
			step_effect(st, CHAT_STORE, t);
	}
	if (t->hand == HAND_SENT)
		step_send_cancel(st, t);
}

static void step_complete(struct chat_step *st, struct turn *t)
{
	if (t->drain_until_mono_ms && !t->completion_held) {
		step_end(st, t, TURN_INTERRUPTED, "cancelled");
		return;
	}
	/* Held back as history, but it was all that came: the same words, said again. */
	if (entries_empty(&t->entries) && t->n_held == 1)
		turn_release_held(t);
	if (!entries_empty(&t->entries)) {
		step_end(st, t, TURN_COMPLETE, "completed");
	} else {
		step_fail(st, t, "empty response",
		    "Agent unresponsive: it returned an empty response.");
	}
}

/* ---- handing over ---- */

static void step_hand_over(struct chat_step *st, struct turn *t)
{
	struct chat *c = st->c;

	c->active = t;
	if (c->thread_id)
		c->link->follow_up = c;
	t->hand = HAND_STORING;
	t->n_sent++;
	t->sent_unix_ms = st->now->unix_ms;
	t->heard_mono_ms = st->now->mono_ms;
	str_set(&t->thread_id, c->thread_id);
	step_effect(st, CHAT_STORE_HAND, t);
}

/* States of what waits: the next one is waiting, the others are queued. */
static void step_mark_queue(struct chat_step *st, const struct turn *next)
{
	list_for_each (it, &st->c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (!turn_queued(t))
			continue;
		step_set_state(
		    st, t, t == next && !st->c->active ? TURN_WAITING : TURN_QUEUED);
	}
}

static void step_interrupt_active(struct chat_step *st, const struct turn *next)
{
	struct turn *active = st->c->active;

	if (!next || !next->interrupt || !st->c->thread_id)
		return;
	active->cancel_by_interrupt = true;
	step_cancel(st, active);
}

static void step_tell_wanted(struct chat_step *st, const struct turn *next)
{
	if (st->c->link || !next)
		st->c->wanted = false;
	else if (!st->c->wanted && !st->c->paused) {
		st->c->wanted = true;
		step_effect(st, CHAT_WANTED, NULL);
	}
}

static void step_advance(struct chat_step *st)
{
	struct chat *c = st->c;
	struct turn *next = chat_next(c);

	if (c->recovering)
		return;
	step_mark_queue(st, next);
	step_tell_wanted(st, next);
	if (c->active) {
		step_interrupt_active(st, next);
		return;
	}
	if (!next || !c->link || !c->link->ready || c->paused || c->n_ending)
		return;
	if (c->thread_id && c->link->follow_up && c->link->follow_up != c)
		return;
	step_hand_over(st, next);
}

/* Not with Zed after all. */
static void step_take_back(struct chat_step *st, struct turn *t)
{
	t->hand = HAND_NONE;
	t->resumed = false;
	t->cancel_mono_ms = 0;
	step_release(st, t);
}

static void step_on_hand_stored(struct chat_step *st, struct turn *t)
{
	struct chat *c = st->c;

	if (t->hand != HAND_STORING)
		return;
	if (t->cancel_unix_ms) {
		t->n_sent--;
		step_take_back(st, t);
		step_end(st, t, TURN_INTERRUPTED, "cancelled before it was handed over");
		return;
	}
	if (!c->link || !c->link->ready) {
		t->n_sent--;
		step_take_back(st, t);
		return;
	}
	t->hand = HAND_SENT;
	t->resumed = t->away = t->spoken_of = false;
	t->heard_mono_ms = st->now->mono_ms;
	if (c->thread_id)
		c->link->follow_up = c;
	step_effect(st, CHAT_SEND_PROMPT, t);
}

static void step_resend(struct chat_step *st, struct turn *t)
{
	if (t->n_sent > CHAT_RESENDS_MAX) {
		step_fail(st, t, "undeliverable",
		    "Zed took the prompt several times and never answered.");
		return;
	}
	step_take_back(st, t);
}

/* The link is ready and the turn was handed over on an earlier one. */
static void step_resume(struct chat_step *st, struct turn *t)
{
	struct zed_link *l = st->c->link;

	t->away = t->spoken_of = false;
	t->resumed = true;
	t->cancel_mono_ms = 0;
	t->heard_mono_ms = st->now->mono_ms;
	if (t->cancel_unix_ms) {
		step_send_cancel(st, t);
	} else if (l->knows_turns && !link_has_turn(l, t->id) &&
		   t->origin == TURN_FROM_PROMPT) {
		if (!t->output) {
			step_resend(st, t);
			return;
		}
		t->inferred = true;
		step_end(st, t, TURN_COMPLETE, "its end was missed while Zed was away");
		return;
	}
	if (l->knows_turns && link_has_turn(l, t->id))
		t->resumed =
		    false; /* Zed says it has it: as if sent on this connection */
	if (t->thread_id && !l->follow_up)
		l->follow_up = st->c;
}

static void step_on_link_ready(struct chat_step *st)
{
	struct turn *t = st->c->active;

	/* Told again for a turn that was handed over on this very connection: no news. */
	if (t && t->hand == HAND_SENT && t->away)
		step_resume(st, t);
}

static void step_on_link_up(struct chat_step *st, struct zed_link *l)
{
	must(!st->c->link);
	st->c->link = l;
	st->c->link_unix_ms = st->now->unix_ms;
	if (l->ready)
		step_on_link_ready(st);
}

static void step_on_link_down(struct chat_step *st)
{
	struct turn *t = st->c->active;

	if (st->c->link && st->c->link->follow_up == st->c)
		st->c->link->follow_up = NULL;
	st->c->link = NULL;
	st->c->link_unix_ms = st->now->unix_ms;
	if (!t)
		return;
	t->away = true;
	t->heard_mono_ms = st->now->mono_ms;
	t->cancel_mono_ms = 0;
	if (t->completion_held)
		step_complete(st, t);
	else if (t->drain_until_mono_ms || t->noop_until_mono_ms)
		step_end(st, t, TURN_INTERRUPTED, "cancelled");
}

/* ---- Zed's events ---- */

static void step_on_thread(struct chat_step *st, const char *thread_id, struct turn *t)
{
	struct chat *c = st->c;

	if (!str_eq(c->thread_id, thread_id)) {
		str_set(&c->thread_id, thread_id);
		step_effect(st, CHAT_BIND, NULL);
	}
	if (!t || turn_state_terminal(t->state))
		return;
	t->heard_mono_ms = st->now->mono_ms;
	t->resumed = false;
	str_set(&t->thread_id, thread_id);
}

static void step_on_output(struct chat_step *st, struct turn *t)
{
	if (turn_state_terminal(t->state)) {
		if (st->c->active || !(t->inferred || t->state == TURN_LOST))
			return;
		step_revive(st, t);
	}
	t->output = true;
	t->resumed = t->away = false;
	t->heard_mono_ms = st->now->mono_ms;
	t->noop_until_mono_ms = 0;
	if (t->state == TURN_QUEUED)
		step_set_state(st, t, TURN_WAITING);
	step_set_state(st, t, TURN_STREAMING);
}

static void step_on_completed(struct chat_step *st, struct turn *t, const char *usage)
{
	if (usage)
		str_set(&t->usage, usage);
	if (t->state == TURN_LOST || t->inferred) {
		if (!st->c->active)
			step_revive(st, t);
		else
			return;
	}
	if (turn_state_terminal(t->state))
		return;
	if (t->cancel_mono_ms && !t->drain_until_mono_ms && !t->noop_until_mono_ms) {
		/* It may have overtaken the answer to our cancel, which says what it was.
		 */
		t->completion_held = true;
		t->drain_until_mono_ms = st->now->mono_ms + CHAT_CANCEL_DRAIN_MS;
		return;
	}
	step_complete(st, t);
}

static void step_on_cancelled(struct chat_step *st, struct turn *t)
{
	if (turn_state_terminal(t->state))
		return;
	if (t->completion_held) {
		step_end(st, t, TURN_INTERRUPTED, "cancelled");
		return;
	}
	t->drain_until_mono_ms = st->now->mono_ms + CHAT_CANCEL_DRAIN_MS;
}

static void step_on_cancel_noop(struct chat_step *st, struct turn *t)
{
	if (turn_state_terminal(t->state))
		return;
	step_effect(st, CHAT_ANSWER_NOOP, t);
	if (t->completion_held)
		step_complete(st, t);
	else if (!t->drain_until_mono_ms)
		t->noop_until_mono_ms = st->now->mono_ms + CHAT_CANCEL_NOOP_MS;
}

static void step_on_failed(struct chat_step *st, struct turn *t, const char *error)
{
	if (turn_state_terminal(t->state))
		return;
	if (t->drain_until_mono_ms)
		step_end(st, t, TURN_INTERRUPTED, "cancelled");
	else
		step_fail(st, t, "reported by Zed",
		    error && *error ? error : "Unknown error from external agent");
}

static void step_on_no_thread(struct chat_step *st, const char *thread_id, struct turn *t)
{
	struct chat *c = st->c;

	if (str_eq(c->thread_id, thread_id)) {
		str_set(&c->thread_id, NULL);
		step_effect(st, CHAT_BIND, NULL);
	}
	if (!t || turn_state_terminal(t->state) || t->hand != HAND_SENT || t->output)
		return;
	if (t->n_fresh > 0) {
		step_fail(st, t, "thread missing",
		    "Zed cannot find the session's thread, nor start a new one.");
		return;
	}
	t->n_fresh++;
	step_take_back(st, t);
}

static void step_on_load_failed(struct chat_step *st, struct turn *t, const char *error)
{
	char text[1024];

	/* It concerns a delivery; a turn that speaks was delivered. */
	if (turn_state_terminal(t->state) || t->output || t->hand != HAND_SENT)
		return;
	snprintf(text, sizeof(text), "Thread load failed: %s", error);
	step_fail(st, t, "thread load failed", text);
}

/* ---- time ---- */

static int64_t earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* When silence about the active turn means something. */
static int64_t chat_silence_deadline(const struct chat *c)
{
	const struct turn *t = c->active;

	if (t->hand != HAND_SENT && t->origin == TURN_FROM_PROMPT)
		return 0;
	if (!c->link)
		return t->heard_mono_ms + CHAT_AWAY_MS;
	if (!c->link->ready || t->cancel_mono_ms)
		return 0;
	if (t->output && t->resumed)
		return t->heard_mono_ms +
		       (entries_tool_running(&t->entries) ? CHAT_AWAY_MS : CHAT_INFER_MS);
	if (!t->output && t->origin == TURN_FROM_PROMPT && !t->spoken_of &&
	    !(c->link->knows_turns && link_has_turn(c->link, t->id)))
		return t->heard_mono_ms +
		       (t->thread_id || t->resumed ? CHAT_SILENT_MS : CHAT_SILENT_NEW_MS);
	return 0;
}

static int64_t chat_cancel_deadline(const struct turn *t)
{
	int64_t d = earlier(t->drain_until_mono_ms, t->noop_until_mono_ms);

	if (d || !t->cancel_mono_ms)
		return d;
	return t->cancel_mono_ms +
	       (t->cancel_by_interrupt ? CHAT_CANCEL_MS : CHAT_CANCEL_GIVE_UP_MS);
}

int64_t chat_deadline(const struct chat *c)
{
	if (!c->active || c->recovering)
		return 0;
	return earlier(chat_cancel_deadline(c->active), chat_silence_deadline(c));
}

static void step_on_silence(struct chat_step *st, struct turn *t)
{
	if (!st->c->link || (t->output && entries_tool_running(&t->entries))) {
		step_end(st, t, TURN_LOST, "Zed did not come back");
	} else if (t->output) {
		t->inferred = true;
		step_end(st, t, TURN_COMPLETE, "its end was missed while Zed was away");
	} else {
		step_resend(st, t);
	}
}

static void step_on_time(struct chat_step *st)
{
	struct turn *t = st->c->active;
	int64_t now = st->now->mono_ms, cancel, silence;

	if (!t || st->c->recovering)
		return;
	cancel = chat_cancel_deadline(t);
	silence = chat_silence_deadline(st->c);
	if (cancel && now >= cancel) {
		if (t->completion_held)
			step_complete(st, t);
		else
			step_end(st, t, TURN_INTERRUPTED,
			    t->drain_until_mono_ms ? "cancelled"
						   : "cancel was not answered");
	} else if (silence && now >= silence) {
		step_on_silence(st, t);
	}
}

/* ---- one function for all ---- */

static void step_on_turn_event(struct chat_step *st, const struct chat_input *in)
{
	struct turn *t = in->turn;

	if (t)
		t->spoken_of = true;
	switch (in->kind) {
	case CHAT_THREAD:
		step_on_thread(st, in->text, t);
		break;
	case CHAT_OUTPUT:
		step_on_output(st, t);
		break;
	case CHAT_COMPLETED:
		step_on_completed(st, t, in->text);
		break;
	case CHAT_FAILED:
		step_on_failed(st, t, in->text);
		break;
	case CHAT_NO_THREAD:
		step_on_no_thread(st, in->text, t);
		break;
	case CHAT_LOAD_FAILED:
		step_on_load_failed(st, t, in->text);
		break;
	case CHAT_CANCELLED:
		step_on_cancelled(st, t);
		break;
	case CHAT_CANCEL_NOOP:
		step_on_cancel_noop(st, t);
		break;
	default:
		t->heard_mono_ms = st->now->mono_ms;
		break;
	}
}

void chat_apply(struct chat *c, const struct chat_input *in, const struct chat_now *now,
    struct chat_effects *fx)
{
	struct chat_step st = {.c = c, .now = now, .fx = fx};

	switch (in->kind) {
	case CHAT_PROMPT:
		in->turn->storing_create = false;
		step_effect(&st, CHAT_CHANGED, in->turn);
		break;
	case CHAT_LINK_UP:
		step_on_link_up(&st, in->link);
		break;
	case CHAT_LINK_READY:
		step_on_link_ready(&st);
		break;
	case CHAT_LINK_DOWN:
		step_on_link_down(&st);
		break;
	case CHAT_LOOK:
		break;
	case CHAT_HAND_STORED:
		step_on_hand_stored(&st, in->turn);
		break;
	case CHAT_END_STORED:
		must(c->n_ending > 0);
		c->n_ending--;
		break;
	case CHAT_CANCEL:
		step_cancel(&st, in->turn);
		break;
	case CHAT_TIME:
		step_on_time(&st);
		break;
	default:
		step_on_turn_event(&st, in);
		break;
	}
	step_advance(&st);
}

/* ---- after a restart ---- */

void chat_recover(struct chat *c, const struct chat_now *now, struct chat_effects *fx)
{
	struct chat_step st = {.c = c, .now = now, .fx = fx};
	struct turn *last = NULL;

	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (!turn_open(t) || t->hand != HAND_SENT)
			continue;
		t->away = true;
		t->heard_mono_ms = now->mono_ms;
		if (!last || t->sent_unix_ms >= last->sent_unix_ms)
			last = t;
	}
	c->active = last;
	c->recovering = false;
	if (last && c->link && c->link->ready)
		step_resume(&st, last);
	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (!turn_open(t) || t->hand != HAND_SENT || t == last)
			continue;
		if (entries_empty(&t->entries))
			step_end(
			    &st, t, TURN_INTERRUPTED, "a later prompt was handed over");
		else
			step_end(&st, t, TURN_COMPLETE, "a later prompt was handed over");
	}
	step_advance(&st);
}

enum chat_block chat_blocked_by(const struct chat *c, int64_t *since_unix_ms_out)
{
	const struct turn *next = chat_next(c);

	*since_unix_ms_out = 0;
	if (!next)
		return CHAT_BLOCK_NONE;
	*since_unix_ms_out = next->created_unix_ms;
	if (c->paused)
		return CHAT_BLOCK_PAUSED;
	if (!c->link || !c->link->ready) {
		if (c->link_unix_ms > *since_unix_ms_out)
			*since_unix_ms_out = c->link_unix_ms;
		return c->link ? CHAT_BLOCK_NOT_READY : CHAT_BLOCK_NO_AGENT;
	}
	if (c->active || c->n_ending ||
	    (c->thread_id && c->link->follow_up && c->link->follow_up != c))
		return CHAT_BLOCK_BUSY;
	return CHAT_BLOCK_NONE;
}
