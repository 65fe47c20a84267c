/* The event loop: one libuv loop, its signals, timers that free themselves, and a census
 * of what is still open. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

/* Aborts if the loop cannot be made. SIGPIPE is ignored from here on. */
struct loop *loop_new(void);
/* Run until loop_stop was called and nothing is active any more: until then an empty loop
 * waits. */
void loop_run(struct loop *l);
/* One pass without blocking (tests). False when nothing is left open. */
bool loop_turn(struct loop *l);
void loop_stop(struct loop *l);
/* After loop_run; aborts (listing them) if handles are still open. */
struct loop *loop_free(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);

struct loop_signals {
	/* SIGTERM, SIGINT: once; a second one ends the process with 1 */
	void (*stop_cb)(void *data);
	void (*reload_cb)(void *data); /* SIGHUP */
	void *data;
};
void loop_watch_signals(struct loop *l, const struct loop_signals *s);

/* A timer that may be freed at any time, in its own callback too. */
struct loop_timer;
typedef void loop_timer_cb(struct loop_timer *t, void *data);

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb *cb, void *data);
void loop_timer_start(struct loop_timer *t, int64_t delay_ms, int64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);
struct loop_timer *loop_timer_free(struct loop_timer *t); /* takes NULL; returns NULL */

/* Run @cb on the loop thread, later in this turn or the next; from the loop thread only.
 * For callbacks that must not come from inside the call that caused them. */
typedef void loop_task_cb(void *data);
void loop_defer(struct loop *l, loop_task_cb *cb, void *data);

/* Blocking work on the thread pool, then @done on the loop. For what has no asynchronous
 * form (getaddrinfo, fsync). */
void loop_work(struct loop *l, loop_task_cb *work, loop_task_cb *done, void *data);
