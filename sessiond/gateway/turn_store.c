/* Turns in the store and back in memory.
 *
 * happy path: listing at connect; after the first listing of turns and sessions the live
 * log is read once, each session's talk goes on where it was; later only echoes of our
 * own writes come
 *
 * failure modes: the live log cannot be read: tried again, nothing is
 * handed over before; a turn whose session is unknown is left alone until its session
 * appears
 */
#include "sessiond/gateway/turn_store.h"

#include <errno.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/live.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"
#include "sessiond/wire.h"

enum {
	TURNS_RETRY_MS = 500,
	TURNS_EARLY_MAX = 1000 * 1000,
};

/* A stored turn whose session has not been listed yet. */
struct turn_early {
	struct list_link link;
	char session[ID_MAX + 1];
	uint64_t revision;
	struct turn *t;
};

struct turns {
	struct gateway *g;
	struct list early; /* struct turn_early.link */
	bool synced;       /* the first listing of turns is done */
	bool reading, recovered;
	struct wheel_timer retry;
};

/* ---- a turn's key ---- */

static void turn_encode(void *owner, struct buf *out)
{
	struct turn_shell *ts = owner;

	wire_pack_turn(ts->t, ts->s->g->epoch, out);
}

static bool turn_is_mine(void *owner, struct slice value)
{
	struct turn_shell *ts = owner;

	return wire_turn_writer_is(value, ts->s->g->epoch);
}

/* Another process wrote it: what this one knows of Zed is newer, so it is written over
 * what came. */
static void turn_conflict(void *owner, struct slice value)
{
	struct turn_shell *ts = owner;

	(void)value;
	durable_touch(&ts->cell);
}

static const struct durable_ops turn_durable = {
    .bucket = "session_turn",
    .encode = turn_encode,
    .is_mine = turn_is_mine,
    .conflict = turn_conflict,
};

void turn_token(const char *id, char out[static ID_MAX + 1])
{
	char hash[DIGEST_HEX_LEN + 1];

	if (id_token_valid(slice_of(id))) {
		snprintf(out, ID_MAX + 1, "%s", id);
		return;
	}
	digest_hex(slice_of(id), hash);
	snprintf(out, ID_MAX + 1, "x%.40s", hash);
}

struct turn_shell *turn_shell_new(struct session *s, struct turn *t)
{
	struct turn_shell *ts = calloc(1, sizeof(*ts));
	struct subject key;

	must(ts);
	ts->t = t;
	ts->s = s;
	t->shell = ts;
	list_init(&ts->cancels);
	turn_token(t->id, ts->token);
	key = KEY_OF(s->rec.id.s, ts->token);
	durable_init(&ts->cell, s->g, &turn_durable, ts, key.s);
	live_init(ts);
	s->n_queued_bytes += t->n_prompt;
	s->g->sessions->n_prompt_bytes += t->n_prompt;
	return ts;
}

static void turn_shell_free(struct turn_shell *ts)
{
	cancel_waits_answer(ts, "noop");
	if (ts->prompt_op)
		prompt_orphan(ts->prompt_op);
	live_deinit(ts);
	durable_deinit(&ts->cell);
	ts->s->n_queued_bytes -= ts->t->n_prompt;
	ts->s->g->sessions->n_prompt_bytes -= ts->t->n_prompt;
	free(ts);
}

void turn_forget(struct turn *t)
{
	struct turn_shell *ts = turn_shell(t);

	if (list_linked(&t->link))
		chat_remove(&ts->s->chat, t);
	turn_shell_free(ts);
	turn_free(t);
}

static void turn_on_abandoned(void *data, int code)
{
	struct turn_shell *ts = data;

	if (code == 0)
		turn_forget(ts->t);
}

void turn_abandon(struct turn *t)
{
	durable_remove(&turn_shell(t)->cell, turn_on_abandoned, turn_shell(t));
}

