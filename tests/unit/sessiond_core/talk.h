/* A conversation under test: inputs by short words with a simulated clock; the effects
 * that come out are written down as a trace. Storing is acknowledged at once unless the
 * test holds it back. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/chat.h"

struct talk {
	struct chat chat;
	struct zed_link link;
	struct chat_effects fx;
	struct chat_now now;
	struct buf trace;
	bool hold_stores; /* hand-overs and endings wait for talk_stored */
	uint64_t next_order;
};

void talk_init(struct talk *t);
void talk_deinit(struct talk *t);
/* The effects since the last call, a line each: "store-hand a", "send a into T1",
 * "changed a waiting", "ended a complete". */
const char *talk_trace(struct talk *t);

struct turn *talk_turn(struct talk *t, const char *id);
void talk_prompt(struct talk *t, const char *id);
void talk_interrupt(struct talk *t, const char *id);
void talk_input(
    struct talk *t, enum chat_input_kind kind, const char *id, const char *text);
void talk_up(struct talk *t);
void talk_ready(struct talk *t);
/* Ready, telling which turns it has (NULL ends; none: an empty list). */
void talk_ready_knowing(struct talk *t, ...) __attribute__((sentinel));
void talk_down(struct talk *t);
/* Up and ready with thread T1 bound by a first turn that has completed. */
void talk_begun(struct talk *t);
/* An entry as Zed sends it; what became of it is in the trace only if nothing took it. */
void talk_say(
    struct talk *t, const char *request_id, const char *message_id, const char *text);
void talk_wait(struct talk *t, int64_t ms);
/* Acknowledge what was held back. */
void talk_stored(struct talk *t);
/* As a restart does: all turns as the store has them, into a fresh conversation. */
void talk_restart(struct talk *t);
