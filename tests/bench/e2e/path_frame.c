/* Zed's frame -> frame at a subscriber of the session's events. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include <string.h>

#include "base/clock.h"
#include "base/io/http.h"
#include "base/jsn.h"

static const char session_id[] = "ses_bench_frame";

struct zed {
	struct ws_client *ws;
	bool opened, closed, prompted;
	char request_id[128];
};

static void zed_on_opened(void *data)
{
	((struct zed *)data)->opened = true;
}

static void zed_on_message(void *data, struct slice msg, bool is_text)
{
	struct zed *z = data;
	AUTO(jsn_freep) struct jsn *v = NULL;
	const char *type, *id;

	(void)is_text;
	if (jsn_parse(msg.p, msg.n, &v, NULL))
		return;
	type = jsn_get_string(v, "type");
	id = jsn_get_string(jsn_get(v, "data"), "request_id");
	if (type && id && strcmp(type, "chat_message") == 0) {
		snprintf(z->request_id, sizeof(z->request_id), "%s", id);
		z->prompted = true;
	}
}

static void zed_on_closed(void *data, int code, int status, const char *why)
{
	struct zed *z = data;

	(void)code, (void)status, (void)why;
	z->closed = true;
	z->ws = NULL;
}

static void zed_send(struct zed *z, const char *text)
{
	if (!z->ws || ws_client_send(z->ws, slice_of(text)))
		rig_die("the simulated Zed's connection is gone");
}

static void ws_open(struct rig *r, const char *url, struct zed *z)
{
	struct ws_client_conf conf = {.url = url,
	    .message_max_bytes = 1 << 20,
	    .queue_max_bytes = 1 << 20,
	    .handshake_timeout_ms = 5000,
	    .opened = zed_on_opened,
	    .message = zed_on_message,
	    .closed = zed_on_closed,
	    .data = z};
	struct err e = ERR_NULL;

	if (ws_client_connect(r->ws, &conf, &z->ws, &e))
		rig_die("%s", e.text);
	rig_await(r, &z->opened, url);
}

/* The subscriber: looks for the number of the frame awaited in what the stream brings. */
struct subscriber {
	char wanted[32];
	bool started, arrived, ended;
};

static bool sub_on_chunk(void *data, int status, struct slice chunk)
{
	struct subscriber *s = data;

	if (status != 200)
		rig_die("events: HTTP %d", status);
	s->started = true;
	if (s->wanted[0] && memmem(chunk.p, chunk.n, s->wanted, strlen(s->wanted)))
		s->arrived = true;
	return true;
}

static void sub_on_end(void *data, const struct fetch_response *resp)
{
	(void)resp;
	((struct subscriber *)data)->ended = true;
}

static uint64_t subscribe(struct rig *r, struct subscriber *s)
{
	char url[160];
	struct fetch_request req = {.method = "GET",
	    .url = url,
	    .chunk_cb = sub_on_chunk,
	    .cb = sub_on_end,
	    .data = s};
	uint64_t ticket;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/sessions/%s/events",
	    r->sessiond_port, session_id);
	ticket = fetch_start(r->fetch, &req);
	rig_await(r, &s->started, "the event stream");
	return ticket;
}

/* floor: an echo server on the same loop and the same wrappers */

struct echo {
	struct http_server *server;
	bool arrived, closed;
};

static void echo_on_message(
    void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	(void)data, (void)is_text;
	if (http_ws_send(ws, msg))
		rig_die("echo: queue full");
}

static void echo_on_closed(void *data, struct http_ws *ws, int code)
{
	(void)data, (void)ws, (void)code;
}

static void echo_on_opened(void *data, struct http_ws *ws)
{
	(void)data, (void)ws;
}

static enum http_decision echo_on_headers(void *data, struct http_req *req)
{
	(void)data, (void)req;
	return HTTP_ACCEPT;
}

static void echo_on_request(void *data, struct http_req *req)
{
	const struct http_ws_conf conf = {.message_max_bytes = 1 << 20,
	    .queue_max_bytes = 1 << 20,
	    .message = echo_on_message,
	    .closed = echo_on_closed,
	    .opened = echo_on_opened,
	    .data = data};

	http_ws_accept(req, &conf);
}

static void echo_on_back(void *data, struct slice msg, bool is_text)
{
	(void)msg, (void)is_text;
	((struct zed *)data)->prompted = true;
}

static void on_server_closed(void *data)
{
	*(bool *)data = true;
}

