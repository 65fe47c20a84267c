/* Requests and answers, and the limits on them. */
#include "tests/lib/http_fixture.h"

#include "tests/lib/run.h"

#include <sys/socket.h>

/* requests and answers */

static void an_answer_has_its_length_and_the_connection_is_kept(void **state)
{
	struct raw r;
	char head[2048], body[256];

	raw_open(&r, *state);
	for (int i = 0; i < 3; i++) {
		raw_sends(&r, "GET /x%20y HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_int_equal(
		    raw_answer(&r, head, sizeof(head), body, sizeof(body)), 200);
		assert_string_equal(body, "/x y");
		assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
		assert_non_null(strstr(head, "\r\nContent-Length: 4\r\n"));
		assert_non_null(strstr(head, "\r\nContent-Type: text/plain\r\n"));
		assert_non_null(strstr(head, "\r\nDate: "));
		assert_null(strstr(head, "Connection:"));
	}
	assert_false(r.ended);
	raw_close(&r);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	const char request[] = "POST /echo?a=%C3%A4+b&c HTTP/1.1\r\nHost: a\r\n"
			       "x-Test:  v \r\nContent-Length: 5\r\n\r\nhello";
	struct http_fixture *f = *state;
	struct raw r;
	char body[64];

	raw_open(&r, f);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		raw_send(&r, request + i, 1);
		raw_turn(&r);
	}
	assert_int_equal(raw_answer(&r, NULL, 0, body, sizeof(body)), 200);
	assert_string_equal(body, "hello");
	assert_string_equal(f->method, "POST");
	assert_string_equal(f->path, "/echo");
	assert_string_equal(f->query_a, "\xC3\xA4 b");
	assert_string_equal(f->header_x, "v");
	raw_close(&r);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;
	char body[64];

	raw_open(&r, f);
	raw_sends(&r,
	    "GET /late HTTP/1.1\r\nHost: a\r\n\r\n"
	    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\ntwo\r\n0\r\n\r\n"
	    "GET /three HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	run_for(f->loop, 30);
	assert_int_equal(f->n_requests, 1);
	http_reply(f->late, 200, NULL, NULL, 0, SLICE_LIT("one"));
	assert_int_equal(raw_answer(&r, NULL, 0, body, sizeof(body)), 200);
	assert_string_equal(body, "one");
	assert_int_equal(raw_answer(&r, NULL, 0, body, sizeof(body)), 200);
	assert_string_equal(body, "two");
	assert_int_equal(raw_answer(&r, NULL, 0, body, sizeof(body)), 200);
	assert_string_equal(body, "/three");
	raw_close(&r);
}

static void many_pipelined_requests_do_not_pile_up(void **state)
{
	enum { N = 20000 };
	static const char request[] = "GET /0123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct http_fixture *f = *state;
	struct buf all = BUF_NULL(4 * 1024 * 1024);
	struct raw r;

	for (size_t i = 0; i < N; i++)
		buf_adds(&all, request);
	raw_open(&r, f);
	/* Nobody reads: the server must stop taking requests at some point. */
	send(r.fd, all.data, all.n, MSG_DONTWAIT);
	run_for(f->loop, 200);
	raw_close(&r);
	raw_open(&r, f);
	f->n_requests = 0;
	raw_send(&r, all.data, all.n);
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	while (f->n_requests < N && !r.ended)
		raw_turn(&r);
	assert_int_equal(f->n_requests, N);
	raw_close(&r);
	buf_deinit(&all);
}

static void a_chunked_body_may_be_split_anywhere(void **state)
{
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\n"
				   "Transfer-Encoding: Chunked\r\n\r\n";
	static const char body[] =
	    "5;x=\"y\"\r\nhello\r\n001\r\n \r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
	struct http_fixture *f = *state;
	struct raw r;
	char got[64];

	raw_open(&r, f);
	for (size_t i = 0; i <= sizeof(body) - 1; i++) {
		raw_sends(&r, head);
		raw_send(&r, body, i);
		raw_turn(&r);
		raw_turn(&r);
		raw_send(&r, body + i, sizeof(body) - 1 - i);
		assert_int_equal(raw_answer(&r, NULL, 0, got, sizeof(got)), 200);
		assert_string_equal(got, "hello 0123456789");
	}
	raw_close(&r);
}

