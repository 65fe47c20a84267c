/* The benchmark's broker, daemons and clients. */
#include "tests/bench/e2e/rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

extern char **environ;

void rig_die(const char *fmt, ...)
{
	va_list ap;

	fputs("zedbus-bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

uint16_t rig_free_port(void)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		rig_die("no free port: %m");
	close(fd);
	return ntohs(a.sin_port);
}

/* waiting */

void rig_await(struct rig *r, const bool *flag, const char *what)
{
	int64_t end = clock_mono_ms() + RIG_TIMEOUT_MS;

	while (!*flag) {
		if (clock_mono_ms() > end)
			rig_die("%s did not come within %d s; logs are in %s", what,
			    RIG_TIMEOUT_MS / 1000, r->dir);
		uv_run(loop_uv(r->loop), UV_RUN_ONCE);
	}
}

static void set_flag(struct loop_timer *t, void *data)
{
	(void)t;
	*(bool *)data = true;
}

void rig_pace(struct rig *r, int64_t ms)
{
	bool over = false;
	struct loop_timer *t = loop_timer_new(r->loop, set_flag, &over);

	loop_timer_start(t, ms, 0);
	rig_await(r, &over, "a timer");
	loop_timer_free(t);
}

/* HTTP */

struct call {
	bool done;
	int status;
	char *out;
	size_t n_out;
};

static void on_response(void *data, const struct fetch_response *resp)
{
	struct call *c = data;

	c->done = true;
	c->status = resp->code == 0 ? resp->status : 0;
	if (c->n_out)
		snprintf(c->out, c->n_out, SLICE_FMT, SLICE_ARG(resp->body));
}

static int call_url(struct rig *r, const char *method, const char *url, const char *body,
    char *out, size_t n_out)
{
	struct call c = {.out = out, .n_out = n_out};
	struct fetch_request req = {
	    .method = method, .url = url, .cb = on_response, .data = &c};

	if (body) {
		req.content_type = "application/json";
		req.body = slice_of(body);
	}
	fetch_start(r->fetch, &req);
	rig_await(r, &c.done, url);
	return c.status;
}

int rig_call_port(struct rig *r, uint16_t port, const char *method, const char *path,
    const char *body, char *out, size_t n_out)
{
	char url[512];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	return call_url(r, method, url, body, out, n_out);
}

int rig_call(struct rig *r, const char *method, const char *path, const char *body,
    char *out, size_t n_out)
{
	return rig_call_port(r, r->sessiond_port, method, path, body, out, n_out);
}

void rig_await_http(struct rig *r, uint16_t port, const char *path)
{
	int64_t end = clock_mono_ms() + RIG_TIMEOUT_MS;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	while (call_url(r, "GET", url, NULL, NULL, 0) != 200) {
		if (clock_mono_ms() > end)
			rig_die("%s never answered 200; logs are in %s", url, r->dir);
		rig_pace(r, 20);
	}
}

/* broker */

static void on_append(void *data, const struct store_result *res)
{
	struct call *c = data;

	c->done = true;
	c->status = res->code;
	if (res->code)
		rig_die("publish: %s", res->detail);
}

int64_t rig_publish(struct rig *r, const char *subject, struct slice data)
{
	struct call c = {0};
	struct store_append a = {.subject = subject,
	    .value = data,
	    .expected_last_subject_seq = STORE_ANY_REVISION};
	int64_t t0 = clock_mono_us();

	store_append(r->store, &a, on_append, &c);
	rig_await(r, &c.done, "an acknowledgement");
	return clock_mono_us() - t0;
}

static void on_stream(void *data, const struct store_result *res)
{
	if (res->code)
		rig_die("stream: %s", res->detail);
	*(bool *)data = true;
}

/* Where rig_publish() puts what it measures with. */
static void make_stream(struct rig *r)
{
	const struct store_stream st = {.name = "BENCH", .subjects = "bench.>"};
	bool made = false;

	store_ensure_stream(r->store, &st, on_stream, &made);
	rig_await(r, &made, "the benchmark's stream");
}

static void on_bus(void *data, enum bus_event ev)
{
	struct rig *r = data;

	r->connected = ev == BUS_CONNECTED;
}

static void connect_bus(struct rig *r)
{
	char url[64];
	struct bus_conf conf = {.name = "zedbus-bench", .url = url};
	struct err e = ERR_NULL;

	snprintf(url, sizeof(url), "nats://127.0.0.1:%u", r->nats_port);
	if (bus_new(r->loop, &conf, on_bus, r, &r->bus, &e) || bus_start(r->bus, &e))
		rig_die("%s", e.text);
	r->store = store_new(r->loop, r->bus);
	rig_await(r, &r->connected, "the broker");
}

/* processes */

static void on_exit_of(void *data, struct proc *p, int exit_code, int signal)
{
	struct rig *r = data;

	for (size_t i = 0; i < r->n_procs; i++) {
		if (r->procs[i] == p)
			r->procs[i] = NULL;
	}
	if (!r->stopping)
		fprintf(stderr, "a program ended with %d (signal %d); logs are in %s\n",
		    exit_code, signal, r->dir);
}

static bool is_executable(const char *path)
{
	return access(path, X_OK) == 0;
}

void rig_find_program(const struct rig *r, const char *name, char *out, size_t n_out)
{
	static const char *const places[] = {"/usr/sbin", "/usr/bin", "/usr/local/bin"};

	snprintf(out, n_out, "%s/%s", r->bin, name);
	for (size_t i = 0; !is_executable(out) && i < ARRAY_LEN(places); i++)
		snprintf(out, n_out, "%s/%s", places[i], name);
	if (!is_executable(out))
		rig_die("there is no program %s", name);
}

static int open_log(const struct rig *r, const char *program)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.log", r->dir, program);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

pid_t rig_spawn(
    struct rig *r, const char *const *argv, const char *const *env, int err_fd)
{
	const char *envp[256];
	char path[512];
	size_t n = 0;
	struct proc_spec spec = {.path = path, .in = PROC_NULL, .out = PROC_NULL};
	struct err e = ERR_NULL;

	rig_find_program(r, argv[0], path, sizeof(path));
	for (char **p = environ; *p && n < 200; p++)
		envp[n++] = *p;
	for (; env && *env && n < 255; env++)
		envp[n++] = *env;
	envp[n] = NULL;
	spec.argv = (char *const *)(uintptr_t)argv;
	spec.envp = (char *const *)(uintptr_t)envp;
	spec.err = err_fd < 0 ? open_log(r, argv[0]) : err_fd;
	must(r->n_procs < RIG_PROCS_MAX);
	if (proc_spawn(r->loop, &spec, on_exit_of, r, &r->procs[r->n_procs], &e))
		rig_die("%s: %s", argv[0], e.text);
	if (err_fd < 0)
		close(spec.err);
	return proc_pid(r->procs[r->n_procs++]);
}

static void start_sessiond(struct rig *r)
{
	char nats[64], listen[32];

	snprintf(nats, sizeof(nats), "nats://127.0.0.1:%u", r->nats_port);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", r->sessiond_port);
	rig_spawn(r,
	    (const char *[]){"sessiond", "--nats", nats, "--listen", listen, NULL}, NULL,
	    -1);
	rig_await_http(r, r->sessiond_port, "/readyz");
}

static void start_lifecycle(struct rig *r)
{
	char nats[64], listen[2][32], dir[3][128];

	snprintf(nats, sizeof(nats), "nats://127.0.0.1:%u", r->nats_port);
	snprintf(listen[0], sizeof(listen[0]), "127.0.0.1:%u", r->lifecycled_port);
	snprintf(listen[1], sizeof(listen[1]), "127.0.0.1:%u", r->runner_port);
	snprintf(dir[0], sizeof(dir[0]), "%s/runner", r->dir);
	snprintf(dir[1], sizeof(dir[1]), "%s/profiles", r->dir);
	snprintf(dir[2], sizeof(dir[2]), "%s/work", r->dir);
	rig_spawn(r,
	    (const char *[]){"lifecycled", "--nats", nats, "--listen", listen[0], NULL},
	    NULL, -1);
	rig_spawn(r,
	    (const char *[]){"zed-runner", "--nats", nats, "--listen", listen[1], "--id",
		"bench", "--state-dir", dir[0], "--profiles", dir[1], "--workspace-root",
		dir[2], "--slots", "1000", "--on-term", "drain", NULL},
	    NULL, -1);
	rig_await_http(r, r->lifecycled_port, "/readyz");
	rig_await_http(r, r->runner_port, "/readyz");
}

static void write_profile(const struct rig *r)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/profiles", r->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/work", r->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/profiles/mark.json", r->dir);
	f = fopen(path, "we");
	if (!f)
		rig_die("%s: %m", path);
	fprintf(f,
	    "{\"command\":[\"%s/bench-mark\",\"%s/mark.sock\",\"{instance}\"],"
	    "\"ready\":{\"kind\":\"process\",\"arg\":\"0\"}}\n",
	    r->bin, r->dir);
	fclose(f);
}

