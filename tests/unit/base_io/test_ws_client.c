/* WebSocket connections to a server: against the real one, and against answers made by
 * hand. */
#include "base/io/ws_client.h"

#include "tests/lib/http_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/ws_codec.h"
#include "base/io/ws_handshake.h"
#include "base/must.h"
#include "tests/lib/run.h"
#include "tests/lib/tls_fixture.h"

struct client_fixture {
	struct http_fixture http; /* first: a server to connect to */
	struct ws_client_ctx *ctx;
	struct ws_client *client;
	struct ws_client_conf conf;
	bool ctx_closed;
	size_t n_opened, n_messages, n_bytes, n_drained, n_closed;
	int code, status;
	char why[160], text[256];
	bool was_text;
	bool close_when_opened;
	int drop_at_message; /* close with this code when one comes; -1: not */
};

static void on_opened(void *data)
{
	struct client_fixture *f = data;

	f->n_opened++;
	if (f->close_when_opened)
		ws_client_close(f->client, 1000, "enough");
}

static void on_message(void *data, struct slice msg, bool is_text)
{
	struct client_fixture *f = data;

	f->n_messages++;
	f->n_bytes += msg.n;
	f->was_text = is_text;
	snprintf(f->text, sizeof(f->text), SLICE_FMT, SLICE_ARG(msg));
	if (f->drop_at_message >= 0)
		ws_client_close(f->client, f->drop_at_message, NULL);
}

static void on_drained(void *data)
{
	((struct client_fixture *)data)->n_drained++;
}