static void no_length_and_no_chunks_is_an_empty_body(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	assert_int_equal(raw_status(&r, "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_int_equal(f->n_body, 0);
	assert_int_equal(
	    raw_status(&r, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
	    200);
	assert_int_equal(f->n_requests, 2);
	raw_close(&r);
}

static const struct {
	int status;
	const char *request;
} malformed[] = {
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
    {400, "GET /\r\nHost: a\r\n\r\n"},
    {400, "GET\r\n\r\n"},
    {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "G\"T / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\nHost: a\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"},
    {400, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /?a=%00 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /?a=%g1 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400,
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "10000000000000000\r\nx"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
    {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n"},
    {413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n"},
    {400, "\x16\x03\x01\x02\r\n\r\n"},
};

static void malformed_requests_are_refused_and_the_connection_ends(void **state)
{
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct raw r;
		char head[1024], body[1024];
		int status;

		raw_open(&r, f);
		raw_sends(&r, malformed[i].request);
		status = raw_answer(&r, head, sizeof(head), body, sizeof(body));
		if (status != malformed[i].status)
			fail_msg("%d for '%s': %s", status, malformed[i].request, body);
		assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
		assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
		assert_non_null(strstr(body, "{\"error\":{\"code\":\""));
		assert_true(raw_wait_end(&r));
		assert_int_equal(r.in.n, 0);
		raw_close(&r);
	}
	assert_int_equal(f->n_requests, 0);
}

static void what_is_only_unusual_is_taken(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	assert_int_equal(
	    raw_status(&r, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_int_equal(
	    raw_status(&r, "GET http://h:1/p?a=1 HTTP/1.1\r\nHOST:a\r\n\r\n"), 200);
	assert_string_equal(f->path, "/p");
	assert_string_equal(f->query_a, "1");
	assert_int_equal(
	    raw_status(&r, "FROB /?a&&b=2&a=3 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_string_equal(f->method, "FROB");
	assert_true(f->has_query_a);
	assert_string_equal(f->query_a, "");
	assert_int_equal(raw_status(&r, "GET /?b=a HTTP/1.1\r\nHost: a\r\n"
					"X-Tes: 1\r\nX-TestX: 2\r\n\r\n"),
	    200);
	assert_false(f->has_query_a);
	assert_false(f->has_header_x);
	assert_int_equal(
	    raw_status(&r, "GET /a%2Fb%3f%25 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_string_equal(f->path, "/a/b?%");
	raw_close(&r);
}

static void http_1_0_is_kept_only_if_asked(void **state)
{
	struct raw r;
	char head[1024];

	raw_open(&r, *state);
	raw_sends(&r, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 200);
	assert_non_null(strstr(head, "\r\nConnection: keep-alive\r\n"));
	assert_int_equal(raw_status(&r, "GET / HTTP/1.0\r\n\r\n"), 200);
	assert_true(raw_wait_end(&r));
	raw_close(&r);
}

static void head_is_answered_like_get_without_the_body(void **state)
{
	struct raw r;
	char head[1024];

	raw_open(&r, *state);
	raw_sends(&r, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n"
		      "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
		      "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(raw_wait_text(&r, "Content-Length: 4\r\n"));
	assert_true(raw_wait_text(&r, "Transfer-Encoding: chunked\r\n"));
	buf_consume(&r.in, (size_t)(strstr(r.in.data, "\r\n\r\n") + 4 - r.in.data));
	buf_consume(&r.in, (size_t)(strstr(r.in.data, "\r\n\r\n") + 4 - r.in.data));
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 200);
	assert_non_null(strstr(head, "Content-Length: 2\r\n"));
	assert_int_equal(((struct http_fixture *)*state)->n_stream_closed, 1);
	raw_close(&r);
}

static void close_is_honoured(void **state)
{
	struct raw r;

	raw_open(&r, *state);
	assert_int_equal(
	    raw_status(&r, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"
			   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	    200);
	assert_true(raw_wait_end(&r));
	assert_int_equal(r.in.n, 0);
	raw_close(&r);
}

/* limits */

static void a_head_over_its_limit_is_refused(void **state)
{
	struct buf b = BUF_NULL(128 * 1024);
	struct raw r;

	for (int form = 0; form < 3; form++) {
		buf_reset(&b);
		buf_adds(&b, form == 0 ? "GET /" : "GET / HTTP/1.1\r\nHost: a\r\n");
		while (b.n < 40000)
			buf_adds(&b, form == 2 ? "A: b\r\n" : form ? "A" : "0123456789");
		buf_adds(&b, form ? ": b\r\n\r\n" : " HTTP/1.1\r\nHost: a\r\n\r\n");
		raw_open(&r, *state);
		raw_send(&r, b.data, b.n);
		assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), form ? 431 : 414);
		assert_true(raw_wait_end(&r));
		raw_close(&r);
	}
	buf_reset(&b);
	buf_adds(&b, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ");
	while (b.n < 15 * 1024)
		buf_addc(&b, 'x');
	buf_adds(&b, "\r\n\r\n");
	raw_open(&r, *state);
	assert_int_equal(raw_status(&r, b.data), 200);
	raw_close(&r);
	buf_deinit(&b);
}

static void a_body_over_its_limit_is_refused(void **state)
{
	static char big[HTTP_FIXTURE_BODY_MAX * 4];
	struct http_fixture *f = *state;
	struct raw r;

	memset(big, 'x', sizeof(big));
	for (int chunked = 0; chunked < 2; chunked++) {
		raw_open(&r, f);
		raw_sends(&r, "POST /echo HTTP/1.1\r\nHost: a\r\n");
		raw_sends(&r, chunked ? "Transfer-Encoding: chunked\r\n\r\n40000\r\n"
				      : "Content-Length: 262144\r\n\r\n");
		raw_send(&r, big, sizeof(big));
		assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 413);
		assert_true(raw_wait_end(&r));
		assert_false(r.reset);
		raw_close(&r);
	}
	assert_int_equal(f->n_requests, 0);
	assert_int_equal(f->n_aborted, 2);
	raw_open(&r, f);
	raw_sends(
	    &r, "POST /roomy HTTP/1.1\r\nHost: a\r\nContent-Length: 262144\r\n\r\n");
	raw_send(&r, big, sizeof(big));
	assert_true(raw_wait_n(&r, sizeof(big)));
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 200);
	raw_close(&r);
}

static void a_refusal_of_the_application_comes_before_the_body(void **state)
{
	static char big[1024 * 1024];
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	assert_int_equal(raw_status(&r, "GET /refused HTTP/1.1\r\nHost: a\r\n\r\n"), 401);
	assert_int_equal(raw_status(&r, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	raw_sends(
	    &r, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
	raw_send(&r, big, sizeof(big));
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 401);
	assert_true(raw_wait_end(&r));
	assert_false(r.reset);
	assert_int_equal(f->n_requests, 1);
	assert_int_equal(f->n_aborted, 0);
	raw_close(&r);
}

static void the_go_ahead_is_given_when_asked_for(void **state)
{
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\n"
				   "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	struct raw r;

	raw_open(&r, *state);
	raw_sends(&r, head);
	assert_true(raw_wait_text(&r, "HTTP/1.1 100 Continue\r\n\r\n"));
	buf_consume(&r.in, 25);
	assert_int_equal(raw_status(&r, "ab"), 200);
	raw_sends(&r, head);
	raw_sends(&r, "cd");
	raw_wait_text(&r, "\r\n\r\ncd");
	raw_close(&r);
	raw_open(&r, *state);
	assert_int_equal(raw_status(&r, "POST /refused HTTP/1.1\r\nHost: a\r\n"
					"Expect: 100-continue\r\n"
					"Content-Length: 2\r\n\r\n"),
	    401);
	raw_close(&r);
}

static void a_header_cannot_be_forged_from_a_value(void **state)
{
	const struct http_header headers[] = {{"X-Session-Id", "a\r\nSet-Cookie: b=c"}};
	struct http_fixture *f = *state;
	struct raw r;
	char head[1024];

	raw_open(&r, f);
	raw_sends(&r, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	http_reply(f->late, 200, NULL, headers, 1, SLICE_NULL);
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 200);
	assert_non_null(strstr(head, "\r\nX-Session-Id: a  Set-Cookie: b=c\r\n"));
	raw_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(an_answer_has_its_length_and_the_connection_is_kept),
	    WITH_SERVER(a_request_may_come_byte_by_byte),
	    WITH_SERVER(pipelined_requests_are_answered_in_order),
	    WITH_SERVER(many_pipelined_requests_do_not_pile_up),
	    WITH_SERVER(a_chunked_body_may_be_split_anywhere),
	    WITH_SERVER(no_length_and_no_chunks_is_an_empty_body),
	    WITH_SERVER(malformed_requests_are_refused_and_the_connection_ends),
	    WITH_SERVER(what_is_only_unusual_is_taken),
	    WITH_SERVER(http_1_0_is_kept_only_if_asked),
	    WITH_SERVER(head_is_answered_like_get_without_the_body),
	    WITH_SERVER(close_is_honoured),
	    WITH_SERVER(a_head_over_its_limit_is_refused),
	    WITH_SERVER(a_body_over_its_limit_is_refused),
	    WITH_SERVER(a_refusal_of_the_application_comes_before_the_body),
	    WITH_SERVER(the_go_ahead_is_given_when_asked_for),
	    WITH_SERVER(a_header_cannot_be_forged_from_a_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
