/* What connected Zeds say, event by event. A malformed one is logged and counted; the
 * connection stays.
 *
 * happy path: decode, find the session by the thread, the turn by chat_route, change
 * entries, apply to the conversation failure modes: unknown thread: of a prompt under way
 * (bind it), begun in Zed (a session is made, its events wait), else dropped and counted
 */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/thread_map.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/live.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

enum {
	PENDING_EVENTS_MAX = 256,
	PENDING_BYTES_MAX = 8 * 1024 * 1024,
	USAGE_MAX = 4096,
};

static const char legacy_placeholder[] =
    "\xF0\x9F\xA4\x96 Processing your request with AI... (Real "
    "response will follow via async system)";
static const char legacy_entry[] = "legacy";

/* A session being made for a thread; what Zed says of it meanwhile. */
struct agent_thread {
	struct list_link link;
	struct agent *a; /* NULL: gone */
	char *thread_id;
	char *request_id;  /* NULL: none */
	struct list texts; /* struct pending_text.link */
	size_t n_bytes;
};

struct pending_text {
	struct list_link link;
	char *text;
	size_t n;
};

/* ---- finding ---- */

static struct session *agent_session_by_thread(
    const struct agent *a, const char *thread_id)
{
	struct session *s =
	    thread_id ? sessions_by_thread(a->g->sessions, thread_id) : NULL;

	return s && s->agent == a ? s : NULL;
}

/* The turn handed over here that has this request id. */
static struct turn *agent_turn(const struct agent *a, const char *request_id)
{
	if (!request_id || !*request_id)
		return NULL;
	list_for_each (it, &a->sessions) {
		struct session *s = list_entry(it, struct session, agent_link);
		struct turn *t = chat_find(&s->chat, request_id);

		if (t && t->hand == HAND_SENT)
			return t;
	}
	return NULL;
}

static struct session *turn_session(const struct turn *t)
{
	return turn_shell(t)->s;
}

static struct session *agent_envelope_session(
    const struct agent *a, const struct zed_event *ev)
{
	struct session *s =
	    ev->session_id ? sessions_find(a->g->sessions, ev->session_id) : NULL;

	return s && s->agent == a ? s : NULL;
}

/* ---- sessions for threads begun in Zed ---- */

static struct agent_thread *agent_pending(const struct agent *a, const char *thread_id)
{
	list_for_each (it, &a->pending) {
		struct agent_thread *th = list_entry(it, struct agent_thread, link);

		if (strcmp(th->thread_id, thread_id) == 0)
			return th;
	}
	return NULL;
}

static void agent_thread_free(struct agent_thread *th)
{
	struct list_link *l;

	while ((l = list_pop(&th->texts))) {
		struct pending_text *p = list_entry(l, struct pending_text, link);

		free(p->text);
		free(p);
	}
	free(th->thread_id);
	free(th->request_id);
	free(th);
}

void agent_pending_deinit(struct agent *a)
{
	struct list_link *l;

	while ((l = list_pop(&a->pending)))
		list_entry(l, struct agent_thread, link)->a = NULL; /* freed when made */
}

static void agent_thread_hold(struct agent_thread *th, struct slice text)
{
	struct pending_text *p;

	if (th->texts.n >= PENDING_EVENTS_MAX ||
	    th->n_bytes + text.n > PENDING_BYTES_MAX) {
		metric_inc(M_events_unroutable);
		return;
	}
	p = calloc(1, sizeof(*p));
	must(p);
	str_set_n(&p->text, text.p, text.n);
	p->n = text.n;
	th->n_bytes += text.n;
	list_push(&th->texts, &p->link);
}

static struct agent_thread *agent_thread_new(struct agent *a, const char *thread_id)
{
	struct agent_thread *th = calloc(1, sizeof(*th));

	must(th);
	th->a = a;
	str_set(&th->thread_id, thread_id);
	list_init(&th->texts);
	list_push(&a->pending, &th->link);
	return th;
}

/* What was held, now that it can be understood. The agent may go while it is heard. */
static void agent_thread_replay(struct agent_thread *th)
{
	struct list_link *l;

	while (th->a && (l = list_pop(&th->texts))) {
		struct pending_text *p = list_entry(l, struct pending_text, link);

		agent_on_message(th->a, (struct slice){p->text, p->n});
		free(p->text);
		free(p);
	}
}

static void agent_on_child(void *data, struct session *s, int code)
{
	struct agent_thread *th = data;
	struct agent *a = th->a;

	if (!a || code) {
		if (a)
			list_del(&a->pending, &th->link);
		agent_thread_free(th);
		return;
	}
	list_del(&a->pending, &th->link);
	agents_attach_session(s);
	if (th->request_id)
		(void)talk_begin_zed_turn(s, "New conversation started via Zed");
	agent_thread_replay(th);
	agent_thread_free(th);
}

/* A session for a thread of this Zed, with the owner of the session it came with. */
static struct agent_thread *agent_make_session(
    struct agent *a, const char *thread_id, const char *name)
{
	struct session *own = sessions_find(a->g->sessions, a->id);
	struct session_new n = {.name = name,
	    .owner = own ? session_owner(own) : a->who.sub,
	    .app_id = own ? own->rec.app_id : NULL,
	    .agent_id = a->id,
	    .agent_name = own ? own->rec.agent_name : NULL,
	    .metadata = own ? own->rec.metadata : NULL,
	    .thread_id = thread_id};
	struct agent_thread *th = agent_thread_new(a, thread_id);

