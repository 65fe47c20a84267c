/* Everything the benchmark runs against: its own broker and daemons in a temporary folder
 * on free ports, and one loop with a client of each kind. Code above it reads top to
 * bottom: it starts something and awaits a flag. */
#pragma once

#include "base/io/bus.h"
#include "base/io/fetch.h"
#include "base/io/loop.h"
#include "base/io/proc.h"
#include "base/io/store.h"
#include "base/io/ws_client.h"

#include <stdbool.h>

enum {
	RIG_PROCS_MAX = 16,
	RIG_TIMEOUT_MS = 30000,
};

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct fetch *fetch;
	struct ws_client_ctx *ws;
	char dir[64];
	char bin[256]; /* where the programs are */
	struct proc *procs[RIG_PROCS_MAX];
	size_t n_procs;
	uint16_t nats_port, lifecycled_port, runner_port, sessiond_port;
	bool connected, stopping;
};

/* Each exits with a message when it cannot. @lifecycle: with lifecycled and a runner. */
void rig_start(struct rig *r, const char *bin, bool lifecycle);
void rig_stop(struct rig *r);

uint16_t rig_free_port(void);
/* Start bin/argv[0]; its stderr is @err_fd, or with -1 dir/<argv[0]>.log. @env: NULL or
 * additions, NULL-terminated. */
pid_t rig_spawn(
    struct rig *r, const char *const *argv, const char *const *env, int err_fd);
/* Where bin/@name or the system's is. */
void rig_find_program(const struct rig *r, const char *name, char *out, size_t n_out);
/* Poll http://127.0.0.1:@port@path until it answers 200. */
void rig_await_http(struct rig *r, uint16_t port, const char *path);
/* Turn the loop until *@flag; exits naming @what after RIG_TIMEOUT_MS. */
void rig_await(struct rig *r, const bool *flag, const char *what);
/* Turn the loop for @ms: the pace of a load, not a wait for something. */
void rig_pace(struct rig *r, int64_t ms);
/* One HTTP call; returns the status, body in @out (NUL-terminated, cut to n_out). */
int rig_call(struct rig *r, const char *method, const char *path, const char *body,
    char *out, size_t n_out);
/* The same at any port of this machine. */
int rig_call_port(struct rig *r, uint16_t port, const char *method, const char *path,
    const char *body, char *out, size_t n_out);
/* One stored publish to bench.*; returns microseconds until its acknowledgement. */
int64_t rig_publish(struct rig *r, const char *subject, struct slice data);
_Noreturn void rig_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