static void on_client_closed(void *data, int code, int status, const char *why)
{
	struct client_fixture *f = data;

	f->client = NULL;
	f->n_closed++;
	f->code = code;
	f->status = status;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void on_ctx_closed(void *data)
{
	((struct client_fixture *)data)->ctx_closed = true;
}

static void open_ctx(struct client_fixture *f, const char *ca_file, bool skip_verify)
{
	struct err e;

	if (ws_client_ctx_new(f->http.loop, ca_file, skip_verify, &f->ctx, &e))
		fail_msg("%s", e.text);
	f->ctx_closed = false;
}

static void close_ctx(struct client_fixture *f)
{
	if (f->ctx) {
		ws_client_ctx_close(f->ctx, on_ctx_closed, f);
		assert_true(http_fixture_run(&f->http, &f->ctx_closed));
	}
	f->ctx = NULL;
}

static int setup(void **state)
{
	struct client_fixture *f = calloc(1, sizeof(*f));

	must(f);
	http_fixture_init(&f->http);
	http_fixture_open(&f->http);
	open_ctx(f, NULL, false);
	f->drop_at_message = -1;
	f->conf = (struct ws_client_conf){.opened = on_opened,
	    .message = on_message,
	    .drained = on_drained,
	    .closed = on_client_closed,
	    .message_max_bytes = 64 * 1024 * 1024,
	    .queue_max_bytes = 64 * 1024 * 1024,
	    .data = f};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct client_fixture *f = *state;

	close_ctx(f);
	http_fixture_deinit(&f->http);
	free(f);
	return 0;
}

static const char *url_at(
    const char *scheme, const char *host, uint16_t port, const char *path)
{
	static char url[256];

	snprintf(url, sizeof(url), "%s://%s:%u%s", scheme, host, port, path);
	return url;
}

static void start(struct client_fixture *f, const char *url)
{
	size_t n_told = f->n_opened + f->n_closed;
	struct err e;

	f->conf.url = url;
	if (ws_client_connect(f->ctx, &f->conf, &f->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(f->n_opened + f->n_closed, n_told); /* never from inside */
}

static void open_client(struct client_fixture *f)
{
	start(f, url_at("ws", "127.0.0.1", f->http.port, "/ws"));
	assert_true(http_fixture_run_n(&f->http, &f->n_opened, 1));
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_opened, 1));
}

static void wait_closed(struct client_fixture *f)
{
	assert_true(http_fixture_run_n(&f->http, &f->n_closed, 1));
	run_for(f->http.loop, 20);
	assert_int_equal(f->n_closed, 1);
	assert_null(f->client);
}

/* messages */

static void messages_go_and_come(void **state)
{
	struct client_fixture *f = *state;

	open_client(f);
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
	struct client_fixture *f = *state;
	char *big = malloc(BIG);

	must(big);
	memset(big, 'x', BIG);
	open_client(f);
	assert_int_equal(ws_client_send(f->client, (struct slice){big, BIG}), 0);
	assert_true(http_fixture_run_n(&f->http, &f->n_messages, 1));
	assert_int_equal(f->n_bytes, BIG);
	free(big);
}

static void a_full_queue_refuses_and_loses_nothing(void **state)
{
	static char piece[1024 * 1024];
	struct client_fixture *f = *state;
	size_t n_sent = 0;

	memset(piece, 'x', sizeof(piece));
	f->conf.queue_max_bytes = 4 * 1024 * 1024;
	f->http.ws_holds = true;
	open_client(f);
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

/* handshake */

static void the_handshake_is_that_of_zed(void **state)
{
	struct client_fixture *f = *state;
	struct raw_listener l;
	struct raw r;
	char expected[256];

	raw_listen(&l, &f->http);
	f->conf.bearer = "tok";
	f->conf.host_without_port = true;
	start(f, url_at("ws", "127.0.0.1", l.port, "/sync?session_id=a%20b"));
	f->conf.bearer = NULL;
	raw_accept(&l, &r);
	assert_true(raw_wait_text(&r, "\r\n\r\n"));
	assert_memory_equal(r.in.data,
	    "GET /sync?session_id=a%20b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
	    118);
	assert_non_null(strstr(r.in.data, "\r\nAuthorization: Bearer tok\r\n"));
	raw_close(&r);
	wait_closed(f);
	assert_int_equal(f->code, 1006);
	f->n_closed = 0;
	f->conf.host_without_port = false;
	start(f, url_at("ws", "localhost", l.port, ""));
	raw_accept(&l, &r);
	assert_true(raw_wait_text(&r, "\r\n\r\n"));
	snprintf(expected, sizeof(expected), "GET / HTTP/1.1\r\nHost: localhost:%u\r\n",
	    l.port);
	assert_memory_equal(r.in.data, expected, strlen(expected));
	raw_close(&r);
	raw_unlisten(&l);
}

static void a_refused_handshake_tells_its_status(void **state)
{
	struct client_fixture *f = *state;

	start(f, url_at("ws", "127.0.0.1", f->http.port, "/refused"));
	wait_closed(f);
	assert_int_equal(f->status, 401);
	assert_int_equal(f->code, 1006);
	f->n_closed = 0;
	start(f, url_at("ws", "127.0.0.1", f->http.port, "/not-a-socket"));
	wait_closed(f);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->n_opened, 0);
}

static void what_is_no_handshake_is_not_taken_for_one(void **state)
{
	static const char *const answers[] = {"", "SSH-2.0\r\n\r\n", "HTTP/1.1 \r\n\r\n",
	    "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	    ("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
	    "HTTP/1.1 101 x\n\n", "HTTP/1.1 101 x\r\nX"};
	struct client_fixture *f = *state;
	struct raw_listener l;

	raw_listen(&l, &f->http);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct raw r;

		f->n_closed = 0;
		start(f, url_at("ws", "127.0.0.1", l.port, "/"));
		raw_accept(&l, &r);
		assert_true(raw_wait_text(&r, "\r\n\r\n"));
		raw_sends(&r, answers[i]);
		raw_close(&r);
		wait_closed(f);
		assert_int_equal(f->code, 1006);
		assert_int_equal(f->n_opened, 0);
		assert_true(f->why[0]);
	}
	raw_unlisten(&l);
}

static void a_handshake_without_an_answer_is_given_up(void **state)
{
	struct client_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	f->conf.handshake_timeout_ms = 300;
	start(f, url_at("ws", "127.0.0.1", f->http.port, "/late-ws"));
	wait_closed(f);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_int_equal(f->status, 0);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
}

