/* The shell around the conversation: effects in, store, Zed and subscribers out.
 *
 * happy path: talk_apply, chat_apply, each effect in order; stored hand-overs and endings
 * come back as inputs
 *
 * failure modes: the store is away: what must be stored first waits
 * in its durable, nothing is sent or told meanwhile
 */
#include "sessiond/gateway/talk.h"

#include <errno.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/live.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/session_switch.h"
#include "sessiond/metrics.h"

static void talk_run(struct session *s);

static void talk_on_deadline(struct wheel_timer *t)
{
	TALK(container_of(t, struct session, deadline), .kind = CHAT_TIME);
}

void talk_init(struct session *s)
{
	chat_init(&s->chat);
	s->chat.paused = s->rec.paused;
	str_set(&s->chat.thread_id, s->rec.thread_id);
	s->deadline.fire = talk_on_deadline;
}

void talk_deinit(struct session *s)
{
	struct list_link *l;

	gateway_disarm(s->g, &s->deadline);
	s->chat.active = NULL;
	while ((l = list_first(&s->chat.turns)))
		turn_forget(list_entry(l, struct turn, link));
	chat_deinit(&s->chat);
	chat_effects_deinit(&s->fx);
}

void talk_ignore(void *data, int code)
{
	(void)data;
	(void)code;
}

static struct chat_now talk_now(void)
{
	return (struct chat_now){clock_mono_ms(), clock_unix_ms()};
}

static void talk_arm(struct session *s)
{
	int64_t at = chat_deadline(&s->chat);
	int64_t delay = at - clock_mono_ms();

	if (at == 0)
		gateway_disarm(s->g, &s->deadline);
	else
		gateway_arm(s->g, &s->deadline, delay > 0 ? delay : 0);
}

void talk_apply(struct session *s, const struct talk_input *in)
{
	struct chat_now now = talk_now();
	struct chat_input input = {
	    .kind = in->kind, .turn = in->turn, .link = in->link, .text = in->text};

	chat_apply(&s->chat, &input, &now, &s->fx);
	talk_run(s);
}

void talk_recover(struct session *s)
{
	struct chat_now now = talk_now();

	chat_recover(&s->chat, &now, &s->fx);
	talk_run(s);
	history_archive(s);
}

/* ---- handing over ---- */

static void talk_on_hand_stored(void *data, int code)
{
	struct turn_shell *ts = data;

	if (code == 0)
		TALK(ts->s, .kind = CHAT_HAND_STORED, .turn = ts->t);
}

/* What the session has seen must be known before an answer can be told from replayed
 * history. */
static void talk_on_history(void *data, int code)
{
	struct turn_shell *ts = data;

	if (code)
		return;
	durable_touch(&ts->cell);
	durable_wait(&ts->cell, talk_on_hand_stored, ts);
}

static void talk_send_prompt(struct session *s, struct turn *t)
{
	metric_inc(M_dispatches);
	log_event(EV_turn_sent, LF("session", s->rec.id.s), LF("turn", t->id),
	    LF_I("times", t->n_sent));
	if (s->agent)
		agent_send_prompt(s->agent, s, t);
	switch_on_prompt(s);
}

/* ---- endings ---- */

static void talk_count_end(const struct turn *t)
{
	struct metric *const by_state[TURN_STATE_N_] = {
	    [TURN_COMPLETE] = M_turns_complete,
	    [TURN_INTERRUPTED] = M_turns_interrupted,
	    [TURN_ERROR] = M_turns_error,
	    [TURN_LOST] = M_turns_lost};

	if (by_state[t->state])
		metric_inc(by_state[t->state]);
	metric_observe_us(
	    M_turn_seconds, 1000 * (t->completed_unix_ms - t->created_unix_ms));
}

