/* Listings of a stream against a real broker. */
#include "tests/lib/store_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct listing {
	struct store_fixture *f;
	size_t n, n_deleted, n_bytes, n_ended;
	uint64_t last_revision;
	char first_key[64], last_key[64];
	enum store_list_event end;
	int code;
	bool done;
	bool seen[600];    /* key.0 ... */
	size_t free_after; /* free the store in the callback of this item */
};

static void on_item(void *data, enum store_list_event ev, const struct store_item *item,
    const struct store_result *r)
{
	struct listing *l = data;

	if (ev != STORE_LIST_ITEM) {
		l->end = ev;
		l->code = r->code;
		l->n_ended++;
		l->done = true;
		return;
	}
	assert_true(item->revision > l->last_revision); /* stream order */
	l->last_revision = item->revision;
	if (l->n++ == 0)
		snprintf(l->first_key, sizeof(l->first_key), "%s", item->key);
	snprintf(l->last_key, sizeof(l->last_key), "%s", item->key);
	if (strncmp(item->key, "key.", 4) == 0 && strtoul(item->key + 4, NULL, 10) < 600)
		l->seen[strtoul(item->key + 4, NULL, 10)] = true;
	l->n_deleted += item->deleted;
	l->n_bytes += item->value.n;
	assert_true(item->at_unix_ms > 0);
	if (l->free_after && l->n == l->free_after)
		l->f->store = store_free(l->f->store);
}

static void list(struct listing *l, const char *stream, const char *filter)
{
	const struct store_list what = {
	    .stream = stream, .filter = filter, .cb = on_item, .data = l};
	struct store_fixture *f = l->f;

	*l = (struct listing){.f = f};
	store_list(f->store, &what);
	assert_false(l->done);
	assert_true(run_until(f->bus.loop, &l->done, LIMIT_MS));
	assert_int_equal(l->n_ended, 1);
}

static void put_many(struct store_fixture *f, size_t n, size_t n_bytes)
{
	char *value = calloc(1, n_bytes + 1), key[32];

	assert_non_null(value);
	f->n_done = 0;
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "key.%zu", i);
		store_put(f->store, "b", key, (struct slice){value, n_bytes}, 0,
		    store_fixture_on_result, f);
	}
	assert_true(run_until_n(f->bus.loop, &f->n_done, n, 3 * LIMIT_MS));
	assert_int_equal(f->code, 0);
	f->done = false;
	free(value);
}

static void an_empty_bucket_lists_nothing(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};

	list(&l, "KV_b", "$KV.b.>");
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 0);
}

static void a_single_key_lists_its_last_value(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};

	assert_int_equal(store_fixture_put(f, "b", "k.1", "old", STORE_ANY_REVISION), 0);
	assert_int_equal(
	    store_fixture_put(f, "b", "k.1", "newer", STORE_ANY_REVISION), 0);
	list(&l, "KV_b", NULL);
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.n_bytes, 5);
	assert_string_equal(l.first_key, "k.1");
}

static void a_thousand_keys_come_in_stream_order_once_each(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};

	put_many(f, 1000, 10);
	assert_int_equal(store_fixture_delete(f, "b", "key.7", STORE_ANY_REVISION), 0);
	list(&l, "KV_b", "$KV.b.>");
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 1000);
	assert_int_equal(l.n_deleted, 1);
	assert_int_equal(l.n_bytes, 9990);
	assert_string_equal(l.first_key, "key.0");
	assert_string_equal(l.last_key, "key.7");
	list(&l, "KV_b", "$KV.b.key.99");
	assert_int_equal(l.n, 1);
	assert_string_equal(l.first_key, "key.99");
	list(&l, "KV_b", "$KV.b.nothing.>");
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 0);
}

/* 40 MB: more than a batch's bytes, more than what waits for the loop at a time. */
static void large_values_come_in_batches_of_limited_bytes(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};

	put_many(f, 40, STORE_VALUE_MAX);
	list(&l, "KV_b", "$KV.b.>");
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 40);
	assert_int_equal(l.n_bytes, 40 * STORE_VALUE_MAX);
}

static void all_messages_are_listed_from_a_sequence_on(void **state)
{
	struct store_fixture *f = *state;
	const struct store_stream st = {.name = "ALL", .subjects = "all.>"};
	struct store_append a = {.subject = "all.x",
	    .value = SLICE_LIT("x"),
	    .expected_last_subject_seq = STORE_ANY_REVISION};
	struct listing l = {.f = f};
	struct store_list what = {
	    .stream = "ALL", .filter = "all.>", .all = true, .cb = on_item, .data = &l};

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	for (int i = 0; i < 300; i++) {
		store_append(f->store, &a, store_fixture_on_result, f);
		assert_int_equal(store_fixture_wait(f), 0);
	}
	store_list(f->store, &what);
	assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
	assert_int_equal(l.n, 300);
	assert_string_equal(l.first_key, "all.x"); /* no bucket: the subject */
	l = (struct listing){.f = f};
	what.start_seq = 291;
	store_list(f->store, &what);
	assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
	assert_int_equal(l.n, 10);
	l = (struct listing){.f = f};
	what.start_seq = 301;
	store_list(f->store, &what);
	assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 0);
}

