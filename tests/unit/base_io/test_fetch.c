#include "tests/lib/http_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/io/fetch.h"
#include "base/must.h"
#include "tests/lib/run.h"
#include "tests/lib/tls_fixture.h"

struct fetch_fixture {
	struct http_fixture http; /* first: a server to fetch from */
	struct fetch *fetch;
	bool closed;
	/* what callbacks were told last */
	size_t n_ended, n_chunks, n_chunk_bytes;
	int code, status;
	char detail[160], body[1024], etag[64], content_type[64];
	size_t n_body;
	int64_t retry_after_s;
	/* what they shall do */
	bool stop_at_chunk;
	uint64_t cancel_at_chunk;
	const char *then_url; /* fetch this next */
};

static void on_end(void *data, const struct fetch_response *r)
{
	struct fetch_fixture *f = data;

	f->n_ended++;
	f->code = r->code;
	f->status = r->status;
	f->n_body = r->body.n;
	f->retry_after_s = r->retry_after_s;
	assert_int_equal(r->body.p[r->body.n], '\0');
	snprintf(f->detail, sizeof(f->detail), "%s", r->detail);
	memcpy(f->body, r->body.p,
	    r->body.n < sizeof(f->body) ? r->body.n + 1 : sizeof(f->body));
	snprintf(f->etag, sizeof(f->etag), "%s", r->etag);
	snprintf(f->content_type, sizeof(f->content_type), "%s", r->content_type);
	if (f->then_url) {
		const struct fetch_request next = {
		    .url = f->then_url, .cb = on_end, .data = f};

		f->then_url = NULL;
		fetch_start(f->fetch, &next);
	}
}

static bool on_chunk(void *data, int status, struct slice chunk)
{
	struct fetch_fixture *f = data;

	f->n_chunks++;
	f->n_chunk_bytes += chunk.n;
	f->status = status;
	snprintf(f->body, sizeof(f->body), SLICE_FMT, SLICE_ARG(chunk));
	if (f->cancel_at_chunk)
		fetch_cancel(f->fetch, f->cancel_at_chunk);
	return !f->stop_at_chunk;
}

static void on_closed(void *data)
{
	((struct fetch_fixture *)data)->closed = true;
}

static int setup(void **state)
{
	struct fetch_fixture *f = calloc(1, sizeof(*f));

	must(f);
	http_fixture_init(&f->http);
	http_fixture_open(&f->http);
	f->fetch = fetch_new(f->http.loop, NULL, false);
	*state = f;
	return 0;
}

static void close_fetch(struct fetch_fixture *f)
{
	if (f->fetch) {
		fetch_close(f->fetch, on_closed, f);
		assert_true(http_fixture_run(&f->http, &f->closed));
	}
	f->fetch = NULL;
	f->closed = false;
}

static int teardown(void **state)
{
	struct fetch_fixture *f = *state;

	close_fetch(f);
	http_fixture_deinit(&f->http);
	free(f);
	return 0;
}

static const char *url_of(
    const char *scheme, const char *host, uint16_t port, const char *path)
{
	static char urls[4][256];
	static size_t next;
	char *url = urls[next++ % ARRAY_LEN(urls)];

	snprintf(url, sizeof(urls[0]), "%s://%s:%u%s", scheme, host, port, path);
	return url;
}

static const char *url(const struct fetch_fixture *f, const char *path)
{
	return url_of("http", "127.0.0.1", f->http.port, path);
}

static uint64_t start(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n_ended = f->n_ended;
	uint64_t ticket;

	r.cb = on_end;
	r.data = f;
	ticket = fetch_start(f->fetch, &r);
	assert_int_equal(f->n_ended, n_ended); /* never from inside */
	return ticket;
}

static void run_to_end(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n_ended = f->n_ended;

	start(f, r);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, n_ended + 1));
}

/* whole answers */

