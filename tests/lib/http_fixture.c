#include "tests/lib/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

enum {
	RAW_IN_MAX = 64 * 1024 * 1024,
	RAW_WAIT_MS = 10,
};

/* WebSocket */

static void on_opened(void *data, struct http_ws *ws)
{
	struct http_fixture *f = data;

	f->ws = ws;
	f->n_ws_opened++;
}

static void on_message(void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	struct http_fixture *f = data;

	f->n_ws_messages++;
	f->n_ws_bytes += msg.n;
	f->ws_was_text = is_text;
	snprintf(f->ws_text, sizeof(f->ws_text), SLICE_FMT, SLICE_ARG(msg));
	if (!f->ws_holds)
		must(http_ws_send(ws, msg) == 0);
}

static void on_ws_drained(void *data, struct http_ws *ws)
{
	struct http_fixture *f = data;

	must(http_ws_queued(ws) == 0);
	f->n_ws_drained++;
}

static void on_ws_closed(void *data, struct http_ws *ws, int code)
{
	struct http_fixture *f = data;

	if (f->ws == ws)
		f->ws = NULL;
	f->n_ws_closed++;
	f->ws_code = code;
}

/* streams */

static void on_stream_drained(void *data)
{
	struct http_fixture *f = data;

	must(http_stream_queued(f->stream) == 0);
	f->n_stream_drained++;
}

static void on_stream_closed(void *data)
{
	struct http_fixture *f = data;

	f->stream = NULL;
	f->n_stream_closed++;
}

static void begin_stream(struct http_fixture *f, struct http_req *r)
{
	const struct http_header headers[] = {{"Cache-Control", "no-store"}};
	const struct http_stream_cb cb = {on_stream_drained, on_stream_closed, f};

	f->stream = http_stream_begin(r, 200, "text/event-stream", headers, 1, &cb);
}

/* handlers */

static void keep(char *out, size_t n, bool *has_out, const char *value)
{
	*has_out = value != NULL;
	snprintf(out, n, "%s", value ? value : "");
}

static enum http_decision on_headers(void *data, struct http_req *r)
{
	struct http_fixture *f = data;
	const char *path = http_req_path(r), *end = strstr(path, "/refused");

	f->n_headers++;
	if (strcmp(path, "/roomy") == 0)
		http_req_set_body_max(r, 32 * 1024 * 1024);
	if (!end)
		return HTTP_ACCEPT;
	http_reply_error(r, ERROR_UNAUTHORIZED, "no");
	return HTTP_REPLIED;
}

static void on_request(void *data, struct http_req *r)
{
	struct http_fixture *f = data;
	const char *path = http_req_path(r);
	struct slice body = http_req_body(r);

	f->n_requests++;
	snprintf(f->method, sizeof(f->method), "%s", http_req_method(r));
	snprintf(f->path, sizeof(f->path), "%s", path);
	keep(f->query_a, sizeof(f->query_a), &f->has_query_a, http_req_query(r, "a"));
	keep(f->header_x, sizeof(f->header_x), &f->has_header_x,
	    http_req_header(r, "X-TEST"));
	f->n_body = body.n;
	if (strcmp(path, "/late") == 0 || strcmp(path, "/late-ws") == 0)
		f->late = r;
	else if (strcmp(path, "/stream") == 0)
		begin_stream(f, r);
	else if (strcmp(path, "/ws") == 0 && http_req_is_upgrade(r))
		http_ws_accept(r, &f->ws_conf);
	else if (strcmp(path, "/echo") == 0 || strcmp(path, "/roomy") == 0)
		http_reply(r, 200, "application/octet-stream", NULL, 0, body);
	else
		http_reply(r, 200, "text/plain", NULL, 0, slice_of(path));
}

static void on_aborted(void *data, struct http_req *r)
{
	struct http_fixture *f = data;

	f->n_aborted++;
	if (f->late == r)
		f->late = NULL;
}

/* fixture */

