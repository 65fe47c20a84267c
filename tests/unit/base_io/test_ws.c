/* WebSockets of the server, against frames made by hand. */
#include "tests/lib/http_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/ws_codec.h"
#include "base/must.h"
#include "tests/lib/run.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define HANDSHAKE(path)                                                                  \
	"GET " path " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"        \
	"Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" KEY

static void send_frame(struct raw *r, uint8_t first, const char *payload, size_t n)
{
	static const uint8_t mask[] = {1, 2, 3, 4};
	uint8_t header[WS_HEADER_MAX_BYTES];
	size_t n_header = ws_header(header, WS_OP_TEXT, n, mask);
	char *p = malloc(n + 1);

	must(p);
	memcpy(p, payload, n);
	ws_mask(p, n, mask, 0);
	header[0] = first;
	raw_send(r, header, n_header);
	raw_send(r, p, n);
	free(p);
}

static void send_text(struct raw *r, const char *text)
{
	send_frame(r, 0x80 | WS_OP_TEXT, text, strlen(text));
}

/* The next frame off the input, which must be @first; its payload in @out. */
static size_t take_frame(struct raw *r, uint8_t first, char *out, size_t n_out)
{
	size_t n_header = 2, n;

	assert_true(raw_wait_n(r, 2));
	assert_int_equal((uint8_t)r->in.data[0], first);
	n = (uint8_t)r->in.data[1];
	if (n >= 126)
		n_header = n == 126 ? 4 : 10;
	assert_true(raw_wait_n(r, n_header));
	if (n >= 126)
		n = 0;
	for (size_t i = 2; i < n_header; i++)
		n = n << 8 | (uint8_t)r->in.data[i];
	assert_true(raw_wait_n(r, n_header + n));
	if (out) {
		assert_true(n < n_out);
		memcpy(out, r->in.data + n_header, n);
		out[n] = '\0';
	}
	buf_consume(&r->in, n_header + n);
	return n;
}

static void expect_text(struct raw *r, const char *text)
{
	char got[4096];

	take_frame(r, 0x80 | WS_OP_TEXT, got, sizeof(got));
	assert_string_equal(got, text);
}

/* The server's close frame, and then the end. */
static void expect_close(struct raw *r, int code)
{
	char got[WS_CONTROL_MAX_BYTES + 1];
	size_t n = take_frame(r, 0x80 | WS_OP_CLOSE, got, sizeof(got));

	assert_true(n >= 2);
	assert_int_equal((uint8_t)got[0] << 8 | (uint8_t)got[1], code);
}

