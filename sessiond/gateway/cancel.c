/* Cancelling a turn over HTTP: the answer comes when the turn's end is stored, or after
 * three seconds without one. */
#include "base/must.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/message_calls.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

enum {
	CANCEL_WAIT_MS = 3000,
};

struct cancel_wait {
	struct list_link link; /* turn_shell.cancels */
	struct call *c;
	struct turn_shell *ts;
	struct wheel_timer timer;
};

static void cancel_answer(struct call *c, int http_status, const char *status)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "status", status);
	call_reply_json(c, http_status, o);
}

static void cancel_on_time(struct wheel_timer *t)
{
	struct cancel_wait *w = container_of(t, struct cancel_wait, timer);

	list_del(&w->ts->cancels, &w->link);
	cancel_answer(w->c, 202, "pending");
	free(w);
}

void cancel_waits_answer(struct turn_shell *ts, const char *status)
{
	struct list_link *l;

	while ((l = list_pop(&ts->cancels))) {
		struct cancel_wait *w = list_entry(l, struct cancel_wait, link);

		gateway_disarm(w->c->g, &w->timer);
		cancel_answer(w->c, 200, status);
		free(w);
	}
}

static void cancel_wait_for(struct call *c, struct turn *t)
{
	struct cancel_wait *w = calloc(1, sizeof(*w));

	must(w);
	w->c = c;
	w->ts = turn_shell(t);
	w->timer.fire = cancel_on_time;
	list_push(&w->ts->cancels, &w->link);
	gateway_arm(c->g, &w->timer, CANCEL_WAIT_MS);
}

/* Without an id: what is under way, else what is next. */
static struct turn *cancel_target(const struct session *s, const char *request_id)
{
	if (request_id)
		return chat_find(&s->chat, request_id);
	return s->chat.active ? s->chat.active : chat_next(&s->chat);
}

void message_on_cancel(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	const char *request_id = NULL;
	struct turn *t;

	if (c->body && !field_string(c, "request_id", TURN_ID_MAX, &request_id))
		return;
	metric_inc(M_cancels);
	t = cancel_target(s, request_id);
	if (!t || t->storing_create || !turn_told_open(t)) {
		cancel_answer(c, 200, "noop");
		return;
	}
	cancel_wait_for(c, t);
	TALK(s, .kind = CHAT_CANCEL, .turn = t);
}
