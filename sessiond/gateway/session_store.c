/* Sessions and the store: making one, and following what the bucket session_record says.
 *
 * happy path: listing at connect (RESET, PUT..., SYNCED), own writes echoed and ignored,
 * sessions_create
 *
 * failure modes: a record that cannot be read is left alone and logged;
 * one that vanished from the store while we were away is dropped
 */
#include "base/clock.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/session_switch.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/wire.h"

#include <errno.h>

struct session_creator {
	struct list_link link;
	session_cb *cb;
	void *data;
};

/* ---- the record's key ---- */

static void session_encode(void *owner, struct buf *out)
{
	struct session *s = owner;

	wire_pack_session(&s->rec, s->g->epoch, out);
}

static bool session_is_mine(void *owner, struct slice value)
{
	struct session *s = owner;

	return wire_session_writer_is(value, s->g->epoch);
}

/* Take over what another process wrote. */
static void session_adopt(struct session *s, struct slice value)
{
	struct session_rec rec;
	struct err e = ERR_NULL;

	if (wire_unpack_session(value, &rec, &e)) {
		log_event(EV_record_unreadable, LF("session", s->rec.id.s),
		    LF("detail", e.text));
		return;
	}
	session_clear_tokens(s);
	if (!str_eq(rec.thread_id, s->rec.thread_id))
		session_set_thread(s, rec.thread_id);
	if (!str_eq(rec.owner, s->rec.owner))
		session_set_owner(s, rec.owner);
	if (!str_eq(rec.agent_id, s->rec.agent_id))
		session_set_agent_id(s, rec.agent_id);
	for (size_t i = rec.n_tokens; i > 0; i--)
		session_add_token(s, &rec.tokens[i - 1]);
	str_set(&s->rec.name, rec.name);
	str_set(&s->rec.app_id, rec.app_id);
	str_set(&s->rec.agent_name, rec.agent_name);
	str_set(&s->rec.metadata, rec.metadata);
	s->rec.paused = s->chat.paused = rec.paused;
	s->rec.updated_unix_ms = rec.updated_unix_ms;
	session_rec_deinit(&rec);
}

static void session_conflict(void *owner, struct slice value)
{
	if (value.n > 0)
		session_adopt(owner, value);
}

static const struct durable_ops session_durable = {
    .bucket = "session_record",
    .encode = session_encode,
    .is_mine = session_is_mine,
    .conflict = session_conflict,
};

struct session *session_new(struct gateway *g, struct session_rec *rec)
{
	struct session *s = calloc(1, sizeof(*s));

	must(s);
	s->g = g;
	s->rec = *rec;
	*rec = SESSION_REC_NULL;
	list_init(&s->creators);
	durable_init(&s->cell, g, &session_durable, s, s->rec.id.s);
	talk_init(s);
	switch_init(s);
	fanout_session_init(s);
	return s;
}

/* ---- making one ---- */

static void session_tell_creators(struct session *s, struct session *result, int code)
{
	struct list_link *l;

	while ((l = list_pop(&s->creators))) {
		struct session_creator *c = list_entry(l, struct session_creator, link);

		c->cb(c->data, result, code);
		free(c);
	}
}

/* It was there after all: the feed is a little behind. */
static void session_on_existing(void *data, const struct store_result *r)
{
	struct session *s = data;
	struct sessions *ss = s->g->sessions;
	struct session_rec rec;
	int code = r->code;

	map_del(&ss->creating, slice_of(s->rec.id.s));
	if (code == 0 && (code = wire_unpack_session(r->value, &rec, NULL)) == 0) {
		struct session *found = sessions_find(ss, rec.id.s);

		if (!found) {
			found = session_new(s->g, &rec);
			durable_found(&found->cell, r->revision);
			found->seen_in = ss->listing;
			session_index(found);
		}
		session_rec_deinit(&rec);
		session_tell_creators(s, found, 0);
	} else {
		session_tell_creators(
		    s, NULL, code == ERROR_NOT_FOUND ? ERROR_UNAVAILABLE : code);
	}
	session_drop(s);
}

