/* Starting one process of the instance: cgroups, privileges, descriptors, exec. */
#include "lifecycle/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LAUNCH_GROUPS_MAX = 256,
	LAUNCH_CGROUPS_MAX = 8,
	LAUNCH_STRINGS_MAX = 4096,
};

struct launch_cursor {
	char *p, *end;
};

static char *launch_string(struct launch_cursor *c)
{
	char *s = c->p;
	char *nul = s < c->end ? memchr(s, '\0', (size_t)(c->end - s)) : NULL;

	if (!nul)
		return NULL;
	c->p = nul + 1;
	return s;
}

static char **launch_strings(struct launch_cursor *c, uint32_t n)
{
	char **v = n <= LAUNCH_STRINGS_MAX ? calloc((size_t)n + 1, sizeof *v) : NULL;

	for (uint32_t i = 0; v && i < n; i++) {
		v[i] = launch_string(c);
		if (!v[i]) {
			free(v);
			return NULL;
		}
	}
	return v;
}

bool shim_launch_parse(struct shim_launch *l, const char *p, size_t n)
{
	struct launch_cursor c;
	size_t n_groups_bytes;

	*l = (struct shim_launch){.out_fd = -1, .err_fd = -1};
	if (n < sizeof l->h)
		return false;
	memcpy(&l->h, p, sizeof l->h);
	n_groups_bytes = (size_t)l->h.n_groups * sizeof(uint32_t);
	if (l->h.task >= SHIM_TASKS_MAX || l->h.n_groups > LAUNCH_GROUPS_MAX ||
	    l->h.n_cgroups > LAUNCH_CGROUPS_MAX || l->h.n_argv == 0 ||
	    n - sizeof l->h < n_groups_bytes)
		return false;
	l->groups = (const uint32_t *)(const void *)(p + sizeof l->h);
	/* argv and environ are char ** by the old contract of exec, which writes to
	 * neither */
	c.p = (char *)(uintptr_t)(p + sizeof l->h + n_groups_bytes);
	c.end = (char *)(uintptr_t)(p + n);
	l->name = launch_string(&c);
	l->path = launch_string(&c);
	l->cwd = launch_string(&c);
	l->cgroups = launch_strings(&c, l->h.n_cgroups);
	l->argv = l->cgroups ? launch_strings(&c, l->h.n_argv) : NULL;
	l->env = l->argv ? launch_strings(&c, l->h.n_env) : NULL;
	return l->name && l->path && l->cwd && l->env && strlen(l->name) < SHIM_NAME_MAX;
}

void shim_launch_free(struct shim_launch *l)
{
	free(l->cgroups);
	free(l->argv);
	free(l->env);
}

/* ---- the child, until exec: system calls only, for it may share the shim's memory
 * (vfork) */

/* In memory that both see, whichever way the child was made. */
struct launch_child {
	const struct shim_launch *l;
	bool in_cgroup; /* born into the first of them */
	volatile int error;
	const char *volatile stage; /* a literal: the same address on both sides */
};

static void launch_fail(struct launch_child *c, const char *stage)
{
	c->error = errno;
	c->stage = stage;
	_exit(127);
}

static bool launch_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n > 0;
}

static void launch_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void launch_stdio(struct launch_child *c)
{
	int null_fd = open("/dev/null", O_RDONLY);

	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(c->l->out_fd, 1) < 0 ||
	    dup2(c->l->err_fd, 2) < 0)
		launch_fail(c, "stdio");
	if (syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		launch_fail(c, "close_range");
}

/* Raw system calls: the libc wrappers keep per-thread state, which is the shim's here. */
static void launch_drop(struct launch_child *c)
{
	const struct shim_spawn *h = &c->l->h;

	if (!h->drop)
		return;
	if (syscall(SYS_setgroups, (size_t)h->n_groups, c->l->groups) < 0 ||
	    syscall(SYS_setresgid, h->gid, h->gid, h->gid) < 0 ||
	    syscall(SYS_setresuid, h->uid, h->uid, h->uid) < 0)
		launch_fail(c, "setuid");
}

/* What protects runner and shim from the kernel's choice of victims is not inherited. */
static void launch_expose_to_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char sign = 0;

	if (fd >= 0 && read(fd, &sign, 1) == 1 && sign == '-')
		(void)!pwrite(fd, "0", 1, 0);
	if (fd >= 0)
		close(fd);
}

static void launch_child(struct launch_child *c)
{
	const struct shim_launch *l = c->l;
	struct rlimit no_core = {0, 0};

	launch_signals();
	if (setsid() < 0)
		launch_fail(c, "setsid");
	for (char **g = l->cgroups + (c->in_cgroup && *l->cgroups); *g; g++) {
		if (!launch_write(*g, "0"))
			launch_fail(c, "cgroup");
	}
	launch_expose_to_oom();
	launch_stdio(c);
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	launch_drop(c);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		launch_fail(c, "no_new_privs");
	if (chdir(l->cwd) < 0)
		launch_fail(c, "chdir");
	execve(l->path, l->argv, l->env);
	launch_fail(c, "exec");
}

static pid_t __attribute__((noinline)) launch_vfork(struct launch_child *c)
{
	pid_t pid = vfork();

	if (pid == 0) {
		launch_child(c);
		_exit(127);
	}
	return pid;
}

/* The folder of the first cgroup, whose path ends in /cgroup.procs; -1 if it is not to be
 * used so. */
static int launch_open_cgroup(const struct shim_launch *l)
{
	const char *path = l->cgroups[0], *end = path ? strrchr(path, '/') : NULL;
	char dir[4096];

	if (!l->h.into_cgroup || !end || (size_t)(end - path) >= sizeof dir)
		return -1;
	memcpy(dir, path, (size_t)(end - path));
	dir[end - path] = '\0';
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A copy of this small process, born into the cgroup; the parent waits until it execs or
 * ends. -1: not possible here. */
static pid_t launch_clone(struct launch_child *c, int cgroup_fd)
{
	struct clone_args args = {.flags = CLONE_VFORK | CLONE_INTO_CGROUP,
	    .exit_signal = SIGCHLD,
	    .cgroup = (unsigned)cgroup_fd};
	pid_t pid;

	c->in_cgroup = true;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		launch_child(c);
		_exit(127);
	}
	c->in_cgroup = pid > 0;
	return pid;
}

static pid_t launch_start(struct launch_child *c, const struct shim_launch *l)
{
	int cgroup_fd = launch_open_cgroup(l);
	pid_t pid = -1;

	if (cgroup_fd >= 0) {
		pid = launch_clone(c, cgroup_fd);
		close(cgroup_fd);
	}
	/* An older kernel, or one that forbids it: move there instead. */
	return pid < 0 ? launch_vfork(c) : pid;
}

int shim_launch_run(const struct shim_launch *l, pid_t *pid_out, const char **stage_out)
{
	struct launch_child *c = mmap(
	    NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error;
	pid_t pid;

	*stage_out = "memory";
	if (c == MAP_FAILED)
		return errno;
	c->l = l;
	c->stage = "fork";
	pid = launch_start(c, l);
	error = pid < 0 ? errno : c->error;
	*stage_out = c->stage;
	(void)munmap(c, sizeof *c);
	if (pid < 0 || !error) {
		*pid_out = pid;
		return pid < 0 ? error : 0;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return error;
}