static void open_ws(struct http_fixture *f, struct raw *r)
{
	char head[1024];

	raw_open(r, f);
	raw_sends(r, HANDSHAKE("/ws") "\r\n");
	assert_int_equal(raw_answer(r, head, sizeof(head), NULL, 0), 101);
	assert_non_null(
	    strstr(head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(head, "\r\nUpgrade: websocket\r\n"));
	assert_non_null(strstr(head, "\r\nConnection: Upgrade\r\n"));
	assert_true(http_fixture_run_n(f, &f->n_ws_opened, 1));
}

/* handshake */

static void messages_come_back(void **state)
{
	struct raw r;

	open_ws(*state, &r);
	send_text(&r, "hello");
	expect_text(&r, "hello");
	send_text(&r, "");
	expect_text(&r, "");
	raw_close(&r);
}

static void what_follows_the_handshake_at_once_is_not_lost(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_sends(&r, HANDSHAKE("/late-ws") "\r\n");
	send_text(&r, "early");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	run_for(f->loop, 20);
	http_ws_accept(f->late, &f->ws_conf);
	assert_int_equal(raw_answer(&r, NULL, 0, NULL, 0), 101);
	expect_text(&r, "early");
	raw_close(&r);
}

static void an_offered_subprotocol_or_extension_is_not_answered(void **state)
{
	struct raw r;
	char head[1024];

	raw_open(&r, *state);
	raw_sends(&r,
	    HANDSHAKE("/ws") "Sec-WebSocket-Protocol: chat, x\r\n"
			     "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 101);
	assert_null(strstr(head, "Sec-WebSocket-Protocol"));
	assert_null(strstr(head, "Sec-WebSocket-Extensions"));
	raw_close(&r);
}

static void a_refused_handshake_has_a_body_with_its_length(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;
	char head[1024], body[256];

	raw_open(&r, f);
	raw_sends(&r, HANDSHAKE("/refused") "\r\n");
	assert_int_equal(raw_answer(&r, head, sizeof(head), body, sizeof(body)), 401);
	assert_non_null(strstr(head, "\r\nContent-Length: "));
	assert_string_equal(
	    body, "{\"error\":{\"code\":\"UNAUTHORIZED\",\"message\":\"no\"}}");
	/* the same later, when the application has asked somebody */
	raw_sends(&r, HANDSHAKE("/late-ws") "\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	http_reply_error(f->late, ERROR_FORBIDDEN, "not yours");
	assert_int_equal(raw_answer(&r, head, sizeof(head), body, sizeof(body)), 403);
	assert_int_equal(f->n_ws_opened, 0);
	raw_close(&r);
}

static void a_malformed_handshake_is_refused(void **state)
{
	static const char begin[] =
	    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\n";
	struct http_fixture *f = *state;
	struct raw r;
	char head[1024];

	raw_open(&r, f);
	raw_sends(&r, begin);
	raw_sends(&r, "Sec-WebSocket-Version: 8\r\n" KEY "\r\n");
	assert_int_equal(raw_answer(&r, head, sizeof(head), NULL, 0), 426);
	assert_non_null(strstr(head, "\r\nSec-WebSocket-Version: 13\r\n"));
	raw_sends(&r, begin);
	assert_int_equal(raw_status(&r, "Sec-WebSocket-Version: 13\r\n\r\n"), 400);
	raw_sends(&r, begin);
	assert_int_equal(raw_status(&r, "Sec-WebSocket-Version: 13\r\n"
					"Sec-WebSocket-Key: short\r\n\r\n"),
	    400);
	assert_int_equal(f->n_aborted, 3);
	assert_int_equal(f->n_requests, 0);
	raw_close(&r);
}

static void the_peer_may_leave_before_the_late_answer(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_sends(&r, HANDSHAKE("/late-ws") "\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	raw_close(&r);
	assert_true(http_fixture_run_n(f, &f->n_aborted, 1));
	assert_null(f->late);
}

/* frames */

static void a_message_in_fragments_with_a_ping_between_is_one(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;
	char pong[16];

	open_ws(f, &r);
	send_frame(&r, WS_OP_TEXT, "he", 2);
	send_frame(&r, 0x80 | WS_OP_PING, "?", 1);
	send_frame(&r, WS_OP_CONTINUATION, "", 0);
	send_frame(&r, 0x80 | WS_OP_CONTINUATION, "llo", 3);
	take_frame(&r, 0x80 | WS_OP_PONG, pong, sizeof(pong));
	assert_string_equal(pong, "?");
	expect_text(&r, "hello");
	f->ws_holds = true;
	send_frame(&r, 0x80 | WS_OP_BINARY, "\xff", 1);
	assert_true(http_fixture_run_n(f, &f->n_ws_messages, 2));
	assert_false(f->ws_was_text);
	raw_close(&r);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
	struct http_fixture *f = *state;
	uint8_t frame[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
	struct raw r;

	open_ws(f, &r);
	for (size_t i = 0; i < sizeof(frame); i++) {
		raw_send(&r, frame + i, 1);
		raw_turn(&r);
	}
	expect_text(&r, "hi");
	raw_close(&r);
}

static void wrong_input_is_closed_with_its_code(void **state)
{
	static const struct {
		int code;
		uint8_t first;
		const char *payload;
	} rows[] = {{1007, 0x81, "\xff\xfe"}, {1002, 0x83, "x"}, {1002, 0x80, "x"},
	    {1002, 0xc1, "x"}, {1009, 0x81, "0123456789-"}};
	struct http_fixture *f = *state;

	f->ws_conf.message_max_bytes = 10;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct raw r;

		f->n_ws_opened = f->n_ws_closed = f->n_ws_messages = 0;
		open_ws(f, &r);
		send_text(&r, "0123456789");
		expect_text(&r, "0123456789");
		send_frame(&r, rows[i].first, rows[i].payload, strlen(rows[i].payload));
		send_text(&r, "ignored");
		expect_close(&r, rows[i].code);
		assert_true(raw_wait_end(&r));
		assert_false(r.reset);
		assert_int_equal(f->n_ws_closed, 1);
		assert_int_equal(f->ws_code, 1006);
		assert_int_equal(f->n_ws_messages, 1);
		raw_close(&r);
	}
}

static void large_messages_pass(void **state)
{
	enum { BIG = 20 * 1024 * 1024 };
	struct http_fixture *f = *state;
	char *big = malloc(BIG), *back = malloc(BIG + 1);
	struct raw r;

	must(big && back);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)('a' + i % 26);
	open_ws(f, &r);
	for (size_t n = 1024 * 1024; n <= BIG; n *= 20) {
		send_frame(&r, 0x80 | WS_OP_TEXT, big, n);
		assert_int_equal(take_frame(&r, 0x80 | WS_OP_TEXT, back, BIG + 1), n);
		assert_memory_equal(back, big, n);
	}
	raw_close(&r);
	free(big);
	free(back);
}

/* the end */

static void the_peer_closes(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_ws(f, &r);
	send_frame(&r, 0x80 | WS_OP_CLOSE, "\x0f\xa1why", 5);
	expect_close(&r, 4001);
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->n_ws_closed, 1);
	assert_int_equal(f->ws_code, 4001);
	raw_close(&r);
	open_ws(f, &r);
	send_frame(&r, 0x80 | WS_OP_CLOSE, "", 0);
	assert_int_equal(take_frame(&r, 0x80 | WS_OP_CLOSE, NULL, 0), 0);
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->ws_code, 1005);
	raw_close(&r);
}

static void the_peer_vanishes(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_ws(f, &r);
	send_frame(&r, WS_OP_TEXT, "half", 4);
	raw_close(&r);
	assert_true(http_fixture_run_n(f, &f->n_ws_closed, 1));
	assert_int_equal(f->ws_code, 1006);
}

static void the_server_closes_after_what_is_queued(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_ws(f, &r);
	assert_int_equal(http_ws_send(f->ws, SLICE_LIT("last")), 0);
	http_ws_close(f->ws, WS_CLOSE_RESTART, "later");
	http_ws_close(f->ws, WS_CLOSE_NORMAL, "twice");
	assert_int_equal(http_ws_send(f->ws, SLICE_LIT("no")), ERROR_UNAVAILABLE);
	expect_text(&r, "last");
	expect_close(&r, 1012);
	assert_int_equal(f->n_ws_closed, 0);
	send_text(&r, "not heard any more");
	send_frame(&r, 0x80 | WS_OP_CLOSE, "\x03\xf4", 2);
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->n_ws_closed, 1);
	assert_int_equal(f->ws_code, 1012);
	assert_int_equal(f->n_ws_messages, 0);
	raw_close(&r);
}

