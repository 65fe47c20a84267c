/* Connections: time, leaving, many of them, and the listener. */
#include "tests/lib/http_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

enum {
	N_CROWD = 500,
};

/* time */

static void reopen_hasty(struct http_fixture *f)
{
	http_fixture_close(f);
	f->conf.header_timeout_ms = 300;
	f->conf.body_timeout_ms = 300;
	f->conf.idle_timeout_ms = 300;
	http_fixture_open(f);
}

static void a_head_that_trickles_in_is_given_up(void **state)
{
	struct http_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();
	struct raw r;

	reopen_hasty(f);
	raw_open(&r, f);
	raw_sends(&r, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (r.in.n == 0 && !r.ended) {
		raw_sends(&r, "y");
		raw_turn(&r);
		run_for(f->loop, 5);
	}
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 408);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(clock_mono_ms() - begin_ms < 3000);
	assert_true(raw_wait_end(&r));
	raw_close(&r);
}

static void a_body_that_stops_is_given_up_and_one_that_trickles_is_not(void **state)
{
	static const char head[] =
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n";
	struct http_fixture *f = *state;
	struct raw r;

	reopen_hasty(f);
	raw_open(&r, f);
	raw_sends(&r, head);
	for (int i = 0; i < 7; i++) {
		run_for(f->loop, 100);
		raw_sends(&r, "x");
	}
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 200);
	raw_sends(&r, head);
	raw_sends(&r, "xx");
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 408);
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->n_aborted, 1);
	raw_close(&r);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
	struct http_fixture *f = *state;
	struct raw r, silent;

	reopen_hasty(f);
	raw_open(&silent, f);
	raw_open(&r, f);
	assert_int_equal(raw_status(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_true(raw_wait_end(&r));
	assert_int_equal(r.in.n, 0);
	assert_true(raw_wait_end(&silent));
	assert_int_equal(silent.in.n, 0);
	raw_close(&r);
	raw_close(&silent);
}

static void a_handler_may_take_longer_than_any_timeout(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	reopen_hasty(f);
	raw_open(&r, f);
	raw_sends(&r, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	run_for(f->loop, 800);
	assert_non_null(f->late);
	http_reply(f->late, 204, NULL, NULL, 0, SLICE_NULL);
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 204);
	raw_close(&r);
}

/* leaving */

static void a_peer_that_leaves_ends_its_request(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_sends(&r, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	raw_close(&r);
	assert_true(http_fixture_run_n(f, &f->n_aborted, 1));
	assert_null(f->late);
	raw_open(&r, f);
	raw_sends(&r, "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
	assert_true(http_fixture_run_n(f, &f->n_headers, 2));
	raw_close(&r);
	assert_true(http_fixture_run_n(f, &f->n_aborted, 2));
	assert_int_equal(f->n_requests, 1);
}

static void a_peer_that_resets_is_seen_in_every_phase(void **state)
{
	static const char *const phases[] = {"", "GET /",
	    "GET /late HTTP/1.1\r\nHost: a\r\n\r\n",
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
	    "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"};
	const struct linger hard = {.l_onoff = 1};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		struct raw r;

		raw_open(&r, f);
		raw_sends(&r, phases[i]);
		run_for(f->loop, 20);
		assert_int_equal(http_server_n_connections(f->server), 1);
		setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		raw_close(&r);
		for (int k = 0; k < 500 && http_server_n_connections(f->server); k++)
			run_for(f->loop, 5);
		assert_int_equal(http_server_n_connections(f->server), 0);
	}
	assert_int_equal(f->n_aborted, 2);
	assert_int_equal(f->n_stream_closed, 1);
}

static void closing_the_server_answers_what_is_open(void **state)
{
	struct http_fixture *f = *state;
	struct raw late, body, idle, half;

	raw_open(&late, f);
	raw_open(&body, f);
	raw_open(&idle, f);
	raw_open(&half, f);
	raw_sends(&late, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
	raw_sends(
	    &body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
	raw_sends(&half, "GET / HT");
	run_for(f->loop, 30);
	assert_int_equal(http_server_n_connections(f->server), 4);
	http_server_close(f->server, NULL, NULL);
	f->server = NULL;
	assert_int_equal(f->n_aborted, 2);
	assert_int_equal(raw_answer(&late, NULL, 0, NULL, 0), 503);
	assert_int_equal(raw_answer(&body, NULL, 0, NULL, 0), 503);
	assert_true(raw_wait_end(&late) && raw_wait_end(&body));
	assert_true(raw_wait_end(&idle) && raw_wait_end(&half));
	raw_close(&late);
	raw_close(&body);
	raw_close(&idle);
	raw_close(&half);
	while (loop_turn(f->loop))
		;
}

static void a_drained_server_finishes_what_it_has(void **state)
{
	struct http_fixture *f = *state;
	struct raw r, fresh;
	char head[1024];

	raw_open(&r, f);
	assert_int_equal(raw_status(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	http_server_drain(f->server);
	http_server_drain(f->server);
	raw_open_at(&fresh, f, "127.0.0.1");
	assert_true(fresh.ended);
	raw_close(&fresh);
	raw_sends(&r, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 200);
	assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
	assert_true(raw_wait_end(&r));
	raw_close(&r);
}

/* many */

static void a_crowd_is_served(void **state)
{
	struct http_fixture *f = *state;
	struct raw *crowd = calloc(N_CROWD, sizeof(*crowd));

	for (size_t i = 0; i < N_CROWD; i++) {
		raw_open(&crowd[i], f);
		raw_sends(&crowd[i], "GET /late");
	}
	for (size_t i = 0; i < N_CROWD; i++)
		raw_sends(&crowd[i], "r HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, N_CROWD));
	assert_int_equal(http_server_n_connections(f->server), N_CROWD);
	for (size_t i = 0; i < N_CROWD; i++)
		assert_int_equal(raw_answer(&crowd[i], NULL, 0, NULL, 0), 200);
	for (size_t i = 0; i < N_CROWD; i++)
		raw_close(&crowd[i]);
	for (int k = 0; k < 500 && http_server_n_connections(f->server); k++)
		run_for(f->loop, 5);
	assert_int_equal(http_server_n_connections(f->server), 0);
	free(crowd);
}

static void one_connection_too_many_is_told_so(void **state)
{
	struct http_fixture *f = *state;
	struct raw a, b;
	char head[1024];

	http_fixture_close(f);
	f->conf.max_connections = 1;
	http_fixture_open(f);
	raw_open(&a, f);
	assert_int_equal(raw_status(&a, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	raw_open(&b, f);
	assert_int_equal(raw_answer(&b, head, sizeof(head), NULL, 0), 503);
	assert_non_null(strstr(head, "\r\nRetry-After: "));
	assert_true(raw_wait_end(&b));
	assert_int_equal(raw_status(&a, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	raw_close(&a);
	raw_close(&b);
}

/* listening */

static void only_the_given_address_is_listened_on(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open_at(&r, f, "127.0.0.2");
	assert_true(r.ended);
	raw_close(&r);
	http_fixture_close(f);
	f->conf.listen = "0.0.0.0:0";
	http_fixture_open(f);
	raw_open_at(&r, f, "127.0.0.2");
	assert_int_equal(raw_status(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	raw_close(&r);
}

static void a_listener_that_cannot_be_says_why(void **state)
{
	struct http_fixture *f = *state;
	const struct http_handlers h = {
	    .request = (void (*)(void *, struct http_req *))abort};
	struct http_conf conf = {0};
	struct http_server *s = NULL;
	char taken[32];
	struct err e;

	snprintf(taken, sizeof(taken), "127.0.0.1:%u", f->port);
	conf.listen = taken;
	assert_int_equal(http_server_new(f->loop, &conf, &h, &s, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, taken));
	conf.listen = "localhost:0";
	assert_int_equal(http_server_new(f->loop, &conf, &h, &s, &e), ERROR_INVALID);
	conf.listen = "nonsense";
	assert_int_equal(http_server_new(f->loop, &conf, &h, &s, &e), ERROR_INVALID);
	conf.listen = "127.0.0.1:0";
	conf.tls_cert = "/nowhere/cert.pem";
	assert_int_equal(http_server_new(f->loop, &conf, &h, &s, &e), ERROR_INVALID);
	assert_non_null(strstr(e.text, "/nowhere/cert.pem"));
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(a_head_that_trickles_in_is_given_up),
	    WITH_SERVER(a_body_that_stops_is_given_up_and_one_that_trickles_is_not),
	    WITH_SERVER(an_idle_connection_is_closed_without_a_word),
	    WITH_SERVER(a_handler_may_take_longer_than_any_timeout),
	    WITH_SERVER(a_peer_that_leaves_ends_its_request),
	    WITH_SERVER(a_peer_that_resets_is_seen_in_every_phase),
	    WITH_SERVER(closing_the_server_answers_what_is_open),
	    WITH_SERVER(a_drained_server_finishes_what_it_has),
	    WITH_SERVER(a_crowd_is_served),
	    WITH_SERVER(one_connection_too_many_is_told_so),
	    WITH_SERVER(only_the_given_address_is_listened_on),
	    WITH_SERVER(a_listener_that_cannot_be_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
