/* What lifecycled tells a runner about one instance:
 * lifecycle_assignment/<runner>.<tenant>.<instance>. Level-triggered: it says what shall
 * be, and is overwritten when that changes. Deleted when the instance is terminal or was
 * moved away: a runner that holds an instance without an assignment asks the record, then
 * stops it and deletes its own report. */
#pragma once

#include "base/ids.h"
#include "lifecycle/core/spec.h"
#include "lifecycle/core/vocab.h"

enum {
	SIGNALS_MAX = 8,  /* signal requests not yet carried out */
	DETAIL_MAX = 256, /* bytes, without the NUL */
};

/* The stop in force. */
struct stop_request {
	int64_t grace_ms; /* -1: the spec's */
	bool force;       /* no grace at all: KILL at once */
	char reason[DETAIL_MAX + 1];
};

/* Numbered from 1 per instance; carried out once, in order. */
struct signal_request {
	uint64_t no;
	int signal;
};

struct assignment {
	struct id tenant, instance_id;
	uint64_t generation, fence;
	enum desired desired;
	struct hash spec_hash; /* of the spec to run; a stored spec with another hash is
				  not (yet, or no longer) it */
	struct stop_request stop;                   /* with DESIRED_STOP */
	struct signal_request signals[SIGNALS_MAX]; /* those not yet reported as done */
	size_t n_signals;
	uint64_t order; /* revision of the record this was made from; a lower one never
			   replaces a higher */
};

/* What a runner sees: lifecycle_report/<runner>.<tenant>.<instance>, overwritten at each
 * change, written by it alone. */
struct report {
	struct id tenant, instance_id;
	struct id runner;           /* from the key */
	uint64_t generation, fence; /* of the assignment it answers */
	/* STARTING RUNNING BACKOFF STOPPING STOP_STUCK; and, with the tree verified empty
	 * and nothing more to come: STOPPED EXITED FAILED. ASSIGNED only with refused. */
	enum instance_state state;
	enum reason reason;
	char detail[DETAIL_MAX + 1];
	int64_t pid; /* 0: none */
	bool has_exit_code, has_signal;
	int32_t exit_code, signal; /* of the last run that ended */
	uint32_t restarts;         /* starts after the first one of this fence */
	bool refused; /* did not start this fence and will not: reason, detail say why */
	struct id boot_id;
	uint64_t runner_epoch;
	uint64_t report_no; /* grows with every report within an epoch */
	int64_t at_unix_ms;
	uint64_t signal_no; /* the last signal request carried out */
};

/* Do both tell a runner the same (whatever record they were made from)? */
bool assignment_same(const struct assignment *a, const struct assignment *b);
