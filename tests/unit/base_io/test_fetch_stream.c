/* Answers that go on, and TLS. */
#include "tests/lib/fetch_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

/* streams */

static void begin_stream(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n = f->http.n_requests;

	r.url = fetch_fixture_url(f, "/stream");
	r.chunk_cb = fetch_fixture_on_chunk;
	fetch_fixture_start(f, r);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, n + 1));
	assert_non_null(f->http.stream);
}

static void a_stream_is_handed_out_as_it_comes(void **state)
{
	struct fetch_fixture *f = *state;

	begin_stream(f, (struct fetch_request){.timeout_ms = 300});
	http_stream_write(f->http.stream, SLICE_LIT("data: 1\n\n"));
	assert_true(http_fixture_run_n(&f->http, &f->n_chunks, 1));
	assert_string_equal(f->body, "data: 1\n\n");
	assert_int_equal(f->status, 200);
	run_for(f->http.loop, 600); /* the time limit is for the head alone */
	http_stream_write(f->http.stream, SLICE_LIT("data: 2\n\n"));
	assert_true(http_fixture_run_n(&f->http, &f->n_chunks, 2));
	http_stream_end(f->http.stream);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_body, 0);
	assert_int_equal(f->n_chunk_bytes, 18);
}

static void a_silent_stream_is_given_up(void **state)
{
	struct fetch_fixture *f = *state;
	int64_t begin_ms;

	begin_stream(f, (struct fetch_request){.idle_timeout_ms = 300});
	for (int i = 0; i < 4; i++) {
		run_for(f->http.loop, 150);
		http_stream_write(f->http.stream, SLICE_LIT(": hb\n"));
	}
	assert_int_equal(f->n_ended, 0);
	begin_ms = clock_mono_ms();
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, ERROR_TIMEOUT);
	assert_true(clock_mono_ms() - begin_ms >= 250);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_stream_closed, 1));
}

static void a_stream_ends_when_its_reader_has_enough(void **state)
{
	struct fetch_fixture *f = *state;

	f->stop_at_chunk = true;
	begin_stream(f, (struct fetch_request){0});
	http_stream_write(f->http.stream, SLICE_LIT("x"));
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, -ECANCELED);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_stream_closed, 1));
}

static void a_stream_may_be_cancelled_from_its_own_chunk(void **state)
{
	struct fetch_fixture *f = *state;

	begin_stream(f, (struct fetch_request){0});
	f->cancel_at_chunk = 1;
	http_stream_write(f->http.stream, SLICE_LIT("x"));
	assert_true(http_fixture_run_n(&f->http, &f->http.n_stream_closed, 1));
	assert_int_equal(f->n_chunks, 1);
	assert_int_equal(f->n_ended, 0);
}

static void a_refused_stream_has_its_body_in_the_answer(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_run(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/refused"),
		   .chunk_cb = fetch_fixture_on_chunk});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->status, 401);
	assert_int_equal(f->n_chunks, 0);
	assert_non_null(strstr(f->body, "UNAUTHORIZED"));
}

static void an_aborted_stream_is_unavailable(void **state)
{
	struct fetch_fixture *f = *state;

	begin_stream(f, (struct fetch_request){0});
	http_stream_write(f->http.stream, SLICE_LIT("x"));
	assert_true(http_fixture_run_n(&f->http, &f->n_chunks, 1));
	http_stream_abort(f->http.stream);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
}

/* TLS */

static void reopen_tls(struct fetch_fixture *f, const struct tls_fixture *tls,
    const char *ca_file, bool skip_verify)
{
	fetch_fixture_close(f);
	f->fetch = fetch_new(f->http.loop, ca_file, skip_verify);
	if (f->http.conf.tls_cert)
		return;
	http_fixture_close(&f->http);
	f->http.conf.tls_cert = tls->cert_path;
	f->http.conf.tls_key = tls->key_path;
	http_fixture_open(&f->http);
}

