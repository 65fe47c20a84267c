/* One turn: an answer that streams into a thread, told to the server as Zed tells it:
 * whole entries, each at most every 100 ms, earlier ones again when a new one begins and
 * all of them at the end. */
#pragma once

#include "base/io/loop.h"
#include "tests/sim/sim_answer.h"
#include "tests/sim/sim_thread.h"

struct sim_turn;

enum sim_turn_end { SIM_TURN_COMPLETED, SIM_TURN_CANCELLED };

struct sim_turn_conf {
	struct loop *loop;
	int64_t rate; /* bytes a second; 0: each part at once */
	int64_t tick_ms;
	struct sim_thread *thread;
	const char *request_id;   /* copied */
	struct sim_answer answer; /* taken */
	void (*emit)(void *data, struct slice event);
	/* Gone: the last callback; the thread is free for another turn. Never from inside
	 * sim_turn_start. */
	void (*ended)(void *data, struct sim_thread *t, const char *request_id,
	    enum sim_turn_end how);
	void *data;
};

/* The thread's turn from here on. */
void sim_turn_start(const struct sim_turn_conf *conf);
const char *sim_turn_request_id(const struct sim_turn *turn);
/* End it now: what is there is sent, then message_completed, then ended(). */
void sim_turn_cancel(struct sim_turn *turn);
/* Drop it without a word (the process ends). */
void sim_turn_abandon(struct sim_turn *turn);
/* message_added for one entry, as at any time of a turn. */
void sim_turn_print_entry(
    const struct sim_thread *t, size_t i, const char *request_id, struct buf *out);
