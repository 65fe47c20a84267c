/* Brokers that are not there yet, killed, frozen. */
#include "tests/lib/bus_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* connecting */

static void a_bus_started_before_its_broker_connects_when_it_appears(void **state)
{
	struct bus_fixture *f = *state;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "a.>", NULL);
	assert_int_equal(bus_fixture_publish(f, "a.b", "x"), ERROR_UNAVAILABLE);
	bus_fixture_start(f);
	bus_fixture_request(f, "a.b", 60000);
	assert_int_equal(f->n_outcomes, 0); /* never from inside */
	assert_true(run_until(f->loop, &f->answered, 1000));
	assert_int_equal(f->outcomes[0], ERROR_UNAVAILABLE);
	run_for(f->loop, 250);
	assert_false(bus_connected(f->bus));
	assert_true(*bus_problem(f->bus));
	assert_string_equal(bus_server_version(f->bus), "");
	nats_fixture_start(&f->broker);
	bus_fixture_wait(f);
	assert_string_equal(bus_problem(f->bus), "");
	assert_string_equal(bus_server(f->bus), f->broker.url + strlen("nats://"));
	assert_true(strchr(bus_server_version(f->bus), '.') != NULL);
	assert_int_equal(bus_max_payload(f->bus), 1024 * 1024);
	assert_int_equal(bus_fixture_publish(f, "a.b", "x"), 0);
	assert_true(run_until_n(f->loop, &f->n_messages, 1, LIMIT_MS));
	bus_fixture_close(f);
}

static void the_next_of_several_urls_is_tried(void **state)
{
	struct bus_fixture *f = *state;
	char url[128];
	const struct bus_conf conf = {.url = url};

	snprintf(url, sizeof(url), "nats://127.0.0.1:1, %s", f->broker.url);
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_fixture_close(f);
}

static void a_killed_broker_is_found_again_with_all_subscriptions(void **state)
{
	struct bus_fixture *f = *state;
	int64_t begin_ms;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "before", NULL);
	bus_fixture_subscribe(
	    f, "silent", NULL); /* has no use but to leave the request open */
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_fixture_subscribe(f, "after", "group");
	for (int round = 1; round <= 3; round++) {
		f->n_messages = f->n_outcomes = 0;
		assert_int_equal(bus_fixture_publish(f, "before", "x"), 0);
		assert_int_equal(bus_fixture_publish(f, "after", "y"), 0);
		assert_true(run_until_n(f->loop, &f->n_messages, 2, LIMIT_MS));
		bus_fixture_request(f, "silent", 60000);
		f->disconnected = false;
		nats_fixture_kill(&f->broker);
		assert_true(run_until(f->loop, &f->disconnected, LIMIT_MS));
		assert_false(bus_connected(f->bus));
		assert_true(run_until(f->loop, &f->answered, 1000));
		assert_int_equal(f->outcomes[0], ERROR_UNAVAILABLE);
		assert_int_equal(
		    bus_fixture_publish(f, "before", "x"), ERROR_UNAVAILABLE);
		begin_ms = clock_mono_ms();
		bus_fixture_request(f, "silent", 60000);
		assert_true(run_until(f->loop, &f->answered, 1000));
		assert_int_equal(f->outcomes[1], ERROR_UNAVAILABLE);
		assert_true(clock_mono_ms() - begin_ms < 200);
		nats_fixture_start(&f->broker);
		bus_fixture_wait(f);
	}
	assert_int_equal(f->n_connected, 4);
	bus_fixture_close(f);
}

/* More than any socket takes, then more than may wait. */
static void a_broker_that_stops_reading_never_holds_the_loop_up(void **state)
{
	struct bus_fixture *f = *state;
	static char data[256 * 1024];
	int64_t begin_ms, longest_ms = 0;
	size_t n = 0;
	int r = 0;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "small", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	nats_fixture_freeze(&f->broker);
	for (; n < 1000 && r == 0; n++) {
		begin_ms = clock_mono_ms();
		r = bus_publish(
		    f->bus, "big", NULL, NULL, 0, (struct slice){data, sizeof(data)});
		if (r == 0)
			r = bus_fixture_publish(f, "small", "x");
		loop_turn(f->loop);
		if (clock_mono_ms() - begin_ms > longest_ms)
			longest_ms = clock_mono_ms() - begin_ms;
	}
	assert_int_equal(r, ERROR_UNAVAILABLE);
	assert_true(n > 200); /* 64 MiB waited first */
	assert_true(longest_ms < 200);
	assert_true(bus_connected(f->bus));
	nats_fixture_thaw(&f->broker);
	assert_true(run_until_n(f->loop, &f->n_messages, n - 1, LIMIT_MS));
	assert_int_equal(f->n_connected, 1);
	bus_fixture_close(f);
}