void http_fixture_init(struct http_fixture *f)
{
	*f = (struct http_fixture){.loop = loop_new()};
	f->conf = (struct http_conf){
	    .listen = "127.0.0.1:0", .body_max_bytes = HTTP_FIXTURE_BODY_MAX};
	f->ws_conf = (struct http_ws_conf){.message_max_bytes = 64 * 1024 * 1024,
	    .queue_max_bytes = 64 * 1024 * 1024,
	    .message = on_message,
	    .drained = on_ws_drained,
	    .closed = on_ws_closed,
	    .opened = on_opened,
	    .data = f};
}

void http_fixture_open(struct http_fixture *f)
{
	const struct http_handlers h = {.headers = on_headers,
	    .request = on_request,
	    .aborted = on_aborted,
	    .data = f};
	struct err e = ERR_NULL;

	if (http_server_new(f->loop, &f->conf, &h, &f->server, &e))
		fail_msg("%s", e.text);
	f->port = http_server_port(f->server);
	f->closed = false;
}

static void on_closed(void *data)
{
	struct http_fixture *f = data;

	f->closed = true;
	f->server = NULL;
}

void http_fixture_close(struct http_fixture *f)
{
	if (!f->server)
		return;
	http_server_close(f->server, on_closed, f);
	f->server = NULL;
	assert_true(http_fixture_run(f, &f->closed));
}

void http_fixture_deinit(struct http_fixture *f)
{
	http_fixture_close(f);
	f->loop = loop_free(f->loop);
}

int http_fixture_setup(void **state)
{
	struct http_fixture *f = calloc(1, sizeof(*f));

	must(f);
	http_fixture_init(f);
	http_fixture_open(f);
	*state = f;
	return 0;
}

int http_fixture_teardown(void **state)
{
	http_fixture_deinit(*state);
	free(*state);
	return 0;
}

bool http_fixture_run(struct http_fixture *f, const bool *flag)
{
	return run_until(f->loop, flag, HTTP_FIXTURE_LIMIT_MS);
}

bool http_fixture_run_n(struct http_fixture *f, const size_t *counter, size_t n)
{
	return run_until_n(f->loop, counter, n, HTTP_FIXTURE_LIMIT_MS);
}

const char *http_fixture_url(
    const char *scheme, const char *host, uint16_t port, const char *path)
{
	static char urls[4][256];
	static size_t next;
	char *url = urls[next++ % ARRAY_LEN(urls)];

	snprintf(url, sizeof(urls[0]), "%s://%s:%u%s", scheme, host, port, path);
	return url;
}

/* raw client */

void raw_open_at(struct raw *r, struct http_fixture *f, const char *address)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(f->port)};

	*r = (struct raw){.f = f, .in = BUF_NULL(RAW_IN_MAX)};
	must(inet_pton(AF_INET, address, &a.sin_addr) == 1);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(r->fd >= 0);
	if (connect(r->fd, (struct sockaddr *)&a, sizeof(a)))
		r->ended = r->reset = true;
}

void raw_open(struct raw *r, struct http_fixture *f)
{
	raw_open_at(r, f, "127.0.0.1");
	must(!r->ended);
}

void raw_close(struct raw *r)
{
	close(r->fd);
	buf_deinit(&r->in);
}

void raw_listen(struct raw_listener *l, struct http_fixture *f)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);

	l->f = f;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(l->fd >= 0 && bind(l->fd, (struct sockaddr *)&a, n) == 0);
	must(listen(l->fd, 16) == 0);
	must(getsockname(l->fd, (struct sockaddr *)&a, &n) == 0);
	l->port = ntohs(a.sin_port);
}

void raw_accept(struct raw_listener *l, struct raw *out)
{
	int64_t until_ms = clock_mono_ms() + HTTP_FIXTURE_LIMIT_MS;
	struct raw nobody = {.f = l->f, .ended = true, .fd = -1};

	*out = (struct raw){.f = l->f, .fd = -1, .in = BUF_NULL(RAW_IN_MAX)};
	while (out->fd < 0 && clock_mono_ms() < until_ms) {
		out->fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (out->fd < 0)
			raw_turn(&nobody);
	}
	assert_true(out->fd >= 0);
}

void raw_unlisten(struct raw_listener *l)
{
	close(l->fd);
}

