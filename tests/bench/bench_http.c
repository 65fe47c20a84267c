/* What a request, a WebSocket message and a stream's event cost through base/io, beside
 * the floor measured in the same run: an echo over bare sockets between the same two
 * processes. One line a metric. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/fetch.h"
#include "base/io/http.h"
#include "base/io/ws_client.h"
#include "base/io/ws_codec.h"
#include "tests/lib/run.h"

enum {
	N_ROUNDS = 20000,
	N_WARM_UP = 500,
	N_REQUESTS = 200000,
	N_DEEP = 64,
	N_CONNECTS = 5000,
	N_EVENTS = 200000,
	N_BIG = 100,
	BIG_BYTES = 1024 * 1024,
	TEXT_BYTES = 64,
	BENCH_LIMIT_MS = 60000,
};

static char text[TEXT_BYTES];

/* printing */

static int compare_int64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_line(const char *name, int64_t *us, size_t n, int64_t total_us)
{
	qsort(us, n, sizeof(*us), compare_int64);
	printf("%-36s min %6" PRId64 " us  p50 %6" PRId64 " us  p99 %6" PRId64
	       " us  %8.0f per s\n",
	    name, us[0], us[n / 2], us[n * 99 / 100], (double)n * 1e6 / (double)total_us);
	fflush(stdout);
}

static void print_rate(const char *name, size_t n, int64_t total_us, double mb)
{
	printf("%-36s %10.0f per s", name, (double)n * 1e6 / (double)total_us);
	if (mb > 0)
		printf("  %8.1f MB/s", mb * 1e6 / (double)total_us);
	printf("\n");
	fflush(stdout);
}

/* the server, a process of its own */

static void on_message(void *data, struct http_ws *ws, struct slice msg, bool is_text)
{
	(void)data, (void)is_text;
	must(http_ws_send(ws, msg) == 0);
}

static void on_ws_closed(void *data, struct http_ws *ws, int code)
{
	(void)data, (void)ws, (void)code;
}

static void send_events(struct http_req *r)
{
	const struct http_stream_cb none = {0};
	struct http_stream *st =
	    http_stream_begin(r, 200, "text/event-stream", NULL, 0, &none);

	for (size_t i = 0; i < N_EVENTS; i++)
		http_stream_write(st, (struct slice){text, TEXT_BYTES});
	http_stream_end(st);
}

static void on_request(void *data, struct http_req *r)
{
	const struct http_ws_conf conf = {.message_max_bytes = 64 << 20,
	    .queue_max_bytes = 64 << 20,
	    .message = on_message,
	    .closed = on_ws_closed,
	    .data = data};

	if (http_req_is_upgrade(r))
		http_ws_accept(r, &conf);
	else if (strcmp(http_req_path(r), "/events") == 0)
		send_events(r);
	else
		http_reply(
		    r, 200, "text/plain", NULL, 0, (struct slice){text, TEXT_BYTES});
}

static void serve_floor(int listen_fd)
{
	char p[TEXT_BYTES];
	int fd = accept(listen_fd, NULL, NULL), one = 1;
	ssize_t n;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while ((n = read(fd, p, sizeof(p))) > 0)
		must(write(fd, p, (size_t)n) == n);
	close(fd);
}

static void serve(int port_fd, int floor_fd)
{
	struct loop *l = loop_new();
	const struct http_conf conf = {.listen = "127.0.0.1:0"};
	const struct http_handlers h = {.request = on_request};
	struct http_server *s;
	struct err e;
	uint16_t port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(http_server_new(l, &conf, &h, &s, &e) == 0);
	port = http_server_port(s);
	must(write(port_fd, &port, sizeof(port)) == sizeof(port));
	serve_floor(floor_fd);
	loop_run(l); /* until killed */
}

/* bare sockets */

