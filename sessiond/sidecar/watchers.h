/* Who else watches a file: inotify watches of other processes, as the kernel shows them
 * to their own user. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	WATCHERS_MAX = 4,
};

struct watchers {
	ino_t inodes[WATCHERS_MAX]; /* asked for, all on @dev */
	dev_t dev;
	size_t n;
	pid_t by[WATCHERS_MAX]; /* a process other than this one that watches it; 0: none */
	bool readable;              /* some process could be looked into at all */
};

/* Reads /proc: a few milliseconds, for a worker thread. */
void watchers_find(struct watchers *w);
