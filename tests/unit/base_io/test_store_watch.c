/* The live view of a bucket against a real broker: whatever happens to the feed, the view
 * becomes what the bucket holds. */
#include "tests/lib/store_fixture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"

struct view_entry {
	uint64_t revision;
	bool deleted, listed; /* since the last RESET */
	char value[64];
};

struct view {
	struct store_fixture *f;
	struct map *entries; /* struct view_entry, owned */
	bool listing, synced;
	size_t n_resets, n_synced, n_changes, n_wanted;
	char trace[256]; /* R + - S */
	bool free_at_reset;
};

static void view_trace(struct view *v, char c)
{
	size_t n = strlen(v->trace);

	if (n + 1 < sizeof(v->trace))
		v->trace[n] = c;
}

static void view_reset(struct view *v)
{
	v->n_resets++;
	v->listing = true;
	v->synced = false;
	map_for_each (it, v->entries)
		((struct view_entry *)map_value(it))->listed = false;
}

static void view_set(struct view *v, const struct store_item *item, bool deleted)
{
	struct view_entry *e = map_get(v->entries, slice_of(item->key));

	if (!e) {
		e = calloc(1, sizeof(*e));
		assert_non_null(e);
		map_put(&v->entries, slice_of(item->key), e);
	}
	if (item->revision < e->revision)
		fail_msg("%s: %" PRIu64 " after %" PRIu64, item->key, item->revision,
		    e->revision);
	if (v->synced && item->revision == e->revision)
		fail_msg("%s: %" PRIu64 " twice", item->key, item->revision);
	assert_int_equal(item->deleted, deleted);
	assert_true(strncmp(item->subject, "$KV.b.", 6) == 0);
	assert_true(item->at_unix_ms > 0);
	e->revision = item->revision;
	e->deleted = deleted;
	e->listed = true;
	snprintf(e->value, sizeof(e->value), SLICE_FMT, SLICE_ARG(item->value));
	v->n_changes++;
}

static void on_feed(void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct view *v = data;

	view_trace(v, "R+-S"[ev]);
	if (ev == STORE_FEED_RESET)
		view_reset(v);
	else if (ev == STORE_FEED_SYNCED) {
		assert_true(v->listing);
		v->listing = false;
		v->synced = true;
		v->n_synced++;
	} else {
		assert_true(v->n_resets > 0);
		view_set(v, item, ev == STORE_FEED_DELETE);
	}
	if (ev == STORE_FEED_RESET && v->free_at_reset)
		v->f->store = store_free(v->f->store);
}

static const char *view_get(const struct view *v, const char *key)
{
	const struct view_entry *e = map_get(v->entries, slice_of(key));

	return e && !e->deleted && e->listed ? e->value : NULL;
}

static void view_free(struct view *v)
{
	map_for_each (it, v->entries)
		free(map_value(it));
	map_clear(&v->entries);
}

static void watch(struct view *v)
{
	struct err e = ERR_NULL;

	assert_int_equal(store_watch(v->f->store, "b", "feed.b", on_feed, v, &e), 0);
	assert_int_equal(v->n_resets, 0); /* never from inside */
}

static void watch_until_synced(struct view *v, size_t n)
{
	assert_true(run_until_n(v->f->bus.loop, &v->n_synced, n, LIMIT_MS));
}

static void changes_follow_the_listing_in_order(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	assert_int_equal(store_fixture_put(f, "b", "x", "1", 0), 0);
	assert_int_equal(store_fixture_put(f, "b", "gone", "1", 0), 0);
	assert_int_equal(store_fixture_delete(f, "b", "gone", STORE_ANY_REVISION), 0);
	watch(&v);
	watch_until_synced(&v, 1);
	assert_string_equal(v.trace, "R+-S");
	assert_string_equal(view_get(&v, "x"), "1");
	assert_int_equal(store_fixture_put(f, "b", "x", "2", STORE_ANY_REVISION), 0);
	assert_int_equal(store_fixture_put(f, "b", "y.z", "3", 0), 0);
	assert_int_equal(store_fixture_delete(f, "b", "x", STORE_ANY_REVISION), 0);
	assert_true(run_until_n(f->bus.loop, &v.n_changes, 5, LIMIT_MS));
	assert_string_equal(v.trace, "R+-S++-");
	assert_null(view_get(&v, "x"));
	assert_string_equal(view_get(&v, "y.z"), "3");
	view_free(&v);
}

static void an_empty_bucket_is_synced_at_once(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	watch(&v);
	watch_until_synced(&v, 1);
	assert_string_equal(v.trace, "RS");
	view_free(&v);
}

/* Writes during the listing, started together. */
static void changes_during_the_listing_are_neither_lost_nor_doubled(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};
	char key[32], value[32];

	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "k%d", i % 100);
		store_put(f->store, "b", key, SLICE_LIT("before"), STORE_ANY_REVISION,
		    store_fixture_on_result, f);
	}
	watch(&v);
	f->n_done = 0;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i % 150);
		snprintf(value, sizeof(value), "%d", i);
		store_put(f->store, "b", key, slice_of(value), STORE_ANY_REVISION,
		    store_fixture_on_result, f);
	}
	assert_true(run_until_n(f->bus.loop, &f->n_done, 1000, LIMIT_MS));
	watch_until_synced(&v, 1);
	run_for(f->bus.loop, 100);
	for (int i = 850; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i % 150);
		snprintf(value, sizeof(value), "%d", i);
		assert_non_null(view_get(&v, key));
		assert_string_equal(view_get(&v, key), value);
	}
	assert_true(v.synced);
	view_free(&v);
}

