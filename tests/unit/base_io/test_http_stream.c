/* Answers that go on. */
#include "tests/lib/http_fixture.h"

#include "tests/lib/run.h"

/* streams */

static void open_stream(struct http_fixture *f, struct raw *r)
{
	raw_open(r, f);
	raw_sends(r, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(raw_wait_text(r, "\r\n\r\n"));
	assert_non_null(strstr(r->in.data, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(r->in.data, "\r\nCache-Control: no-store\r\n"));
	assert_null(strstr(r->in.data, "Content-Length"));
	buf_reset(&r->in);
	assert_non_null(f->stream);
}

static void a_stream_ends_cleanly_and_the_connection_goes_on(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_stream(f, &r);
	assert_int_equal(http_stream_write(f->stream, SLICE_LIT("data: 1\n\n")), 14);
	assert_true(raw_wait_text(&r, "9\r\ndata: 1\n\n\r\n"));
	assert_int_equal(f->n_stream_drained, 2); /* head, event */
	http_stream_write(f->stream, SLICE_NULL);
	http_stream_write(f->stream, SLICE_LIT("x"));
	http_stream_end(f->stream);
	assert_true(raw_wait_text(&r, "1\r\nx\r\n0\r\n\r\n"));
	buf_reset(&r.in);
	assert_int_equal(raw_status(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_int_equal(f->n_stream_closed, 0);
	raw_close(&r);
}

static void an_aborted_stream_is_seen_to_be_cut(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_stream(f, &r);
	http_stream_write(f->stream, SLICE_LIT("x"));
	assert_true(raw_wait_text(&r, "1\r\nx\r\n"));
	http_stream_abort(f->stream);
	assert_true(raw_wait_end(&r));
	assert_null(memmem(r.in.data, r.in.n, "0\r\n", 3));
	assert_int_equal(f->n_stream_closed, 0);
	raw_close(&r);
}

static void a_stream_whose_peer_leaves_is_closed(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_stream(f, &r);
	raw_close(&r);
	assert_true(http_fixture_run_n(f, &f->n_stream_closed, 1));
	assert_null(f->stream);
}

static void a_slow_reader_shows_in_the_queue_and_loses_nothing(void **state)
{
	static char piece[64 * 1024];
	struct http_fixture *f = *state;
	size_t n_queued = 0, n_total = 0, n_drained;
	struct raw r;

	memset(piece, 'y', sizeof(piece));
	open_stream(f, &r);
	assert_true(http_fixture_run_n(f, &f->n_stream_drained, 1));
	n_drained = f->n_stream_drained;
	while (n_queued < 4 * 1024 * 1024) {
		n_queued =
		    http_stream_write(f->stream, (struct slice){piece, sizeof(piece)});
		n_total += sizeof(piece);
		run_for(f->loop, 0);
		n_queued = http_stream_queued(f->stream);
	}
	assert_true(f->n_stream_drained - n_drained < n_total / sizeof(piece));
	http_stream_end(f->stream);
	assert_true(raw_wait_text(&r, "\r\n0\r\n\r\n"));
	for (size_t i = 0, n = 0; i < r.in.n; i++) {
		n += r.in.data[i] == 'y';
		if (i + 1 == r.in.n)
			assert_int_equal(n, n_total);
	}
	raw_close(&r);
}

static void a_closing_server_ends_its_streams(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_stream(f, &r);
	http_server_close(f->server, NULL, NULL);
	f->server = NULL;
	assert_int_equal(f->n_stream_closed, 1);
	assert_true(raw_wait_text(&r, "0\r\n\r\n"));
	assert_true(raw_wait_end(&r));
	raw_close(&r);
	while (loop_turn(f->loop))
		;
}

static void a_stream_for_http_1_0_ends_with_the_connection(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_sends(&r, "GET /stream HTTP/1.0\r\n\r\n");
	assert_true(raw_wait_text(&r, "\r\n\r\n"));
	assert_null(strstr(r.in.data, "chunked"));
	buf_reset(&r.in);
	http_stream_write(f->stream, SLICE_LIT("data: 1\n\n"));
	http_stream_end(f->stream);
	assert_true(raw_wait_end(&r));
	assert_string_equal(buf_cstr(&r.in), "data: 1\n\n");
	raw_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(a_stream_ends_cleanly_and_the_connection_goes_on),
	    WITH_SERVER(an_aborted_stream_is_seen_to_be_cut),
	    WITH_SERVER(a_stream_whose_peer_leaves_is_closed),
	    WITH_SERVER(a_slow_reader_shows_in_the_queue_and_loses_nothing),
	    WITH_SERVER(a_closing_server_ends_its_streams),
	    WITH_SERVER(a_stream_for_http_1_0_ends_with_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
