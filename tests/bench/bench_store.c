/* What a write, a read and a request to the broker cost through base/io, beside the floor
 * measured in the same run: the same operation on one blocking socket without any client
 * library. One line a metric. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/store.h"
#include "tests/lib/nats_fixture.h"
#include "tests/lib/run.h"

enum {
	BENCH_WARM_UP = 500,
	BENCH_LIMIT_MS = 60000,
};

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	bool connected, ready, closed;
	/* one metric */
	void (*submit)(struct bench *b, size_t i);
	size_t n_total, n_sent, n_done, n_failed;
	int64_t *started_us, *took_us;
};

static const char payload[256];

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
	    name, us[0], us[n / 2], us[n * 99 / 100],
	    (double)n * 1e6 / (double)(total_us ? total_us : 1));
	fflush(stdout);
}

/* floor */

static int raw_connect(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void raw_send(int fd, const char *p, size_t n)
{
	must(send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* Until what was read since the call holds @end. */
static void raw_until(int fd, const char *end)
{
	char text[4096];
	size_t n = 0;

	do {
		ssize_t r = recv(fd, text + n, sizeof(text) - 1 - n, 0);

		must(r > 0);
		n += (size_t)r;
		text[n] = '\0';
	} while (!strstr(text, end));
}

static void raw_floor(uint16_t port, size_t n)
{
	int fd = raw_connect(port);
	int64_t *us = calloc(n, sizeof(*us)), begin_us;
	char frame[sizeof(payload) + 64];
	int head = snprintf(
	    frame, sizeof(frame), "PUB $KV.bench.raw _R.1 %zu\r\n", sizeof(payload));

	must(us);
	memcpy(frame + head, payload, sizeof(payload));
	memcpy(frame + head + sizeof(payload), "\r\n", 2);
	raw_until(fd, "\r\n");
	raw_send(fd, "CONNECT {\"verbose\":false}\r\nSUB _R.1 1\r\nPING\r\n", 45);
	raw_until(fd, "PONG\r\n");
	begin_us = clock_mono_us();
	for (size_t i = 0; i < n; i++) {
		int64_t t_us = clock_mono_us();

		raw_send(fd, frame, (size_t)head + sizeof(payload) + 2);
		raw_until(fd, "}\r\n");
		us[i] = clock_mono_us() - t_us;
	}
	print_line("floor: raw put depth 1", us, n, clock_mono_us() - begin_us);
	free(us);
	close(fd);
}

/* through base/io */

static void bench_refill(struct bench *b)
{
	if (b->n_sent < b->n_total) {
		b->started_us[b->n_sent] = clock_mono_us();
		b->submit(b, b->n_sent++);
	}
}

static void bench_end_one(struct bench *b, size_t i, int code)
{
	b->took_us[i] = clock_mono_us() - b->started_us[i];
	b->n_failed += code != 0;
	b->n_done++;
	bench_refill(b);
}

struct bench_one {
	struct bench *bench;
	size_t i;
};

static struct bench_one *bench_one_new(struct bench *b, size_t i)
{
	struct bench_one *o = malloc(sizeof(*o));

	must(o);
	*o = (struct bench_one){b, i};
	return o;
}

static void on_result(void *data, const struct store_result *r)
{
	struct bench_one o = *(struct bench_one *)data;

	free(data);
	bench_end_one(o.bench, o.i, r->code);
}

static void on_reply(void *data, int code, const struct bus_msg *m)
{
	struct bench_one o = *(struct bench_one *)data;

	(void)m;
	free(data);
	bench_end_one(o.bench, o.i, code);
}

static void submit_put(struct bench *b, size_t i)
{
	char key[32];

	snprintf(key, sizeof(key), "k%zu", i % 1000);
	store_put(b->store, "bench", key, (struct slice){payload, sizeof(payload)},
	    STORE_ANY_REVISION, on_result, bench_one_new(b, i));
}

static void submit_get(struct bench *b, size_t i)
{
	char key[32];

	snprintf(key, sizeof(key), "k%zu", i % 1000);
	store_get(b->store, "bench", key, on_result, bench_one_new(b, i));
}

static void submit_request(struct bench *b, size_t i)
{
	const struct bus_request r = {
	    .subject = "bench.echo",
	    .data = {payload, 128},
	    .timeout_ms = 5000,
	    .cb = on_reply,
	    .cb_data = bench_one_new(b, i),
	};

	bus_request(b->bus, &r);
}

static void on_echo(void *data, const struct bus_msg *m)
{
	struct bench *b = data;

	must(bus_publish(b->bus, m->reply, NULL, NULL, 0, m->data) == 0);
}

static void bench_run(struct bench *b, const char *name,
    void (*submit)(struct bench *b, size_t i), size_t depth, size_t n)
{
	int64_t begin_us;

	b->submit = submit;
	b->n_total = n;
	b->n_sent = b->n_done = b->n_failed = 0;
	b->started_us = calloc(n, sizeof(*b->started_us));
	b->took_us = calloc(n, sizeof(*b->took_us));
	must(b->started_us && b->took_us);
	begin_us = clock_mono_us();
	for (size_t i = 0; i < depth; i++)
		bench_refill(b);
	must(run_until_n(b->loop, &b->n_done, n, BENCH_LIMIT_MS));
	must(b->n_failed == 0);
	if (name)
		print_line(name, b->took_us, n, clock_mono_us() - begin_us);
	free(b->started_us);
	free(b->took_us);
}

static void on_item(void *data, enum store_list_event ev, const struct store_item *item,
    const struct store_result *r)
{
	struct bench *b = data;

	(void)item;
	(void)r;
	must(ev != STORE_LIST_FAILED);
	if (ev == STORE_LIST_ITEM)
		b->n_done++;
	else
		b->ready = true;
}

static void bench_list(struct bench *b, size_t n)
{
	const struct store_list l = {
	    .stream = "KV_bench", .filter = "$KV.bench.>", .cb = on_item, .data = b};
	int64_t *us = calloc(n, sizeof(*us)), begin_us = clock_mono_us();

	must(us);
	for (size_t i = 0; i < n; i++) {
		int64_t t_us = clock_mono_us();

		b->ready = false;
		b->n_done = 0;
		store_list(b->store, &l);
		must(run_until(b->loop, &b->ready, BENCH_LIMIT_MS));
		must(b->n_done >= 1000);
		us[i] = clock_mono_us() - t_us;
	}
	print_line("store list of 1000 keys", us, n, clock_mono_us() - begin_us);
	free(us);
}

static void on_state(void *data, enum bus_event ev)
{
	struct bench *b = data;

	b->connected = ev == BUS_CONNECTED;
}

static void on_bucket(void *data, const struct store_result *r)
{
	struct bench *b = data;

	must(r->code == 0);
	b->ready = true;
}

static void on_closed(void *data)
{
	struct bench *b = data;

	b->closed = true;
}

static void bench_open(struct bench *b, const char *url)
{
	const struct bus_conf conf = {.name = "bench", .url = url};
	const struct store_bucket bucket = {.name = "bench", .feed = "bench.feed"};
	struct err e = ERR_NULL;

	b->loop = loop_new();
	must(bus_new(b->loop, &conf, on_state, b, &b->bus, &e) == 0);
	must(bus_subscribe(b->bus, "bench.echo", NULL, on_echo, b, &e) == 0);
	b->store = store_new(b->loop, b->bus);
	must(bus_start(b->bus, &e) == 0);
	must(run_until(b->loop, &b->connected, 5000));
	store_ensure_bucket(b->store, &bucket, on_bucket, b);
	must(run_until(b->loop, &b->ready, 5000));
}

static void bench_close(struct bench *b)
{
	store_free(b->store);
	bus_close(b->bus, on_closed, b);
	must(run_until(b->loop, &b->closed, 5000));
	loop_free(b->loop);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
	struct nats_fixture broker;
	struct bench b = {0};

	must(n >= 1000);
	nats_fixture_init(&broker, NULL);
	nats_fixture_start(&broker);
	bench_open(&b, broker.url);
	bench_run(&b, NULL, submit_put, 1, BENCH_WARM_UP);
	raw_floor(broker.port, n);
	bench_run(&b, "store put depth 1", submit_put, 1, n);
	bench_run(&b, "store put depth 64", submit_put, 64, n * 4);
	bench_run(&b, "store get depth 1", submit_get, 1, n);
	bench_run(&b, "store get depth 64", submit_get, 64, n * 4);
	bench_run(&b, "bus request to itself depth 1", submit_request, 1, n);
	bench_run(&b, "bus request to itself depth 64", submit_request, 64, n * 4);
	bench_list(&b, 50);
	bench_close(&b);
	nats_fixture_deinit(&broker);
	return 0;
}
