/* Single reads and writes of the store, against a real broker. */
#include "tests/lib/store_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* keys */

static void a_key_is_created_read_and_updated_by_revision(void **state)
{
	struct store_fixture *f = *state;
	uint64_t first;

	assert_int_equal(store_fixture_put(f, "b", "a.b-c/d_e=1", "one", 0), 0);
	first = f->revision;
	assert_true(first > 0);
	assert_string_equal(f->key, "a.b-c/d_e=1");
	assert_int_equal(store_fixture_get(f, "b", "a.b-c/d_e=1"), 0);
	assert_int_equal(f->revision, first);
	assert_string_equal(f->value, "one");
	assert_string_equal(f->key, "a.b-c/d_e=1");
	assert_true(llabs(f->at_unix_ms - clock_unix_ms()) < 10000);
	assert_int_equal(store_fixture_put(f, "b", "a.b-c/d_e=1", "", (int64_t)first), 0);
	assert_true(f->revision > first);
	assert_int_equal(store_fixture_get(f, "b", "a.b-c/d_e=1"), 0);
	assert_int_equal(f->n_value, 0);
	assert_int_equal(
	    store_fixture_put(f, "b", "a.b-c/d_e=1", "any", STORE_ANY_REVISION), 0);
}

static void a_stale_revision_conflicts_and_changes_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t first, second;

	assert_int_equal(store_fixture_put(f, "b", "k", "one", 0), 0);
	first = f->revision;
	assert_int_equal(store_fixture_put(f, "b", "k", "x", 0), ERROR_CONFLICT);
	assert_int_equal(store_fixture_put(f, "b", "k", "two", (int64_t)first), 0);
	second = f->revision;
	assert_int_equal(
	    store_fixture_put(f, "b", "k", "x", (int64_t)first), ERROR_CONFLICT);
	assert_int_equal(store_fixture_put(f, "b", "k", "x", 999), ERROR_CONFLICT);
	assert_int_equal(store_fixture_put(f, "b", "other", "x", 1), ERROR_CONFLICT);
	assert_int_equal(
	    store_fixture_delete(f, "b", "k", (int64_t)first), ERROR_CONFLICT);
	assert_int_equal(store_fixture_get(f, "b", "k"), 0);
	assert_int_equal(f->revision, second);
	assert_string_equal(f->value, "two");
}

static void a_deleted_key_is_not_found_but_has_the_markers_revision(void **state)
{
	struct store_fixture *f = *state;
	uint64_t marker;

	assert_int_equal(store_fixture_get(f, "b", "k"), ERROR_NOT_FOUND);
	assert_int_equal(f->revision, 0);
	assert_int_equal(store_fixture_put(f, "b", "k", "one", 0), 0);
	assert_int_equal(store_fixture_delete(f, "b", "k", (int64_t)f->revision), 0);
	marker = f->revision;
	assert_int_equal(store_fixture_get(f, "b", "k"), ERROR_NOT_FOUND);
	assert_int_equal(f->revision, marker);
	assert_int_equal(store_fixture_put(f, "b", "k", "x", 0), ERROR_CONFLICT);
	assert_int_equal(store_fixture_put(f, "b", "k", "again", (int64_t)marker), 0);
	assert_int_equal(store_fixture_get(f, "b", "k"), 0);
	assert_string_equal(f->value, "again");
}

static void every_byte_of_a_value_comes_back(void **state)
{
	struct store_fixture *f = *state;

	for (size_t n = 0; n < 260; n += 1 + n / 8) {
		char value[256];

		for (size_t i = 0; i < n && i < sizeof(value); i++)
			value[i] = (char)(i + n);
		store_put(f->store, "b", "bytes",
		    (struct slice){value, n < sizeof(value) ? n : sizeof(value)},
		    STORE_ANY_REVISION, store_fixture_on_result, f);
		assert_int_equal(store_fixture_wait(f), 0);
		assert_int_equal(store_fixture_get(f, "b", "bytes"), 0);
		assert_int_equal(f->n_value, n < sizeof(value) ? n : sizeof(value));
		f->value[sizeof(f->value) - 1] = '\0';
		assert_memory_equal(f->value, value, strnlen(f->value, n));
	}
}

