/* DELETE /api/v1/sessions/{id}: its Zed is closed, all that is stored for it removed, its
 * record last, so that a delete that was cut short can be repeated.
 *
 * happy path: transcript, live log, turns, settings, record; then 204
 *
 * failure modes: the store is away: what is left is removed when it is back; the caller
 * gets 503 after five seconds
 */
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/session_calls.h"
#include "sessiond/gateway/settings.h"
#include "sessiond/gateway/turn_store.h"

#include <errno.h>

enum {
	DELETE_WAIT_MS = 5000,
	DELETE_RETRY_MS = 500,
};

struct removal {
	struct gateway *g;
	struct session *s; /* NULL: dropped with the program */
	struct call *c;    /* NULL: answered */
	struct wheel_timer patience, retry;
	bool purging;   /* an answer of the store is awaited */
	bool live_done; /* which purge is under way: transcript, then live */
	size_t n_turns; /* keys still to be removed */
};

static void removal_purge(struct removal *d);

static void removal_on_patience(struct wheel_timer *t)
{
	struct removal *d = container_of(t, struct removal, patience);
	struct call *c = d->c;

	d->c = NULL;
	call_reply_error(
	    c, ERROR_UNAVAILABLE, "not all of it could be removed yet: try again");
}

static void removal_on_record(void *data, int code)
{
	struct removal *d = data;
	struct session *s = d->s;
	struct call *c = d->c;

	if (code)
		return; /* dropped: session_removal_abort */
	gateway_disarm(d->g, &d->patience);
	log_event(EV_session_deleted, LF("session", s->rec.id.s));
	s->removal = NULL;
	free(d);
	session_drop(s);
	if (c)
		call_reply_empty(c, 204);
}

static void removal_on_turn(void *data, int code)
{
	struct removal *d = data;

	if (code == 0 && --d->n_turns == 0)
		durable_remove(&d->s->cell, removal_on_record, d);
}

static void removal_turns(struct removal *d)
{
	d->n_turns = 1; /* this function */
	list_for_each (it, &d->s->chat.turns) {
		struct turn_shell *ts = turn_shell(list_entry(it, struct turn, link));

		d->n_turns++;
		durable_remove(&ts->cell, removal_on_turn, d);
	}
	settings_forget(d->g->settings, &d->s->rec.id);
	removal_on_turn(d, 0);
}

static void removal_on_retry(struct wheel_timer *t)
{
	removal_purge(container_of(t, struct removal, retry));
}

static void removal_on_purged(void *data, const struct store_result *r)
{
	struct removal *d = data;

	d->purging = false;
	if (!d->s) {
		free(d);
		return;
	}
	if (r->code == -ECANCELED)
		return;
	if (r->code && r->code != ERROR_NOT_FOUND) {
		gateway_arm(d->g, &d->retry, DELETE_RETRY_MS);
		return;
	}
	if (d->live_done) {
		removal_turns(d);
		return;
	}
	d->live_done = true;
	removal_purge(d);
}

static void removal_purge(struct removal *d)
{
	struct subject text = SUBJECT_OF(session_transcript, d->s->rec.id.s);
	struct subject live = SUBJECT_OF(session_live_session, d->s->rec.id.s);

	d->purging = true;
	if (!d->live_done)
		store_purge(
		    d->g->store, STREAM_session_transcript, text.s, removal_on_purged, d);
	else
		store_purge(
		    d->g->store, STREAM_session_live, live.s, removal_on_purged, d);
}

void session_removal_abort(struct session *s)
{
	struct removal *d = s->removal;

	if (!d)
		return;
	s->removal = NULL;
	gateway_disarm(d->g, &d->patience);
	gateway_disarm(d->g, &d->retry);
	if (d->c)
		call_release(d->c);
	d->c = NULL;
	d->s = NULL;
	if (!d->purging)
		free(d);
}

void session_on_delete(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct removal *d;

	if (!gateway_can_store(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "nothing can be removed now: try again");
		return;
	}
	d = calloc(1, sizeof(*d));
	must(d);
	d->g = c->g;
	d->s = s;
	d->c = c;
	d->patience.fire = removal_on_patience;
	d->retry.fire = removal_on_retry;
	gateway_arm(c->g, &d->patience, DELETE_WAIT_MS);
	s->removal = d;
	s->deleting = true;
	session_clear_tokens(s);
	agents_session_gone(s);
	fanout_session_deinit(s);
	fanout_session_init(s);
	removal_purge(d);
}
