/* Messages and requests over a real broker. Looks into the queue between broker and loop:
 * only what waits there shows when a burst has come in whole. */
#include "tests/lib/bus_fixture.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/bus_internal.h"
#include "base/io/bus_link_internal.h"
#include "base/log.h"

/* messages and requests */

static void a_message_arrives_with_subject_reply_headers_and_bytes(void **state)
{
	struct bus_fixture *f = *state;
	const struct bus_header h[] = {{"X-One", "1 and more"}, {"X-Two", "2"}};

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "m.*.z", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	assert_int_equal(
	    bus_publish(f->bus, "m.y.z", "answer.here", h, 2, SLICE_LIT("bytes")), 0);
	assert_true(run_until_n(f->loop, &f->n_messages, 1, LIMIT_MS));
	assert_string_equal(f->last_subject, "m.y.z");
	assert_string_equal(f->last_reply, "answer.here");
	assert_string_equal(f->last_data, "bytes");
	assert_string_equal(f->last_header, "1 and more");
	assert_int_equal(bus_publish(f->bus, "m.y.z", NULL, NULL, 0, SLICE_NULL), 0);
	assert_true(run_until_n(f->loop, &f->n_messages, 2, LIMIT_MS));
	assert_string_equal(f->last_reply, "");
	assert_string_equal(f->last_data, "");
	assert_string_equal(f->last_header, "");
	bus_fixture_close(f);
}

static void what_would_break_the_protocol_is_refused(void **state)
{
	struct bus_fixture *f = *state;
	static char big[1024 * 1024 + 1];
	const struct bus_header bad[] = {{"A\r\nB", "x"}, {"A", "x\r\nPUB y 0"},
	    {"", "x"}, {"A:", "x"}, {"A", "x\n"}, {"A", ""}};
	const char *const subjects[] = {
	    "", "a b", "a\tb", "a\r\nPUB x 0\r\n", ".a", "a.", "a..b"};
	const struct bus_header fine = {"A", "b"};
	struct err e = ERR_NULL;

	bus_fixture_open(f);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
		assert_int_equal(bus_fixture_publish(f, subjects[i], "x"), ERROR_INVALID);
		if (*subjects[i])
			assert_int_equal(
			    bus_publish(f->bus, "ok", subjects[i], NULL, 0, SLICE_NULL),
			    ERROR_INVALID);
		assert_int_equal(bus_subscribe(f->bus, subjects[i], NULL,
				     bus_fixture_on_message, f, &e),
		    ERROR_INVALID);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(bus_publish(f->bus, "ok", NULL, &bad[i], 1, SLICE_NULL),
		    ERROR_INVALID);
	assert_int_equal(
	    bus_publish(f->bus, "ok", NULL, NULL, 0, (struct slice){big, sizeof(big)}),
	    ERROR_TOO_LARGE);
	assert_int_equal(bus_publish(f->bus, "ok", NULL, &fine, 1,
			     (struct slice){big, sizeof(big) - 2}),
	    ERROR_TOO_LARGE);
	assert_int_equal(bus_publish(f->bus, "ok", NULL, NULL, 0,
			     (struct slice){big, sizeof(big) - 1}),
	    0);
	run_for(f->loop, 50);
	assert_true(bus_connected(f->bus));
	bus_fixture_close(f);
}

static void on_question(void *data, const struct bus_msg *m)
{
	struct bus_fixture *f = data;

	assert_int_equal(
	    bus_publish(f->bus, m->reply, NULL, NULL, 0, SLICE_LIT("one")), 0);
	assert_int_equal(
	    bus_publish(f->bus, m->reply, NULL, NULL, 0, SLICE_LIT("two")), 0);
}

static void serve(struct bus_fixture *f, const char *subject)
{
	struct err e = ERR_NULL;

	assert_int_equal(bus_subscribe(f->bus, subject, NULL, on_question, f, &e), 0);
}

static void a_request_takes_the_first_reply_and_no_other(void **state)
{
	struct bus_fixture *f = *state;
	uint64_t ticket;

	bus_fixture_open(f);
	serve(f, "q");
	bus_fixture_start(f);
	bus_fixture_wait(f);
	ticket = bus_fixture_request(f, "q", 5000);
	assert_int_not_equal(ticket, 0);
	assert_true(run_until(f->loop, &f->answered, LIMIT_MS));
	assert_string_equal(f->last_data, "one");
	bus_fixture_request(
	    f, "q", 5000); /* gets the slot of the first: its late reply must not count */
	assert_true(run_until_n(f->loop, &f->n_outcomes, 2, LIMIT_MS));
	assert_string_equal(f->last_data, "one");
	bus_request_cancel(f->bus, ticket);
	run_for(f->loop, 50);
	assert_int_equal(f->n_outcomes, 2);
	bus_fixture_close(f);
}