	metric_inc(M_child_sessions);
	sessions_create(a->g, &n, agent_on_child, th);
	return th;
}

/* ---- threads ---- */

static void agent_on_thread_created(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);
	struct session *known = sessions_by_thread(a->g->sessions, ev->thread_id), *s;
	struct thread_facts f = {.envelope = ev->session_id && *ev->session_id,
	    .by_envelope = agent_envelope_session(a, ev),
	    .by_thread = known && known->agent == a ? known : NULL,
	    .foreign_thread = known && known->agent != a};
	struct agent_thread *th;
	void *target;

	if (t && turn_open(t) && !t->thread_id)
		f.first = turn_session(t);
	else if (t && turn_open(t))
		f.again = turn_session(t);
	switch (thread_decide(&f, &target)) {
	case THREAD_AGAIN:
		metric_inc(M_threads_again);
		log_event(
		    EV_thread_again, LF("agent", a->id), LF("turn", ev->request_id));
		/* fall through */
	case THREAD_FIRST:
	case THREAD_ENVELOPE:
		s = target;
		TALK(s, .kind = CHAT_THREAD, .text = ev->thread_id,
		    .turn = t && turn_session(t) == s ? t : NULL);
		break;
	case THREAD_KNOWN:
		if (t)
			TALK(turn_session(t), .kind = CHAT_HEARD, .turn = t);
		break;
	case THREAD_NEW:
		th = agent_make_session(a, ev->thread_id,
		    ev->title && *ev->title ? ev->title : "New Conversation");
		str_set(&th->request_id, ev->request_id);
		break;
	case THREAD_REFUSED:
		metric_inc(M_events_unroutable);
		break;
	}
}

static void agent_on_user_thread(struct agent *a, const struct zed_event *ev)
{
	if (!sessions_by_thread(a->g->sessions, ev->thread_id))
		(void)agent_make_session(
		    a, ev->thread_id, ev->title && *ev->title ? ev->title : "New Chat");
}

static void agent_on_title(struct agent *a, const struct zed_event *ev)
{
	struct session *s = agent_session_by_thread(a, ev->thread_id);

	if (!s || str_eq(s->rec.name, ev->title))
		return;
	str_set_n(&s->rec.name, ev->title, strnlen(ev->title, SESSION_NAME_MAX));
	session_touch(s);
	fanout_session(s);
}

/* ---- words ---- */

static void agent_take_entry(
    struct session *s, struct turn *t, const struct entry_update *u)
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

/* What was said before is known now: go on with what was held. */
static void agent_on_history(void *data, int code)
{
	struct agent_thread *th = data;

	if (th->a)
		list_del(&th->a->pending, &th->link);
	if (th->a && code == 0)
		agent_thread_replay(th);
	agent_thread_free(th);
}

/* Until then history cannot be told from news: hold the thread's events. */
static void agent_hold_for_history(
    struct agent *a, struct session *s, const char *thread_id, struct slice text)
{
	struct agent_thread *th = agent_thread_new(a, thread_id);

	agent_thread_hold(th, text);
	history_load(s, agent_on_history, th);
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
	    .message_id = legacy_entry, .content = slice_of(content)};

	if (content && *content && entries_empty(&t->entries) && t->n_held == 0)
		agent_take_entry(s, t, &u);
}

static void agent_complete(
    struct session *s, const struct zed_event *ev, const char *request_id)
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

/* ---- older clients ---- */

/* By request id, else what is under way in the session the envelope names, else in the
 * connection's own. */
static struct turn *agent_legacy_turn(const struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);
	struct session *s = agent_envelope_session(a, ev);

	if (t || (ev->request_id && *ev->request_id && !ev->session_id))
		return t;
	if (!s)
		return NULL;
	return s->chat.active && s->chat.active->hand == HAND_SENT ? s->chat.active
								   : NULL;
}

static bool turn_has_today_entries(const struct turn *t)
{
	return t->entries.n > 1 ||
	       (t->entries.n == 1 &&
		   strcmp(t->entries.v[0].message_id, legacy_entry) != 0);
}

static void agent_on_legacy_text(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_legacy_turn(a, ev);
	struct entry_update u = {
	    .message_id = legacy_entry, .content = slice_of(ev->content)};
	struct buf whole = BUF_NULL(ENTRIES_BYTES_MAX);
	const struct entry *en;

	if (!t || !turn_open(t) || strcmp(ev->content, legacy_placeholder) == 0)
		return;
	if (turn_has_today_entries(t))
		return;
	en = entries_find(&t->entries, legacy_entry);
	if (ev->kind == ZED_RESPONSE_CHUNK && en)
		buf_add(&whole, en->content, en->n_content);
	buf_add_slice(&whole, u.content);
	u.content = buf_slice(&whole);
	if (buf_check(&whole) == 0)
		agent_take_entry(turn_session(t), t, &u);
	buf_deinit(&whole);
	t->said_whole = ev->kind == ZED_RESPONSE;
	TALK(turn_session(t), .kind = CHAT_HEARD, .turn = t);
}

static void agent_on_legacy_done(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_legacy_turn(a, ev);

	if (t)
		agent_complete(turn_session(t), ev, t->id);
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
