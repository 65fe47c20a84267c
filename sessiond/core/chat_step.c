/* Steps of a conversation: endings, handing over, and the link to Zed coming and going.
 */
#include "base/must.h"
#include "sessiond/core/chat_internal.h"
#include "sessiond/core/session_rec.h"

/* ---- changes of a turn ---- */

void step_effect(struct chat_step *st, enum chat_effect_kind kind, struct turn *t)
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

void step_set_state(struct chat_step *st, struct turn *t, enum turn_state to)
{
	if (t->state == to)
		return;
	must(turn_state_may_follow(t->state, to));
	if (turn_open(t))
		t->open_state = t->state;
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

void step_end(struct chat_step *st, struct turn *t, enum turn_state to, const char *cause)
{
	step_set_state(st, t, to);
	t->cause = cause;
	t->completed_unix_ms = st->now->unix_ms;
	t->drain_until_mono_ms = t->noop_until_mono_ms = t->cancel_mono_ms = 0;
	t->completion_held = false;
	chat_remember(st->c, t->id);
	if (to == TURN_COMPLETE)
		str_set(&t->error, NULL);
	step_release(st, t);
	st->c->n_ending++;
	step_effect(st, CHAT_ENDED, t);
}

void step_fail(struct chat_step *st, struct turn *t, const char *cause, const char *error)
{
	str_set(&t->error, error);
	step_end(st, t, TURN_ERROR, cause);
}

/* A turn concluded without Zed's word is alive after all. */
void step_revive(struct chat_step *st, struct turn *t)
{
	t->inferred = t->end_stored = false;
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

void step_cancel(struct chat_step *st, struct turn *t)
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

void step_complete(struct chat_step *st, struct turn *t)
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

		if (!chat_turn_queued(t))
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

void step_advance(struct chat_step *st)
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
void step_take_back(struct chat_step *st, struct turn *t)
{
	t->hand = HAND_NONE;
	t->resumed = false;
	t->cancel_mono_ms = 0;
	step_release(st, t);
}

void step_on_hand_stored(struct chat_step *st, struct turn *t)
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

void step_resend(struct chat_step *st, struct turn *t)
{
	if (t->n_sent > CHAT_RESENDS_MAX) {
		step_fail(st, t, "undeliverable",
		    "Zed took the prompt several times and never answered.");
		return;
	}
	step_take_back(st, t);
}

/* The link is ready and the turn was handed over on an earlier one. */
void step_resume(struct chat_step *st, struct turn *t)
{
	struct zed_link *l = st->c->link;

	t->away = t->spoken_of = false;
	t->resumed = true;
	t->cancel_mono_ms = 0;
	t->heard_mono_ms = st->now->mono_ms;
	if (t->cancel_unix_ms) {
		step_send_cancel(st, t);
	} else if (l->knows_turns && !zed_link_has_turn(l, t->id) &&
		   t->origin == TURN_FROM_PROMPT) {
		if (!t->output) {
			step_resend(st, t);
			return;
		}
		t->inferred = true;
		step_end(st, t, TURN_COMPLETE, "its end was missed while Zed was away");
		return;
	}
	if (l->knows_turns && zed_link_has_turn(l, t->id))
		t->resumed =
		    false; /* Zed says it has it: as if sent on this connection */
	if (t->thread_id && !l->follow_up)
		l->follow_up = st->c;
}

void step_on_link_ready(struct chat_step *st)
{
	struct turn *t = st->c->active;

	/* Told again for a turn that was handed over on this very connection: no news. */
	if (t && t->hand == HAND_SENT && t->away)
		step_resume(st, t);
}

void step_on_link_up(struct chat_step *st, struct zed_link *l)
{
	must(!st->c->link);
	st->c->link = l;
	st->c->link_unix_ms = st->now->unix_ms;
	if (l->ready)
		step_on_link_ready(st);
}

void step_on_link_down(struct chat_step *st)
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