static int dial_bare(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	must(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void read_n(int fd, size_t n)
{
	static char p[256 * 1024];

	while (n > 0) {
		ssize_t got = read(fd, p, n < sizeof(p) ? n : sizeof(p));

		must(got > 0);
		n -= (size_t)got;
	}
}

static void write_n(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(fd, p, n);

		must(sent > 0);
		p += sent;
		n -= (size_t)sent;
	}
}

/* @n rounds of writing @out and reading @n_in bytes. */
static void bench_rounds(const char *name, int fd, struct slice out, size_t n_in)
{
	static int64_t us[N_ROUNDS];
	int64_t begin_us = 0;

	for (size_t i = 0; i < N_ROUNDS + N_WARM_UP; i++) {
		int64_t at_us = clock_mono_us();

		if (i == N_WARM_UP)
			begin_us = at_us;
		write_n(fd, out.p, out.n);
		read_n(fd, n_in);
		if (i >= N_WARM_UP)
			us[i - N_WARM_UP] = clock_mono_us() - at_us;
	}
	print_line(name, us, N_ROUNDS, clock_mono_us() - begin_us);
}

static const char get_request[] = "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/* The length of the answer, which is always the same. */
static size_t answer_length(int fd)
{
	char p[1024] = "";
	size_t n = 0;

	write_n(fd, get_request, sizeof(get_request) - 1);
	while (!strstr(p, "\r\n\r\n") ||
	       n < (size_t)(strstr(p, "\r\n\r\n") + 4 - p) + TEXT_BYTES) {
		ssize_t got = read(fd, p + n, sizeof(p) - 1 - n);

		must(got > 0);
		n += (size_t)got;
	}
	return n;
}

static void bench_requests(uint16_t port)
{
	int fd = dial_bare(port);
	size_t n_answer = answer_length(fd);
	struct buf deep = BUF_NULL(N_DEEP * sizeof(get_request));
	int64_t begin_us;

	bench_rounds("GET, keep-alive", fd, slice_of(get_request), n_answer);
	for (size_t i = 0; i < N_DEEP; i++)
		buf_adds(&deep, get_request);
	begin_us = clock_mono_us();
	for (size_t i = 0; i < N_REQUESTS; i += N_DEEP) {
		write_n(fd, deep.data, deep.n);
		read_n(fd, n_answer * N_DEEP);
	}
	print_rate("GET, 64 pipelined", N_REQUESTS, clock_mono_us() - begin_us, 0);
	buf_deinit(&deep);
	close(fd);
	begin_us = clock_mono_us();
	for (size_t i = 0; i < N_CONNECTS; i++) {
		fd = dial_bare(port);
		must(answer_length(fd) == n_answer);
		close(fd);
	}
	print_rate("GET, a connection each", N_CONNECTS, clock_mono_us() - begin_us, 0);
}

static int dial_ws(uint16_t port)
{
	static const char handshake[] =
	    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
	    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	int fd = dial_bare(port);
	char p[1024] = "";

	write_n(fd, handshake, sizeof(handshake) - 1);
	for (size_t n = 0; !strstr(p, "\r\n\r\n");) {
		ssize_t got = read(fd, p + n, sizeof(p) - 1 - n);

		must(got > 0);
		n += (size_t)got;
	}
	return fd;
}

static void bench_frames(uint16_t port)
{
	static const uint8_t mask[WS_MASK_BYTES];
	int fd = dial_ws(port);
	struct buf frame = BUF_NULL(BIG_BYTES + 64), deep = BUF_NULL(1 << 20);
	uint8_t header[WS_HEADER_MAX_BYTES];
	int64_t begin_us;

	buf_add(&frame, header, ws_header(header, WS_OP_TEXT, TEXT_BYTES, mask));
	buf_add(&frame, text, TEXT_BYTES);
	bench_rounds("WebSocket echo, 64 bytes", fd, buf_slice(&frame), TEXT_BYTES + 2);
	for (size_t i = 0; i < N_DEEP; i++)
		buf_add_slice(&deep, buf_slice(&frame));
	begin_us = clock_mono_us();
	for (size_t i = 0; i < N_REQUESTS; i += N_DEEP) {
		write_n(fd, deep.data, deep.n);
		read_n(fd, (TEXT_BYTES + 2) * N_DEEP);
	}
	print_rate(
	    "WebSocket echo, 64 under way", N_REQUESTS, clock_mono_us() - begin_us, 0);
	close(fd);
	buf_deinit(&frame);
	buf_deinit(&deep);
}

/* our clients */

struct clients {
	struct loop *loop;
	struct fetch *fetch;
	struct ws_client *ws;
	const char *url;
	bool opened, closed;
	size_t n_ended, n_target, n_bytes;
	int64_t *us, at_us;
	char *big;
};

static void on_fetched(void *data, const struct fetch_response *r)
{
	struct clients *c = data;

	must(r->code == 0 && r->status == 200);
	if (c->us)
		c->us[c->n_ended] = clock_mono_us() - c->at_us;
	if (++c->n_ended < c->n_target) {
		c->at_us = clock_mono_us();
		fetch_start(c->fetch,
		    &(struct fetch_request){.url = c->url, .cb = on_fetched, .data = c});
	}
}

static bool on_chunk(void *data, int status, struct slice chunk)
{
	struct clients *c = data;

	(void)status;
	c->n_bytes += chunk.n;
	return true;
}

static void bench_fetch(struct clients *c, uint16_t port)
{
	static int64_t us[N_ROUNDS];
	char url[64];
	int64_t begin_us = clock_mono_us();

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", port);
	c->url = url;
	c->us = us;
	c->n_target = N_ROUNDS;
	c->at_us = begin_us;
	fetch_start(
	    c->fetch, &(struct fetch_request){.url = url, .cb = on_fetched, .data = c});
	must(run_until_n(c->loop, &c->n_ended, N_ROUNDS, BENCH_LIMIT_MS));
	print_line("GET by fetch, keep-alive", us, N_ROUNDS, clock_mono_us() - begin_us);
	c->us = NULL;
	c->n_ended = 0;
	c->n_target = 1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/events", port);
	begin_us = clock_mono_us();
	fetch_start(
	    c->fetch, &(struct fetch_request){
			  .url = url, .cb = on_fetched, .chunk_cb = on_chunk, .data = c});
	must(run_until_n(c->loop, &c->n_ended, 1, BENCH_LIMIT_MS));
	must(c->n_bytes == (size_t)N_EVENTS * TEXT_BYTES);
	print_rate("events by fetch, 64 bytes", N_EVENTS, clock_mono_us() - begin_us,
	    (double)c->n_bytes / 1e6);
	c->n_ended = 0;
}

static void on_opened(void *data)
{
	((struct clients *)data)->opened = true;
}

static void on_echo(void *data, struct slice msg, bool is_text)
{
	struct clients *c = data;

	(void)is_text;
	c->us[c->n_ended] = clock_mono_us() - c->at_us;
	c->at_us = clock_mono_us();
	if (++c->n_ended < c->n_target)
		must(ws_client_send(c->ws, (struct slice){c->big, msg.n}) == 0);
}

static void on_client_closed(void *data, int code, int status, const char *why)
{
	(void)code, (void)status, (void)why;
	((struct clients *)data)->closed = true;
}

static void bench_echo(struct clients *c, const char *name, size_t n_bytes, size_t n)
{
	static int64_t us[N_ROUNDS];
	int64_t begin_us = clock_mono_us();

	c->us = us;
	c->n_ended = 0;
	c->n_target = n;
	c->at_us = begin_us;
	must(ws_client_send(c->ws, (struct slice){c->big, n_bytes}) == 0);
	must(run_until_n(c->loop, &c->n_ended, n, BENCH_LIMIT_MS));
	print_line(name, us, n, clock_mono_us() - begin_us);
}

static void bench_clients(uint16_t port)
{
	struct clients c = {.loop = loop_new(), .big = calloc(1, BIG_BYTES)};
	struct ws_client_conf conf = {.message_max_bytes = 64 << 20,
	    .queue_max_bytes = 64 << 20,
	    .opened = on_opened,
	    .message = on_echo,
	    .closed = on_client_closed,
	    .data = &c};
	struct ws_client_ctx *ctx;
	struct err e;
	char url[64];

	c.fetch = fetch_new(c.loop, NULL, false);
	bench_fetch(&c, port);
	must(c.big && ws_client_ctx_new(c.loop, NULL, false, &ctx, &e) == 0);
	snprintf(url, sizeof(url), "ws://127.0.0.1:%u/ws", port);
	conf.url = url;
	must(ws_client_connect(ctx, &conf, &c.ws, &e) == 0);
	must(run_until(c.loop, &c.opened, BENCH_LIMIT_MS));
	bench_echo(&c, "echo by ws_client, 64 bytes", TEXT_BYTES, N_ROUNDS);
	bench_echo(&c, "echo by ws_client, 1 MiB", BIG_BYTES, N_BIG);
	ws_client_ctx_close(ctx, NULL, NULL);
	fetch_close(c.fetch, NULL, NULL);
	must(run_until(c.loop, &c.closed, BENCH_LIMIT_MS));
	while (loop_turn(c.loop))
		;
	loop_free(c.loop);
	free(c.big);
}

int main(void)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int port_fds[2], floor_fd = socket(AF_INET, SOCK_STREAM, 0), fd;
	uint16_t port;
	pid_t pid;

	memset(text, 'x', sizeof(text));
	must(pipe(port_fds) == 0 && bind(floor_fd, (struct sockaddr *)&a, n) == 0);
	must(listen(floor_fd, 1) == 0 &&
	     getsockname(floor_fd, (struct sockaddr *)&a, &n) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		serve(port_fds[1], floor_fd);
	must(read(port_fds[0], &port, sizeof(port)) == sizeof(port));
	fd = dial_bare(ntohs(a.sin_port));
	bench_rounds("floor: echo over bare sockets", fd,
	    (struct slice){text, TEXT_BYTES}, TEXT_BYTES);
	close(fd);
	bench_requests(port);
	bench_frames(port);
	bench_clients(port);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
