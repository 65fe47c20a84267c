/* Control groups: limits of an instance, and the one stroke that ends all of its
 * processes. Version 2 where its controllers are there, else version 1 for the limits;
 * what this host cannot do is said, never silently left out. */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdint.h>

enum limits_kind { LIMITS_MEMORY, LIMITS_CPU, LIMITS_PIDS, LIMITS_N_ };

enum {
	LIMITS_PROBLEMS_MAX = 4,
	LIMITS_GROUP_DIRS_MAX = 1 + LIMITS_N_,
};

struct limits {
	char v2[PATH_MAX];      /* our folder in the version 2 tree; "" none */
	bool v2_has[LIMITS_N_]; /* controllers enabled in it */
	char v1[LIMITS_N_]
	       [PATH_MAX]; /* our folder in each version 1 tree; "" none or not needed */
	char problems[LIMITS_PROBLEMS_MAX][128];
	size_t n_problems;
};

struct limits_want {
	int64_t memory_max_mb, cpu_milli, pids_max; /* 0: no limit */
};

/* The groups of one instance. dirs[0] is the version 2 one, "" if there is none. */
struct limits_group {
	char *dirs[LIMITS_GROUP_DIRS_MAX]; /* owned; NULL none */
	bool memory_is_v2;
};

#define LIMITS_GROUP_NULL ((struct limits_group){{0}, false})

/* Find out what there is; makes our folders. @name tells them from those of every other
 * runner. Small writes to a kernel file system. */
void limits_init(struct limits *l, const char *name);
/* Remove our folders if they are empty. */
void limits_deinit(struct limits *l);

/* Make the groups of instance @name and set its limits. What cannot be set makes no
 * group: it was said at the start. Return: 0; -errno when a limit that this host has
 * could not be set */
int limits_create(const struct limits *l, const char *name,
    const struct limits_want *want, struct limits_group *out, struct err *e) MUST_CHECK;
void limits_group_deinit(struct limits_group *g); /* memory only */
/* The cgroup.procs files a process enters; @out holds LIMITS_GROUP_DIRS_MAX owned
 * strings; returns how many. */
size_t limits_group_entries(const struct limits_group *g, char **out);
/* SIGKILL to everything in it at once (version 2, kernel 5.14); false if that cannot be
 * done here. */
bool limits_group_kill(const struct limits_group *g);
/* Some process is in it, as far as can be told. */
bool limits_group_populated(const struct limits_group *g);
/* Kills for want of memory so far. */
uint64_t limits_group_oom_kills(const struct limits_group *g);
void limits_group_remove(const struct limits_group *g);