static void no_connection_says_why(void **state)
{
	struct client_fixture *f = *state;

	start(f, "ws://127.0.0.1:1/");
	wait_closed(f);
	assert_string_equal(f->why, "Connection refused");
	assert_int_equal(f->code, 1006);
	assert_int_equal(f->status, 0);
	f->n_closed = 0;
	start(f, "ws://nowhere.invalid/");
	wait_closed(f);
	assert_true(f->why[0]);
}

static void a_malformed_url_is_refused_at_once(void **state)
{
	static const char *const urls[] = {"", "http://a/", "ws:/a", "ws://", "ws://a:0/",
	    "ws://a:x/", "ws://a:70000/", "ws://u:p@a/", "ws://a/#f", "ws://a/ b",
	    "ws://::1/", "ws://[::1/", "wss:///x", "ws://a/\r\nX: y"};
	struct client_fixture *f = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		f->conf.url = urls[i];
		if (ws_client_connect(f->ctx, &f->conf, &f->client, &e) != ERROR_INVALID)
			fail_msg("'%s' was taken", urls[i]);
		assert_true(e.text[0]);
	}
	f->conf.url = "ws://a/";
	f->conf.bearer = "a\r\nX: y";
	assert_int_equal(
	    ws_client_connect(f->ctx, &f->conf, &f->client, &e), ERROR_INVALID);
	f->client = NULL;
}

static void urls_are_taken_apart(void **state)
{
	struct ws_url u;
	struct err e;

	(void)state;
	assert_int_equal(ws_url_parse("WSS://[::1]/a/b?c=d&e", &u, &e), 0);
	assert_true(u.tls);
	assert_string_equal(u.addr.host, "::1");
	assert_string_equal(u.host_text, "[::1]");
	assert_int_equal(u.addr.port, 443);
	assert_true(u.is_default_port);
	assert_string_equal(u.target, "/a/b?c=d&e");
	assert_int_equal(ws_url_parse("ws://h.example:8080?x", &u, &e), 0);
	assert_false(u.tls);
	assert_int_equal(u.addr.port, 8080);
	assert_false(u.is_default_port);
	assert_string_equal(u.target, "/?x");
}

/* the end */

static void the_server_closes_and_its_code_arrives(void **state)
{
	static const int codes[] = {1000, 1012, 4404};
	struct client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		f->n_closed = f->n_opened = f->http.n_ws_opened = 0;
		open_client(f);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("bye")), 0);
		http_ws_close(f->http.ws, codes[i], "the reason");
		wait_closed(f);
		assert_int_equal(f->code, codes[i]);
		assert_string_equal(f->why, "the reason");
		assert_string_equal(f->text, "bye");
		assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_closed, i + 1));
		assert_int_equal(f->http.ws_code, codes[i]);
	}
}

static void the_client_closes_after_what_is_queued(void **state)
{
	struct client_fixture *f = *state;

	open_client(f);
	f->http.ws_holds = true;
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("last")), 0);
	ws_client_close(f->client, 4001, "why");
	ws_client_close(f->client, 1000, "twice");
	assert_int_equal(ws_client_send(f->client, SLICE_LIT("no")), ERROR_UNAVAILABLE);
	assert_int_equal(f->n_closed, 0);
	wait_closed(f);
	assert_int_equal(f->code, 4001);
	assert_string_equal(f->http.ws_text, "last");
	assert_int_equal(f->http.ws_code, 4001);
}

static void a_drop_is_without_a_close_frame(void **state)
{
	struct client_fixture *f = *state;

	open_client(f);
	ws_client_close(f->client, 0, NULL);
	assert_int_equal(f->n_closed, 0);
	wait_closed(f);
	assert_int_equal(f->code, 1006);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_closed, 1));
	assert_int_equal(f->http.ws_code, 1006);
}

