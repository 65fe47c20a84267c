/* Requests and whole answers, failures, cancelling. */
#include "tests/lib/fetch_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

/* whole answers */

static void a_body_comes_whole_and_the_connection_is_used_again(void **state)
{
	struct fetch_fixture *f = *state;

	for (int i = 0; i < 5; i++) {
		fetch_fixture_run(
		    f, (struct fetch_request){.url = fetch_fixture_url(f, "/x%20y?a=b")});
		assert_int_equal(f->code, 0);
		assert_int_equal(f->status, 200);
		assert_string_equal(f->body, "/x y");
		assert_string_equal(f->content_type, "text/plain");
		assert_string_equal(f->etag, "");
		assert_string_equal(f->http.method, "GET");
		assert_string_equal(f->http.query_a, "b");
	}
	assert_int_equal(http_server_n_connections(f->http.server), 1);
}

static void a_body_goes_out_as_it_is(void **state)
{
	static const char *const headers[] = {"X-Test: v w", NULL};
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
	struct fetch_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		fetch_fixture_run(
		    f, (struct fetch_request){.url = fetch_fixture_url(f, "/echo"),
			   .method = methods[i],
			   .headers = headers,
			   .content_type = "text/x",
			   .body = SLICE_LIT("a\0b")});
		assert_int_equal(f->code, 0);
		assert_int_equal(f->n_body, 3);
		assert_memory_equal(f->body, "a\0b", 3);
		assert_string_equal(f->http.method, methods[i]);
		assert_string_equal(f->http.header_x, "v w");
		fetch_fixture_run(
		    f, (struct fetch_request){
			   .url = fetch_fixture_url(f, "/echo"), .method = methods[i]});
		assert_int_equal(f->code, 0);
		assert_int_equal(f->n_body, 0);
		assert_false(f->http.has_header_x);
	}
	fetch_fixture_run(f, (struct fetch_request){
				 .url = fetch_fixture_url(f, "/abc"), .method = "HEAD"});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_body, 0);
}

static void a_large_body_goes_without_waiting(void **state)
{
	enum { BIG = 16 * 1024 * 1024 };
	struct fetch_fixture *f = *state;
	char *big = calloc(1, BIG);
	int64_t begin_ms = clock_mono_ms();

	must(big);
	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/roomy"),
				 .method = "POST",
				 .body_max_bytes = BIG,
				 .body = {big, BIG}});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_body, BIG);
	assert_true(clock_mono_ms() - begin_ms < 5000);
	free(big);
}

static void a_refusal_is_an_answer(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_run(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/refused")});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->status, 401);
	assert_non_null(strstr(f->body, "UNAUTHORIZED"));
}

static void what_is_sent_and_understood_is_exact(void **state)
{
	struct fetch_fixture *f = *state;
	struct raw_listener l;
	struct raw r;

	raw_listen(&l, &f->http);
	fetch_fixture_start(f, (struct fetch_request){.url = http_fixture_url("http",
							  "127.0.0.1", l.port, "/p"),
				   .method = "POST",
				   .bearer = "s3cret",
				   .body = SLICE_LIT("xyz")});
	raw_accept(&l, &r);
	assert_true(raw_wait_text(&r, "\r\n\r\nxyz"));
	assert_non_null(strstr(r.in.data, "POST /p HTTP/1.1\r\n"));
	assert_non_null(strstr(r.in.data, "\r\nAuthorization: Bearer s3cret\r\n"));
	assert_non_null(strstr(r.in.data, "\r\nContent-Length: 3\r\n"));
	assert_null(strcasestr(r.in.data, "\r\nExpect"));
	assert_null(strcasestr(r.in.data, "\r\nContent-Type"));
	raw_sends(&r,
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n"
	    "Location: http://127.0.0.1:1/\r\netag: \"7\"\r\nRETRY-AFTER: 12\r\n"
	    "Content-Type: a/b; c\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\nhi\r\n0\r\n\r\n");
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, 0);
	assert_int_equal(f->status, 302);
	assert_string_equal(f->body, "hi");
	assert_string_equal(f->etag, "\"7\"");
	assert_string_equal(f->content_type, "a/b; c");
	assert_int_equal(f->retry_after_s, 12);
	raw_close(&r);
	raw_unlisten(&l);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
	struct fetch_fixture *f = *state;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/")});
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(f->code, 0);
}

