/* What the runner tells the shim to do, and what becomes of the processes it started. */
#include "lifecycle/shim/shim.h"

#include "base/proctree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t task_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- starting */

static void task_started(
    struct shim *s, const struct shim_launch *l, int error, const char *stage, pid_t pid)
{
	struct shim_spawned m = {
	    .task = l->h.task, .run = l->h.run, .error = error, .pid = pid};
	struct proctree_stat st;

	strncpy(m.stage, stage, sizeof m.stage - 1);
	if (!error && proctree_read_stat(pid, &st))
		m.start_ticks = st.start_ticks;
	s->tasks[l->h.task].start_ticks = m.start_ticks;
	shim_send(s, SHIM_SPAWNED, &m, sizeof m, NULL, 0);
}

static void task_spawn(struct shim *s, const char *p, size_t n)
{
	const char *stage = "frame";
	struct shim_launch l;
	struct shim_task *t;
	int fds[2], error;
	pid_t pid = 0;

	if (!shim_launch_parse(&l, p, n) ||
	    s->tasks[l.h.task].state == SHIM_TASK_RUNNING) {
		if (n >= sizeof l.h && l.h.task < SHIM_TASKS_MAX)
			task_started(s, &l, EINVAL, stage, 0);
		shim_launch_free(&l);
		return;
	}
	t = &s->tasks[l.h.task];
	strncpy(t->name, l.name, sizeof t->name - 1);
	t->output = l.h.output != 0;
	if (shim_output_open(t, fds)) {
		l.out_fd = fds[0];
		l.err_fd = fds[1];
		error = shim_launch_run(&l, &pid, &stage);
		close(fds[0]);
		close(fds[1]);
	} else {
		error = errno;
		stage = "output";
	}
	if (!error) {
		t->state = SHIM_TASK_RUNNING;
		t->run = l.h.run;
		t->pid = pid;
		s->has_children = s->ever_spawned = true;
	} else {
		shim_output_close(t);
	}
	task_started(s, &l, error, stage, pid);
	shim_launch_free(&l);
}

/* ---- ending */

/* Beside the socket's word, for a runner that was not there to hear it. */
static void task_write_exit(uint32_t task, const struct shim_task *t)
{
	char name[32], tmp[40], text[128];
	int fd, n;

	snprintf(name, sizeof name, SHIM_EXIT_FILE "%u", task);
	snprintf(tmp, sizeof tmp, "%s.tmp", name);
	n = snprintf(text, sizeof text, "%u %d %d %d %lld\n", t->run, t->exit_code,
	    t->signal, (int)t->pid, (long long)t->ended_unix_ms);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, text, (size_t)n) == n)
		(void)rename(tmp, name);
	close(fd);
}

static void task_ended(struct shim *s, uint32_t task, int status)
{
	struct shim_task *t = &s->tasks[task];
	struct shim_exited m = {.task = task, .run = t->run, .pid = t->pid};

	t->state = SHIM_TASK_EXITED;
	t->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	t->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	t->ended_unix_ms = task_unix_ms();
	task_write_exit(task, t);
	shim_output_drain(s, task, 0);
	shim_output_drain(s, task, 1);
	m.exit_code = t->exit_code;
	m.signal = t->signal;
	m.at_unix_ms = t->ended_unix_ms;
	shim_send(s, SHIM_EXITED, &m, sizeof m, NULL, 0);
}

void shim_reap(struct shim *s)
{
	struct shim_empty empty = {.leftovers_of = SHIM_SWEEP_ALL};
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		for (uint32_t i = 0; i < SHIM_TASKS_MAX; i++) {
			if (s->tasks[i].state == SHIM_TASK_RUNNING &&
			    s->tasks[i].pid == pid)
				task_ended(s, i, status);
		}
	}
	if (pid == 0 || errno != ECHILD || !s->has_children)
		return;
	/* No child of a subreaper is left: nothing below it is. */
	s->has_children = s->sweeping = false;
	s->idle_since_ms = shim_now_ms();
	shim_send(s, SHIM_EMPTY, &empty, sizeof empty, NULL, 0);
}

/* ---- the rest */

static void task_signal(struct shim *s, const char *p, size_t n)
{
	struct shim_signal m;

	if (n < sizeof m)
		return;
	memcpy(&m, p, sizeof m);
	/* Our child, not yet waited for: the pid is its own. */
	if (m.task < SHIM_TASKS_MAX && s->tasks[m.task].state == SHIM_TASK_RUNNING)
		(void)kill(s->tasks[m.task].pid, m.signo);
}

static void task_forget(struct shim *s, const char *p, size_t n)
{
	struct shim_forget m;
	struct shim_task *t;
	char name[32];

	if (n < sizeof m)
		return;
	memcpy(&m, p, sizeof m);
	if (m.task >= SHIM_TASKS_MAX)
		return;
	t = &s->tasks[m.task];
	if (t->state != SHIM_TASK_EXITED || t->run != m.run)
		return;
	t->state = SHIM_TASK_NONE;
	snprintf(name, sizeof name, SHIM_EXIT_FILE "%u", m.task);
	(void)unlink(name);
}

void shim_handle(struct shim *s, enum shim_type type, const char *p, size_t n)
{
	struct shim_sweep w;

	switch (type) {
	case SHIM_SPAWN:
		task_spawn(s, p, n);
		break;
	case SHIM_SIGNAL:
		task_signal(s, p, n);
		break;
	case SHIM_SWEEP:
		if (n < sizeof w)
			break;
		memcpy(&w, p, sizeof w);
		shim_sweep_start(s, &w);
		break;
	case SHIM_FORGET:
		task_forget(s, p, n);
		break;
	case SHIM_QUERY:
		shim_send_hello(s);
		break;
	case SHIM_QUIT:
		s->quit = !s->has_children;
		break;
	default: /* of a newer runner: what it needs answered it asks for by version */
		break;
	}
}
