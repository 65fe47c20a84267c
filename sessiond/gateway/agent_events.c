/* What connected Zeds say, event by event. A malformed one is logged and counted; the
 * connection stays.
 *
 * happy path: decode, find the session by the thread, the turn by chat_route, change
 * entries, apply to the conversation
 *
 * failure modes: unknown thread: of a prompt under way
 * (bind it), begun in Zed (a session is made, its events wait), else dropped and counted
 */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agent_internal.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/live.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

enum {
	USAGE_MAX = 4096,
};

/* ---- words ---- */

void agent_take_entry(struct session *s, struct turn *t, const struct entry_update *u)
{
	enum entries_outcome r;

	if (turn_state_terminal(t->state) && s->chat.active) {
		metric_inc(M_entries_stale);
		return;
	}
	r = entries_put(&t->entries, u);
	if (r == ENTRIES_SAME)
		metric_inc(M_entries_same);
	if (r == ENTRIES_REFUSED)
		metric_inc(M_entries_refused);
	if (r != ENTRIES_CHANGED && r != ENTRIES_ADDED) {
		TALK(s, .kind = CHAT_HEARD, .turn = t);
		return;
	}
	TALK(s, .kind = CHAT_OUTPUT, .turn = t);
	live_mark(turn_shell(t));
	fanout_output(s, t);
}

/* Words with no turn under way: an answer to what was typed in Zed, or the agent speaking
 * by itself. History that is replayed while a thread loads is neither. */
static void agent_take_unasked(struct agent *a, struct session *s,
    const struct zed_event *ev, const struct entry_update *u)
{
	struct turn *t;

	if (!a->zed.ready || seen_has(s->chat.seen, u->message_id, u->content) ||
	    (!s->typed && ev->request_id && *ev->request_id &&
		chat_has_ended(&s->chat, ev->request_id))) {
		metric_inc(M_entries_stale);
		return;
	}
	t = talk_begin_zed_turn(s, s->typed);
	str_set(&s->typed, NULL);
	if (t)
		agent_take_entry(s, t, u);
}

static bool text_is_prompt(const char *text, const struct turn *t)
{
	return t && strlen(text) == t->n_prompt &&
	       memcmp(text, t->prompt, t->n_prompt) == 0;
}

/* Somebody typed in Zed; or it is the echo, or the replay, of a prompt of ours. */
static void agent_take_user(struct session *s, const struct zed_event *ev)
{
	list_for_each (it, &s->chat.turns)
		if (text_is_prompt(ev->content, list_entry(it, struct turn, link)))
			return;
	if (s->agent->zed.ready)
		str_set(&s->typed, ev->content);
}

static void agent_take_assistant(
    struct agent *a, struct session *s, const struct zed_event *ev, struct slice text)
{
	struct entry_update u = {.message_id = ev->message_id,
	    .type = ev->entry_type,
	    .tool_name = ev->tool_name,
	    .tool_status = ev->tool_status,
	    .content = slice_of(ev->content)};
	struct turn *t;

	if (!s->chat.seen && !s->chat.active) {
		agent_hold_for_history(a, s, ev->thread_id, text);
		return;
	}
	switch (chat_route_entry(&s->chat, ev->request_id, &u, &t)) {
	case CHAT_ROUTE_TURN:
		agent_take_entry(s, t, &u);
		break;
	case CHAT_ROUTE_REPLAY:
		metric_inc(M_entries_replayed);
		turn_hold(t, u.message_id, u.content);
		break;
	case CHAT_ROUTE_STALE:
		if (s->typed && !s->chat.active)
			agent_take_unasked(a, s, ev, &u);
		else
			metric_inc(M_entries_stale);
		break;
	case CHAT_ROUTE_NONE:
		agent_take_unasked(a, s, ev, &u);
		break;
	}
}

static void agent_on_message_added(
    struct agent *a, const struct zed_event *ev, struct slice text)
{
	struct session *s = agent_session_by_thread(a, ev->thread_id);
	struct turn *t = s ? NULL : agent_turn(a, ev->request_id);
	bool assistant = strcmp(ev->role, "assistant") == 0;

	if (!s && t && assistant) {
		/* Its thread_created was lost: it is the thread of the prompt it answers.
		 */
		s = turn_session(t);
		TALK(s, .kind = CHAT_THREAD, .text = ev->thread_id, .turn = t);
	}
	if (s && assistant) {
		agent_take_assistant(a, s, ev, text);
	} else if (s) {
		agent_take_user(s, ev);
	} else if (!assistant && !sessions_by_thread(a->g->sessions, ev->thread_id)) {
		agent_thread_hold(agent_make_session(a, ev->thread_id, "Zed Chat"), text);
	} else {
		metric_inc(M_events_unroutable);
	}
}

/* ---- endings ---- */

/* message_completed.content is the answer if no entry came. */
static void agent_take_final_text(struct session *s, struct turn *t, const char *content)
{
	struct entry_update u = {
	    .message_id = AGENT_LEGACY_ENTRY, .content = slice_of(content)};

	if (content && *content && entries_empty(&t->entries) && t->n_held == 0)
		agent_take_entry(s, t, &u);
}