static void a_client_may_close_in_every_phase(void **state)
{
	static const int codes[] = {0, 1000};
	struct client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		for (int turns = 0; turns < 6; turns++) {
			f->n_closed = f->n_opened = 0;
			start(f, url_at("ws", turns % 2 ? "localhost" : "127.0.0.1",
				     f->http.port, "/ws"));
			for (int k = 0; k < turns; k++)
				loop_turn(f->http.loop);
			if (f->client)
				ws_client_close(f->client, codes[i], NULL);
			wait_closed(f);
		}
		f->n_closed = f->n_opened = 0;
		f->close_when_opened = true;
		start(f, url_at("ws", "127.0.0.1", f->http.port, "/ws"));
		wait_closed(f);
		assert_int_equal(f->n_opened, 1);
		f->close_when_opened = false;
	}
}

static void a_client_may_close_from_a_message(void **state)
{
	static const int codes[] = {0, 1000};
	struct client_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		f->n_closed = f->n_opened = f->http.n_ws_opened = f->n_messages = 0;
		f->drop_at_message = codes[i];
		open_client(f);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("one")), 0);
		assert_int_equal(http_ws_send(f->http.ws, SLICE_LIT("two")), 0);
		wait_closed(f);
		assert_int_equal(f->n_messages, 1);
	}
}

static void closing_the_context_ends_every_client(void **state)
{
	struct client_fixture *f = *state;

	open_client(f);
	start(f, "ws://nowhere.invalid/");
	start(f, url_at("ws", "127.0.0.1", f->http.port, "/late-ws"));
	loop_turn(f->http.loop);
	close_ctx(f);
	assert_int_equal(f->n_closed, 3);
}

/* time and pressure */

static void silence_ends_the_connection(void **state)
{
	struct client_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	f->conf.silence_timeout_ms = 300;
	open_client(f);
	wait_closed(f);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_int_equal(f->code, 1006);
	assert_string_equal(f->why, "nothing was heard for too long");
}

static void pings_of_the_server_count_as_heard_and_are_answered(void **state)
{
	struct client_fixture *f = *state;

	f->conf.silence_timeout_ms = 900;
	f->http.ws_conf.ping_interval_ms = 300;
	f->http.ws_conf.pong_timeout_ms = 300;
	open_client(f);
	run_for(f->http.loop, 2500);
	assert_int_equal(f->n_closed, 0);
	assert_int_equal(f->http.n_ws_closed, 0);
}

static void wrong_frames_of_a_server_end_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		uint8_t code;
	} rows[] = {{"\x81\x81zzzzz", 7, 2}, {"\x83\x01z", 3, 2}, {"\x81\x01\xff", 3, 7},
	    {"\x82\x7f\0\0\0\0\x7f\xff\xff\xff", 10, 9}};
	struct client_fixture *f = *state;
	struct raw_listener l;

	raw_listen(&l, &f->http);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char key[WS_KEY_MAX] = "", accept[WS_ACCEPT_MAX], head[256];
		uint8_t *frame;
		struct raw r;

		f->n_closed = f->n_opened = 0;
		start(f, url_at("ws", "127.0.0.1", l.port, "/"));
		raw_accept(&l, &r);
		assert_true(raw_wait_text(&r, "\r\n\r\n"));
		memcpy(key, strstr(r.in.data, "Sec-WebSocket-Key: ") + 19, WS_KEY_LEN);
		ws_accept_value(key, accept);
		snprintf(head, sizeof(head),
		    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		    accept);
		buf_reset(&r.in);
		raw_sends(&r, head);
		raw_send(&r, "\x01\x02he\x80\x03llo", 9);
		assert_true(http_fixture_run_n(&f->http, &f->n_messages, i + 1));
		assert_string_equal(f->text, "hello");
		raw_send(&r, rows[i].bytes, rows[i].n);
		assert_true(raw_wait_end(&r));
		wait_closed(f);
		assert_int_equal(f->code, 1006);
		frame = (uint8_t *)r.in.data; /* masked: header 2, mask 4, code 2 */
		assert_true(r.in.n >= 8);
		assert_int_equal(frame[0], 0x88);
		assert_int_equal(frame[7] ^ frame[3], (1000 + rows[i].code) & 0xff);
		raw_close(&r);
	}
	raw_unlisten(&l);
}