static void a_body_comes_whole_and_the_connection_is_used_again(void **state)
{
	struct fetch_fixture *f = *state;

	for (int i = 0; i < 5; i++) {
		run_to_end(f, (struct fetch_request){.url = url(f, "/x%20y?a=b")});
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
		run_to_end(f, (struct fetch_request){.url = url(f, "/echo"),
				  .method = methods[i],
				  .headers = headers,
				  .content_type = "text/x",
				  .body = SLICE_LIT("a\0b")});
		assert_int_equal(f->code, 0);
		assert_int_equal(f->n_body, 3);
		assert_memory_equal(f->body, "a\0b", 3);
		assert_string_equal(f->http.method, methods[i]);
		assert_string_equal(f->http.header_x, "v w");
		run_to_end(f,
		    (struct fetch_request){.url = url(f, "/echo"), .method = methods[i]});
		assert_int_equal(f->code, 0);
		assert_int_equal(f->n_body, 0);
		assert_false(f->http.has_header_x);
	}
	run_to_end(f, (struct fetch_request){.url = url(f, "/abc"), .method = "HEAD"});
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
	run_to_end(f, (struct fetch_request){.url = url(f, "/roomy"),
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

	run_to_end(f, (struct fetch_request){.url = url(f, "/refused")});
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
	start(f, (struct fetch_request){.url = url_of("http", "127.0.0.1", l.port, "/p"),
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
	run_to_end(f, (struct fetch_request){.url = url(f, "/")});
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
	run_to_end(f,
	    (struct fetch_request){.url = url_of("http", "[::1]", f->http.port, "/six")});
	assert_int_equal(f->code, 0);
	assert_string_equal(f->body, "/six");
	run_to_end(f, (struct fetch_request){.url = url(f, "/four")});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
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
		run_to_end(f, (struct fetch_request){.url = urls[i]});
		if (f->code != ERROR_INVALID || !f->detail[0])
			fail_msg("%d for '%s'", f->code, urls[i]);
	}
	run_to_end(f, (struct fetch_request){.url = url(f, "/"), .headers = forged});
	assert_int_equal(f->code, ERROR_INVALID);
	run_to_end(f, (struct fetch_request){.url = url(f, "/"), .bearer = "a\nb"});
	assert_int_equal(f->code, ERROR_INVALID);
	assert_int_equal(f->http.n_requests, 0);
}

static void no_connection_is_unavailable(void **state)
{
	struct fetch_fixture *f = *state;

	run_to_end(f, (struct fetch_request){.url = "http://127.0.0.1:1/"});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
	assert_true(f->detail[0]);
	assert_int_equal(f->status, 0);
	run_to_end(f, (struct fetch_request){.url = "http://nowhere.invalid/"});
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

			start(f, (struct fetch_request){
				     .url = url_of("http", "127.0.0.1", l.port, "/"),
				     .chunk_cb = streams ? on_chunk : NULL});
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

	run_to_end(f, (struct fetch_request){.url = url(f, "/late"), .timeout_ms = 200});
	assert_int_equal(f->code, ERROR_TIMEOUT);
	assert_true(clock_mono_ms() - begin_ms >= 200);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
	run_to_end(
	    f, (struct fetch_request){
		   .url = url(f, "/late"), .timeout_ms = 200, .chunk_cb = on_chunk});
	assert_int_equal(f->code, ERROR_TIMEOUT);
}

static void an_answer_over_its_limit_is_too_large(void **state)
{
	struct fetch_fixture *f = *state;

	run_to_end(f, (struct fetch_request){.url = url(f, "/echo"),
			  .method = "POST",
			  .body = SLICE_LIT("12345678"),
			  .body_max_bytes = 8});
	assert_int_equal(f->code, 0);
	run_to_end(f, (struct fetch_request){.url = url(f, "/echo"),
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
	uint64_t ticket = start(f, (struct fetch_request){.url = url(f, "/late")});

	fetch_cancel(f->fetch, ticket);
	fetch_cancel(f->fetch, ticket);
	run_for(f->http.loop, 30);
	assert_int_equal(f->http.n_requests, 0);
	ticket = start(f, (struct fetch_request){.url = url(f, "/late")});
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, 1));
	fetch_cancel(f->fetch, ticket);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
	run_to_end(f, (struct fetch_request){.url = url(f, "/")});
	assert_int_equal(f->n_ended, 1);
	fetch_cancel(f->fetch, ticket);
	fetch_cancel(f->fetch, 12345);
	ticket = start(f, (struct fetch_request){.url = "nonsense"});
	fetch_cancel(f->fetch, ticket);
	run_for(f->http.loop, 30);
	assert_int_equal(f->n_ended, 1);
}

static void closing_ends_what_is_under_way(void **state)
{
	struct fetch_fixture *f = *state;

	start(f, (struct fetch_request){.url = url(f, "/late")});
	start(f, (struct fetch_request){.url = url(f, "/stream"), .chunk_cb = on_chunk});
	assert_true(http_fixture_run_n(&f->http, &f->http.n_requests, 2));
	start(f, (struct fetch_request){.url = url(f, "/")});
	fetch_close(f->fetch, on_closed, f);
	f->fetch = NULL;
	assert_int_equal(f->n_ended, 0);
	assert_true(http_fixture_run(&f->http, &f->closed));
	assert_int_equal(f->n_ended, 3);
	assert_int_equal(f->code, -ECANCELED);
}

static void a_callback_may_start_the_next_request(void **state)
{
	struct fetch_fixture *f = *state;

	f->then_url = url(f, "/second");
	start(f, (struct fetch_request){.url = url(f, "/first")});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 2));
	assert_string_equal(f->body, "/second");
	f->then_url = url(f, "/fourth");
	start(f, (struct fetch_request){.url = "bad"});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 4));
	assert_string_equal(f->body, "/fourth");
}

