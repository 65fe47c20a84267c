/* Zed's events, time, and the one function that takes every input of a conversation. */
#include "base/must.h"
#include "sessiond/core/chat_internal.h"
#include "sessiond/core/session_rec.h"

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

/* The agent speaks by itself: nobody asked, so nobody says when it is done. */
static bool turn_unasked(const struct turn *t)
{
	return t->origin == TURN_FROM_ZED && t->n_prompt == 0;
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
	if (t->said_whole)
		return t->heard_mono_ms + CHAT_SAID_MS;
	if (t->output && (t->resumed || turn_unasked(t)))
		return t->heard_mono_ms +
		       (entries_tool_running(&t->entries) ? CHAT_AWAY_MS : CHAT_INFER_MS);
	if (!t->output && t->origin == TURN_FROM_PROMPT && !t->spoken_of &&
	    !c->link->knows_turns)
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
		t->inferred = !t->said_whole;
		step_end(st, t, TURN_COMPLETE,
		    t->resumed ? "its end was missed while Zed was away"
			       : "nothing more came");
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
	case CHAT_ZED_TURN:
		must(!c->active);
		c->active = in->turn;
		in->turn->heard_mono_ms = now->mono_ms;
		step_effect(&st, CHAT_STORE, in->turn);
		step_effect(&st, CHAT_CHANGED, in->turn);
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
