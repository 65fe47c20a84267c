/* Messages, the end of connections, silence. */
#include "tests/lib/ws_client_fixture.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

/* messages */

static void messages_go_and_come(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_open(f);
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("h\xC3\xA4")), 0);
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("")), 0);
	assert_true(ws_client_queued(f->client) > 0);
	assert_true(http_fixture_run_n(&f->http, &f->n_messages, 2));
	assert_int_equal(f->n_bytes, 3);
	assert_true(f->was_text);
	assert_int_equal(f->n_drained, 1);
	assert_int_equal(ws_client_queued(f->client), 0);
}

static void large_messages_go_and_come(void **state)
{
	enum { BIG = 20 * 1024 * 1024 };
	struct ws_client_fixture *f = *state;
	char *big = malloc(BIG);

	must(big);
	memset(big, 'x', BIG);
	ws_client_fixture_open(f);
	assert_int_equal(ws_client_send(f->client, (struct slice){big, BIG}), 0);
	assert_true(http_fixture_run_n(&f->http, &f->n_messages, 1));
	assert_int_equal(f->n_bytes, BIG);
	free(big);
}

static void a_full_queue_refuses_and_loses_nothing(void **state)
{
	static char piece[1024 * 1024];
	struct ws_client_fixture *f = *state;
	size_t n_sent = 0;

	memset(piece, 'x', sizeof(piece));
	f->conf.queue_max_bytes = 4 * 1024 * 1024;
	f->http.ws_holds = true;
	ws_client_fixture_open(f);
	assert_int_equal(
	    ws_client_send(f->client, (struct slice){piece, 5 << 20}), ERROR_TOO_LARGE);
	while (ws_client_send(f->client, (struct slice){piece, sizeof(piece)}) == 0)
		n_sent++;
	assert_int_equal(n_sent, 3);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_messages, 3));
	assert_true(http_fixture_run_n(&f->http, &f->n_drained, 1));
	assert_int_equal(ws_client_send(f->client, (struct slice){piece, 1}), 0);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_messages, 4));
}

/* the end */

static void the_server_closes_and_its_code_arrives(void **state)
{
	static const int codes[] = {1000, 1012, 4404};
	struct ws_client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		f->n_closed = f->n_opened = f->http.n_ws_opened = 0;
		ws_client_fixture_open(f);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("bye")), 0);
		http_ws_close(f->http.ws, codes[i], "the reason");
		ws_client_fixture_wait_closed(f);
		assert_int_equal(f->code, codes[i]);
		assert_string_equal(f->why, "the reason");
		assert_string_equal(f->text, "bye");
		assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_closed, i + 1));
		assert_int_equal(f->http.ws_code, codes[i]);
	}
}

static void the_client_closes_after_what_is_queued(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_open(f);
	f->http.ws_holds = true;
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("last")), 0);
	ws_client_close(f->client, 4001, "why");
	ws_client_close(f->client, 1000, "twice");
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("no")), ERROR_UNAVAILABLE);
	assert_int_equal(f->n_closed, 0);
	ws_client_fixture_wait_closed(f);
	assert_int_equal(f->code, 4001);
	assert_string_equal(f->http.ws_text, "last");
	assert_int_equal(f->http.ws_code, 4001);
}

static void a_drop_is_without_a_close_frame(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_open(f);
	ws_client_close(f->client, 0, NULL);
	assert_int_equal(f->n_closed, 0);
	ws_client_fixture_wait_closed(f);
	assert_int_equal(f->code, 1006);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_closed, 1));
	assert_int_equal(f->http.ws_code, 1006);
}

static void a_client_may_close_in_every_phase(void **state)
{
	static const int codes[] = {0, 1000};
	struct ws_client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		for (int turns = 0; turns < 6; turns++) {
			f->n_closed = f->n_opened = 0;
			ws_client_fixture_start(f,
			    http_fixture_url("ws", turns % 2 ? "localhost" : "127.0.0.1",
				f->http.port, "/ws"));
			for (int k = 0; k < turns; k++)
				loop_turn(f->http.loop);
			if (f->client)
				ws_client_close(f->client, codes[i], NULL);
			ws_client_fixture_wait_closed(f);
		}
		f->n_closed = f->n_opened = 0;
		f->close_when_opened = true;
		ws_client_fixture_start(
		    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/ws"));
		ws_client_fixture_wait_closed(f);
		assert_int_equal(f->n_opened, 1);
		f->close_when_opened = false;
	}
}

static void a_client_may_close_from_a_message(void **state)
{
	static const int codes[] = {0, 1000};
	struct ws_client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		f->n_closed = f->n_opened = f->http.n_ws_opened = f->n_messages = 0;
		f->drop_at_message = codes[i];
		ws_client_fixture_open(f);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("one")), 0);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("two")), 0);
		ws_client_fixture_wait_closed(f);
		assert_int_equal(f->n_messages, 1);
	}
}

static void closing_the_context_ends_every_client(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_open(f);
	ws_client_fixture_start(f, "ws://nowhere.invalid/");
	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/late-ws"));
	loop_turn(f->http.loop);
	ws_client_fixture_close_ctx(f);
	assert_int_equal(f->n_closed, 3);
}

/* time and pressure */

static void silence_ends_the_connection(void **state)
{
	struct ws_client_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	f->conf.silence_timeout_ms = 300;
	ws_client_fixture_open(f);
	ws_client_fixture_wait_closed(f);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_int_equal(f->code, 1006);
	assert_string_equal(f->why, "nothing was heard for too long");
}

static void pings_of_the_server_count_as_heard_and_are_answered(void **state)
{
	struct ws_client_fixture *f = *state;

	f->conf.silence_timeout_ms = 900;
	f->http.ws_conf.ping_interval_ms = 300;
	f->http.ws_conf.pong_timeout_ms = 300;
	ws_client_fixture_open(f);
	run_for(f->http.loop, 2500);
	assert_int_equal(f->n_closed, 0);
	assert_int_equal(f->http.n_ws_closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_CLIENT(messages_go_and_come),
	    WITH_CLIENT(large_messages_go_and_come),
	    WITH_CLIENT(a_full_queue_refuses_and_loses_nothing),
	    WITH_CLIENT(the_server_closes_and_its_code_arrives),
	    WITH_CLIENT(the_client_closes_after_what_is_queued),
	    WITH_CLIENT(a_drop_is_without_a_close_frame),
	    WITH_CLIENT(a_client_may_close_in_every_phase),
	    WITH_CLIENT(a_client_may_close_from_a_message),
	    WITH_CLIENT(closing_the_context_ends_every_client),
	    WITH_CLIENT(silence_ends_the_connection),
	    WITH_CLIENT(pings_of_the_server_count_as_heard_and_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