static void measure_floor(struct rig *r, size_t n, struct samples *out)
{
	const struct http_conf conf = {.listen = "127.0.0.1:0"};
	const struct http_handlers h = {
	    .headers = echo_on_headers, .request = echo_on_request};
	struct http_server *server = NULL;
	struct zed z = {0};
	bool closed = false;
	char url[64];
	struct err e = ERR_NULL;
	struct ws_client_conf cc = {.url = url,
	    .message_max_bytes = 1 << 20,
	    .queue_max_bytes = 1 << 20,
	    .handshake_timeout_ms = 5000,
	    .opened = zed_on_opened,
	    .message = echo_on_back,
	    .closed = zed_on_closed,
	    .data = &z};

	if (http_server_new(r->loop, &conf, &h, &server, &e))
		rig_die("%s", e.text);
	snprintf(url, sizeof(url), "ws://127.0.0.1:%u/", http_server_port(server));
	if (ws_client_connect(r->ws, &cc, &z.ws, &e))
		rig_die("%s", e.text);
	rig_await(r, &z.opened, "the echo server");
	for (size_t i = 0; i < n; i++) {
		int64_t t0 = clock_mono_us();

		z.prompted = false;
		zed_send(&z, "{\"event_type\":\"message_added\"}");
		rig_await(r, &z.prompted, "an echo");
		samples_add(out, clock_mono_us() - t0);
	}
	ws_client_close(z.ws, 1000, "");
	rig_await(r, &z.closed, "the echo's end");
	http_server_close(server, on_server_closed, &closed);
	rig_await(r, &closed, "the echo server's end");
}

/* the path itself */

static void begin_turn(struct rig *r, struct zed *z)
{
	char body[128], answer[512], text[512], path[128];

	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", session_id);
	rig_call(r, "POST", "/api/v1/sessions", body, answer, sizeof(answer));
	snprintf(text, sizeof(text),
	    "ws://127.0.0.1:%u/api/v1/external-agents/sync?session_id=%s",
	    r->sessiond_port, session_id);
	ws_open(r, text, z);
	zed_send(z,
	    "{\"event_type\":\"agent_ready\",\"data\":{\"agent_name\":\"zed-agent\","
	    "\"thread_id\":null}}");
	snprintf(path, sizeof(path), "/api/v1/sessions/%s/messages", session_id);
	if (rig_call(r, "POST", path, "{\"message\":\"go\"}", answer, sizeof(answer)) !=
	    202)
		rig_die("message: %s", answer);
	rig_await(r, &z->prompted, "the prompt");
	snprintf(text, sizeof(text),
	    "{\"event_type\":\"thread_created\",\"data\":{\"acp_thread_id\":\"bench-"
	    "thread\","
	    "\"request_id\":\"%s\"}}",
	    z->request_id);
	zed_send(z, text);
}

static void one_frame(
    struct rig *r, struct zed *z, struct subscriber *s, size_t i, struct samples *out)
{
	char text[512];
	int64_t t0;

	snprintf(s->wanted, sizeof(s->wanted), "mark-%zu-", i);
	snprintf(text, sizeof(text),
	    "{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":\"bench-"
	    "thread\","
	    "\"message_id\":\"%zu\",\"role\":\"assistant\",\"content\":\"%s\",\"request_"
	    "id\":\"%s\","
	    "\"timestamp\":1760000000,\"entry_type\":\"text\",\"tool_name\":\"\",\"tool_"
	    "status\":\"\"}}",
	    i + 1, s->wanted, z->request_id);
	s->arrived = false;
	t0 = clock_mono_us();
	zed_send(z, text);
	rig_await(r, &s->arrived, "a frame at the subscriber");
	samples_add(out, clock_mono_us() - t0);
}

void bench_frame(struct rig *r, size_t n)
{
	static struct samples frames, floor;
	struct zed z = {0};
	struct subscriber s = {0};
	uint64_t ticket;

	frames.n = floor.n = 0;
	measure_floor(r, n, &floor);
	begin_turn(r, &z);
	ticket = subscribe(r, &s);
	for (size_t i = 0; i < n; i++) {
		one_frame(r, &z, &s, i, &frames);
		/* Zed sends an entry at most every 100 ms: this is its pace, not a wait.
		 */
		rig_pace(r, 60);
	}
	fetch_cancel(r->fetch, ticket);
	ws_client_close(z.ws, 1000, "");
	rig_await(r, &z.closed, "the simulated Zed's end");
	samples_print_row(
	    "agent frame -> subscriber frame", &frames, "bare WebSocket echo", &floor);
}
