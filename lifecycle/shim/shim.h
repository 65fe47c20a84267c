/* zed-shim: the parent of one instance's processes. It outlives the runner, so that the
 * instance does; it reaps, keeps exit codes, drains output into bounded files, and does
 * what the runner tells it over a socket. It decides nothing.
 *
 * libc only, one thread, one poll loop. Its working directory is the instance's folder.
 */
#pragma once

#include "base/shim_msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SHIM_NAME_MAX = 40,
	SHIM_ALONE_MS =
	    10 * 1000, /* a shim nobody told to start anything ends after this */
	SHIM_UNACKED_MS =
	    10 * 60 * 1000, /* likewise one whose processes have all ended */
	SHIM_SWEEP_FIRST_MS = 5,
	SHIM_SWEEP_LONGEST_MS = 250,
};

struct shim_stream {
	int pipe_fd; /* -1: none */
	int file_fd;
	size_t n_file;
	uint64_t seq, dropped;
};

struct shim_task {
	enum shim_task_state state;
	uint32_t run;
	pid_t pid;
	uint64_t start_ticks;
	int exit_code, signal;
	int64_t ended_unix_ms;
	bool output; /* the runner wants it too */
	char name[SHIM_NAME_MAX];
	struct shim_stream streams[2]; /* out, err */
};

struct shim {
	const char *identity;
	int listen_fd, client_fd, signal_fd;
	char *in; /* bytes of the client not yet a whole frame */
	size_t n_in, cap_in;
	struct shim_task tasks[SHIM_TASKS_MAX];
	bool has_children, ever_spawned, told_to_end;
	int64_t idle_since_ms; /* nobody connected and nothing runs since then */
	/* the sweep under way */
	bool sweeping;
	struct shim_sweep sweep;
	int64_t sweep_due_ms, sweep_wait_ms;
	bool quit;
};

int64_t shim_now_ms(void);

/* link.c: the socket */
int shim_listen(struct shim *s);
void shim_on_listener(struct shim *s);
void shim_on_client(struct shim *s);
void shim_drop_client(struct shim *s);
void shim_send(struct shim *s, enum shim_type type, const void *a, size_t n_a,
    const void *b, size_t n_b);
void shim_send_hello(struct shim *s);
bool shim_client_is_slow(const struct shim *s);

/* task.c: what is told, and what children do */
void shim_handle(struct shim *s, enum shim_type type, const char *p, size_t n);
void shim_reap(struct shim *s);

/* spawn.c */
struct shim_launch {
	struct shim_spawn h;
	const uint32_t *groups;
	char *name, *path, *cwd;
	char **cgroups, **argv, **env; /* NULL-terminated, pointing into the frame */
	int out_fd, err_fd;
};
/* Points into @p, which it writes to nowhere; false if malformed. */
bool shim_launch_parse(struct shim_launch *l, const char *p, size_t n);
void shim_launch_free(struct shim_launch *l);
/* 0 and *pid_out, or errno with *stage_out. */
int shim_launch_run(const struct shim_launch *l, pid_t *pid_out, const char **stage_out);

/* output.c */
bool shim_output_open(struct shim_task *t, int fds_out[2]);
void shim_output_drain(struct shim *s, uint32_t task, int is_err);
void shim_output_close(struct shim_task *t);

/* sweep.c */
void shim_sweep_start(struct shim *s, const struct shim_sweep *w);
void shim_sweep_turn(struct shim *s);
