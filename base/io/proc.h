/* Starting a program and learning of its end: posix_spawn or vfork (never fork: the
 * parent may be large), pidfd on the loop. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"

#include <signal.h>
#include <sys/types.h>

struct proc;

enum {
	PROC_INHERIT = -1, /* keep the parent's descriptor */
	PROC_NULL = -2,    /* /dev/null */
};

struct proc_spec {
	const char *path;                /* executable; no search */
	char *const *argv, *const *envp; /* NULL-terminated; borrowed for the call */
	const char *cwd;                 /* NULL: the parent's */
	int in, out, err; /* descriptor (not taken), PROC_INHERIT or PROC_NULL */
	const int *keep;  /* further descriptors the child keeps under the same number; -1
			     ends; NULL: none */
	bool new_session; /* setsid */
};

/* @exit_code is -1 when a signal ended it, @signal 0 when none did. The last callback; @p
 * is freed after it. */
typedef void proc_exit_cb(void *data, struct proc *p, int exit_code, int signal);

/* Return: 0; -errno of the exec or spawn itself (ENOENT, EACCES, ENOEXEC, EAGAIN...). No
 * callback then. Signal mask and dispositions are reset, every other descriptor is closed
 * in the child. */
int proc_spawn(struct loop *l, const struct proc_spec *spec, proc_exit_cb *cb, void *data,
    struct proc **out, struct err *e) MUST_CHECK;
pid_t proc_pid(const struct proc *p);
/* By pidfd: never hits a recycled pid. -ESRCH when it has ended. */
int proc_signal(struct proc *p, int signo);
/* Forget it without a callback (it goes on running). */
void proc_abandon(struct proc *p);

/* A process that is not our child, held by pidfd; @start_ticks (field 22 of
 * /proc/pid/stat) must match. -ESRCH if gone or another. Exit code is unknown: -1 and 0.
 */
int proc_adopt(struct loop *l, pid_t pid, uint64_t start_ticks, proc_exit_cb *cb,
    void *data, struct proc **out) MUST_CHECK;
/* Start time of @pid in clock ticks since boot; 0 if there is no such process. */
uint64_t proc_start_ticks(pid_t pid);