void rig_start(struct rig *r, const char *bin, bool lifecycle)
{
	const char *tmp = getenv("TMPDIR");
	char port[16], store[128];
	struct err e = ERR_NULL;

	*r = (struct rig){0};
	log_init("zedbus-bench", LOG_ERROR, false);
	snprintf(r->bin, sizeof(r->bin), "%s", bin);
	snprintf(
	    r->dir, sizeof(r->dir), "%.40s/zedbus-bench.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(r->dir))
		rig_die("%s: %m", r->dir);
	r->loop = loop_new();
	r->fetch = fetch_new(r->loop, NULL, false);
	if (ws_client_ctx_new(r->loop, NULL, false, &r->ws, &e))
		rig_die("%s", e.text);
	r->nats_port = rig_free_port();
	r->lifecycled_port = rig_free_port();
	r->runner_port = rig_free_port();
	r->sessiond_port = rig_free_port();
	snprintf(port, sizeof(port), "%u", r->nats_port);
	snprintf(store, sizeof(store), "%s/nats", r->dir);
	rig_spawn(r,
	    (const char *[]){
		"nats-server", "-js", "-a", "127.0.0.1", "-p", port, "-sd", store, NULL},
	    NULL, -1);
	write_profile(r);
	connect_bus(r);
	make_stream(r);
	start_sessiond(r);
	if (lifecycle)
		start_lifecycle(r);
}

static int remove_entry(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void on_closed(void *data)
{
	*(bool *)data = true;
}

void rig_stop(struct rig *r)
{
	bool closed[3] = {false, false, false};

	r->stopping = true;
	/* The broker, started first, goes last: the others stop in order while it is
	 * there. */
	for (size_t i = r->n_procs; i-- > 0;) {
		int64_t end = clock_mono_ms() + RIG_TIMEOUT_MS;

		if (r->procs[i])
			(void)proc_signal(r->procs[i], SIGTERM);
		while (r->procs[i] && clock_mono_ms() < end)
			uv_run(loop_uv(r->loop), UV_RUN_ONCE);
		if (r->procs[i])
			rig_die("a program does not stop; logs are in %s", r->dir);
	}
	store_free(r->store);
	bus_close(r->bus, on_closed, &closed[0]);
	fetch_close(r->fetch, on_closed, &closed[1]);
	ws_client_ctx_close(r->ws, on_closed, &closed[2]);
	for (size_t i = 0; i < ARRAY_LEN(closed); i++)
		rig_await(r, &closed[i], "a client's end");
	loop_stop(r->loop);
	loop_run(r->loop);
	loop_free(r->loop);
	nftw(r->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