static void an_unanswered_close_frame_is_given_five_seconds(void **state)
{
	struct http_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();
	struct raw r;

	open_ws(f, &r);
	http_ws_close(f->ws, 4404, NULL);
	assert_true(http_fixture_run_n(f, &f->n_ws_closed, 1));
	assert_true(clock_mono_ms() - begin_ms >= 5000);
	assert_true(clock_mono_ms() - begin_ms < 7000);
	assert_int_equal(f->ws_code, 1006);
	expect_close(&r, 4404);
	assert_true(raw_wait_end(&r));
	raw_close(&r);
}

static void a_closing_server_says_1001(void **state)
{
	struct http_fixture *f = *state;
	struct raw polite, deaf;

	open_ws(f, &polite);
	open_ws(f, &deaf);
	http_server_close(f->server, NULL, NULL);
	f->server = NULL;
	expect_close(&polite, 1001);
	send_frame(&polite, 0x80 | WS_OP_CLOSE, "\x03\xe9", 2);
	assert_true(raw_wait_end(&polite));
	assert_true(raw_wait_end(&deaf));
	assert_int_equal(f->n_ws_closed, 2);
	raw_close(&polite);
	raw_close(&deaf);
	while (loop_turn(f->loop))
		;
}

static void a_server_that_closes_at_once_still_pairs_opened_and_closed(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	raw_open(&r, f);
	raw_sends(&r, HANDSHAKE("/late-ws") "\r\n");
	assert_true(http_fixture_run_n(f, &f->n_requests, 1));
	http_ws_accept(f->late, &f->ws_conf);
	http_server_close(f->server, NULL, NULL);
	f->server = NULL;
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->n_ws_opened, 1);
	assert_int_equal(f->n_ws_closed, 1);
	raw_close(&r);
	while (loop_turn(f->loop))
		;
}

