/* Telling every replica's subscribers of a new revision, each once and none left out.
 *
 * happy path: the broker republishes a revision as it is stored; it is told
 * failure modes: the broker was out of reach, or messages were dropped on the way: what
 * is in the stream after the newest that was told is told from there, and what comes in
 * meanwhile with it
 */
#include <errno.h>
#include <stdlib.h>

#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	FEED_RETRY_MS = 1000,
};

struct settings_feed {
	struct settings *s;
	bool known;          /* told_seq means something; nobody has settings before */
	uint64_t told_seq;   /* newest revision that was told, in the stream */
	uint64_t listed_seq; /* newest that was told because it was looked for */
	bool lost;         /* something may have been missed since */
	bool listing;      /* it is being looked for */
	bool again;        /* and more has come since that began */
	struct loop_timer *retry;
};

/* The numbers of an app and of a session count apart: they are told under names of their
 * own. */
static void tell_base(struct settings *s, const struct id *id,
    const struct settings_head *h, const struct id *app)
{
	struct jsn *extra = jsn_new_object();

	if (app) {
		jsn_set_string(extra, "app_id", app->s);
		jsn_set_int(extra, "app_revision", (int64_t)h->revision);
	} else {
		jsn_set_int(extra, "revision", (int64_t)h->revision);
	}
	if (strcmp(h->field, "color_scheme") == 0)
		jsn_set_string(extra, "color_scheme", h->color_scheme);
	fanout_config_changed(s->g, id, h->field[0] ? h->field : NULL, extra);
}

static void tell_session(
    struct settings *s, const struct id *id, const struct settings_head *h)
{
	if (h->base_rev == h->revision)
		tell_base(s, id, h, NULL);
	if (h->user_rev == h->revision)
		fanout_user_settings_changed(s->g, id, h->revision);
}

static void tell_app(
    struct settings *s, const struct id *app, const struct settings_head *h)
{
	list_for_each (it, &s->g->sessions->all) {
		struct session *session = list_entry(it, struct session, all_link);

		if (strcmp(session_app_id(session), app->s) == 0)
			tell_base(s, &session->rec.id, h, app);
	}
}

/* ....<ses|app>.<id>: tell whom it concerns. */
static void tell(
    struct settings *s, const char *subject, uint64_t seq, struct slice record)
{
	struct slice tokens[SUBJECT_TOKENS_MAX];
	struct settings_head h;
	struct id id;

	if (subject_split(subject, tokens, SUBJECT_TOKENS_MAX) != 6 ||
	    !id_parse(tokens[5], &id) || !settings_head_parse(record, seq, &h))
		return;
	if (seq)
		settings_cache_put_head(s->cache,
		    slice_is(tokens[4], "ses") ? "ses" : "app", &id, seq, record);
	if (slice_is(tokens[4], "ses"))
		tell_session(s, &id, &h);
	else
		tell_app(s, &id, &h);
}

static void feed_on_message(void *data, const struct bus_msg *m)
{
	struct settings_feed *f = data;
	const char *seq = bus_msg_header(m, "Nats-Sequence");
	uint64_t n = seq ? strtoull(seq, NULL, 10) : 0;

	if (n == 0) {
		tell(f->s, m->subject, n, m->data); /* no revision: told as it comes */
	} else if (f->lost && f->known) {
		f->again = true;
	} else if (n > f->listed_seq) {
		if (n < f->told_seq)
			settings_cache_clear(f->s->cache); /* a stream that began anew */
		f->told_seq = n > f->told_seq ? n : f->told_seq;
		tell(f->s, m->subject, n, m->data);
	}
}

/* ---- what may have been missed ---- */

static void feed_look(struct settings_feed *f);

static void feed_retry(struct settings_feed *f, const struct store_result *r)
{
	f->listing = false;
	if (r->code == -ECANCELED)
		return; /* connecting again looks again */
	log_event(EV_settings_not_told, LF("detail", r->detail));
	if (f->retry)
		loop_timer_start(f->retry, FEED_RETRY_MS, 0);
}

static void feed_looked(struct settings_feed *f)
{
	f->listing = false;
	f->lost = f->again;
	if (f->again)
		feed_look(f);
}

static void feed_on_item(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r)
{
	struct settings_feed *f = data;

	switch (ev) {
	case STORE_LIST_ITEM:
		if (item->revision <= f->told_seq)
			break;
		f->told_seq = f->listed_seq = item->revision;
		tell(f->s, item->subject, item->revision, item->value);
		break;
	case STORE_LIST_DONE:
		feed_looked(f);
		break;
	case STORE_LIST_FAILED:
		feed_retry(f, r);
		break;
	}
}

static void feed_look(struct settings_feed *f)
{
	struct store_list since = {.stream = STREAM_session_settings,
	    .filter = SUBJ_session_settings_commits,
	    .all = true,
	    .start_seq = f->told_seq + 1,
	    .cb = feed_on_item,
	    .data = f};

	f->listing = true;
	f->again = false;
	store_list(f->s->g->store, &since);
}

static void feed_on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	settings_feed_catch_up(((struct settings_feed *)data)->s);
}

void settings_feed_lost(struct settings *s)
{
	s->feed->lost = true;
}

bool settings_feed_begin(struct settings *s, uint64_t newest_seq)
{
	struct settings_feed *f = s->feed;

	if (f->known)
		return false;
	f->known = true;
	f->lost = false;
	if (newest_seq > f->told_seq)
		f->told_seq = newest_seq;
	return true;
}

void settings_feed_catch_up(struct settings *s)
{
	struct settings_feed *f = s->feed;

	f->lost = true;
	settings_cache_clear(s->cache);
	if (!f->retry || !f->known)
		return; /* stopping, not begun */
	loop_timer_stop(f->retry);
	if (f->listing)
		f->again = true;
	else
		feed_look(f);
}

struct settings_feed *settings_feed_new(struct settings *s)
{
	struct settings_feed *f = calloc(1, sizeof(*f));
	struct err e = ERR_NULL;

	must(f);
	f->s = s;
	f->lost = true;
	f->retry = loop_timer_new(s->g->loop, feed_on_retry, f);
	must(bus_subscribe(daemon_bus(s->g->daemon), SUBJ_session_settings_feed, NULL,
		 feed_on_message, f, &e) == 0);
	return f;
}

void settings_feed_stop(struct settings *s)
{
	s->feed->retry = loop_timer_free(s->feed->retry);
}

struct settings_feed *settings_feed_free(struct settings_feed *f)
{
	free(f);
	return NULL;
}
