/* Threads of connected Zeds: whose they are, sessions made for those begun in Zed, and
 * events that wait until their session is there or its history is known.
 *
 * failure modes: the store is away: events wait, up to a bound, then are dropped and
 * counted; the Zed goes: what waits is forgotten with it
 */
#include "base/must.h"
#include "sessiond/core/thread_map.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agent_internal.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

enum {
	PENDING_EVENTS_MAX = 256,
	PENDING_BYTES_MAX = 8 * 1024 * 1024,
};

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

struct session *agent_session_by_thread(const struct agent *a, const char *thread_id)
{
	struct session *s =
	    thread_id ? sessions_by_thread(a->g->sessions, thread_id) : NULL;

	return s && s->agent == a ? s : NULL;
}

/* The turn handed over here that has this request id. */
struct turn *agent_turn(const struct agent *a, const char *request_id)
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

struct session *turn_session(const struct turn *t)
{
	return turn_shell(t)->s;
}

struct session *agent_envelope_session(const struct agent *a, const struct zed_event *ev)
{
	struct session *s =
	    ev->session_id ? sessions_find(a->g->sessions, ev->session_id) : NULL;

	return s && s->agent == a ? s : NULL;
}

/* ---- sessions for threads begun in Zed ---- */

struct agent_thread *agent_pending(const struct agent *a, const char *thread_id)
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

void agent_thread_hold(struct agent_thread *th, struct slice text)
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
struct agent_thread *agent_make_session(
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
void agent_hold_for_history(
    struct agent *a, struct session *s, const char *thread_id, struct slice text)
{
	struct agent_thread *th = agent_thread_new(a, thread_id);

	agent_thread_hold(th, text);
	history_load(s, agent_on_history, th);
}

/* ---- threads ---- */

void agent_on_thread_created(struct agent *a, const struct zed_event *ev)
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
		__attribute__((fallthrough));
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

void agent_on_user_thread(struct agent *a, const struct zed_event *ev)
{
	if (!sessions_by_thread(a->g->sessions, ev->thread_id))
		(void)agent_make_session(
		    a, ev->thread_id, ev->title && *ev->title ? ev->title : "New Chat");
}

void agent_on_title(struct agent *a, const struct zed_event *ev)
{
	struct session *s = agent_session_by_thread(a, ev->thread_id);

	if (!s || str_eq(s->rec.name, ev->title))
		return;
	str_set_n(&s->rec.name, ev->title, strnlen(ev->title, SESSION_NAME_MAX));
	session_touch(s);
	fanout_session(s);
}
