/* zed-shim IDENTITY FD: see shim.h. FD is the connection to the runner that started it.
 * Not for people. */
#include "lifecycle/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
	POLL_MAX = 3 + 2 * SHIM_TASKS_MAX,
};

int64_t shim_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What each poll slot stands for: a task's stream, or -1. */
struct shim_poll {
	struct pollfd v[POLL_MAX];
	int task[POLL_MAX], is_err[POLL_MAX];
	nfds_t n;
};

static void shim_poll_add(struct shim_poll *p, int fd, int task, int is_err)
{
	if (fd < 0)
		return;
	p->v[p->n] = (struct pollfd){.fd = fd, .events = POLLIN};
	p->task[p->n] = task;
	p->is_err[p->n] = is_err;
	p->n++;
}

static void shim_on_signals(struct shim *s)
{
	struct signalfd_siginfo si;

	while (read(s->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGCHLD)
			shim_reap(s);
		else
			s->told_to_end = true;
	}
}

static void shim_dispatch(struct shim *s, const struct shim_poll *p)
{
	for (nfds_t i = 0; i < p->n; i++) {
		int fd = p->v[i].fd;

		if (!p->v[i].revents)
			continue;
		if (p->task[i] >= 0)
			shim_output_drain(s, (uint32_t)p->task[i], p->is_err[i]);
		else if (fd == s->signal_fd)
			shim_on_signals(s);
		else if (fd == s->client_fd)
			shim_on_client(s);
		else if (fd == s->listen_fd)
			shim_on_listener(s);
	}
}

/* Milliseconds until something is due by itself; -1: never. */
static int shim_wait_ms(const struct shim *s)
{
	int64_t due = -1, left;

	if (s->sweeping)
		due = s->sweep_due_ms;
	else if (s->client_fd < 0 && !s->has_children)
		due = s->idle_since_ms +
		      (s->ever_spawned ? SHIM_UNACKED_MS : SHIM_ALONE_MS);
	if (due < 0)
		return -1;
	left = due - shim_now_ms();
	return left < 0 ? 0 : (int)left;
}

static bool shim_is_done(const struct shim *s)
{
	if (s->quit)
		return true;
	if (s->has_children || s->client_fd >= 0)
		return false;
	return s->told_to_end || shim_wait_ms(s) == 0;
}

static void shim_run(struct shim *s)
{
	while (!shim_is_done(s)) {
		struct shim_poll p = {.n = 0};

		shim_poll_add(&p, s->signal_fd, -1, 0);
		shim_poll_add(&p, s->listen_fd, -1, 0);
		shim_poll_add(&p, s->client_fd, -1, 0);
		for (int i = 0; i < SHIM_TASKS_MAX; i++) {
			shim_poll_add(&p, s->tasks[i].streams[0].pipe_fd, i, 0);
			shim_poll_add(&p, s->tasks[i].streams[1].pipe_fd, i, 1);
		}
		if (poll(p.v, p.n, shim_wait_ms(s)) > 0)
			shim_dispatch(s, &p);
		if (s->sweeping && shim_now_ms() >= s->sweep_due_ms)
			shim_sweep_turn(s);
	}
}

/* SIGTERM and its like end a shim below which nothing runs; they never reach an instance
 * through it. */
static int shim_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	static struct shim s = {.listen_fd = -1};
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: zed-shim IDENTITY FD (started by zed-runner)\n");
		return 2;
	}
	s.identity = argv[1];
	s.client_fd = (int)strtol(argv[2], NULL, 10);
	for (int i = 0; i < SHIM_TASKS_MAX; i++) {
		s.tasks[i].streams[0] =
		    (struct shim_stream){.pipe_fd = -1, .file_fd = -1};
		s.tasks[i].streams[1] = s.tasks[i].streams[0];
	}
	for (int fd = 3; fd < 16; fd++) /* locks stay held, but not by the instance */
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	s.idle_since_ms = shim_now_ms();
	s.signal_fd = shim_signals();
	r = prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) < 0 ? -errno : 0;
	r = r                                                ? r
	    : prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0 ? -errno
							     : shim_listen(&s);
	if (r || s.signal_fd < 0) {
		fprintf(stderr, "zed-shim: %s\n", strerror(r ? -r : errno));
		return 1;
	}
	shim_send_hello(&s);
	shim_run(&s);
	(void)unlink(SHIM_SOCKET);
	free(s.in);
	return 0;
}