static void talk_on_end_stored(void *data, int code)
{
	struct turn_shell *ts = data;
	struct session *s = ts->s;
	struct turn *t = ts->t;

	if (code)
		return;
	if (turn_open(t)) { /* revived meanwhile: it ends again */
		TALK(s, .kind = CHAT_END_STORED);
		return;
	}
	t->end_stored = true;
	log_event(EV_turn_ended, LF("session", s->rec.id.s), LF("turn", t->id),
	    LF("state", turn_state_name(t->state)), LF("cause", t->cause));
	talk_count_end(t);
	fanout_interaction(s, t);
	cancel_waits_answer(ts, t->state == TURN_INTERRUPTED ? "cancelled" : "noop");
	session_touch(s);
	TALK(s, .kind = CHAT_END_STORED);
	fanout_session(s);
	history_archive(s);
}

static void talk_on_text_stored(void *data, int code)
{
	struct turn_shell *ts = data;

	if (code)
		return;
	durable_touch(&ts->cell);
	durable_wait(&ts->cell, talk_on_end_stored, ts);
}

static void talk_end(struct session *s, struct turn *t)
{
	if (s->chat.seen)
		seen_add_entries(s->chat.seen, &t->entries);
	fanout_flush(s, t);
	live_flush(turn_shell(t), talk_on_text_stored, turn_shell(t));
}

/* ---- effects ---- */

static void talk_bind(struct session *s)
{
	session_set_thread(s, s->chat.thread_id);
	session_touch(s);
	fanout_session(s);
}

static void talk_do(struct session *s, const struct chat_effect *fx)
{
	struct turn *t = fx->turn;

	switch (fx->kind) {
	case CHAT_STORE_HAND:
		history_load(s, talk_on_history, turn_shell(t));
		break;
	case CHAT_SEND_PROMPT:
		talk_send_prompt(s, t);
		break;
	case CHAT_SEND_CANCEL:
		if (s->agent)
			agent_send_cancel(s->agent, t);
		break;
	case CHAT_STORE:
		durable_touch(&turn_shell(t)->cell);
		break;
	case CHAT_CHANGED:
		session_note_activity(s);
		fanout_interaction(s, t);
		fanout_session(s);
		break;
	case CHAT_ENDED:
		talk_end(s, t);
		break;
	case CHAT_BIND:
		talk_bind(s);
		break;
	case CHAT_ANSWER_NOOP:
		cancel_waits_answer(turn_shell(t), "noop");
		break;
	case CHAT_WANTED:
		fanout_wanted(s);
		break;
	case CHAT_LINK_FREED:
		if (s->agent)
			agent_offer_link(s->agent);
		break;
	}
}

/* Effects may cause inputs, whose effects come after those already waiting. */
static void talk_run(struct session *s)
{
	if (s->running_fx)
		return;
	s->running_fx = true;
	while (s->i_fx < s->fx.n) {
		struct chat_effect fx = s->fx.v[s->i_fx++];

		talk_do(s, &fx);
	}
	s->i_fx = s->fx.n = 0;
	s->running_fx = false;
	talk_arm(s);
}

void sessions_settings_applied(struct gateway *g, const struct id *session)
{
	struct session *s = sessions_find(g->sessions, session->s);

	if (s)
		TALK(s, .kind = CHAT_LOOK);
}

struct turn *talk_begin_zed_turn(struct session *s, const char *prompt)
{
	struct id id = id_make("int_");
	struct turn *t;

	if (s->chat.active || s->deleting)
		return NULL;
	t = turn_new(id.s);
	t->origin = TURN_FROM_ZED;
	t->state = TURN_WAITING;
	t->hand = HAND_SENT;
	t->order = t->rank = turn_next_order(s);
	str_set(&t->prompt, prompt ? prompt : "");
	t->n_prompt = strlen(t->prompt);
	str_set(&t->thread_id, s->chat.thread_id);
	t->created_unix_ms = t->sent_unix_ms = clock_unix_ms();
	turn_shell_new(s, t);
	chat_add(&s->chat, t);
	TALK(s, .kind = CHAT_ZED_TURN, .turn = t);
	return t;
}
