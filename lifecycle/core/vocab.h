/* The words of the lifecycle plane: states, reasons, policies, and their names on the
 * wire. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

enum desired { DESIRED_NONE, DESIRED_RUN, DESIRED_STOP };

/* Numbers are those of proto/lifecycle.proto. */
enum instance_state {
	STATE_NONE,
#define STATE(name, number, event, successors, sentence) STATE_##name = number,
#include "lifecycle/core/instance_states.tbl.h"
#undef STATE
	STATE_N_
};

enum reason {
	REASON_NONE,
#define REASON(name, number, sentence) REASON_##name = number,
#include "lifecycle/core/reasons.tbl.h"
#undef REASON
	REASON_N_
};

enum restart_policy { RESTART_UNSET, RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum on_lost { ON_LOST_UNSET, ON_LOST_KEEP, ON_LOST_REPLACE };

enum verb {
	VERB_NONE,
	VERB_START,
	VERB_STOP,
	VERB_RESTART,
	VERB_SIGNAL,
	VERB_PURGE,
	VERB_N_
};

/* names; "" for NONE */
const char *desired_name(enum desired d);
const char *state_name(enum instance_state s);
const char *state_sentence(enum instance_state s);
const char *state_event(enum instance_state s);   /* event type told on entering it */
uint32_t state_successors(enum instance_state s); /* bit 1u << state */
const char *reason_name(enum reason r);
const char *reason_sentence(enum reason r);
const char *verb_name(enum verb v);
enum verb verb_parse(struct slice s);            /* VERB_NONE if it is none */
enum instance_state state_parse(struct slice s); /* STATE_NONE if it is none */
/* HUP INT QUIT KILL USR1 USR2 TERM and their numbers (signal.h); 0 and NULL if there is
 * none. */
int signal_parse(struct slice s);
const char *signal_name(int signo);

/* STOPPED, EXITED, FAILED: nothing of it lives and nothing more happens by itself. */
bool state_is_terminal(enum instance_state s);