static void a_broker_that_reads_no_more_is_given_up(void **state)
{
	struct bus_fixture *f = *state;
	static char data[256 * 1024];
	int64_t begin_ms;

	bus_fixture_open(f);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	nats_fixture_freeze(&f->broker);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bus_publish(f->bus, "big", NULL, NULL, 0,
				     (struct slice){data, sizeof(data)}),
		    0);
	begin_ms = clock_mono_ms();
	assert_true(run_until(f->loop, &f->disconnected, LIMIT_MS));
	assert_true(clock_mono_ms() - begin_ms >= 4000);
	assert_int_equal(bus_fixture_publish(f, "x", "y"), ERROR_UNAVAILABLE);
	nats_fixture_thaw(&f->broker);
	bus_fixture_wait(f);
	assert_int_equal(bus_fixture_publish(f, "x", "y"), 0);
	bus_fixture_close(f);
}

/* Large and small, written by two threads: still one order. */
static void order_is_kept_whoever_writes(void **state)
{
	struct bus_fixture *f = *state;
	static char data[64 * 1024];
	size_t n = 0;

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "n.>", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 20; i++) {
			size_t size =
			    (size_t)(i * 7 + round) % 5 == 0 ? sizeof(data) : 100;

			snprintf(data, sizeof(data), "%zu", n++);
			assert_int_equal(bus_publish(f->bus, "n.x", NULL, NULL, 0,
					     (struct slice){data, size}),
			    0);
		}
		if (round % 3 == 0)
			loop_turn(f->loop);
		if (round == 30) /* in its turn: hears all that follows */
			bus_fixture_subscribe(f, "late", NULL);
		if (round >= 30)
			assert_int_equal(bus_fixture_publish(f, "late", "x"), 0);
	}
	assert_true(run_until_n(f->loop, &f->n_messages, n + 30, LIMIT_MS));
	run_for(f->loop, 50);
	assert_int_equal(f->n_messages, n + 30);
	assert_int_equal(f->n_out_of_order, 0);
	bus_fixture_close(f);
}

/* While the broker accepts connections but says nothing, nothing on the loop waits for
 * it. */
static void a_frozen_broker_does_not_hold_the_loop_up(void **state)
{
	struct bus_fixture *f = *state;
	int64_t begin_ms, longest_ms = 0, end_ms;

	bus_fixture_open(f);
	nats_fixture_freeze(&f->broker);
	bus_fixture_start(f);
	end_ms = clock_mono_ms() + 3000;
	while (clock_mono_ms() < end_ms) {
		begin_ms = clock_mono_ms();
		assert_int_equal(bus_fixture_publish(f, "x", "y"), ERROR_UNAVAILABLE);
		loop_turn(f->loop);
		if (clock_mono_ms() - begin_ms > longest_ms)
			longest_ms = clock_mono_ms() - begin_ms;
		usleep(1000);
	}
	assert_true(longest_ms < 300);
	nats_fixture_thaw(&f->broker);
	bus_fixture_wait(f);
	bus_fixture_close(f);
}

/* closing */

static void a_bus_never_started_closes(void **state)
{
	struct bus_fixture *f = *state;

	bus_fixture_open(f);
	bus_fixture_request(f, "x", 1000);
	bus_fixture_close(f);
	assert_int_equal(f->n_outcomes, 1);
}

static void a_bus_closes_right_after_its_start(void **state)
{
	struct bus_fixture *f = *state;

	bus_fixture_open(f);
	bus_fixture_start(f);
	bus_fixture_close(f);
	f->closed = false;
	nats_fixture_start(&f->broker);
	bus_fixture_open(f);
	bus_fixture_subscribe(f, "x", NULL);
	bus_fixture_start(f);
	bus_fixture_close(f);
}

static int silent_listener(uint16_t *port_out)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port_out = ntohs(a.sin_port);
	return fd;
}

static void a_bus_closes_while_a_silent_broker_keeps_it_connecting(void **state)
{
	struct bus_fixture *f = *state;
	char url[64];
	const struct bus_conf conf = {.url = url};
	uint16_t port;
	int fd = silent_listener(&port), taken;
	int64_t begin_ms;

	snprintf(url, sizeof(url), "nats://127.0.0.1:%u", (unsigned)port);
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	taken = accept(fd, NULL, NULL); /* now it waits for our greeting */
	assert_true(taken >= 0);
	begin_ms = clock_mono_ms();
	bus_fixture_close(f);
	assert_true(clock_mono_ms() - begin_ms < 4500);
	close(taken);
	close(fd);
}