static void session_on_created(void *data, int code)
{
	struct session *s = data;
	struct sessions *ss = s->g->sessions;

	if (code == -ECANCELED) {
		session_tell_creators(s, NULL, ERROR_UNAVAILABLE);
		return; /* being dropped */
	}
	if (code == ERROR_CONFLICT) {
		store_get(s->g->store, BUCKET_session_record, s->rec.id.s,
		    session_on_existing, s);
		return;
	}
	map_del(&ss->creating, slice_of(s->rec.id.s));
	if (code) {
		session_tell_creators(s, NULL, code);
		session_drop(s);
		return;
	}
	s->creating = false;
	history_begin_empty(s);
	s->seen_in = ss->listing;
	session_index(s);
	log_event(EV_session_created, LF("session", s->rec.id.s));
	session_tell_creators(s, s, 0);
}

static void session_fill(struct session_rec *rec, const struct session_new *n)
{
	must(!n->id || id_parse(slice_of(n->id), &rec->id));
	if (!n->id)
		rec->id = id_make("ses_");
	str_set(&rec->name, n->name);
	str_set(&rec->owner, n->owner);
	str_set(&rec->app_id, n->app_id);
	str_set(&rec->agent_id, n->agent_id);
	str_set(&rec->agent_name, n->agent_name);
	str_set(&rec->metadata, n->metadata);
	str_set(&rec->thread_id, n->thread_id);
	rec->created_unix_ms = rec->updated_unix_ms = clock_unix_ms();
}

void sessions_create(
    struct gateway *g, const struct session_new *n, session_cb *cb, void *data)
{
	struct sessions *ss = g->sessions;
	struct session *s = n->id ? sessions_find(ss, n->id) : NULL;
	struct session_creator *c;
	struct session_rec rec = SESSION_REC_NULL;
	bool begin = false;

	if (s) {
		cb(data, s->deleting ? NULL : s, s->deleting ? ERROR_UNAVAILABLE : 0);
		return;
	}
	s = n->id ? map_get(ss->creating, slice_of(n->id)) : NULL;
	if (!s) {
		session_fill(&rec, n);
		s = session_new(g, &rec);
		s->creating = begin = true;
		map_put(&ss->creating, slice_of(s->rec.id.s), s);
	}
	c = calloc(1, sizeof(*c));
	must(c);
	c->cb = cb;
	c->data = data;
	list_push(&s->creators, &c->link);
	if (begin)
		durable_create(&s->cell, session_on_created, s);
}

/* ---- what the store says ---- */

static void sessions_on_put(struct sessions *ss, const struct store_item *item)
{
	struct session *s = sessions_find(ss, item->key);
	struct session_rec rec;
	struct err e = ERR_NULL;

	if (s) {
		s->seen_in = ss->listing;
		if (durable_feed(&s->cell, item->revision, item->value))
			session_adopt(s, item->value);
		return;
	}
	if (map_get(ss->creating, slice_of(item->key)))
		return; /* the echo of our own making it */
	if (wire_unpack_session(item->value, &rec, &e)) {
		log_event(
		    EV_record_unreadable, LF("session", item->key), LF("detail", e.text));
		return;
	}
	s = session_new(ss->g, &rec);
	durable_found(&s->cell, item->revision);
	s->seen_in = ss->listing;
	session_index(s);
}

static void sessions_on_delete(struct sessions *ss, const struct store_item *item)
{
	struct session *s = sessions_find(ss, item->key);

	if (s && !s->deleting && item->revision > s->cell.revision)
		session_drop(s);
}

static void sessions_on_synced(struct sessions *ss)
{
	list_for_each_safe (it, &ss->all) {
		struct session *s = list_entry(it, struct session, all_link);

		if (s->seen_in != ss->listing && durable_settled(&s->cell))
			session_drop(s);
	}
	if (!ss->synced)
		sessions_sort(ss);
	ss->synced = true;
	turns_on_sessions_synced(ss->g->turns);
}

static void sessions_on_feed(
    void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct sessions *ss = data;

	switch (ev) {
	case STORE_FEED_RESET:
		ss->listing++;
		break;
	case STORE_FEED_PUT:
		sessions_on_put(ss, item);
		break;
	case STORE_FEED_DELETE:
		sessions_on_delete(ss, item);
		break;
	case STORE_FEED_SYNCED:
		sessions_on_synced(ss);
		break;
	}
}

int sessions_watch(struct sessions *ss, struct err *e)
{
	struct subject feed = SUBJECT_OF(session_feed, "record");

	return store_watch(
	    ss->g->store, BUCKET_session_record, feed.s, sessions_on_feed, ss, e);
}
