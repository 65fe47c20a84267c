/* Processes on the loop: vfork and exec (fork copies page tables: milliseconds in a large
 * parent), ends seen through pidfds in uv_poll, signals through pidfds so that a recycled
 * pid is never hit.
 *
 * happy path: proc_spawn, pidfd readable, waitid, exit callback, handle closed, freed
 * failure modes: exec fails (reported by proc_spawn itself, the child is reaped there);
 * no descriptor left for the pidfd (found before anything is started); abandoned (handle
 * closed, the process goes on). */
#include "base/io/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proctree.h"

struct proc {
	uv_poll_t poll;
	pid_t pid;
	int pidfd;
	bool adopted; /* not our child: no exit status to be had */
	bool ended;   /* waited for: its pid may be another's by now */
	proc_exit_cb *cb;
	void *cb_data;
};

/* What the vfork child works from; it shares our memory, so it only reads this and writes
 * @error. */
struct proc_child {
	const struct proc_spec *spec;
	volatile int error;
	const char *volatile stage;
};

static int proc_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0U);

	return fd < 0 ? -errno : fd; /* the kernel sets close-on-exec */
}

/* ---- the child, between vfork and exec: async-signal-safe calls only */

static void proc_child_fail(struct proc_child *c, const char *stage)
{
	c->error = errno;
	c->stage = stage;
	_exit(127);
}

static int proc_child_source(int fd)
{
	if (fd == PROC_NULL)
		return open("/dev/null", O_RDWR);
	/* Above 2, so that putting one in place does not overwrite the source of another.
	 */
	return fd >= 0 && fd <= 2 ? fcntl(fd, F_DUPFD, 3) : fd;
}

static void proc_child_stdio(struct proc_child *c)
{
	const int want[3] = {c->spec->in, c->spec->out, c->spec->err};
	int src[3];

	for (int i = 0; i < 3; i++) {
		src[i] = want[i] == i ? PROC_INHERIT : proc_child_source(want[i]);
		if (src[i] < 0 && src[i] != PROC_INHERIT)
			proc_child_fail(c, "stdio");
	}
	for (int i = 0; i < 3; i++) {
		if (src[i] != PROC_INHERIT && dup2(src[i], i) < 0)
			proc_child_fail(c, "stdio");
		(void)fcntl(i, F_SETFD, 0);
	}
}

/* Close everything above 2 that is not in @keep: the gaps between its members, in rising
 * order. */
static void proc_child_close_others(struct proc_child *c)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0U;

		for (const int *k = c->spec->keep; k && *k >= 0; k++) {
			if ((unsigned)*k >= from && (unsigned)*k < next)
				next = (unsigned)*k;
		}
		if (next > from &&
		    syscall(SYS_close_range, from, next == ~0U ? ~0U : next - 1, 0U) < 0)
			proc_child_fail(c, "close_range");
		if (next == ~0U)
			return;
		(void)fcntl((int)next, F_SETFD, 0);
		from = next + 1;
	}
}

static void proc_child_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL); /* KILL and STOP refuse, and need none */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void proc_child_run(struct proc_child *c)
{
	const struct proc_spec *s = c->spec;

	proc_child_signals();
	if (s->new_session && setsid() < 0)
		proc_child_fail(c, "setsid");
	proc_child_stdio(c);
	proc_child_close_others(c);
	if (s->cwd && chdir(s->cwd) < 0)
		proc_child_fail(c, "chdir");
	execve(s->path, s->argv, s->envp);
	proc_child_fail(c, "exec");
}

/* A frame of its own, so that nothing the child writes is a variable the parent goes on
 * using. */
static pid_t __attribute__((noinline)) proc_vfork(struct proc_child *c)
{
	pid_t pid = vfork();

	if (pid == 0) {
		proc_child_run(c);
		_exit(127);
	}
	return pid;
}

/* ---- the parent */

