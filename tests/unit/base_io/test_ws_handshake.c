/* Handshakes and frames that are wrong, and certificates. */
#include "tests/lib/ws_client_fixture.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/io/ws_codec.h"
#include "base/io/ws_handshake.h"
#include "base/must.h"
#include "tests/lib/run.h"

/* handshake */

static void the_handshake_is_that_of_zed(void **state)
{
	struct ws_client_fixture *f = *state;
	struct raw_listener l;
	struct raw r;
	char expected[256];

	raw_listen(&l, &f->http);
	f->conf.bearer = "tok";
	f->conf.host_without_port = true;
	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", l.port, "/sync?session_id=a%20b"));
	f->conf.bearer = NULL;
	raw_accept(&l, &r);
	assert_true(raw_wait_text(&r, "\r\n\r\n"));
	assert_memory_equal(r.in.data,
	    "GET /sync?session_id=a%20b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
	    118);
	assert_non_null(strstr(r.in.data, "\r\nAuthorization: Bearer tok\r\n"));
	raw_close(&r);
	ws_client_fixture_wait_closed(f);
	assert_int_equal(f->code, 1006);
	f->n_closed = 0;
	f->conf.host_without_port = false;
	ws_client_fixture_start(f, http_fixture_url("ws", "localhost", l.port, ""));
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
	struct ws_client_fixture *f = *state;

	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/refused"));
	ws_client_fixture_wait_closed(f);
	assert_int_equal(f->status, 401);
	assert_int_equal(f->code, 1006);
	f->n_closed = 0;
	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/not-a-socket"));
	ws_client_fixture_wait_closed(f);
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
	struct ws_client_fixture *f = *state;
	struct raw_listener l;

	raw_listen(&l, &f->http);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct raw r;

		f->n_closed = 0;
		ws_client_fixture_start(
		    f, http_fixture_url("ws", "127.0.0.1", l.port, "/"));
		raw_accept(&l, &r);
		assert_true(raw_wait_text(&r, "\r\n\r\n"));
		raw_sends(&r, answers[i]);
		raw_close(&r);
		ws_client_fixture_wait_closed(f);
		assert_int_equal(f->code, 1006);
		assert_int_equal(f->n_opened, 0);
		assert_true(f->why[0]);
	}
	raw_unlisten(&l);
}

static void a_handshake_without_an_answer_is_given_up(void **state)
{
	struct ws_client_fixture *f = *state;
	int64_t begin_ms = clock_mono_ms();

	f->conf.handshake_timeout_ms = 300;
	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/late-ws"));
	ws_client_fixture_wait_closed(f);
	assert_true(clock_mono_ms() - begin_ms >= 300);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_int_equal(f->status, 0);
	assert_true(http_fixture_run_n(&f->http, &f->http.n_aborted, 1));
}

static void no_connection_says_why(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_start(f, "ws://127.0.0.1:1/");
	ws_client_fixture_wait_closed(f);
	assert_string_equal(f->why, "Connection refused");
	assert_int_equal(f->code, 1006);
	assert_int_equal(f->status, 0);
	f->n_closed = 0;
	ws_client_fixture_start(f, "ws://nowhere.invalid/");
	ws_client_fixture_wait_closed(f);
	assert_true(f->why[0]);
}

static void a_malformed_url_is_refused_at_once(void **state)
{
	static const char *const urls[] = {"", "http://a/", "ws:/a", "ws://", "ws://a:0/",
	    "ws://a:x/", "ws://a:70000/", "ws://u:p@a/", "ws://a/#f", "ws://a/ b",
	    "ws://::1/", "ws://[::1/", "wss:///x", "ws://a/\r\nX: y"};
	struct ws_client_fixture *f = *state;
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
	struct url u;
	struct err e;

	(void)state;
	assert_int_equal(url_parse("WSS://[::1]/a/b?c=d&e", "ws", &u, &e), 0);
	assert_true(u.tls);
	assert_string_equal(u.addr.host, "::1");
	assert_string_equal(u.host_text, "[::1]");
	assert_int_equal(u.addr.port, 443);
	assert_true(u.is_default_port);
	assert_string_equal(u.target, "/a/b?c=d&e");
	assert_int_equal(url_parse("ws://h.example:8080?x", "ws", &u, &e), 0);
	assert_false(u.tls);
	assert_int_equal(u.addr.port, 8080);
	assert_false(u.is_default_port);
	assert_string_equal(u.target, "/?x");
}