void agent_complete(struct session *s, const struct zed_event *ev, const char *request_id)
{
	struct buf usage = BUF_NULL(USAGE_MAX);
	struct turn *t;

	if (chat_route_end(&s->chat, request_id, &t) != CHAT_ROUTE_TURN) {
		metric_inc(M_completions_duplicate);
		return;
	}
	agent_take_final_text(s, t, ev->content);
	if (ev->usage)
		jsn_print(ev->usage, &usage);
	TALK(s, .kind = CHAT_COMPLETED, .turn = t,
	    .text = ev->usage && buf_check(&usage) == 0 ? buf_cstr(&usage) : NULL);
	buf_deinit(&usage);
}

static void agent_on_completed(struct agent *a, const struct zed_event *ev)
{
	struct session *s = agent_session_by_thread(a, ev->thread_id);
	struct turn *t = s ? NULL : agent_turn(a, ev->request_id);

	if (!s && t) {
		s = turn_session(t);
		TALK(s, .kind = CHAT_THREAD, .text = ev->thread_id, .turn = t);
	}
	if (s)
		agent_complete(s, ev, ev->request_id);
	else
		metric_inc(M_events_unroutable);
}

static void agent_on_response_error(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);

	if (t)
		TALK(turn_session(t), .kind = CHAT_FAILED, .turn = t, .text = ev->error);
	else
		metric_inc(M_events_unroutable);
}

static void agent_on_turn_cancelled(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);
	bool cancelled = strcmp(ev->status, "cancelled") == 0;

	if (t)
		TALK(turn_session(t), .turn = t,
		    .kind = cancelled ? CHAT_CANCELLED : CHAT_CANCEL_NOOP);
}

static void agent_on_load_error(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);
	struct session *s =
	    t ? turn_session(t) : agent_session_by_thread(a, ev->thread_id);
	bool opening = a->open_request[0] && ev->request_id &&
		       strcmp(ev->request_id, a->open_request) == 0;

	if (!s) {
		metric_inc(M_events_unroutable);
	} else if (chat_error_is_no_thread(ev->error, ev->thread_id)) {
		log_event(EV_thread_missing, LF("session", s->rec.id.s));
		TALK(s, .kind = CHAT_NO_THREAD, .turn = t, .text = ev->thread_id);
	} else if (t && !opening) {
		TALK(s, .kind = CHAT_LOAD_FAILED, .turn = t, .text = ev->error);
	}
	/* Opening it has failed, so no agent_ready will come of it. */
	if (opening)
		agent_set_ready(a);
}

/* ---- readiness ---- */

static void agent_on_agent_ready(struct agent *a, const struct zed_event *ev)
{
	const char **ids;
	size_t n = 0;

	if (ev->agent_name && *ev->agent_name)
		str_set_n(&a->agent_name, ev->agent_name,
		    strnlen(ev->agent_name, AGENT_ID_MAX));
	if (ev->active_turns) {
		ids = calloc(jsn_count(ev->active_turns) + 1, sizeof(*ids));
		must(ids);
		jsn_for_each (v, ev->active_turns) {
			const char *id = zed_active_turn_id(v);

			if (id)
				ids[n++] = id;
		}
		zed_link_set_turns(&a->zed, ids, n);
		free(ids);
	}
	agent_set_ready(a);
}

/* ---- all ---- */

static void agent_dispatch(struct agent *a, const struct zed_event *ev, struct slice text)
{
	switch (ev->kind) {
	case ZED_AGENT_READY:
		agent_on_agent_ready(a, ev);
		break;
	case ZED_THREAD_CREATED:
		agent_on_thread_created(a, ev);
		break;
	case ZED_USER_CREATED_THREAD:
		agent_on_user_thread(a, ev);
		break;
	case ZED_TITLE_CHANGED:
		agent_on_title(a, ev);
		break;
	case ZED_MESSAGE_ADDED:
		agent_on_message_added(a, ev, text);
		break;
	case ZED_MESSAGE_COMPLETED:
		agent_on_completed(a, ev);
		break;
	case ZED_THREAD_LOAD_ERROR:
		agent_on_load_error(a, ev);
		break;
	case ZED_RESPONSE_ERROR:
		agent_on_response_error(a, ev);
		break;
	case ZED_TURN_CANCELLED:
		agent_on_turn_cancelled(a, ev);
		break;
	case ZED_RESPONSE:
	case ZED_RESPONSE_CHUNK:
		agent_on_legacy_text(a, ev);
		break;
	case ZED_RESPONSE_DONE:
		agent_on_legacy_done(a, ev);
		break;
	case ZED_UNKNOWN:
		metric_inc(M_events_unknown);
		break;
	default:
		break;
	}
}

void agent_on_message(struct agent *a, struct slice text)
{
	struct zed_event ev;
	struct err e = ERR_NULL;
	struct agent_thread *th;

	metric_inc(M_agent_events);
	if (zed_event_decode(text, &ev, &e)) {
		metric_inc(M_events_malformed);
		log_event(EV_agent_malformed, LF("agent", a->id), LF("detail", e.text),
		    LF_I("bytes", text.n));
		zed_event_deinit(&ev);
		return;
	}
	th = ev.thread_id ? agent_pending(a, ev.thread_id) : NULL;
	if (th)
		agent_thread_hold(th, text);
	else
		agent_dispatch(a, &ev, text);
	zed_event_deinit(&ev);
}