static void an_ipv6_address_is_reached(void **state)
{
	struct fetch_fixture *f = *state;

	http_fixture_close(&f->http);
	f->http.conf.listen = "[::1]:0";
	http_fixture_open(&f->http);
	fetch_fixture_run(f, (struct fetch_request){.url = http_fixture_url("http",
							"[::1]", f->http.port, "/six")});
	assert_int_equal(f->code, 0);
	assert_string_equal(f->body, "/six");
	fetch_fixture_run(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/four")});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
}

static void a_body_may_last_as_long_as_its_connection(void **state)
{
	struct fetch_fixture *f = *state;
	struct raw_listener l;
	struct raw r;

	raw_listen(&l, &f->http);
	fetch_fixture_start(f, (struct fetch_request){.url = http_fixture_url("http",
							  "127.0.0.1", l.port, "/")});
	raw_accept(&l, &r);
	assert_true(raw_wait_text(&r, "\r\n\r\n"));
	raw_sends(&r, "HTTP/1.0 200 OK\r\n\r\nto the ");
	raw_sends(&r, "end");
	raw_close(&r);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	assert_int_equal(f->code, 0);
	assert_string_equal(f->body, "to the end");
	raw_unlisten(&l);
}

/* A kept connection that the server ends just as it is used again. */
static void a_connection_that_was_ended_is_replaced_once(void **state)
{
	struct fetch_fixture *f = *state;
	struct raw_listener l;
	struct raw kept, fresh;
	const char *url;

	raw_listen(&l, &f->http);
	url = http_fixture_url("http", "127.0.0.1", l.port, "/");
	fetch_fixture_start(f, (struct fetch_request){.url = url});
	raw_accept(&l, &kept);
	assert_true(raw_wait_text(&kept, "\r\n\r\n"));
	raw_sends(&kept, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 1));
	fetch_fixture_start(f,
	    (struct fetch_request){.url = url, .method = "PUT", .body = SLICE_LIT("b")});
	assert_true(raw_wait_text(&kept, "\r\n\r\nb"));
	raw_close(&kept);
	raw_accept(&l, &fresh);
	assert_true(raw_wait_text(&fresh, "\r\n\r\nb"));
	raw_sends(&fresh, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc");
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 2));
	assert_int_equal(f->code, 0);
	assert_string_equal(f->body, "c");
	raw_close(&fresh);
	raw_unlisten(&l);
}

/* failures */

static void what_cannot_be_asked_is_invalid(void **state)
{
	static const char *const urls[] = {"", "x", "localhost/x", "ftp://127.0.0.1/",
	    "file:///etc/passwd", "http://", "http://a b/", "http://[::1/",
	    "http://h:99999/"};
	static const char *const forged[] = {"X: a\r\nY: b", NULL};
	struct fetch_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		fetch_fixture_run(f, (struct fetch_request){.url = urls[i]});
		if (f->code != ERROR_INVALID || !f->detail[0])
			fail_msg("%d for '%s'", f->code, urls[i]);
	}
	fetch_fixture_run(f,
	    (struct fetch_request){.url = fetch_fixture_url(f, "/"), .headers = forged});
	assert_int_equal(f->code, ERROR_INVALID);
	fetch_fixture_run(f,
	    (struct fetch_request){.url = fetch_fixture_url(f, "/"), .bearer = "a\nb"});
	assert_int_equal(f->code, ERROR_INVALID);
	assert_int_equal(f->http.n_requests, 0);
}

static void no_connection_is_unavailable(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_run(f, (struct fetch_request){.url = "http://127.0.0.1:1/"});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
	assert_true(f->detail[0]);
	assert_int_equal(f->status, 0);
	fetch_fixture_run(f, (struct fetch_request){.url = "http://nowhere.invalid/"});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
}

static void an_answer_that_is_cut_off_is_unavailable(void **state)
{
	static const char *const answers[] = {"", "HTTP/1.1 2",
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"};
	struct fetch_fixture *f = *state;
	struct raw_listener l;

	raw_listen(&l, &f->http);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		for (int streams = 0; streams < 2; streams++) {
			size_t n_ended = f->n_ended;
			struct raw r;

			fetch_fixture_start(f,
			    (struct fetch_request){
				.url = http_fixture_url("http", "127.0.0.1", l.port, "/"),
				.chunk_cb = streams ? fetch_fixture_on_chunk : NULL});
			raw_accept(&l, &r);
			assert_true(raw_wait_text(&r, "\r\n\r\n"));
			raw_sends(&r, answers[i]);
			raw_close(&r);
			assert_true(
			    http_fixture_run_n(&f->http, &f->n_ended, n_ended + 1));
			if (f->code != ERROR_UNAVAILABLE)
				fail_msg("%d for '%s'", f->code, answers[i]);
		}
	raw_unlisten(&l);
}

static void no_answer_in_time_is_a_timeout(void **state)
{
	struct fetch_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/late"),
				 .timeout_ms = 200});
	assert_int_equal(f->code, ERROR_TIMEOUT);
	assert_true(clock_mono_ms() - begin_ms >= 200);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/late"),
				 .timeout_ms = 200,
				 .chunk_cb = fetch_fixture_on_chunk});
	assert_int_equal(f->code, ERROR_TIMEOUT);
}