static void many_at_once_all_end(void **state)
{
	struct fetch_fixture *f = *state;

	for (int i = 0; i < 200; i++)
		start(f, (struct fetch_request){.url = url(f, "/")});
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, 200));
	assert_int_equal(f->code, 0);
}

/* streams */

static void begin_stream(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n = f->http.n_requests;

	r.url = url(f, "/stream");
	r.chunk_cb = on_chunk;
	start(f, r);
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

	run_to_end(
	    f, (struct fetch_request){.url = url(f, "/refused"), .chunk_cb = on_chunk});
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
	close_fetch(f);
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

		run_to_end(f, (struct fetch_request){
				  .url = url_of("https", host, f->http.port, "/tls")});
		assert_int_equal(f->code, 0);
		assert_string_equal(f->body, "/tls");
	}
	reopen_tls(f, &tls, NULL, false);
	run_to_end(f, (struct fetch_request){
			  .url = url_of("https", "127.0.0.1", f->http.port, "/")});
	assert_int_equal(f->code, ERROR_UNAVAILABLE);
	reopen_tls(f, &tls, NULL, true);
	run_to_end(f, (struct fetch_request){
			  .url = url_of("https", "127.0.0.1", f->http.port, "/")});
	assert_int_equal(f->code, 0);
	/* a new certificate is in force for new connections */
	reopen_tls(f, &tls, tls.cert_path, false);
	tls_fixture_renew(&tls);
	assert_int_equal(http_server_reload_tls(f->http.server, &e), 0);
	close_fetch(f);
	f->fetch = fetch_new(f->http.loop, tls.cert_path, false);
	run_to_end(f, (struct fetch_request){
			  .url = url_of("https", "localhost", f->http.port, "/")});
	assert_int_equal(f->code, 0);
	/* one that cannot be read leaves the old one in force */
	tls_fixture_deinit(&tls);
	assert_int_equal(http_server_reload_tls(f->http.server, &e), ERROR_INVALID);
	run_to_end(f, (struct fetch_request){
			  .url = url_of("https", "localhost", f->http.port, "/")});
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
	run_to_end(f, (struct fetch_request){
			  .url = url_of("https", "localhost", f->http.port, "/roomy"),
			  .method = "POST",
			  .body = {big, BIG}});
	assert_int_equal(f->code, 0);
	assert_int_equal(f->n_body, BIG);
	start(f, (struct fetch_request){
		     .url = url_of("https", "localhost", f->http.port, "/stream"),
		     .chunk_cb = on_chunk});
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

#define WITH_FETCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

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
	    WITH_FETCH(what_cannot_be_asked_is_invalid),
	    WITH_FETCH(no_connection_is_unavailable),
	    WITH_FETCH(an_answer_that_is_cut_off_is_unavailable),
	    WITH_FETCH(no_answer_in_time_is_a_timeout),
	    WITH_FETCH(an_answer_over_its_limit_is_too_large),
	    WITH_FETCH(a_cancelled_request_says_nothing_more),
	    WITH_FETCH(closing_ends_what_is_under_way),
	    WITH_FETCH(a_callback_may_start_the_next_request),
	    WITH_FETCH(many_at_once_all_end),
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