static void a_cancelled_request_is_silent(void **state)
{
	struct bus_fixture *f = *state;
	uint64_t ticket;

	bus_fixture_open(f);
	serve(f, "q");
	ticket = bus_fixture_request(f, "q", 5000); /* fails: not connected */
	bus_request_cancel(f->bus, ticket);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	ticket = bus_fixture_request(f, "q", 50);
	bus_request_cancel(f->bus, ticket);
	bus_request_cancel(f->bus, ticket);
	bus_request_cancel(f->bus, 0);
	bus_request_cancel(f->bus, UINT64_MAX);
	run_for(f->loop, 200);
	assert_int_equal(f->n_outcomes, 0);
	bus_fixture_close(f);
}

static void nobody_to_answer_is_told_at_once(void **state)
{
	struct bus_fixture *f = *state;
	int64_t begin_ms;

	bus_fixture_open(f);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	begin_ms = clock_mono_ms();
	bus_fixture_request(f, "nobody.here", 60000);
	assert_true(run_until(f->loop, &f->answered, LIMIT_MS));
	assert_int_equal(f->outcomes[0], ERROR_UNAVAILABLE);
	assert_true(clock_mono_ms() - begin_ms < 1000);
	bus_fixture_close(f);
}

static void requests_time_out_each_at_its_own_time(void **state)
{
	struct bus_fixture *f = *state;
	int64_t begin_ms;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "silent", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	begin_ms = clock_mono_ms();
	bus_fixture_request(f, "silent", 300);
	bus_fixture_request(f, "silent", 100);
	assert_true(run_until_n(f->loop, &f->n_outcomes, 1, LIMIT_MS));
	assert_true(clock_mono_ms() - begin_ms >= 99);
	assert_true(clock_mono_ms() - begin_ms < 290);
	assert_true(run_until_n(f->loop, &f->n_outcomes, 2, LIMIT_MS));
	assert_true(clock_mono_ms() - begin_ms >= 299);
	assert_int_equal(f->outcomes[0], ERROR_TIMEOUT);
	assert_int_equal(f->outcomes[1], ERROR_TIMEOUT);
	bus_fixture_close(f);
}

static void a_request_for_many_takes_replies_until_silence(void **state)
{
	struct bus_fixture *f = *state;
	const struct bus_request r = {
	    .subject = "q", .timeout_ms = 150, .cb = bus_fixture_on_reply, .cb_data = f};

	bus_fixture_open(f);
	serve(f, "q");
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_request_many(f->bus, &r);
	assert_true(run_until_n(f->loop, &f->n_outcomes, 3, LIMIT_MS));
	assert_int_equal(f->outcomes[0], 0);
	assert_int_equal(f->outcomes[1], 0);
	assert_int_equal(f->outcomes[2], ERROR_TIMEOUT);
	run_for(f->loop, 300);
	assert_int_equal(f->n_outcomes, 3);
	bus_fixture_close(f);
}

static void on_reply_cancel(void *data, int code, const struct bus_msg *m)
{
	struct bus_fixture *f = data;

	bus_fixture_on_reply(f, code, m);
	bus_request_cancel(f->bus, f->ticket);
}

static void a_request_for_many_may_be_cancelled_in_its_callback(void **state)
{
	struct bus_fixture *f = *state;
	const struct bus_request r = {
	    .subject = "q", .timeout_ms = 5000, .cb = on_reply_cancel, .cb_data = f};

	bus_fixture_open(f);
	serve(f, "q");
	bus_fixture_start(f);
	bus_fixture_wait(f);
	f->ticket = bus_request_many(f->bus, &r);
	assert_true(run_until_n(f->loop, &f->n_outcomes, 1, LIMIT_MS));
	run_for(f->loop, 50);
	assert_int_equal(f->n_outcomes, 1);
	bus_fixture_close(f);
}

static void muted_callbacks_get_nothing_more(void **state)
{
	struct bus_fixture *f = *state;
	struct bus_fixture other = {0};
	struct err e = ERR_NULL;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "a", NULL);
	assert_int_equal(
	    bus_subscribe(f->bus, "a", NULL, bus_fixture_on_message, &other, &e), 0);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_mute(f->bus, f);
	assert_int_equal(bus_fixture_publish(f, "a", "x"), 0);
	assert_true(run_until_n(f->loop, &other.n_messages, 1, LIMIT_MS));
	assert_int_equal(f->n_messages, 0);
	bus_fixture_close(f);
}

static size_t n_queued(struct bus_link *k)
{
	size_t n;

	pthread_mutex_lock(&k->mu);
	n = k->used[false].n;
	pthread_mutex_unlock(&k->mu);
	return n;
}