static void an_answer_over_its_limit_is_too_large(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/echo"),
				 .method = "POST",
				 .body = SLICE_LIT("12345678"),
				 .body_max_bytes = 8});
	assert_int_equal(f->code, 0);
	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/echo"),
				 .method = "POST",
				 .body = SLICE_LIT("123456789"),
				 .body_max_bytes = 8});
	assert_int_equal(f->code, ERROR_TOO_LARGE);
	assert_string_equal(f->detail, "the answer is over its limit");
	assert_int_equal(f->n_body, 0);
}

/* cancelling and closing */

static void a_cancelled_request_says_nothing_more(void **state)
{
	struct fetch_fixture *f = *state;
	uint64_t ticket = fetch_fixture_start(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/late")});

	fetch_cancel(f->fetch, ticket);
	fetch_cancel(f->fetch, ticket);
	run_for(f->http.loop, 30);
	assert_int_equal(f->http.n_requests, 0);
	ticket = fetch_fixture_start(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/late")});
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, 1));
	fetch_cancel(f->fetch, ticket);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
	fetch_fixture_run(f, (struct fetch_request){.url = fetch_fixture_url(f, "/")});
	assert_int_equal(f->n_ended, 1);
	fetch_cancel(f->fetch, ticket);
	fetch_cancel(f->fetch, 12345);
	ticket = fetch_fixture_start(f, (struct fetch_request){.url = "nonsense"});
	fetch_cancel(f->fetch, ticket);
	run_for(f->http.loop, 30);
	assert_int_equal(f->n_ended, 1);
}

static void closing_ends_what_is_under_way(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_start(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/late")});
	fetch_fixture_start(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/stream"),
		   .chunk_cb = fetch_fixture_on_chunk});
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, 2));
	fetch_fixture_start(f, (struct fetch_request){.url = fetch_fixture_url(f, "/")});
	fetch_fixture_close(f);
	assert_int_equal(f->n_ended, 3);
	assert_int_equal(f->code, -ECANCELED);
}

static void a_callback_may_start_the_next_request(void **state)
{
	struct fetch_fixture *f = *state;

	f->then_url = fetch_fixture_url(f, "/second");
	fetch_fixture_start(
	    f, (struct fetch_request){.url = fetch_fixture_url(f, "/first")});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 2));
	assert_string_equal(f->body, "/second");
	f->then_url = fetch_fixture_url(f, "/fourth");
	fetch_fixture_start(f, (struct fetch_request){.url = "bad"});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 4));
	assert_string_equal(f->body, "/fourth");
}

static void many_at_once_all_end(void **state)
{
	struct fetch_fixture *f = *state;

	for (int i = 0; i < 200; i++)
		fetch_fixture_start(
		    f, (struct fetch_request){.url = fetch_fixture_url(f, "/")});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 200));
	assert_int_equal(f->code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FETCH(a_body_comes_whole_and_the_connection_is_used_again),
	    WITH_FETCH(a_body_goes_out_as_it_is),
	    WITH_FETCH(a_large_body_goes_without_waiting),
	    WITH_FETCH(a_refusal_is_an_answer),
	    WITH_FETCH(what_is_sent_and_understood_is_exact),
	    WITH_FETCH(a_proxy_of_the_environment_is_not_used),
	    WITH_FETCH(an_ipv6_address_is_reached),
	    WITH_FETCH(a_body_may_last_as_long_as_its_connection),
	    WITH_FETCH(a_connection_that_was_ended_is_replaced_once),
	    WITH_FETCH(what_cannot_be_asked_is_invalid),
	    WITH_FETCH(no_connection_is_unavailable),
	    WITH_FETCH(an_answer_that_is_cut_off_is_unavailable),
	    WITH_FETCH(no_answer_in_time_is_a_timeout),
	    WITH_FETCH(an_answer_over_its_limit_is_too_large),
	    WITH_FETCH(a_cancelled_request_says_nothing_more),
	    WITH_FETCH(closing_ends_what_is_under_way),
	    WITH_FETCH(a_callback_may_start_the_next_request),
	    WITH_FETCH(many_at_once_all_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