uint64_t turn_next_order(const struct session *s)
{
	uint64_t now_us = (uint64_t)clock_unix_ms() * 1000;
	struct list_link *last = s->chat.turns.head.prev;

	if (last != &s->chat.turns.head) {
		uint64_t order = list_entry(last, struct turn, link)->order;

		if (order >= now_us)
			return order + 1;
	}
	return now_us;
}

/* ---- into memory ---- */

/* What the stored state says about how far it had come. */
static void turn_restore(struct turn *t)
{
	t->hand = t->n_sent > 0 || t->origin == TURN_FROM_ZED ? HAND_SENT : HAND_NONE;
	if (turn_state_terminal(t->state) || t->hand == HAND_SENT)
		return;
	t->state = TURN_QUEUED;
}

static void turns_enter(struct session *s, struct turn *t, uint64_t revision)
{
	struct turn_shell *ts;

	turn_restore(t);
	ts = turn_shell_new(s, t);
	durable_found(&ts->cell, revision);
	ts->live_any = t->hand == HAND_SENT;
	chat_add(&s->chat, t);
}

static bool turns_split_key(
    const char *key, char session[static ID_MAX + 1], const char **token)
{
	const char *dot = strchr(key, '.');

	if (!dot || dot == key || dot - key > ID_MAX)
		return false;
	memcpy(session, key, (size_t)(dot - key));
	session[dot - key] = '\0';
	*token = dot + 1;
	return true;
}

static struct turn *turns_find_token(const struct session *s, const char *token)
{
	list_for_each (it, &s->chat.turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (strcmp(turn_shell(t)->token, token) == 0)
			return t;
	}
	return NULL;
}

static void turns_hold(
    struct turns *ts, const char *session, struct turn *t, uint64_t revision)
{
	struct turn_early *e = calloc(1, sizeof(*e));

	must(e);
	snprintf(e->session, sizeof(e->session), "%s", session);
	e->t = t;
	e->revision = revision;
	list_push(&ts->early, &e->link);
}

static void turns_on_put(struct turns *ts, const struct store_item *item)
{
	char session[ID_MAX + 1];
	const char *token;
	struct session *s;
	struct turn *t = NULL;
	struct err e = ERR_NULL;

	if (!turns_split_key(item->key, session, &token))
		return;
	s = sessions_find(ts->g->sessions, session);
	if (s)
		t = turns_find_token(s, token);
	if (t) {
		(void)durable_feed(&turn_shell(t)->cell, item->revision, item->value);
		return;
	}
	/* Later than the first listing only other processes make turns; theirs are
	 * theirs. */
	if (ts->recovered)
		return;
	t = wire_unpack_turn(item->value, &e);
	if (!t)
		log_event(
		    EV_record_unreadable, LF("session", item->key), LF("detail", e.text));
	else if (ts->early.n < TURNS_EARLY_MAX)
		turns_hold(ts, session, t, item->revision);
	else
		turn_free(t);
}

static void turns_enter_early(struct turns *ts)
{
	struct list_link *l;

	while ((l = list_pop(&ts->early))) {
		struct turn_early *e = list_entry(l, struct turn_early, link);
		struct session *s = sessions_find(ts->g->sessions, e->session);

		if (s && !chat_find(&s->chat, e->t->id))
			turns_enter(s, e->t, e->revision);
		else
			turn_free(e->t);
		free(e);
	}
}

/* ---- what was said ---- */

static void turns_on_live(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r);

static void turns_read_live(struct turns *ts)
{
	struct store_list l = {.stream = STREAM_session_live,
	    .filter = SUBJ_session_live_all,
	    .all = true,
	    .cb = turns_on_live,
	    .data = ts};

	ts->reading = true;
	store_list(ts->g->store, &l);
}

static void turns_apply_live(struct turns *ts, const struct store_item *item)
{
	struct slice tokens[8];
	size_t n = subject_split(item->subject, tokens, ARRAY_LEN(tokens));
	struct session *s;
	struct turn *t;
	struct id session, token;
	struct err e = ERR_NULL;

	if (n != 5 || !id_parse(tokens[3], &session) || !id_parse(tokens[4], &token))
		return;
	s = sessions_find(ts->g->sessions, session.s);
	t = s ? turns_find_token(s, token.s) : NULL;
	if (!t || t->archived)
		return;
	turn_shell(t)->live_any = true;
	if (wire_apply_live(item->value, &t->entries, &e))
		log_event(
		    EV_record_unreadable, LF("session", session.s), LF("detail", e.text));
}