/* TLS */

static void certificates_are_checked(void **state)
{
	struct client_fixture *f = *state;
	struct tls_fixture tls, other;

	tls_fixture_init(&tls);
	tls_fixture_init(&other);
	http_fixture_close(&f->http);
	f->http.conf.tls_cert = tls.cert_path;
	f->http.conf.tls_key = tls.key_path;
	http_fixture_open(&f->http);
	for (int i = 0; i < 4; i++) {
		const char *const cas[] = {tls.cert_path, other.cert_path, NULL, NULL};
		const bool good = i == 0 || i == 3;

		f->n_opened = f->n_closed = f->n_messages = 0;
		close_ctx(f);
		open_ctx(f, cas[i], i == 3);
		start(
		    f, url_at("wss", i ? "127.0.0.1" : "localhost", f->http.port, "/ws"));
		if (good) {
			assert_true(http_fixture_run_n(&f->http, &f->n_opened, 1));
			assert_int_equal(ws_client_send(f->client, SLICE_LIT("hi")), 0);
			assert_true(http_fixture_run_n(&f->http, &f->n_messages, 1));
			ws_client_close(f->client, 1000, NULL);
		}
		wait_closed(f);
		assert_int_equal(f->code, good ? 1000 : 1006);
		if (!good)
			assert_non_null(strstr(f->why, "self-signed"));
	}
	tls_fixture_deinit(&tls);
	tls_fixture_deinit(&other);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
	struct client_fixture *f = *state;
	struct tls_fixture tls;
	struct err e;

	tls_fixture_init(&tls);
	http_fixture_close(&f->http);
	f->http.conf.listen = "127.0.0.2:0";
	f->http.conf.tls_cert = tls.cert_path;
	f->http.conf.tls_key = tls.key_path;
	http_fixture_open(&f->http);
	close_ctx(f);
	open_ctx(f, tls.cert_path, false);
	start(f, url_at("wss", "127.0.0.2", f->http.port, "/ws"));
	wait_closed(f);
	assert_non_null(strstr(f->why, "IP address mismatch"));
	tls_fixture_deinit(&tls);
	close_ctx(f);
	assert_int_equal(
	    ws_client_ctx_new(f->http.loop, "/nowhere/ca.pem", false, &f->ctx, &e),
	    ERROR_INVALID);
	assert_non_null(strstr(e.text, "/nowhere/ca.pem"));
	f->ctx = NULL;
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_CLIENT(messages_go_and_come),
	    WITH_CLIENT(large_messages_go_and_come),
	    WITH_CLIENT(a_full_queue_refuses_and_loses_nothing),
	    WITH_CLIENT(the_handshake_is_that_of_zed),
	    WITH_CLIENT(a_refused_handshake_tells_its_status),
	    WITH_CLIENT(what_is_no_handshake_is_not_taken_for_one),
	    WITH_CLIENT(a_handshake_without_an_answer_is_given_up),
	    WITH_CLIENT(no_connection_says_why),
	    WITH_CLIENT(a_malformed_url_is_refused_at_once),
	    cmocka_unit_test(urls_are_taken_apart),
	    WITH_CLIENT(the_server_closes_and_its_code_arrives),
	    WITH_CLIENT(the_client_closes_after_what_is_queued),
	    WITH_CLIENT(a_drop_is_without_a_close_frame),
	    WITH_CLIENT(a_client_may_close_in_every_phase),
	    WITH_CLIENT(a_client_may_close_from_a_message),
	    WITH_CLIENT(closing_the_context_ends_every_client),
	    WITH_CLIENT(silence_ends_the_connection),
	    WITH_CLIENT(pings_of_the_server_count_as_heard_and_are_answered),
	    WITH_CLIENT(wrong_frames_of_a_server_end_the_connection),
	    WITH_CLIENT(certificates_are_checked),
	    WITH_CLIENT(a_certificate_for_another_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