static void a_broker_restart_lists_again(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	assert_int_equal(store_fixture_put(f, "b", "x", "1", 0), 0);
	watch(&v);
	watch_until_synced(&v, 1);
	for (size_t round = 2; round < 5; round++) {
		nats_fixture_kill(&f->bus.broker);
		assert_true(run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
		f->bus.disconnected = false;
		nats_fixture_start(&f->bus.broker);
		watch_until_synced(&v, round);
		assert_string_equal(view_get(&v, "x"), "1");
	}
	assert_int_equal(store_fixture_put(f, "b", "x", "2", STORE_ANY_REVISION), 0);
	assert_true(run_until_n(f->bus.loop, &v.n_changes, 5, LIMIT_MS));
	assert_string_equal(view_get(&v, "x"), "2");
	view_free(&v);
}

/* A number that is not the next one, as if a message had been lost. */
static void publish_change(
    struct store_fixture *f, const char *sequence, const char *stream)
{
	const struct bus_header h[] = {{"Nats-Stream", stream},
	    {"Nats-Subject", "$KV.b.x"}, {"Nats-Sequence", sequence},
	    {"Nats-Last-Sequence", "0"}};

	assert_int_equal(
	    bus_publish(f->bus.bus, "feed.b.x", NULL, h, ARRAY_LEN(h), SLICE_LIT("lie")),
	    0);
}

static void a_gap_in_the_feed_lists_again(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	assert_int_equal(store_fixture_put(f, "b", "x", "1", 0), 0);
	watch(&v);
	watch_until_synced(&v, 1);
	publish_change(f, "77", "KV_b");
	watch_until_synced(&v, 2);
	assert_string_equal(
	    view_get(&v, "x"), "1"); /* the message itself was not believed */
	assert_string_equal(v.trace, "R+SR+S");
	assert_int_equal(store_fixture_put(f, "b", "x", "2", STORE_ANY_REVISION), 0);
	assert_true(run_until_n(f->bus.loop, &v.n_changes, 3, LIMIT_MS));
	view_free(&v);
}

static void what_is_no_change_of_the_bucket_is_ignored(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	watch(&v);
	watch_until_synced(&v, 1);
	assert_int_equal(bus_fixture_publish(&f->bus, "feed.b.x", "bare"), 0);
	publish_change(f, "1", "KV_other");
	publish_change(f, "1x", "KV_b");
	run_for(f->bus.loop, 50);
	assert_string_equal(v.trace, "RS");
	view_free(&v);
}

static void a_wiped_and_remade_bucket_is_seen_as_it_is(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    store_fixture_put(f, "b", "old", "1", STORE_ANY_REVISION), 0);
	watch(&v);
	watch_until_synced(&v, 1);
	nats_fixture_stop(&f->bus.broker);
	assert_true(run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
	nats_fixture_wipe(&f->bus.broker);
	view_free(&v); /* revisions start anew */
	nats_fixture_start(&f->bus.broker);
	bus_fixture_wait(&f->bus);
	run_for(f->bus.loop, 300); /* the stream is not there: it keeps trying */
	assert_int_equal(v.n_synced, 1);
	assert_int_equal(store_fixture_ensure_bucket(f, "b", "feed.b"), 0);
	assert_int_equal(store_fixture_put(f, "b", "new", "2", 0), 0);
	watch_until_synced(&v, 2);
	assert_true(run_until_n(f->bus.loop, &v.n_changes, 2, LIMIT_MS));
	assert_null(view_get(&v, "old"));
	assert_string_equal(view_get(&v, "new"), "2");
	view_free(&v);
}

static void a_stream_remade_behind_our_back_is_noticed(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};
	const struct bus_request remove = {.subject = "$JS.API.STREAM.DELETE.KV_b",
	    .timeout_ms = 5000,
	    .cb = bus_fixture_on_reply,
	    .cb_data = &f->bus};

	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    store_fixture_put(f, "b", "old", "1", STORE_ANY_REVISION), 0);
	watch(&v);
	watch_until_synced(&v, 1);
	run_for(f->bus.loop, 1100); /* longer than late messages are awaited */
	bus_request(f->bus.bus, &remove);
	assert_true(run_until(f->bus.loop, &f->bus.answered, LIMIT_MS));
	view_free(&v);
	assert_int_equal(store_fixture_ensure_bucket(f, "b", "feed.b"), 0);
	assert_int_equal(store_fixture_put(f, "b", "new", "2", 0), 0);
	watch_until_synced(&v, 2);
	assert_null(view_get(&v, "old"));
	assert_string_equal(view_get(&v, "new"), "2");
	view_free(&v);
}