/* frames */

static void wrong_frames_of_a_server_end_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		uint8_t code;
	} rows[] = {{"\x81\x81zzzzz", 7, 2}, {"\x83\x01z", 3, 2}, {"\x81\x01\xff", 3, 7},
	    {"\x82\x7f\0\0\0\0\x7f\xff\xff\xff", 10, 9}};
	struct ws_client_fixture *f = *state;
	struct raw_listener l;

	raw_listen(&l, &f->http);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char key[WS_KEY_MAX] = "", accept[WS_ACCEPT_MAX], head[256];
		uint8_t *frame;
		struct raw r;

		f->n_closed = f->n_opened = 0;
		ws_client_fixture_start(
		    f, http_fixture_url("ws", "127.0.0.1", l.port, "/"));
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
		ws_client_fixture_wait_closed(f);
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
	struct ws_client_fixture *f = *state;
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
		ws_client_fixture_close_ctx(f);
		ws_client_fixture_open_ctx(f, cas[i], i == 3);
		ws_client_fixture_start(
		    f, http_fixture_url(
			   "wss", i ? "127.0.0.1" : "localhost", f->http.port, "/ws"));
		if (good) {
			assert_true(http_fixture_run_n(&f->http, &f->n_opened, 1));
			assert_int_equal(ws_client_send(f->client, SLICE_LIT("hi")), 0);
			assert_true(http_fixture_run_n(&f->http, &f->n_messages, 1));
			ws_client_close(f->client, 1000, NULL);
		}
		ws_client_fixture_wait_closed(f);
		assert_int_equal(f->code, good ? 1000 : 1006);
		if (!good)
			assert_non_null(strstr(f->why, "self-signed"));
	}
	tls_fixture_deinit(&tls);
	tls_fixture_deinit(&other);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
	struct ws_client_fixture *f = *state;
	struct tls_fixture tls;
	struct err e;

	tls_fixture_init(&tls);
	http_fixture_close(&f->http);
	f->http.conf.listen = "127.0.0.2:0";
	f->http.conf.tls_cert = tls.cert_path;
	f->http.conf.tls_key = tls.key_path;
	http_fixture_open(&f->http);
	ws_client_fixture_close_ctx(f);
	ws_client_fixture_open_ctx(f, tls.cert_path, false);
	ws_client_fixture_start(
	    f, http_fixture_url("wss", "127.0.0.2", f->http.port, "/ws"));
	ws_client_fixture_wait_closed(f);
	assert_non_null(strstr(f->why, "IP address mismatch"));
	tls_fixture_deinit(&tls);
	ws_client_fixture_close_ctx(f);
	assert_int_equal(
	    ws_client_ctx_new(f->http.loop, "/nowhere/ca.pem", false, &f->ctx, &e),
	    ERROR_INVALID);
	assert_non_null(strstr(e.text, "/nowhere/ca.pem"));
	f->ctx = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_CLIENT(the_handshake_is_that_of_zed),
	    WITH_CLIENT(a_refused_handshake_tells_its_status),
	    WITH_CLIENT(what_is_no_handshake_is_not_taken_for_one),
	    WITH_CLIENT(a_handshake_without_an_answer_is_given_up),
	    WITH_CLIENT(no_connection_says_why),
	    WITH_CLIENT(a_malformed_url_is_refused_at_once),
	    cmocka_unit_test(urls_are_taken_apart),
	    WITH_CLIENT(wrong_frames_of_a_server_end_the_connection),
	    WITH_CLIENT(certificates_are_checked),
	    WITH_CLIENT(a_certificate_for_another_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