/* time and pressure */

static void a_silent_peer_is_pinged_and_then_dropped(void **state)
{
	struct http_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();
	struct raw r;

	f->ws_conf.ping_interval_ms = 400;
	f->ws_conf.pong_timeout_ms = 300;
	open_ws(f, &r);
	take_frame(&r, 0x80 | WS_OP_PING, NULL, 0);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(http_fixture_run_n(f, &f->n_ws_closed, 1));
	assert_true(clock_mono_ms() - begin_ms >= 700);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_int_equal(f->ws_code, 1006);
	raw_close(&r);
}

static void a_peer_that_answers_pings_is_kept(void **state)
{
	struct http_fixture *f = *state;
	int64_t until_ms;
	struct raw r;

	f->ws_conf.ping_interval_ms = 300;
	f->ws_conf.pong_timeout_ms = 300;
	open_ws(f, &r);
	until_ms = clock_mono_ms() + 1500;
	while (clock_mono_ms() < until_ms) {
		take_frame(&r, 0x80 | WS_OP_PING, NULL, 0);
		send_frame(&r, 0x80 | WS_OP_PONG, "", 0);
	}
	assert_int_equal(f->n_ws_closed, 0);
	assert_true(clock_mono_ms() - http_ws_last_heard_mono_ms(f->ws) < 1000);
	raw_close(&r);
}

static void a_paused_socket_is_not_read_and_goes_on_where_it_was(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	f->ws_conf.ping_interval_ms = 200;
	f->ws_conf.pong_timeout_ms = 100;
	open_ws(f, &r);
	http_ws_pause(f->ws, true);
	send_text(&r, "one");
	send_text(&r, "two");
	send_frame(&r, 0x80 | WS_OP_CLOSE, "", 0);
	run_for(f->loop, 900); /* its silence is our doing */
	assert_int_equal(f->n_ws_messages, 0);
	assert_int_equal(f->n_ws_closed, 0);
	http_ws_pause(f->ws, false);
	assert_true(http_fixture_run_n(f, &f->n_ws_closed, 1));
	assert_int_equal(f->n_ws_messages, 2);
	assert_string_equal(f->ws_text, "two");
	raw_close(&r);
}

static void a_peer_that_leaves_a_paused_socket_is_seen_when_it_goes_on(void **state)
{
	struct http_fixture *f = *state;
	struct raw r;

	open_ws(f, &r);
	http_ws_pause(f->ws, true);
	run_for(f->loop, 10);
	send_text(&r, "one");
	raw_close(&r);
	run_for(f->loop, 50);
	assert_int_equal(f->n_ws_closed, 0);
	f->ws_holds = true;
	http_ws_pause(f->ws, false);
	assert_true(http_fixture_run_n(f, &f->n_ws_closed, 1));
	assert_int_equal(f->n_ws_messages, 1);
}

