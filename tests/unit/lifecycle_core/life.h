/* The life of one instance under test: commands and reports go in with a simulated clock,
 * the events that come out are written down as a trace to compare with. */
#pragma once

#include "base/buf.h"
#include "lifecycle/core/decide.h"
#include "lifecycle/core/step.h"

struct life {
	struct instance rec;
	struct buf trace;
	uint64_t traced; /* events up to this one are in the trace */
	uint64_t seq;    /* of the last command */
	uint64_t report_no;
	int64_t now_ms;
	struct verdict verdict; /* of the last command */
};

void life_init(struct life *l);
void life_deinit(struct life *l);
/* The lines since the last call, one an event:
 *	"1 accepted -> PENDING g1", "2 assigned PENDING -> ASSIGNED g1 f1 r1", with reason
 *and [detail] when set. */
const char *life_trace(struct life *l);

/* Commands. @spec: a letter that stands for the specification (starts with the same
 * letter are the same). */
int life_start(struct life *l, char spec, const char *command_id);
int life_start_with(struct life *l, char spec, int64_t deadline_ms, enum on_lost on_lost);
int life_stop(struct life *l, bool force);
int life_restart(struct life *l);
int life_signal(struct life *l, int signo);
int life_purge(struct life *l);
int life_malformed(struct life *l);

/* What happens by itself. */
void life_place(struct life *l, const char *runner);
bool life_report(struct life *l, enum instance_state state);
bool life_report_why(
    struct life *l, enum instance_state state, enum reason reason, const char *detail);
bool life_refuse(struct life *l, enum reason reason);
/* Up to RUNNING on r1. */
void life_run(struct life *l);
