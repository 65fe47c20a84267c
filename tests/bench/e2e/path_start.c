/* start command published -> main() of the instance. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

struct marks {
	int fd;
	uv_poll_t poll;
	const char *wanted; /* name of the instance awaited */
	int64_t at_us;
	bool arrived, closed;
};

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct marks *m = p->data;
	char text[128], name[80];
	long long at;
	ssize_t n = recv(m->fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	(void)status, (void)events;
	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%79s %lld", name, &at) == 2 && strcmp(name, m->wanted) == 0) {
		m->at_us = at;
		m->arrived = true;
	}
}

static void marks_open(struct marks *m, struct rig *r, char *path, size_t n_path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	*m = (struct marks){.wanted = ""};
	snprintf(path, n_path, "%s/mark.sock", r->dir);
	must(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (m->fd < 0 || bind(m->fd, (struct sockaddr *)&a, sizeof(a)))
		rig_die("%s: %m", path);
	must(uv_poll_init(loop_uv(r->loop), &m->poll, m->fd) == 0);
	m->poll.data = m;
	must(uv_poll_start(&m->poll, UV_READABLE, on_readable) == 0);
}

static void on_poll_closed(uv_handle_t *h)
{
	((struct marks *)h->data)->closed = true;
}

static void marks_close(struct marks *m, struct rig *r)
{
	uv_close((uv_handle_t *)&m->poll, on_poll_closed);
	rig_await(r, &m->closed, "a handle's end");
	close(m->fd);
}

static void on_mark_exit(void *data, struct proc *p, int exit_code, int signal)
{
	(void)p, (void)exit_code, (void)signal;
	*(bool *)data = true;
}

static void one_floor(
    struct rig *r, struct marks *m, const char *sock, struct samples *out)
{
	char path[300];
	char *argv[] = {path, (char *)(uintptr_t)sock, (char *)(uintptr_t) "floor", NULL};
	char *envp[] = {NULL};
	struct proc_spec spec = {.path = path,
	    .argv = argv,
	    .envp = envp,
	    .in = PROC_NULL,
	    .out = PROC_NULL,
	    .err = PROC_INHERIT};
	struct proc *p;
	bool ended = false;
	struct err e = ERR_NULL;
	int64_t t0 = clock_mono_us();

	snprintf(path, sizeof(path), "%s/bench-mark", r->bin);
	m->wanted = "floor";
	m->arrived = false;
	rig_publish(r, "bench.floor", SLICE_LIT("{\"profile\":\"mark\"}"));
	if (proc_spawn(r->loop, &spec, on_mark_exit, &ended, &p, &e))
		rig_die("%s", e.text);
	rig_await(r, &m->arrived, "the floor's process");
	samples_add(out, m->at_us - t0);
	(void)proc_signal(p, SIGKILL);
	rig_await(r, &ended, "the floor's process to end");
}

static void command(struct rig *r, const char *verb, const char *id, const char *body)
{
	char subject[160];

	snprintf(subject, sizeof(subject), "lifecycle.v1.cmd.default.%s.%s", verb, id);
	rig_publish(r, subject, slice_of(body));
}

static void one_start(struct rig *r, struct marks *m, size_t i, struct samples *out)
{
	char id[32];
	int64_t t0;

	snprintf(id, sizeof(id), "bench_%zu", i);
	m->wanted = id;
	m->arrived = false;
	t0 = clock_mono_us();
	command(r, "start", id, "{\"profile\":\"mark\"}");
	rig_await(r, &m->arrived, "an instance");
	samples_add(out, m->at_us - t0);
	command(r, "stop", id, "{\"grace_ms\":100}");
}

void bench_start(struct rig *r, size_t n)
{
	static struct samples start, floor;
	struct marks m;
	char sock[128];

	start.n = floor.n = 0;
	marks_open(&m, r, sock, sizeof(sock));
	for (size_t i = 0; i < n; i++) {
		one_floor(r, &m, sock, &floor);
		one_start(r, &m, i, &start);
	}
	marks_close(&m, r);
	samples_print_row("start command -> main()", &start,
	    "publish stored + spawn -> main()", &floor);
}