static void a_peer_that_reads_too_slowly_is_closed_with_1008(void **state)
{
	static char piece[256 * 1024];
	struct http_fixture *f = *state;
	struct raw r;
	int result = 0, n_sent = 0, n_got = 0;

	memset(piece, 'z', sizeof(piece));
	f->ws_conf.queue_max_bytes = 1024 * 1024;
	open_ws(f, &r);
	for (; result == 0; n_sent++) {
		result = http_ws_send(f->ws, (struct slice){piece, sizeof(piece)});
		run_for(f->loop, 0);
	}
	assert_int_equal(result, ERROR_TOO_LARGE);
	assert_true(http_ws_queued(f->ws) <= 1024 * 1024 + 200);
	assert_int_equal(http_ws_send(f->ws, SLICE_LIT("x")), ERROR_UNAVAILABLE);
	for (; n_got < n_sent - 1; n_got++)
		assert_int_equal(
		    take_frame(&r, 0x80 | WS_OP_TEXT, NULL, 0), sizeof(piece));
	expect_close(&r, 1008);
	send_frame(&r, 0x80 | WS_OP_CLOSE, "\x03\xf0", 2);
	assert_true(raw_wait_end(&r));
	assert_int_equal(f->n_ws_closed, 1);
	raw_close(&r);
}

static void the_queue_drains_with_a_word(void **state)
{
	static char piece[4 * 1024 * 1024];
	struct http_fixture *f = *state;
	size_t n_before;
	struct raw r;

	memset(piece, 'z', sizeof(piece));
	open_ws(f, &r);
	run_for(f->loop, 10);
	n_before = f->n_ws_drained;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    http_ws_send(f->ws, (struct slice){piece, sizeof(piece)}), 0);
	run_for(f->loop, 20);
	assert_true(http_ws_queued(f->ws) > 0);
	assert_int_equal(f->n_ws_drained, n_before);
	for (int i = 0; i < 4; i++)
		take_frame(&r, 0x80 | WS_OP_TEXT, NULL, 0);
	assert_int_equal(f->n_ws_drained, n_before + 1);
	raw_close(&r);
}

static void a_flood_of_pings_that_is_not_read_ends_the_connection(void **state)
{
	static char payload[125];
	struct http_fixture *f = *state;
	struct raw r;

	f->ws_conf.queue_max_bytes = 64 * 1024;
	open_ws(f, &r);
	while (f->n_ws_closed == 0) {
		struct buf b = BUF_NULL(1 << 20);

		for (int i = 0; i < 1000; i++) {
			buf_add(&b, "\x89\xfd\0\0\0\0", 6);
			buf_add(&b, payload, sizeof(payload));
		}
		if (write(r.fd, b.data, b.n) < 0)
			break;
		run_for(f->loop, 0);
		buf_deinit(&b);
	}
	assert_int_equal(f->n_ws_closed, 1);
	raw_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(messages_come_back),
	    WITH_SERVER(what_follows_the_handshake_at_once_is_not_lost),
	    WITH_SERVER(an_offered_subprotocol_or_extension_is_not_answered),
	    WITH_SERVER(a_refused_handshake_has_a_body_with_its_length),
	    WITH_SERVER(a_malformed_handshake_is_refused),
	    WITH_SERVER(the_peer_may_leave_before_the_late_answer),
	    WITH_SERVER(a_message_in_fragments_with_a_ping_between_is_one),
	    WITH_SERVER(a_frame_may_come_byte_by_byte),
	    WITH_SERVER(wrong_input_is_closed_with_its_code),
	    WITH_SERVER(large_messages_pass),
	    WITH_SERVER(the_peer_closes),
	    WITH_SERVER(the_peer_vanishes),
	    WITH_SERVER(the_server_closes_after_what_is_queued),
	    WITH_SERVER(an_unanswered_close_frame_is_given_five_seconds),
	    WITH_SERVER(a_closing_server_says_1001),
	    WITH_SERVER(a_server_that_closes_at_once_still_pairs_opened_and_closed),
	    WITH_SERVER(a_silent_peer_is_pinged_and_then_dropped),
	    WITH_SERVER(a_peer_that_answers_pings_is_kept),
	    WITH_SERVER(a_paused_socket_is_not_read_and_goes_on_where_it_was),
	    WITH_SERVER(a_peer_that_leaves_a_paused_socket_is_seen_when_it_goes_on),
	    WITH_SERVER(a_peer_that_reads_too_slowly_is_closed_with_1008),
	    WITH_SERVER(the_queue_drains_with_a_word),
	    WITH_SERVER(a_flood_of_pings_that_is_not_read_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
