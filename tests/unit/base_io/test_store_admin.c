/* Streams, buckets and consumers that are made or compared, and what consumers deliver,
 * against a real broker. */
#include "tests/lib/store_fixture.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const struct store_stream commands = {
    .name = "CMD",
    .subjects = "cmd.> more.*",
    .work_queue = true,
    .discard_new = true,
    .deny_delete = true,
    .max_age_ms = 180LL * 24 * 3600 * 1000,
    .max_bytes = 256 * 1024 * 1024,
    .max_msgs = 100000,
    .max_msg_size = 256 * 1024,
    .duplicate_window_ms = 600000,
};

static const struct store_consumer worker = {
    .stream = "CMD",
    .name = "worker",
    .deliver_subject = "deliver.cmd",
    .deliver_group = "workers",
    .ack_wait_ms = 1000,
    .max_ack_pending = 256,
};

static int ensure_consumer(struct store_fixture *f, const struct store_consumer *c)
{
	store_ensure_consumer(f->store, c, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

static int append(struct store_fixture *f, const char *subject, const char *value)
{
	const struct store_append a = {.subject = subject,
	    .value = slice_of(value),
	    .expected_last_subject_seq = STORE_ANY_REVISION};

	store_append(f->store, &a, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

/* making */

static void a_stream_is_made_once_and_then_found_the_same(void **state)
{
	struct store_fixture *f = *state;
	struct store_stream st = commands;

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	st.subjects = "more.*  cmd.> "; /* order and blanks do not matter */
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	st = (struct store_stream){.name = "PLAIN", .subjects = "plain"};
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	st = (struct store_stream){.name = "FULL",
	    .subjects = "full.>",
	    .allow_direct = true,
	    .deny_purge = true,
	    .allow_rollup = false,
	    .memory = true,
	    .max_msgs_per_subject = 3,
	    .republish_src = "full.>",
	    .republish_dest = "feed.full.>"};
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
}

static void assert_differs(
    struct store_fixture *f, const struct store_stream *st, const char *field)
{
	assert_int_equal(store_fixture_ensure_stream(f, st), ERROR_CONFLICT);
	if (!strstr(f->detail, field))
		fail_msg("'%s' does not name %s", f->detail, field);
}

static void a_stream_that_differs_conflicts_by_field_and_stays(void **state)
{
	struct store_fixture *f = *state;
	struct store_stream st = commands;

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	st.subjects = "cmd.>";
	assert_differs(f, &st, "subjects");
	st = commands;
	st.work_queue = false;
	assert_differs(f, &st, "retention");
	st = commands;
	st.discard_new = false;
	st.max_age_ms++;
	assert_differs(f, &st, "discard");
	assert_differs(f, &st, "max_age");
	st = commands;
	st.max_bytes = 0;
	assert_differs(f, &st, "max_bytes");
	st = commands;
	st.deny_delete = false;
	assert_differs(f, &st, "deny_delete");
	st = commands;
	st.memory = true;
	assert_differs(f, &st, "storage");
	st = commands;
	st.republish_src = "cmd.>";
	st.republish_dest = "feed.>";
	assert_differs(f, &st, "republish");
	st = commands;
	st.replicas = 3;
	assert_differs(f, &st, "num_replicas");
	assert_int_equal(store_fixture_ensure_stream(f, &commands), 0);
}

static void a_stream_with_more_than_was_asked_differs(void **state)
{
	struct store_fixture *f = *state;
	struct store_stream st = {.name = "S",
	    .subjects = "s.>",
	    .republish_src = "s.>",
	    .republish_dest = "feed.s.>"};

	assert_int_equal(store_fixture_ensure_stream(f, &st), 0);
	st.republish_dest = NULL;
	assert_differs(f, &st, "republish");
}

static void subjects_another_stream_has_conflict(void **state)
{
	struct store_fixture *f = *state;
	struct store_stream st = {.name = "OTHER", .subjects = "cmd.start.>"};

	assert_int_equal(store_fixture_ensure_stream(f, &commands), 0);
	assert_int_equal(store_fixture_ensure_stream(f, &st), ERROR_CONFLICT);
}

static void names_the_broker_refuses_are_invalid(void **state)
{
	struct store_fixture *f = *state;
	struct store_stream st = {.name = "A.B", .subjects = "x"};
	struct store_consumer c = worker;

	assert_int_equal(store_fixture_ensure_stream(f, &st), ERROR_INVALID);
	st.name = "";
	assert_int_equal(store_fixture_ensure_stream(f, &st), ERROR_INVALID);
	assert_int_equal(store_fixture_ensure_bucket(f, "a b", NULL), ERROR_INVALID);
	c.name = "a*";
	assert_int_equal(ensure_consumer(f, &c), ERROR_INVALID);
}

static void two_processes_make_the_same_stream_at_once(void **state)
{
	struct store_fixture *f = *state;

	for (int i = 0; i < 8; i++)
		store_ensure_stream(f->store, &commands, store_fixture_on_result, f);
	f->n_done = 0;
	for (size_t i = 1; i <= 8; i++) {
		assert_true(run_until_n(f->bus.loop, &f->n_done, i, LIMIT_MS));
		assert_int_equal(f->code, 0);
	}
	f->done = false;
}

static void a_bucket_is_a_bucket_for_other_clients_too(void **state)
{
	struct store_fixture *f = *state;
	struct store_bucket b = {.name = "kv",
	    .history = 5,
	    .max_value_bytes = 65536,
	    .ttl_ms = 60000,
	    .feed = "f.kv"};
	const struct bus_request info = {.subject = "$JS.API.STREAM.INFO.KV_kv",
	    .timeout_ms = 5000,
	    .cb = bus_fixture_on_reply,
	    .cb_data = &f->bus};

	store_ensure_bucket(f->store, &b, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	store_ensure_bucket(f->store, &b, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), 0);
	b.history = 4;
	store_ensure_bucket(f->store, &b, store_fixture_on_result, f);
	assert_int_equal(store_fixture_wait(f), ERROR_CONFLICT);
	assert_non_null(strstr(f->detail, "max_msgs_per_subject"));
	bus_request(f->bus.bus, &info);
	assert_true(run_until(f->bus.loop, &f->bus.answered, LIMIT_MS));
	assert_non_null(strstr(f->bus.last_data, "KV_kv"));
}

/* deliveries */

static void the_reply_subject_tells_of_a_delivery(void **state)
{
	struct store_delivery d;
	const char *const bad[] = {"", "$JS.ACK", "_INBOX.1", "$JS.ACK.S.C.1.2.3.4",
	    "$JS.ACK.S.C.1.2.3.x.5", "$JS.ACK.S.C.1.2..4.5", "$JS.ACK.S.C.1.2.3.4.5.6",
	    "$JS.ACK.S.C.1.2.3.4.5x", "$JS.ACK........"};

	(void)state;
	assert_true(store_delivery_parse("$JS.ACK.S.C.2.10.7.1700000000123456789.3", &d));
	assert_int_equal(d.n_delivered, 2);
	assert_int_equal(d.stream_seq, 10);
	assert_int_equal(d.consumer_seq, 7);
	assert_int_equal(d.at_unix_ms, 1700000000123);
	assert_int_equal(d.n_pending, 3);
	assert_true(
	    store_delivery_parse("$JS.ACK.hub.acc.S.C.1.2.3.4000000.5.random", &d));
	assert_int_equal(d.stream_seq, 2);
	assert_int_equal(d.at_unix_ms, 4);
	assert_int_equal(d.n_pending, 5);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(store_delivery_parse(bad[i], &d));
}

/* What the worker got; it answers as told. */
struct work {
	struct store_fixture *f;
	size_t n;
	uint64_t last_seq, last_delivered;
	char last_subject[64], last_value[64], last_reply[256];
	enum store_ack answer;
	int64_t nak_delay_ms;
	bool silent;
	int64_t at_ms;
};

static void on_work(void *data, const struct bus_msg *m)
{
	struct work *w = data;
	struct store_delivery d;

	assert_true(store_delivery_parse(m->reply, &d));
	w->n++;
	w->last_seq = d.stream_seq;
	w->last_delivered = d.n_delivered;
	w->at_ms = clock_mono_ms();
	snprintf(w->last_subject, sizeof(w->last_subject), "%s", m->subject);
	snprintf(w->last_value, sizeof(w->last_value), SLICE_FMT, SLICE_ARG(m->data));
	snprintf(w->last_reply, sizeof(w->last_reply), "%s", m->reply);
	if (!w->silent)
		assert_int_equal(
		    store_ack_delivery(w->f->store, m->reply, w->answer, w->nak_delay_ms),
		    0);
}

static void start_work(struct work *w, struct store_fixture *f)
{
	struct err e = ERR_NULL;

	*w = (struct work){.f = f};
	assert_int_equal(store_fixture_ensure_stream(f, &commands), 0);
	assert_int_equal(bus_subscribe(f->bus.bus, worker.deliver_subject,
			     worker.deliver_group, on_work, w, &e),
	    0);
	assert_int_equal(ensure_consumer(f, &worker), 0);
}

static void wait_work(struct work *w, size_t n)
{
	assert_true(run_until_n(w->f->bus.loop, &w->n, n, LIMIT_MS));
}

static void a_consumer_is_made_once_and_compared_after(void **state)
{
	struct store_fixture *f = *state;
	struct store_consumer c = worker;

	assert_int_equal(ensure_consumer(f, &c), ERROR_NOT_FOUND); /* no stream */
	assert_int_equal(store_fixture_ensure_stream(f, &commands), 0);
	assert_int_equal(ensure_consumer(f, &c), 0);
	assert_int_equal(ensure_consumer(f, &c), 0);
	c.deliver_group = "other";
	assert_int_equal(ensure_consumer(f, &c), ERROR_CONFLICT);
	assert_non_null(strstr(f->detail, "deliver_group"));
	c = worker;
	c.ack_wait_ms = 2000;
	assert_int_equal(ensure_consumer(f, &c), ERROR_CONFLICT);
	assert_non_null(strstr(f->detail, "ack_wait"));
	c = worker;
	c.name = "second"; /* a work queue has one consumer for each subject */
	assert_int_equal(ensure_consumer(f, &c), ERROR_CONFLICT);
}

static void acknowledged_work_is_delivered_once_in_order(void **state)
{
	struct store_fixture *f = *state;
	struct work w;

	start_work(&w, f);
	assert_int_equal(append(f, "cmd.start", "one"), 0);
	wait_work(&w, 1);
	assert_string_equal(w.last_subject, "cmd.start");
	assert_string_equal(w.last_value, "one");
	assert_int_equal(w.last_delivered, 1);
	for (int i = 0; i < 50; i++)
		assert_int_equal(append(f, "more.x", "n"), 0);
	wait_work(&w, 51);
	assert_int_equal(w.last_seq, 51);
	run_for(f->bus.loop, worker.ack_wait_ms + 300);
	assert_int_equal(w.n, 51);
}

static void work_refused_with_a_delay_comes_again_after_it(void **state)
{
	struct store_fixture *f = *state;
	struct work w;
	int64_t begin_ms;

	start_work(&w, f);
	w.answer = STORE_NAK;
	w.nak_delay_ms = 300;
	assert_int_equal(append(f, "cmd.x", "one"), 0);
	wait_work(&w, 1);
	begin_ms = w.at_ms;
	w.answer = STORE_ACK;
	wait_work(&w, 2);
	assert_true(w.at_ms - begin_ms >= 250);
	assert_true(w.at_ms - begin_ms < 900);
	assert_int_equal(w.last_delivered, 2);
	w.answer = STORE_NAK;
	w.nak_delay_ms = 0;
	assert_int_equal(append(f, "cmd.x", "two"), 0);
	wait_work(&w, 4);
	assert_true(w.last_delivered >= 2);
	w.answer = STORE_TERM;
	run_for(f->bus.loop, 200);
	w.n = 0;
	run_for(f->bus.loop, worker.ack_wait_ms + 300);
	assert_int_equal(w.n, 0);
}

static void work_in_progress_is_not_delivered_again(void **state)
{
	struct store_fixture *f = *state;
	struct work w;

	start_work(&w, f);
	w.silent = true;
	assert_int_equal(append(f, "cmd.x", "one"), 0);
	wait_work(&w, 1);
	for (int i = 0; i < 4; i++) {
		run_for(f->bus.loop, 600);
		assert_int_equal(
		    store_ack_delivery(f->store, w.last_reply, STORE_PROGRESS, 0), 0);
		assert_int_equal(w.n, 1);
	}
	wait_work(&w, 2); /* left alone, it comes again */
	assert_int_equal(w.last_delivered, 2);
}

static void unacknowledged_work_comes_again_after_the_broker_was_killed(void **state)
{
	struct store_fixture *f = *state;
	struct work w;

	start_work(&w, f);
	w.silent = true;
	assert_int_equal(append(f, "cmd.x", "one"), 0);
	assert_int_equal(append(f, "cmd.y", "two"), 0);
	wait_work(&w, 2);
	nats_fixture_kill(&f->bus.broker);
	assert_true(run_until(f->bus.loop, &f->bus.disconnected, LIMIT_MS));
	assert_int_equal(
	    store_ack_delivery(f->store, w.last_reply, STORE_ACK, 0), ERROR_UNAVAILABLE);
	nats_fixture_start(&f->bus.broker);
	bus_fixture_wait(&f->bus);
	w.silent = false;
	w.n = 0;
	wait_work(&w, 2);
	run_for(f->bus.loop, worker.ack_wait_ms + 500);
	assert_int_equal(w.n, 2);
	assert_int_equal(append(f, "cmd.z", "three"), 0);
	wait_work(&w, 3);
	assert_int_equal(w.last_delivered, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(a_stream_is_made_once_and_then_found_the_same),
	    STORE_TEST(a_stream_that_differs_conflicts_by_field_and_stays),
	    STORE_TEST(a_stream_with_more_than_was_asked_differs),
	    STORE_TEST(subjects_another_stream_has_conflict),
	    STORE_TEST(names_the_broker_refuses_are_invalid),
	    STORE_TEST(two_processes_make_the_same_stream_at_once),
	    STORE_TEST(a_bucket_is_a_bucket_for_other_clients_too),
	    cmocka_unit_test(the_reply_subject_tells_of_a_delivery),
	    STORE_TEST(a_consumer_is_made_once_and_compared_after),
	    STORE_TEST(acknowledged_work_is_delivered_once_in_order),
	    STORE_TEST(work_refused_with_a_delay_comes_again_after_it),
	    STORE_TEST(work_in_progress_is_not_delivered_again),
	    STORE_TEST(unacknowledged_work_comes_again_after_the_broker_was_killed),
	};

	log_init("test_store_admin", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