static void turns_recover_session(struct session *s)
{
	list_for_each (it, &s->chat.turns) {
		struct turn *t = list_entry(it, struct turn, link);

		entries_catch_up(&t->entries, ENTRIES_STORED);
		entries_catch_up(&t->entries, ENTRIES_TOLD);
		t->output = t->entries.n > 0;
		if (t->output && (t->state == TURN_WAITING || t->state == TURN_QUEUED))
			t->state = TURN_STREAMING;
	}
	talk_recover(s);
}

static void turns_recover(struct turns *ts)
{
	ts->recovered = true;
	list_for_each_safe (it, &ts->g->sessions->all) {
		struct session *s = list_entry(it, struct session, all_link);

		if (s->chat.turns.n > 0)
			turns_recover_session(s);
	}
	log_event(EV_sessiond_ready, LF_I("sessions", ts->g->sessions->all.n));
}

/* A listing that failed half way is begun anew, and so are the texts. */
static void turns_clear_texts(struct turns *ts)
{
	list_for_each (it, &ts->g->sessions->all) {
		struct session *s = list_entry(it, struct session, all_link);

		list_for_each (jt, &s->chat.turns)
			entries_deinit(&list_entry(jt, struct turn, link)->entries);
	}
}

static void turns_on_live(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r)
{
	struct turns *ts = data;

	switch (ev) {
	case STORE_LIST_ITEM:
		turns_apply_live(ts, item);
		return;
	case STORE_LIST_DONE:
		ts->reading = false;
		turns_recover(ts);
		return;
	case STORE_LIST_FAILED:
		ts->reading = false;
		turns_clear_texts(ts);
		if (r->code != -ECANCELED)
			gateway_arm(ts->g, &ts->retry, TURNS_RETRY_MS);
		return;
	}
}

static void turns_go_on(struct turns *ts)
{
	if (ts->recovered || ts->reading || !ts->synced || !ts->g->sessions->synced ||
	    !ts->g->streams_ready)
		return;
	turns_enter_early(ts);
	turns_read_live(ts);
}

static void turns_on_retry(struct wheel_timer *t)
{
	turns_go_on(container_of(t, struct turns, retry));
}

void turns_on_sessions_synced(struct turns *ts)
{
	turns_go_on(ts);
}

void turns_on_connected(struct turns *ts)
{
	turns_go_on(ts);
}

bool turns_recovered(const struct turns *ts)
{
	return ts->recovered;
}

static void turns_drop_early(struct turns *ts)
{
	struct list_link *l;

	while ((l = list_pop(&ts->early))) {
		struct turn_early *e = list_entry(l, struct turn_early, link);

		turn_free(e->t);
		free(e);
	}
}

static void turns_on_feed(
    void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct turns *ts = data;

	if (ev == STORE_FEED_RESET)
		turns_drop_early(ts);
	if (ev == STORE_FEED_PUT)
		turns_on_put(ts, item);
	if (ev != STORE_FEED_SYNCED)
		return;
	ts->synced = true;
	turns_go_on(ts);
}

int turns_watch(struct turns *ts, struct err *e)
{
	struct subject feed = SUBJECT_OF(session_feed, "turn");

	return store_watch(
	    ts->g->store, BUCKET_session_turn, feed.s, turns_on_feed, ts, e);
}

struct turns *turns_new(struct gateway *g)
{
	struct turns *ts = calloc(1, sizeof(*ts));

	must(ts);
	ts->g = g;
	list_init(&ts->early);
	ts->retry.fire = turns_on_retry;
	return ts;
}

struct turns *turns_free(struct turns *ts)
{
	if (!ts)
		return NULL;
	turns_drop_early(ts);
	free(ts);
	return NULL;
}