static bool raw_read(struct raw *r)
{
	char p[65536];
	ssize_t n = r->ended ? -1 : recv(r->fd, p, sizeof(p), MSG_DONTWAIT);

	if (n > 0)
		buf_add(&r->in, p, (size_t)n);
	else if (n == 0 || (!r->ended && errno != EAGAIN))
		r->ended = true;
	r->reset = r->reset || (n < 0 && r->ended && errno == ECONNRESET);
	must(!r->in.failed);
	return n > 0;
}

void raw_turn(struct raw *r)
{
	struct pollfd fds[] = {
	    {.fd = uv_backend_fd(loop_uv(r->f->loop)), .events = POLLIN},
	    {.fd = r->ended ? -1 : r->fd, .events = POLLIN}};
	int timeout_ms = uv_backend_timeout(loop_uv(r->f->loop));

	if (timeout_ms < 0 || timeout_ms > RAW_WAIT_MS)
		timeout_ms = RAW_WAIT_MS;
	poll(fds, ARRAY_LEN(fds), timeout_ms);
	loop_turn(r->f->loop);
	raw_read(r);
}

void raw_send(struct raw *r, const void *data, size_t n)
{
	int64_t until_ms = clock_mono_ms() + HTTP_FIXTURE_LIMIT_MS;
	const char *p = data;

	while (n > 0 && clock_mono_ms() < until_ms && !r->ended) {
		ssize_t sent = send(r->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return; /* the server has closed: what it said counts */
		if (sent < 0) {
			raw_turn(r);
			continue;
		}
		p += sent;
		n -= (size_t)sent;
	}
}

void raw_sends(struct raw *r, const char *text)
{
	raw_send(r, text, strlen(text));
}

static bool raw_has(const struct raw *r, const char *text)
{
	return r->in.n && memmem(r->in.data, r->in.n, text, strlen(text));
}

bool raw_wait_n(struct raw *r, size_t n)
{
	int64_t until_ms = clock_mono_ms() + HTTP_FIXTURE_LIMIT_MS;

	while (r->in.n < n && !r->ended && clock_mono_ms() < until_ms)
		raw_turn(r);
	return r->in.n >= n;
}

bool raw_wait_text(struct raw *r, const char *text)
{
	int64_t until_ms = clock_mono_ms() + HTTP_FIXTURE_LIMIT_MS;

	while (!raw_has(r, text) && !r->ended && clock_mono_ms() < until_ms)
		raw_turn(r);
	return raw_has(r, text);
}

bool raw_wait_end(struct raw *r)
{
	int64_t until_ms = clock_mono_ms() + HTTP_FIXTURE_LIMIT_MS;

	while (!r->ended && clock_mono_ms() < until_ms)
		raw_turn(r);
	return r->ended;
}

static size_t content_length(const char *head)
{
	const char *p = strcasestr(head, "\r\ncontent-length: ");

	return p ? strtoul(p + 18, NULL, 10) : 0;
}

int raw_answer(struct raw *r, char *head, size_t n_head, char *body, size_t n_body)
{
	char *end, own[4096];
	size_t n, len;

	if (!head) {
		head = own;
		n_head = sizeof(own);
	}
	if (!raw_wait_text(r, "\r\n\r\n"))
		fail_msg("no answer; got '%s'", buf_cstr(&r->in));
	end = strstr(r->in.data, "\r\n\r\n") + 4;
	n = (size_t)(end - r->in.data);
	assert_true(n < n_head);
	memcpy(head, r->in.data, n);
	head[n] = '\0';
	assert_memory_equal(head, "HTTP/1.1 ", 9);
	len = content_length(head);
	assert_true(raw_wait_n(r, n + len));
	if (body) {
		assert_true(len < n_body);
		memcpy(body, r->in.data + n, len);
		body[len] = '\0';
	}
	buf_consume(&r->in, n + len);
	return (int)strtol(head + 9, NULL, 10);
}

int raw_status(struct raw *r, const char *request)
{
	raw_sends(r, request);
	return raw_answer(r, NULL, 0, NULL, 0);
}
