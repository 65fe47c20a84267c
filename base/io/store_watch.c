/* A live view of a bucket: a listing, then the changes its stream republishes, joined
 * without a gap.
 *
 * The sequence numbers of a bucket's stream are dense and every message of it is
 * republished, so a change is the next one exactly when its number is the last one plus
 * one. A listing begins with the stream's last number L; what comes on the feed meanwhile
 * waits, and from L + 1 on is applied after the keys, except what the listing has shown
 * already.
 *
 * happy path: connected, INFO (L), list: RESET, keys, SYNCED; what waited; then live
 *
 * failure modes: connection lost: nothing until it is back, then list again; gap, feed
 * queue over its limit, messages dropped here: list again; a listing fails: again after
 * a pause that grows */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/io/store_internal.h"
#include "base/map.h"

enum {
	WATCH_RETRY_MS = 100,
	WATCH_RETRY_CAP_MS = 5000,
	WATCH_WAITING_MAX = 16 * 1024,
	WATCH_WAITING_BYTES_MAX = 32 * 1024 * 1024,
	WATCH_SETTLE_MS =
	    1000, /* after a listing, changes it has shown may still arrive */
};

enum watch_state {
	WATCH_AWAY,   /* not connected */
	WATCH_PAUSED, /* until the retry timer */
	WATCH_ASKING, /* for the stream's last number */
	WATCH_LISTING,
	WATCH_LIVE,
};

/* A change that waits for the listing's end. */
struct watch_change {
	struct list_link link; /* store_watch.waiting */
	uint64_t seq;
	bool deleted;
	int64_t at_unix_ms;
	size_t n_value;
	char *subject;
	char value[];
};

struct store_watch {
	struct list_link link; /* store.watches */
	struct store *store;
	char *bucket, *feed, *stream, *filter;
	store_feed_cb *cb;
	void *data;
	enum watch_state state;
	bool reset; /* RESET was given for this listing */
	struct store_op *op;
	struct store_listing *listing;
	uint64_t last_seq;
	int64_t live_since_ms;
	struct map
	    *shown; /* keys listed with a number over last_seq; values: that number */
	struct list waiting;
	size_t n_waiting_bytes;
	struct loop_timer *retry;
	struct backoff backoff;
	bool calling,
	    dead; /* freed from inside its own callback: the memory goes after it */
};

static void watch_start(struct store_watch *w);

static void watch_drop_waiting(struct store_watch *w)
{
	struct list_link *it;

	while ((it = list_pop(&w->waiting))) {
		struct watch_change *c = list_entry(it, struct watch_change, link);

		free(c->subject);
		free(c);
	}
	w->n_waiting_bytes = 0;
}

static void watch_drop_shown(struct store_watch *w)
{
	map_for_each (it, w->shown)
		free(map_value(it));
	map_clear(&w->shown);
}

static void watch_stop(struct store_watch *w)
{
	store_call_drop(w->op);
	store_listing_drop(w->listing);
	w->op = NULL;
	w->listing = NULL;
	loop_timer_stop(w->retry);
	watch_drop_waiting(w);
	watch_drop_shown(w);
}

static void watch_free(struct store_watch *w)
{
	watch_stop(w);
	if (w->store->observer.bus)
		bus_mute(w->store->bus, w);
	list_del(&w->store->watches, &w->link);
	loop_timer_free(w->retry);
	free(w->bucket);
	free(w->feed);
	free(w->stream);
	free(w->filter);
	w->dead = true;
	if (!w->calling)
		free(w);
}

void store_watches_free(struct store *s)
{
	while (s->watches.n > 0)
		watch_free(list_entry(list_first(&s->watches), struct store_watch, link));
}

/* False: the watch was freed in the callback. */
static bool watch_give(
    struct store_watch *w, enum store_feed_event ev, const struct store_item *item)
{
	bool dead;

	must(!w->calling);
	w->calling = true;
	w->cb(w->data, ev, item);
	w->calling = false;
	dead = w->dead;
	if (dead)
		free(w);
	return !dead;
}

static bool watch_give_change(struct store_watch *w, const struct store_item *item)
{
	return watch_give(w, item->deleted ? STORE_FEED_DELETE : STORE_FEED_PUT, item);
}