static void names_the_broker_would_misread_are_refused(void **state)
{
	struct store_fixture *f = *state;
	const char *const keys[] = {"", ".a", "a.", "a..b", "a b", "a*", ">", "a:b",
	    "\xC3\xA4", "a\r\nPUB x 0\r\n"};
	const char *const buckets[] = {"", "b.c", "b c", "*", "b\n"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_int_equal(
		    store_fixture_put(f, "b", keys[i], "x", 0), ERROR_INVALID);
		assert_int_equal(store_fixture_get(f, "b", keys[i]), ERROR_INVALID);
		assert_int_equal(store_fixture_delete(f, "b", keys[i], 0), ERROR_INVALID);
	}
	for (size_t i = 0; i < ARRAY_LEN(buckets); i++)
		assert_int_equal(
		    store_fixture_put(f, buckets[i], "k", "x", 0), ERROR_INVALID);
}

static void oversized_values_are_refused_here_or_by_the_broker(void **state)
{
	struct store_fixture *f = *state;
	const struct store_bucket small = {.name = "small", .max_value_bytes = 1000};
	size_t n = STORE_VALUE_MAX;
	char *value = calloc(1, n + 1);

	assert_non_null(value);
	store_put(f->store, "b", "k", (struct slice){value, n + 1}, STORE_ANY_REVISION,
	    store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), ERROR_TOO_LARGE);
	store_put(f->store, "b", "k", (struct slice){value, n}, STORE_ANY_REVISION,
	    store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	assert_int_equal(store_fixture_get(f, "b", "k"), 0);
	assert_int_equal(f->n_value, n);
	store_ensure_bucket(f->store, &small, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	store_put(f->store, "small", "k", (struct slice){value, 1001}, STORE_ANY_REVISION,
	    store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), ERROR_TOO_LARGE);
	assert_int_equal(store_fixture_put(f, "small", "k", "fits", 0), 0);
	free(value);
}

static void a_bucket_that_is_not_there_is_told_apart(void **state)
{
	struct store_fixture *f = *state;

	assert_int_equal(store_fixture_get(f, "none", "k"), ERROR_NOT_FOUND);
	assert_int_equal(store_fixture_put(f, "none", "k", "x", 0), ERROR_UNAVAILABLE);
}

/* streams */

static int append(
    struct store_fixture *f, const char *subject, const char *id, int64_t expected)
{
	const struct bus_header h = {"Cause", "test"};
	const struct store_append a = {
	    .subject = subject,
	    .msg_id = id,
	    .headers = &h,
	    .n_headers = 1,
	    .value = SLICE_LIT("event"),
	    .expected_last_subject_seq = expected,
	};