static void a_resync_on_request_lists_again(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	watch(&v);
	watch_until_synced(&v, 1);
	store_watch_resync(f->store, "other");
	store_watch_resync(f->store, "b");
	store_watch_resync(f->store, "b"); /* one is under way */
	watch_until_synced(&v, 2);
	run_for(f->bus.loop, 100);
	assert_int_equal(v.n_synced, 2);
	view_free(&v);
}

/* Enough at once for the bus to drop some: BUS_GAP. */
static void a_flood_that_drops_messages_ends_in_the_true_view(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};
	struct err e = ERR_NULL;

	watch(&v);
	assert_int_equal(
	    bus_subscribe(f->bus.bus, "flood", NULL, bus_fixture_on_message, &f->bus, &e),
	    0);
	watch_until_synced(&v, 1);
	for (int i = 0; i < 150000; i++)
		bus_fixture_publish_waiting(&f->bus, "flood");
	store_put(f->store, "b", "x", SLICE_LIT("1"), 0, store_fixture_on_result, f);
	assert_true(run_until(f->bus.loop, &f->bus.gap, LIMIT_MS));
	assert_int_equal(store_fixture_wait(f), 0);
	watch_until_synced(&v, 2);
	run_for(f->bus.loop, 200);
	assert_string_equal(view_get(&v, "x"), "1");
	view_free(&v);
}

/* Random writes, deletions, resyncs, restarts; then the view must be the bucket. */
static void the_view_is_the_bucket_whatever_happened(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};
	unsigned seed = 20261121;
	char key[16], value[32];
	size_t n_live = 0;

	watch(&v);
	for (int i = 0; i < 3000; i++) {
		unsigned what = (unsigned)rand_r(&seed) % 100;

		snprintf(key, sizeof(key), "k%d", rand_r(&seed) % 40);
		snprintf(value, sizeof(value), "%d", i);
		if (what < 15)
			store_delete(f->store, "b", key, STORE_ANY_REVISION,
			    store_fixture_on_result, f);
		else
			store_put(f->store, "b", key, slice_of(value), STORE_ANY_REVISION,
			    store_fixture_on_result, f);
		if (what == 99)
			store_watch_resync(f->store, "b");
		if (what > 90)
			loop_turn(f->bus.loop);
		if (i % 1000 == 700) {
			nats_fixture_kill(&f->bus.broker);
			nats_fixture_start(&f->bus.broker);
			assert_true(
			    run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
			f->bus.disconnected = false;
			bus_fixture_wait(&f->bus);
		}
	}
	run_for(f->bus.loop, 500);
	assert_true(v.synced);
	for (int i = 0; i < 40; i++) {
		const char *seen;

		snprintf(key, sizeof(key), "k%d", i);
		f->done = false;
		store_fixture_get(f, "b", key);
		seen = view_get(&v, key);
		if (f->code == ERROR_NOT_FOUND) {
			assert_null(seen);
			continue;
		}
		assert_int_equal(f->code, 0);
		assert_non_null(seen);
		assert_string_equal(seen, f->value);
		n_live++;
	}
	assert_true(n_live > 10);
	view_free(&v);
}

static void the_store_may_be_freed_in_a_feed_callback(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f, .free_at_reset = true};

	assert_int_equal(store_fixture_put(f, "b", "x", "1", 0), 0);
	watch(&v);
	assert_true(run_until_n(f->bus.loop, &v.n_resets, 1, LIMIT_MS));
	assert_null(f->store);
	run_for(f->bus.loop, 50);
	assert_string_equal(v.trace, "R");
	view_free(&v);
}

static void a_freed_store_hears_no_more_of_its_feed(void **state)
{
	struct store_fixture *f = *state;
	struct view v = {.f = f};

	watch(&v);
	watch_until_synced(&v, 1);
	f->store = store_free(f->store);
	f->store = store_new(f->bus.loop, f->bus.bus);
	assert_int_equal(store_fixture_put(f, "b", "x", "1", 0), 0);
	run_for(f->bus.loop, 50);
	assert_string_equal(v.trace, "RS");
	view_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(changes_follow_the_listing_in_order),
	    STORE_TEST(an_empty_bucket_is_synced_at_once),
	    STORE_TEST(changes_during_the_listing_are_neither_lost_nor_doubled),
	    STORE_TEST(a_broker_restart_lists_again),
	    STORE_TEST(a_gap_in_the_feed_lists_again),
	    STORE_TEST(what_is_no_change_of_the_bucket_is_ignored),
	    STORE_TEST(a_wiped_and_remade_bucket_is_seen_as_it_is),
	    STORE_TEST(a_stream_remade_behind_our_back_is_noticed),
	    STORE_TEST(a_resync_on_request_lists_again),
	    STORE_TEST(a_flood_that_drops_messages_ends_in_the_true_view),
	    STORE_TEST(the_view_is_the_bucket_whatever_happened),
	    STORE_TEST(the_store_may_be_freed_in_a_feed_callback),
	    STORE_TEST(a_freed_store_hears_no_more_of_its_feed),
	};

	log_init("test_store_watch", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
