/* What zed-runner and zed-shim say to each other over a unix socket. Both run on one
 *host, but not always from one build: a runner may be upgraded while its shims live on,
 *so the layouts here only ever grow at their end and a change of meaning takes a new
 *SHIM_VERSION. Host byte order; every frame is a struct shim_head and @n bytes of
 *payload.
 *
 *	runner -> shim	SPAWN SIGNAL SWEEP FORGET QUERY QUIT
 *	shim -> runner	HELLO (on every connection, and as the answer to QUERY) SPAWNED
 *EXITED EMPTY OUTPUT */
#pragma once

#include <stdint.h>

enum {
	SHIM_VERSION = 1,
	SHIM_PAYLOAD_MAX = 4 * 1024 * 1024,
	SHIM_TASKS_MAX = 20,
	SHIM_TASK_MAIN = 0,
	SHIM_TASK_HOOK = 1,
	SHIM_TASK_COMPANION = 2, /* the first of them */
	SHIM_IDENTITY_MAX = 256,
	SHIM_OUTPUT_MAX = 32 * 1024,
	SHIM_LOG_BYTES_MAX = 1024 * 1024, /* of one output file, and of its predecessor */
};

/* File names in the instance's folder. */
#define SHIM_SOCKET "shim.sock"
#define SHIM_LOCK   "lock"
#define SHIM_EXIT_FILE                                                                   \
	"exit." /* and the task's number: "run exit_code signal pid unix_ms\n" */
#define SHIM_LOG_DIR "log" /* <task>.out, <task>.err and their predecessors .1 */

/* Environment every process of an instance carries; how strays are known for what they
 * are. */
#define SHIM_MARK_INSTANCE "ZED_INSTANCE"
#define SHIM_MARK_TASK     "ZED_TASK"

enum shim_type {
	SHIM_SPAWN = 1,
	SHIM_SIGNAL,
	SHIM_SWEEP,
	SHIM_FORGET,
	SHIM_QUERY,
	SHIM_QUIT, /* ends the shim if nothing runs below it; else ignored */
	SHIM_HELLO = 64,
	SHIM_SPAWNED,
	SHIM_EXITED,
	SHIM_EMPTY,
	SHIM_OUTPUT,
};

struct shim_head {
	uint32_t n;
	uint32_t type;
};

/* Followed by groups (uint32_t each), then NUL-terminated strings: task name, path,
 * working directory, then the cgroup.procs files to enter, then argv, then the
 * environment. */
struct shim_spawn {
	uint32_t task, run;
	uint32_t drop; /* 1: become uid, gid and groups; 0: stay who the runner is */
	uint32_t uid, gid;
	uint32_t n_groups, n_cgroups, n_argv, n_env;
	uint32_t output;      /* 1: send OUTPUT frames too */
	uint32_t into_cgroup; /* 1: the first cgroup is of version 2: born into it, which
				 costs nothing; moving costs milliseconds */
};

struct shim_signal {
	uint32_t task;
	int32_t signo;
};

/* Signal all that is below the shim, or what earlier runs of one task left behind. */
struct shim_sweep {
	uint32_t leftovers_of; /* a task, or SHIM_SWEEP_ALL */
	int32_t signo;
	uint32_t until_empty; /* 1: again and again until nothing is left, then EMPTY */
};
#define SHIM_SWEEP_ALL UINT32_MAX

struct shim_forget {
	uint32_t task, run;
};

struct shim_spawned {
	uint32_t task, run;
	int32_t error; /* errno, 0: it runs */
	int32_t pid;
	uint64_t start_ticks;
	char stage[16]; /* what failed */
};

struct shim_exited {
	uint32_t task, run;
	int32_t pid;
	int32_t exit_code; /* -1 when a signal ended it */
	int32_t signal;
	uint32_t reserved;
	int64_t at_unix_ms;
};

struct shim_empty {
	uint32_t leftovers_of; /* as in the sweep; SHIM_SWEEP_ALL is also sent whenever
				  the last process is gone */
};

enum shim_task_state { SHIM_TASK_NONE, SHIM_TASK_RUNNING, SHIM_TASK_EXITED };

struct shim_task_info {
	uint32_t task, run;
	uint32_t state;
	int32_t pid;
	int32_t exit_code;
	int32_t signal;
	uint64_t start_ticks;
	int64_t at_unix_ms; /* of its end */
};

/* Followed by n_tasks struct shim_task_info. */
struct shim_hello {
	uint32_t version;
	uint32_t n_tasks;
	int32_t pid;
	uint32_t empty;                   /* 1: no process below */
	char identity[SHIM_IDENTITY_MAX]; /* as in SHIM_MARK_INSTANCE */
};

/* Followed by bytes of output. */
struct shim_output {
	uint32_t task;
	uint32_t is_err;
	uint64_t seq;     /* of this stream, in frames */
	uint64_t dropped; /* bytes of this stream that were not sent because nobody read
			     fast enough */
};