static void on_reply_ask_again(void *data, int code, const struct bus_msg *m)
{
	struct bus_fixture *f = data;
	const struct bus_request r = {.subject = "silent",
	    .timeout_ms = 60000,
	    .cb = bus_fixture_on_reply,
	    .cb_data = f};

	bus_fixture_on_reply(f, code, m);
	bus_request(f->bus, &r);
}

static void requests_under_way_are_cancelled_by_close(void **state)
{
	struct bus_fixture *f = *state;
	const struct bus_request again = {.subject = "silent",
	    .timeout_ms = 60000,
	    .cb = on_reply_ask_again,
	    .cb_data = f};

	bus_fixture_open(f);
	bus_fixture_subscribe(f, "silent", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_fixture_request(f, "silent", 60000);
	bus_fixture_request(f, "silent", 60000);
	bus_request(f->bus, &again); /* its callback asks again: cancelled too */
	run_for(f->loop, 20);
	assert_int_equal(f->n_outcomes, 0);
	bus_fixture_close(f);
	assert_int_equal(f->n_outcomes, 4);
	for (size_t i = 0; i < f->n_outcomes; i++)
		assert_int_equal(f->outcomes[i], -ECANCELED);
}

static void on_message_close(void *data, const struct bus_msg *m)
{
	struct bus_fixture *f = data;

	f->n_messages++;
	assert_string_equal(m->subject, "end");
	bus_close(f->bus, bus_fixture_on_closed, f);
	f->bus = NULL; /* taken by bus_close */
	assert_string_equal(m->subject, "end");
}

static void a_bus_may_be_closed_in_its_callback_with_messages_waiting(void **state)
{
	struct bus_fixture *f = *state;
	struct err e = ERR_NULL;

	bus_fixture_open(f);
	assert_int_equal(bus_subscribe(f->bus, "end", NULL, on_message_close, f, &e), 0);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bus_fixture_publish(f, "end", "x"), 0);
	assert_true(run_until_n(f->loop, &f->n_messages, 1, LIMIT_MS));
	bus_fixture_close(f);
	assert_int_equal(f->n_messages, 1);
}

static void a_bus_closes_while_its_broker_is_frozen(void **state)
{
	struct bus_fixture *f = *state;
	int64_t begin_ms;

	bus_fixture_open(f);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	nats_fixture_freeze(&f->broker);
	assert_int_equal(bus_fixture_publish(f, "x", "y"), 0);
	begin_ms = clock_mono_ms();
	bus_fixture_close(f);
	assert_true(clock_mono_ms() - begin_ms < 4500);
	nats_fixture_thaw(&f->broker);
}

static void what_was_published_before_close_arrives(void **state)
{
	struct bus_fixture *f = *state;
	struct bus_fixture other = {.broker = f->broker};

	bus_fixture_open(f);
	bus_fixture_open(&other);
	bus_fixture_subscribe(f, "last.words", NULL);
	bus_fixture_start(f);
	bus_fixture_start(&other);
	bus_fixture_wait(f);
	bus_fixture_wait(&other);
	for (int i = 0; i < 500; i++)
		assert_int_equal(bus_fixture_publish(&other, "last.words", "x"), 0);
	bus_fixture_close(&other);
	assert_true(run_until_n(f->loop, &f->n_messages, 500, LIMIT_MS));
	bus_fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITHOUT_BROKER(a_bus_started_before_its_broker_connects_when_it_appears),
	    WITH_BROKER(the_next_of_several_urls_is_tried),
	    WITH_BROKER(a_killed_broker_is_found_again_with_all_subscriptions),
	    WITH_BROKER(a_broker_that_stops_reading_never_holds_the_loop_up),
	    WITH_BROKER(a_broker_that_reads_no_more_is_given_up),
	    WITH_BROKER(order_is_kept_whoever_writes),
	    WITH_BROKER(a_frozen_broker_does_not_hold_the_loop_up),
	    WITHOUT_BROKER(a_bus_never_started_closes),
	    WITHOUT_BROKER(a_bus_closes_right_after_its_start),
	    WITHOUT_BROKER(a_bus_closes_while_a_silent_broker_keeps_it_connecting),
	    WITH_BROKER(requests_under_way_are_cancelled_by_close),
	    WITH_BROKER(a_bus_may_be_closed_in_its_callback_with_messages_waiting),
	    WITH_BROKER(a_bus_closes_while_its_broker_is_frozen),
	    WITH_BROKER(what_was_published_before_close_arrives),
	};

	log_init("test_bus_link", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