static void wait_queued(struct bus_link *k, size_t n)
{
	int64_t due_ms = clock_mono_ms() + LIMIT_MS;

	while (n_queued(k) != n && clock_mono_ms() < due_ms)
		sched_yield();
	assert_int_equal(n_queued(k), n);
}

/* One more comes while the first of a burst are handled. */
static void on_burst(void *data, const struct bus_msg *m)
{
	struct bus_fixture *f = data;

	bus_fixture_on_message(f, m);
	if (f->n_messages != 100)
		return;
	assert_int_equal(bus_fixture_publish(f, "burst", "x"), 0);
	wait_queued(f->bus->link, 1);
}

/* Whatever its size is to what the loop handles in a turn. */
static void the_last_of_a_burst_arrives(void **state)
{
	struct bus_fixture *f = *state;
	struct err e = ERR_NULL;

	bus_fixture_open(f);
	assert_int_equal(bus_subscribe(f->bus, "burst", NULL, on_burst, f, &e), 0);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	for (size_t n = 766; n <= 770; n++) {
		f->n_messages = 0;
		for (size_t i = 0; i < n; i++)
			bus_fixture_publish_waiting(f, "burst");
		wait_queued(f->bus->link, n);
		assert_true(run_until_n(f->loop, &f->n_messages, n + 1, LIMIT_MS));
	}
	bus_fixture_close(f);
}

static void wait_dropped(struct bus_link *k)
{
	int64_t due_ms = clock_mono_ms() + LIMIT_MS;

	while (bus_link_n_dropped(k) == 0 && clock_mono_ms() < due_ms)
		sched_yield();
	assert_true(bus_link_n_dropped(k) > 0);
}

/* More than the queue takes while the loop does not turn. */
static void a_flood_is_cut_off_counted_and_told(void **state)
{
	struct bus_fixture *f = *state;
	struct bus_stats st;
	size_t n = 0;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "flood", NULL);
	serve(f, "q");
	bus_fixture_start(f);
	bus_fixture_wait(f);
	for (; n < 150000; n++)
		bus_fixture_publish_waiting(f, "flood");
	wait_dropped(f->bus->link);
	assert_true(run_until(f->loop, &f->gap, LIMIT_MS));
	/* while the flood lasts the question itself may be dropped */
	for (int i = 0; i < 50 && (i == 0 || f->outcomes[i - 1] != 0); i++) {
		bus_fixture_request(f, "q", 200);
		assert_true(run_until(f->loop, &f->answered, LIMIT_MS));
	}
	assert_int_equal(f->outcomes[f->n_outcomes - 1], 0);
	bus_stats(f->bus, &st);
	assert_true(st.n_dropped > 0);
	assert_true(f->n_messages >= 64 * 1024);
	assert_true(f->n_messages + st.n_dropped <= n);
	assert_int_equal(st.n_connects, 1);
	assert_true(bus_connected(f->bus));
	bus_fixture_close(f);
}

/* observers */

struct watcher {
	struct bus_observer o;
	struct bus_fixture *f;
	size_t n_connected;
	bool first; /* told before the owner */
};

static void on_observed(void *data, enum bus_event ev)
{
	struct watcher *w = data;

	w->n_connected += ev == BUS_CONNECTED;
	w->first = !w->f->connected;
}

static void observers_are_told_first_and_let_go_with_the_bus(void **state)
{
	struct bus_fixture *f = *state;
	struct watcher stays = {.f = f}, leaves = {.f = f};

	bus_fixture_open(f);
	bus_observe(f->bus, &stays.o, on_observed, &stays);
	bus_observe(f->bus, &leaves.o, on_observed, &leaves);
	bus_unobserve(&leaves.o);
	bus_unobserve(&leaves.o);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	assert_int_equal(stays.n_connected, 1);
	assert_true(stays.first);
	assert_int_equal(leaves.n_connected, 0);
	bus_fixture_close(f);
	assert_null(stays.o.bus);
	bus_unobserve(&stays.o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_BROKER(a_message_arrives_with_subject_reply_headers_and_bytes),
	    WITH_BROKER(what_would_break_the_protocol_is_refused),
	    WITH_BROKER(a_request_takes_the_first_reply_and_no_other),
	    WITH_BROKER(a_cancelled_request_is_silent),
	    WITH_BROKER(nobody_to_answer_is_told_at_once),
	    WITH_BROKER(requests_time_out_each_at_its_own_time),
	    WITH_BROKER(a_request_for_many_takes_replies_until_silence),
	    WITH_BROKER(a_request_for_many_may_be_cancelled_in_its_callback),
	    WITH_BROKER(muted_callbacks_get_nothing_more),
	    WITH_BROKER(the_last_of_a_burst_arrives),
	    WITH_BROKER(a_flood_is_cut_off_counted_and_told),
	    WITH_BROKER(observers_are_told_first_and_let_go_with_the_bus),
	};

	log_init("test_bus", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