static int proc_start(struct proc_child *c, pid_t *pid_out, struct err *e)
{
	sigset_t all, old;
	pid_t pid;
	int error;

	/* No handler of ours may run in the child, which shares our memory. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = proc_vfork(c);
	error = errno;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_set(e, -error, "vfork: %s", strerror(error));
	if (c->error) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return err_set(e, -c->error, "%s %s: %s", c->stage,
		    strcmp(c->stage, "chdir") ? c->spec->path : c->spec->cwd,
		    strerror(c->error));
	}
	*pid_out = pid;
	return 0;
}

static void proc_on_closed(uv_handle_t *h)
{
	struct proc *p = h->data;

	close(p->pidfd);
	free(p);
}

static void proc_finish(struct proc *p, int exit_code, int signal)
{
	proc_exit_cb *cb = p->cb;

	uv_poll_stop(&p->poll);
	if (cb)
		cb(p->cb_data, p, exit_code, signal);
	uv_close((uv_handle_t *)&p->poll, proc_on_closed);
}

static void proc_on_readable(uv_poll_t *h, int status, int events)
{
	struct proc *p = h->data;
	siginfo_t si = {0};

	(void)status;
	(void)events;
	if (p->adopted) {
		p->ended = true;
		proc_finish(p, -1, 0);
		return;
	}
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG) < 0) {
		if (errno == EINTR)
			return;
		si.si_pid = 0; /* ECHILD: somebody else waited for it */
	} else if (si.si_pid == 0) {
		return;
	}
	p->ended = true;
	if (si.si_pid && si.si_code == CLD_EXITED)
		proc_finish(p, si.si_status, 0);
	else
		proc_finish(p, -1, si.si_pid ? si.si_status : 0);
}

/* Takes @pidfd, also on failure. */
static int proc_watch(struct loop *l, pid_t pid, int pidfd, struct proc **out)
{
	struct proc *p = calloc(1, sizeof *p);
	int r = p ? uv_poll_init(loop_uv(l), &p->poll, pidfd) : -ENOMEM;

	if (r) {
		close(pidfd);
		free(p);
		return r;
	}
	p->poll.data = p;
	p->pid = pid;
	p->pidfd = pidfd;
	r = uv_poll_start(&p->poll, UV_READABLE, proc_on_readable);
	if (r) {
		uv_close((uv_handle_t *)&p->poll, proc_on_closed);
		return r;
	}
	*out = p;
	return 0;
}

static void proc_kill_unwatched(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int proc_spawn(struct loop *l, const struct proc_spec *spec, proc_exit_cb *cb, void *data,
    struct proc **out, struct err *e)
{
	struct proc_child c = {.spec = spec, .stage = ""};
	int reserve, pidfd, r;
	pid_t pid = 0;

	/* Held while the child starts, so that its pidfd finds a free number afterwards.
	 */
	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (reserve < 0)
		return err_set(e, -errno, "spawn %s: %s", spec->path, strerror(errno));
	r = proc_start(&c, &pid, e);
	close(reserve);
	if (r)
		return r;
	pidfd = proc_pidfd_open(pid);
	r = pidfd < 0 ? pidfd : proc_watch(l, pid, pidfd, out);
	if (r) {
		/* UNTESTED: needs another thread to take the last descriptor in between
		 */
		proc_kill_unwatched(pid);
		return err_set(e, r, "spawn %s: watch: %s", spec->path, strerror(-r));
	}
	(*out)->cb = cb;
	(*out)->cb_data = data;
	return 0;
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

int proc_signal(struct proc *p, int signo)
{
	if (p->ended)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0U) < 0 ? -errno : 0;
}

void proc_abandon(struct proc *p)
{
	if (p->ended)
		return; /* in its own exit callback: freed after it anyway */
	uv_poll_stop(&p->poll);
	p->cb = NULL;
	uv_close((uv_handle_t *)&p->poll, proc_on_closed);
}

int proc_adopt(struct loop *l, pid_t pid, uint64_t start_ticks, proc_exit_cb *cb,
    void *data, struct proc **out)
{
	int pidfd = proc_pidfd_open(pid), r;

	if (pidfd < 0)
		return pidfd == -EINVAL ? -ESRCH : pidfd;
	/* Read after the pidfd pins the process: what has this pid now is what we hold.
	 */
	if (proc_start_ticks(pid) != start_ticks || start_ticks == 0) {
		close(pidfd);
		return -ESRCH;
	}
	r = proc_watch(l, pid, pidfd, out);
	if (r)
		return r;
	(*out)->adopted = true;
	(*out)->cb = cb;
	(*out)->cb_data = data;
	return 0;
}

uint64_t proc_start_ticks(pid_t pid)
{
	struct proctree_stat st;

	return proctree_read_stat(pid, &st) ? st.start_ticks : 0;
}