	store_append(f->store, &a, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

static int read_one(struct store_fixture *f, const struct store_read *r)
{
	store_read(f->store, r, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

static void ensure_events(struct store_fixture *f)
{
	const struct store_stream st = {
	    .name = "EVENTS", .subjects = "ev.> other", .duplicate_window_ms = 60000};

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
}

static void an_append_is_deduplicated_by_its_id(void **state)
{
	struct store_fixture *f = *state;

	ensure_events(f);
	assert_int_equal(append(f, "ev.1", "id-1", STORE_ANY_REVISION), 0);
	assert_int_equal(f->revision, 1);
	assert_false(f->duplicate);
	assert_int_equal(append(f, "ev.1", "id-1", STORE_ANY_REVISION), 0);
	assert_int_equal(f->revision, 1);
	assert_true(f->duplicate);
	assert_int_equal(append(f, "ev.1", "id-2", 1), 0);
	assert_int_equal(append(f, "ev.1", "id-3", 1), ERROR_CONFLICT);
	assert_int_equal(append(f, "ev.2", NULL, 0), 0);
	assert_int_equal(f->revision, 3);
}

static void messages_are_read_by_sequence_by_subject_and_onwards(void **state)
{
	struct store_fixture *f = *state;
	struct store_read r = {.stream = "EVENTS", .seq = 2};

	ensure_events(f);
	f->want_header = "Cause";
	for (int i = 0; i < 6; i++)
		assert_int_equal(
		    append(f, i % 2 ? "ev.odd" : "ev.even", NULL, STORE_ANY_REVISION), 0);
	assert_int_equal(read_one(f, &r), 0);
	assert_int_equal(f->revision, 2);
	assert_string_equal(f->key, "ev.odd");
	assert_string_equal(f->value, "event");
	assert_string_equal(f->header, "test");
	r = (struct store_read){.stream = "EVENTS", .last_subject = "ev.even"};
	assert_int_equal(read_one(f, &r), 0);
	assert_int_equal(f->revision, 5);
	for (uint64_t seq = 0; seq <= 2; seq++) {
		r = (struct store_read){
		    .stream = "EVENTS", .seq = seq, .next_subject = "ev.o*"};
		assert_int_equal(
		    read_one(f, &r), seq ? ERROR_NOT_FOUND : ERROR_NOT_FOUND);
		r.next_subject = "ev.odd";
		assert_int_equal(read_one(f, &r), 0);
		assert_int_equal(f->revision, 2);
		assert_string_equal(f->key, "ev.odd");
		r.next_subject = "*.odd";
		assert_int_equal(read_one(f, &r), 0);
		assert_int_equal(f->revision, 2);
	}
	r.seq = 3;
	assert_int_equal(read_one(f, &r), 0);
	assert_int_equal(f->revision, 4);
	r.seq = 7;
	assert_int_equal(read_one(f, &r), ERROR_NOT_FOUND);
	r = (struct store_read){.stream = "NONE", .seq = 1};
	assert_int_equal(read_one(f, &r), ERROR_NOT_FOUND);
	r.stream = "a.b";
	assert_int_equal(read_one(f, &r), ERROR_INVALID);
}

static void messages_are_deleted_and_purged(void **state)
{
	struct store_fixture *f = *state;
	struct store_read r = {.stream = "EVENTS", .seq = 1};

	ensure_events(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    append(f, i ? "ev.b" : "ev.a", NULL, STORE_ANY_REVISION), 0);
	store_delete_message(f->store, "EVENTS", 1, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	assert_int_equal(read_one(f, &r), ERROR_NOT_FOUND);
	store_delete_message(f->store, "EVENTS", 1, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), ERROR_NOT_FOUND);
	store_purge(f->store, "EVENTS", "ev.b", store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	r.seq = 2;
	assert_int_equal(read_one(f, &r), ERROR_NOT_FOUND);
	/* a bucket's stream denies deletion */
	assert_int_equal(store_fixture_put(f, "b", "k", "v", 0), 0);
	store_delete_message(f->store, "KV_b", f->revision, store_fixture_on_result, f);
	assert_int_not_equal(store_fixture_wait(f), 0);
	assert_int_equal(store_fixture_get(f, "b", "k"), 0);
}

static void a_full_stream_says_rate_limited(void **state)
{
	struct store_fixture *f = *state;
	const struct store_stream st = {
	    .name = "FULL", .subjects = "full.>", .discard_new = true, .max_msgs = 2};

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	assert_int_equal(append(f, "full.1", NULL, STORE_ANY_REVISION), 0);
	assert_int_equal(append(f, "full.2", NULL, STORE_ANY_REVISION), 0);
	assert_int_equal(
	    append(f, "full.3", NULL, STORE_ANY_REVISION), ERROR_RATE_LIMITED);
}

/* losing the broker */

static void calls_fail_at_once_while_the_broker_is_away(void **state)
{
	struct store_fixture *f = *state;
	int64_t begin_ms;

	assert_int_equal(store_fixture_put(f, "b", "k", "kept", 0), 0);
	nats_fixture_kill(&f->bus.broker);
	assert_true(run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
	begin_ms = clock_mono_ms();
	assert_int_equal(store_fixture_put(f, "b", "k", "x", 0), ERROR_UNAVAILABLE);
	assert_int_equal(store_fixture_get(f, "b", "k"), ERROR_UNAVAILABLE);
	assert_true(clock_mono_ms() - begin_ms < 500);
	nats_fixture_start(&f->bus.broker);
	bus_fixture_wait(&f->bus);
	assert_int_equal(store_fixture_get(f, "b", "k"), 0);
	assert_string_equal(f->value, "kept");
}

static void calls_under_way_when_the_broker_dies_say_unavailable(void **state)
{
	struct store_fixture *f = *state;
	int64_t begin_ms;

	nats_fixture_freeze(&f->bus.broker);
	for (int i = 0; i < 50; i++)
		store_put(f->store, "b", "k", SLICE_LIT("x"), STORE_ANY_REVISION,
		    store_fixture_on_result, f);
	f->n_done = 0;
	nats_fixture_kill(&f->bus.broker);
	begin_ms = clock_mono_ms();
	assert_true(run_until_n(f->bus.loop, &f->n_done, 50, LIMIT_MS));
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	f->done = false;
	nats_fixture_start(&f->bus.broker);
	bus_fixture_wait(&f->bus);
	assert_int_equal(store_fixture_put(f, "b", "k", "y", STORE_ANY_REVISION), 0);
}

static void a_broker_that_says_nothing_times_out(void **state)
{
	struct store_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	nats_fixture_freeze(&f->bus.broker);
	assert_int_equal(store_fixture_get(f, "b", "k"), ERROR_TIMEOUT);
	assert_true(clock_mono_ms() - begin_ms >= STORE_TIMEOUT_MS - 1);
	assert_true(clock_mono_ms() - begin_ms < STORE_TIMEOUT_MS + 1000);
	nats_fixture_thaw(&f->bus.broker);
	assert_int_equal(store_fixture_get(f, "b", "k"), ERROR_NOT_FOUND);
}

/* freeing */

static void freeing_the_store_cancels_what_is_under_way(void **state)
{
	struct store_fixture *f = *state;

	store_get(f->store, "b", "k", store_fixture_on_result, f);
	store_get(f->store, "b", "bad key", store_fixture_on_result, f);
	f->n_done = 0;
	f->store = store_free(f->store);
	assert_int_equal(f->n_done, 2);
	assert_int_equal(f->code, -ECANCELED);
	run_for(f->bus.loop, 50);
	assert_int_equal(f->n_done, 2);
}

static void on_result_free(void *data, const struct store_result *r)
{
	struct store_fixture *f = data;

	store_fixture_on_result(f, r);
	f->store = store_free(f->store);
	assert_non_null(r->detail);
}

static void the_store_may_be_freed_in_a_callback(void **state)
{
	struct store_fixture *f = *state;

	store_get(f->store, "b", "bad key", on_result_free, f);
	store_get(f->store, "b", "bad key too", store_fixture_on_result, f);
	f->n_done = 0;
	assert_true(run_until_n(f->bus.loop, &f->n_done, 2, LIMIT_MS));
	assert_null(f->store);
	f->store = store_new(f->bus.loop, f->bus.bus);
	store_get(f->store, "b", "k", on_result_free, f);
	store_get(f->store, "b", "k", store_fixture_on_result, f);
	f->n_done = 0;
	assert_true(run_until_n(f->bus.loop, &f->n_done, 2, LIMIT_MS));
	assert_null(f->store);
}

static void the_bus_may_go_before_the_store(void **state)
{
	struct store_fixture *f = *state;

	store_get(f->store, "b", "k", store_fixture_on_result, f);
	f->n_done = 0;
	bus_close(f->bus.bus, bus_fixture_on_closed, &f->bus);
	assert_true(run_until(f->bus.loop, &f->bus.closed, LIMIT_MS));
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->code, -ECANCELED);
	f->done = false;
	assert_int_equal(store_fixture_get(f, "b", "k"), -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(a_key_is_created_read_and_updated_by_revision),
	    STORE_TEST(a_stale_revision_conflicts_and_changes_nothing),
	    STORE_TEST(a_deleted_key_is_not_found_but_has_the_markers_revision),
	    STORE_TEST(every_byte_of_a_value_comes_back),
	    STORE_TEST(names_the_broker_would_misread_are_refused),
	    STORE_TEST(oversized_values_are_refused_here_or_by_the_broker),
	    STORE_TEST(a_bucket_that_is_not_there_is_told_apart),
	    STORE_TEST(an_append_is_deduplicated_by_its_id),
	    STORE_TEST(messages_are_read_by_sequence_by_subject_and_onwards),
	    STORE_TEST(messages_are_deleted_and_purged),
	    STORE_TEST(a_full_stream_says_rate_limited),
	    STORE_TEST(calls_fail_at_once_while_the_broker_is_away),
	    STORE_TEST(calls_under_way_when_the_broker_dies_say_unavailable),
	    STORE_TEST(a_broker_that_says_nothing_times_out),
	    STORE_TEST(freeing_the_store_cancels_what_is_under_way),
	    STORE_TEST(the_store_may_be_freed_in_a_callback),
	    STORE_TEST(the_bus_may_go_before_the_store),
	};

	log_init("test_store", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