static void watch_pause(struct store_watch *w)
{
	uint32_t random;

	random_bytes(&random, sizeof(random));
	w->state = WATCH_PAUSED;
	loop_timer_start(w->retry, backoff_next_ms(&w->backoff, random), 0);
}

/* The listing failed, or what it showed does not join with the feed. */
static void watch_retry(struct store_watch *w)
{
	watch_stop(w);
	if (!w->store->observer.bus || !bus_connected(w->store->bus))
		w->state = WATCH_AWAY;
	else
		watch_pause(w);
}

static void watch_on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	watch_start(data);
}

/* changes */

static const char *watch_key(const struct store_watch *w, const char *subject)
{
	return subject + strlen(w->filter) - 1; /* "$KV.bucket.>" */
}

static void watch_keep(struct store_watch *w, const struct store_item *item)
{
	struct watch_change *c;

	if (w->waiting.n >= WATCH_WAITING_MAX ||
	    w->n_waiting_bytes + item->value.n > WATCH_WAITING_BYTES_MAX)
		return; /* its number will be missed */
	c = calloc(1, sizeof(*c) + item->value.n);
	must(c);
	c->seq = item->revision;
	c->deleted = item->deleted;
	c->at_unix_ms = item->at_unix_ms;
	c->n_value = item->value.n;
	c->subject = strdup(item->subject);
	must(c->subject);
	if (item->value.n)
		memcpy(c->value, item->value.p, item->value.n);
	w->n_waiting_bytes += item->value.n;
	list_push(&w->waiting, &c->link);
}

static bool watch_was_shown(const struct store_watch *w, const struct store_item *item)
{
	const uint64_t *seq = map_get(w->shown, slice_of(item->key));

	return seq && *seq >= item->revision;
}

/* One change while live. False: the watch is gone or lists again. */
static bool watch_apply(struct store_watch *w, const struct store_item *item)
{
	if (item->revision <= w->last_seq &&
	    clock_mono_ms() - w->live_since_ms < WATCH_SETTLE_MS)
		return true;
	if (item->revision != w->last_seq + 1) {
		watch_retry(w);
		return false;
	}
	w->last_seq = item->revision;
	if (watch_was_shown(w, item))
		return true;
	return watch_give_change(w, item);
}

static void watch_apply_waiting(struct store_watch *w)
{
	struct list_link *it;
	bool go_on = true;

	while (go_on && (it = list_pop(&w->waiting))) {
		struct watch_change *c = list_entry(it, struct watch_change, link);
		struct store_item item = {
		    .subject = c->subject,
		    .key = watch_key(w, c->subject),
		    .revision = c->seq,
		    .deleted = c->deleted,
		    .value = {c->value, c->n_value},
		    .at_unix_ms = c->at_unix_ms,
		};

		w->n_waiting_bytes -= c->n_value;
		go_on = watch_apply(w, &item);
		free(c->subject);
		free(c);
	}
}