/* None may be missing: an owner takes an absent key for a deleted one. */
static void keys_that_change_meanwhile_are_all_listed(void **state)
{
	struct store_fixture *f = *state;
	struct listing l;
	const struct store_list what = {
	    .stream = "KV_b", .filter = "$KV.b.>", .cb = on_item, .data = &l};
	char key[32];

	put_many(f, 600, 10);
	for (size_t round = 0; round < 10; round++) {
		l = (struct listing){.f = f};
		f->n_done = 0;
		for (size_t i = 0; i < 600; i++) {
			if (i == round * 50)
				store_list(f->store, &what);
			snprintf(key, sizeof(key), "key.%zu", i * 7 % 600);
			store_put(f->store, "b", key, SLICE_LIT("later"),
			    STORE_ANY_REVISION, store_fixture_on_result, f);
		}
		assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
		assert_int_equal(l.end, STORE_LIST_DONE);
		for (size_t i = 0; i < 600; i++)
			assert_true(l.seen[i]);
		assert_true(run_until_n(f->bus.loop, &f->n_done, 600, LIMIT_MS));
		f->done = false;
	}
}

static void a_stream_that_is_not_there_fails(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};

	list(&l, "NONE", "x.>");
	assert_int_equal(l.end, STORE_LIST_FAILED);
	assert_int_equal(l.code, ERROR_NOT_FOUND);
	list(&l, "a b", "x.>");
	assert_int_equal(l.end, STORE_LIST_FAILED);
	assert_int_equal(l.code, ERROR_INVALID);
}

static void a_listing_ends_when_the_broker_dies(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};
	const struct store_list what = {
	    .stream = "KV_b", .filter = "$KV.b.>", .cb = on_item, .data = &l};

	put_many(f, 1000, 10);
	store_list(f->store, &what);
	while (l.n == 0 && !l.done)
		loop_turn(f->bus.loop);
	nats_fixture_kill(&f->bus.broker);
	assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
	assert_true(l.end == STORE_LIST_DONE || l.code == ERROR_UNAVAILABLE);
	assert_true((l.end == STORE_LIST_DONE) == (l.n == 1000));
	assert_true(f->bus.disconnected ||
		    run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
	nats_fixture_start(&f->bus.broker);
	bus_fixture_wait(&f->bus);
	list(&l, "KV_b", "$KV.b.>");
	assert_int_equal(l.end, STORE_LIST_DONE);
	assert_int_equal(l.n, 1000);
}

static void listings_leave_no_consumer_behind(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f};
	const struct bus_request info = {
	    .subject = "$JS.API.CONSUMER.NAMES.KV_b",
	    .timeout_ms = 5000,
	    .cb = bus_fixture_on_reply,
	    .cb_data = &f->bus,
	};

	put_many(f, 10, 10);
	for (int i = 0; i < 5; i++)
		list(&l, "KV_b", "$KV.b.>");
	for (int i = 0; i < 50 && !strstr(f->bus.last_data, "\"total\":0"); i++) {
		f->bus.answered = false;
		bus_request(f->bus.bus, &info);
		assert_true(run_until(f->bus.loop, &f->bus.answered, LIMIT_MS));
	}
	assert_non_null(strstr(f->bus.last_data, "\"total\":0"));
}

static void the_store_may_be_freed_while_it_lists(void **state)
{
	struct store_fixture *f = *state;
	struct listing l = {.f = f, .free_after = 3};
	const struct store_list what = {
	    .stream = "KV_b", .filter = "$KV.b.>", .cb = on_item, .data = &l};

	put_many(f, 10, 10);
	store_list(f->store, &what);
	assert_true(run_until(f->bus.loop, &l.done, LIMIT_MS));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.end, STORE_LIST_FAILED);
	assert_int_equal(l.code, -ECANCELED);
	assert_null(f->store);
	f->store = store_new(f->bus.loop, f->bus.bus);
	l = (struct listing){.f = f};
	store_list(f->store, &what);
	f->store = store_free(f->store);
	assert_true(l.done);
	assert_int_equal(l.code, -ECANCELED);
	run_for(f->bus.loop, 50);
	assert_int_equal(l.n_ended, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(an_empty_bucket_lists_nothing),
	    STORE_TEST(a_single_key_lists_its_last_value),
	    STORE_TEST(a_thousand_keys_come_in_stream_order_once_each),
	    STORE_TEST(large_values_come_in_batches_of_limited_bytes),
	    STORE_TEST(all_messages_are_listed_from_a_sequence_on),
	    STORE_TEST(keys_that_change_meanwhile_are_all_listed),
	    STORE_TEST(a_stream_that_is_not_there_fails),
	    STORE_TEST(a_listing_ends_when_the_broker_dies),
	    STORE_TEST(listings_leave_no_consumer_behind),
	    STORE_TEST(the_store_may_be_freed_while_it_lists),
	};

	log_init("test_store_list", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
