/* What /proc says about processes: identity (pid and start time), parentage, environment
 * marks. Plain libc, so that the smallest program can use it. Used where the kernel gives
 * no handle on a whole tree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proctree_stat {
	pid_t pid, ppid;
	char state;           /* as in /proc/pid/stat: R S D Z T ... */
	uint64_t start_ticks; /* clock ticks since boot: with pid, who it is */
	char comm[16];
};

/* False if there is no such process. */
bool proctree_read_stat(pid_t pid, struct proctree_stat *out);

/**
 * proctree_descendants() - every process below @root, zombies left out
 * @out: @cap entries, parents before their children
 *
 * A snapshot: whoever wants all of a tree gone looks again until nothing is found.
 *
 * Return: how many were found, at most @cap; 0 also when /proc cannot be read
 */
size_t proctree_descendants(pid_t root, struct proctree_stat *out, size_t cap);

/* True if the environment @pid was started with has @name=@value. False when it may not
 * be read. */
bool proctree_has_mark(pid_t pid, const char *name, const char *value);
/* Every process but ourselves with @name=@value in its environment, zombies left out. */
size_t proctree_marked(
    const char *name, const char *value, struct proctree_stat *out, size_t cap);

/* Signal exactly the process that @who was read from. 0; -ESRCH when it is gone; -EPERM.
 */
int proctree_signal(const struct proctree_stat *who, int signo);