static bool watch_parse_seq(const char *s, uint64_t *out)
{
	char *end;

	if (!s || *s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0' && *out > 0;
}

static void watch_on_feed(void *data, const struct bus_msg *m)
{
	struct store_watch *w = data;
	const char *stream = bus_msg_header(m, "Nats-Stream");
	const char *subject = bus_msg_header(m, "Nats-Subject");
	const char *time = bus_msg_header(m, "Nats-Time-Stamp");
	struct store_item item = {.value = m->data};

	/* anyone may publish on the feed's subject; only the broker's republishing says
	 * all this */
	if (!stream || !subject || strcmp(stream, w->stream) != 0 ||
	    strncmp(subject, w->filter, strlen(w->filter) - 1) != 0 ||
	    !watch_parse_seq(bus_msg_header(m, "Nats-Sequence"), &item.revision))
		return;
	item.subject = subject;
	item.key = watch_key(w, subject);
	item.deleted = store_is_deletion(m->headers, m->n_headers);
	if (!time || !clock_parse_rfc3339(time, &item.at_unix_ms)) /* 2.9 does not tell */
		item.at_unix_ms = clock_unix_ms();
	if (w->state == WATCH_LIVE)
		watch_apply(w, &item);
	else if (w->state == WATCH_ASKING || w->state == WATCH_LISTING)
		watch_keep(w, &item);
}

/* listing */

static bool watch_give_reset(struct store_watch *w)
{
	if (w->reset)
		return true;
	w->reset = true;
	return watch_give(w, STORE_FEED_RESET, NULL);
}

static void watch_on_item(struct store_watch *w, const struct store_item *item)
{
	if (item->revision > w->last_seq) {
		uint64_t *seq = malloc(sizeof(*seq));

		must(seq);
		*seq = item->revision;
		free(map_put(&w->shown, slice_of(item->key), seq));
	}
	if (watch_give_reset(w))
		watch_give_change(w, item);
}

static void watch_on_done(struct store_watch *w)
{
	backoff_reset(&w->backoff);
	w->state = WATCH_LIVE;
	w->live_since_ms = clock_mono_ms();
	if (!watch_give_reset(w) || !watch_give(w, STORE_FEED_SYNCED, NULL))
		return;
	if (w->state == WATCH_LIVE)
		watch_apply_waiting(w);
}

static void watch_on_list(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r)
{
	struct store_watch *w = data;

	(void)r;
	if (ev == STORE_LIST_ITEM) {
		watch_on_item(w, item);
		return;
	}
	w->listing = NULL;
	if (ev == STORE_LIST_DONE)
		watch_on_done(w);
	else
		watch_retry(w);
}

static void watch_decode_info(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	struct store_watch *w = op->data;
	int64_t last = jsn_get_int(jsn_get(reply, "state"), "last_seq", -1);

	if (last < 0)
		r->code = ERROR_INTERNAL;
	else
		w->last_seq = (uint64_t)last;
}

static void watch_on_info(void *data, const struct store_result *r)
{
	struct store_watch *w = data;
	const struct store_list l = {
	    .stream = w->stream,
	    .filter = w->filter,
	    .cb = watch_on_list,
	    .data = w,
	};

	w->op = NULL;
	if (r->code) {
		watch_retry(w);
		return;
	}
	w->state = WATCH_LISTING;
	w->listing = store_listing_new(w->store, &l);
}

static void watch_start(struct store_watch *w)
{
	char api[STORE_SUBJECT_MAX];
	const struct store_call c = {
	    .subject = api, .decode = watch_decode_info, .cb = watch_on_info, .data = w};

	must(store_subject(api, "$JS.API.STREAM.INFO.%s", w->stream));
	watch_stop(w);
	w->state = WATCH_ASKING;
	w->reset = false;
	w->op = store_call(w->store, &c);
}

void store_watches_on_bus(struct store *s, enum bus_event ev)
{
	list_for_each (it, &s->watches) {
		struct store_watch *w = list_entry(it, struct store_watch, link);

		if (ev == BUS_CONNECTED) {
			backoff_reset(&w->backoff);
			watch_start(w);
		} else {
			watch_retry(w);
		}
	}
}

void store_watch_resync(struct store *s, const char *bucket)
{
	list_for_each (it, &s->watches) {
		struct store_watch *w = list_entry(it, struct store_watch, link);

		if (strcmp(w->bucket, bucket) != 0)
			continue;
		if (w->state == WATCH_LIVE || w->state == WATCH_PAUSED)
			watch_start(w);
	}
}

int store_watch(struct store *s, const char *bucket, const char *feed, store_feed_cb *cb,
    void *data, struct err *e)
{
	char subject[STORE_SUBJECT_MAX];
	struct store_watch *w;
	int r;

	if (!store_name_valid(bucket) || strlen(bucket) > STORE_SUBJECT_MAX / 2 ||
	    !store_subject(subject, "%s.>", feed))
		return err_set(e, ERROR_INVALID, "'%s' is no name of a bucket", bucket);
	w = calloc(1, sizeof(*w));
	must(w);
	w->store = s;
	w->cb = cb;
	w->data = data;
	w->bucket = strdup(bucket);
	w->feed = strdup(feed);
	must(w->bucket && w->feed);
	must(asprintf(&w->stream, "KV_%s", bucket) > 0);
	must(asprintf(&w->filter, "$KV.%s.>", bucket) > 0);
	list_init(&w->waiting);
	w->backoff = BACKOFF_INIT(WATCH_RETRY_MS, WATCH_RETRY_CAP_MS);
	w->retry = loop_timer_new(s->loop, watch_on_retry, w);
	list_push(&s->watches, &w->link);
	r = bus_subscribe(s->bus, subject, NULL, watch_on_feed, w, e);
	if (r)
		watch_free(w);
	else if (bus_connected(s->bus))
		watch_start(w);
	return r;
}