static void certificates_are_checked(void **state)
{
	struct fetch_fixture *f = *state;
	struct tls_fixture tls;
	struct err e;

	tls_fixture_init(&tls);
	reopen_tls(f, &tls, tls.cert_path, false);
	for (int i = 0; i < 2; i++) {
		const char *host = i ? "localhost" : "127.0.0.1";

		fetch_fixture_run(
		    f, (struct fetch_request){
			   .url = http_fixture_url("https", host, f->http.port, "/tls")});
		assert_int_equal(f->code, 0);
		assert_string_equal(f->body, "/tls");
	}
	reopen_tls(f, &tls, NULL, false);
	fetch_fixture_run(f, (struct fetch_request){.url = http_fixture_url("https",
							"127.0.0.1", f->http.port, "/")});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
	reopen_tls(f, &tls, NULL, true);
	fetch_fixture_run(f, (struct fetch_request){.url = http_fixture_url("https",
							"127.0.0.1", f->http.port, "/")});
	assert_int_equal(f->code, 0);
	/* a new certificate is in force for new connections */
	reopen_tls(f, &tls, tls.cert_path, false);
	tls_fixture_renew(&tls);
	assert_int_equal(http_server_reload_tls(f->http.server, &e), 0);
	fetch_fixture_close(f);
	f->fetch = fetch_new(f->http.loop, tls.cert_path, false);
	fetch_fixture_run(f, (struct fetch_request){.url = http_fixture_url("https",
							"localhost", f->http.port, "/")});
	assert_int_equal(f->code, 0);
	/* one that cannot be read leaves the old one in force */
	tls_fixture_deinit(&tls);
	assert_int_equal(http_server_reload_tls(f->http.server, &e), ERROR_INVALID);
	fetch_fixture_run(f, (struct fetch_request){.url = http_fixture_url("https",
							"localhost", f->http.port, "/")});
	assert_int_equal(f->code, 0);
}

static void large_bodies_and_streams_pass_through_tls(void **state)
{
	enum { BIG = 8 * 1024 * 1024 };
	struct fetch_fixture *f = *state;
	struct tls_fixture tls;
	char *big = calloc(1, BIG);

	must(big);
	tls_fixture_init(&tls);
	reopen_tls(f, &tls, tls.cert_path, false);
	fetch_fixture_run(
	    f, (struct fetch_request){
		   .url = http_fixture_url("https", "localhost", f->http.port, "/roomy"),
		   .method = "POST",
		   .body = {big, BIG}});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_body, BIG);
	fetch_fixture_start(
	    f, (struct fetch_request){
		   .url = http_fixture_url("https", "localhost", f->http.port, "/stream"),
		   .chunk_cb = fetch_fixture_on_chunk});
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, 2));
	http_stream_write(f->http.stream, (struct slice){big, BIG});
	http_stream_end(f->http.stream);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 2));
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_chunk_bytes, BIG);
	tls_fixture_deinit(&tls);
	free(big);
}

static void plain_bytes_at_a_tls_port_are_closed(void **state)
{
	struct fetch_fixture *f = *state;
	struct tls_fixture tls;
	struct raw r;

	tls_fixture_init(&tls);
	reopen_tls(f, &tls, NULL, true);
	raw_open(&r, &f->http);
	raw_sends(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(raw_wait_end(&r));
	raw_close(&r);
	assert_int_equal(f->http.n_headers, 0);
	tls_fixture_deinit(&tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FETCH(a_stream_is_handed_out_as_it_comes),
	    WITH_FETCH(a_silent_stream_is_given_up),
	    WITH_FETCH(a_stream_ends_when_its_reader_has_enough),
	    WITH_FETCH(a_stream_may_be_cancelled_from_its_own_chunk),
	    WITH_FETCH(a_refused_stream_has_its_body_in_the_answer),
	    WITH_FETCH(an_aborted_stream_is_unavailable),
	    WITH_FETCH(certificates_are_checked),
	    WITH_FETCH(large_bodies_and_streams_pass_through_tls),
	    WITH_FETCH(plain_bytes_at_a_tls_port_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
