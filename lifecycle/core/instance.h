/* The record of an instance: the one truth about it, written by compare-and-set, and the
 * events that its changes make. lifecycle_instance/<tenant>.<instance> */
#pragma once

#include "lifecycle/core/assignment.h"

enum {
	LAST_COMMANDS_MAX = 8,
	EXCLUDED_MAX = 3,
	OUTBOX_MAX = 16,
};

/* An event: a fact about one instance, in stream LIFECYCLE_EVT. */
struct event {
	uint64_t event_no; /* from 1, without gaps */
	char type[12];     /* accepted, rejected, or that of the state entered */
	uint64_t generation;
	enum instance_state from, to; /* STATE_NONE for none */
	enum reason reason;
	char detail[DETAIL_MAX + 1];
	struct id session_id, runner;
	bool has_exit_code, has_signal;
	int32_t exit_code, signal;
	char command_id[COMMAND_ID_MAX + 1]; /* "" for none */
	uint64_t command_seq;                /* 0 for none */
	int64_t at_unix_ms;
	int error_code; /* enum error_code, type rejected */
	char error[DETAIL_MAX + 1];
};

/* A decided command, remembered so that its sender's repetition, or another replica,
 * finds the answer. */
struct decided {
	char command_id[COMMAND_ID_MAX + 1]; /* "" for none */
	uint64_t seq;
	int code; /* 0, or the enum error_code it was refused with */
	bool duplicate;
};

struct instance {
	/* told by get and list */
	struct id tenant, instance_id;
	struct id session_id, profile; /* "" for none */
	enum desired desired;
	enum instance_state state;
	enum reason reason; /* REASON_NONE when RUNNING */
	char detail[DETAIL_MAX + 1];
	uint64_t generation; /* grows with every accepted start and restart */
	struct id runner;    /* where it is, or was last; "" for none */
	int64_t pid;         /* 0: none */
	bool has_exit_code, has_signal;
	int32_t exit_code, signal;   /* of the last run */
	uint32_t restarts, attempts; /* attempts: placements of this generation */
	bool known; /* false: no start of it was ever accepted, or it was purged; kept for
		       its numbers */
	int64_t created_unix_ms, since_unix_ms;

	/* what is wanted */
	struct hash spec_hash;      /* names the stored spec */
	struct hash effective_hash; /* the same with every default filled in: are two
				       starts the same? */
	struct strmap labels;       /* wanted of a runner */
	struct stop_request stop;   /* with DESIRED_STOP */
	struct signal_request signals[SIGNALS_MAX];
	size_t n_signals;
	uint64_t signal_no;             /* of the last request */
	bool start_again;               /* when the tree is empty, run as generation+1 */
	int64_t start_deadline_ms;      /* 0: none */
	int64_t start_deadline_unix_ms; /* 0: none; of this generation */
	int64_t lost_after_ms;
	enum on_lost on_lost;

	/* fencing and order */
	uint64_t fence;        /* grows with every placement, for ever */
	int64_t cmd_stream_ms; /* when the stream of commands was created: another stream
				  counts anew */
	uint64_t cmd_order;    /* stream sequence of the last decided command */
	struct decided last[LAST_COMMANDS_MAX]; /* oldest first */
	size_t n_last;
	uint64_t runner_epoch, report_no; /* the last report taken into account */
	/* runners that refused or lost this generation, oldest first: asked last, and
	 * their assignment goes */
	struct id excluded[EXCLUDED_MAX];
	size_t n_excluded;
	struct id left; /* runner of an earlier generation, whose assignment goes; "" for
			   none */
	int64_t retry_unix_ms; /* an excluded runner may be asked again from then on */
	struct id
	    release; /* runner whose older assignment is to be deleted; "" for none */
	char op_id[ID_MAX + 1]; /* of the write that made this revision */

	/* events of this revision and those before that may not have been published yet
	 */
	uint64_t event_no;    /* of the last event */
	struct event *outbox; /* owned, in order */
	size_t n_outbox;

	/* not stored */
	uint64_t revision; /* of the stored record; 0: not stored yet */
};

#define INSTANCE_NULL ((struct instance){0})

void instance_deinit(struct instance *i); /* legal twice */
void instance_copy(struct instance *out, const struct instance *i);

struct transition {
	enum instance_state to;
	enum reason reason;
	const char *detail;     /* NULL for none */
	const char *command_id; /* NULL for none */
	uint64_t command_seq;
	int64_t now_unix_ms;
};
/* The only function that changes the state: checks the table (must), sets since, adds the
 * event. */
void instance_set_state(struct instance *i, const struct transition *t);
/* Change reason and detail (NULL for none; @i's own detail is kept) without a transition:
 * no event, since stays. */
void instance_set_reason(struct instance *i, enum reason reason, const char *detail);
/* An event that is no transition: "accepted" or "rejected". Returns it for more to be
 * filled in. */
struct event *instance_add_event(
    struct instance *i, const char *type, int64_t now_unix_ms);
/* The next generation: nothing of the last one's placement remains. State and desired are
 * the caller's. */
void instance_begin_generation(struct instance *i);
/* PENDING past its start deadline: FAILED(EXPIRED). Returns whether it was. */
bool instance_expire(struct instance *i, int64_t now_unix_ms);
/* Forget events up to @event_no: they are published. */
void instance_trim_outbox(struct instance *i, uint64_t event_no);

/* The assignment this record stands for, to be stored for instance.runner. False: none
 * shall exist (terminal, PENDING). */
bool instance_assignment(const struct instance *i, struct assignment *out);
/* The last decided command of the stream created at @stream_ms; 0: none of it. */
uint64_t instance_cmd_order(const struct instance *i, int64_t stream_ms);
/* A stop was asked for, be it to stay stopped or (start_again) to start anew. */
bool instance_wants_stop(const struct instance *i);
bool instance_is_excluded(const struct instance *i, const struct id *runner);
/* A runner may hold (or come to hold) processes of it. */
bool instance_is_placed(const struct instance *i);
/* Exec rule, asked by the runner before it starts anything: is (@runner, @generation,
 * @fence) what the record wants run? */
bool instance_may_exec(const struct instance *i, const struct id *runner,
    uint64_t generation, uint64_t fence);
