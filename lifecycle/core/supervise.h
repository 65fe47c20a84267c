/* One instance on its runner: companions, main program, readiness, restarts, and the
 *phases of a stop. Pure: events in, effects out, time in the event. The shell
 *(lifecycle/runner) starts processes, signals and probes as told.
 *
 *	PREPARING -> COMPANIONS -> STARTING -> RUNNING        exit, by policy:
 *	    ^                         |           |           BACKOFF or the end
 *	    |                       ABORT         |
 *	    +------- BACKOFF <--------+-----------+
 *	any: stop -> HOOK -> GRACE -> TERM -> KILL -> DONE     (each left early when what
 *it waits for is gone) */
#pragma once

#include "lifecycle/core/assignment.h"

enum {
	SUP_COMPANIONS_MAX = 8,
	SUP_MAIN = 0, /* task numbers */
	SUP_HOOK = 1,
	SUP_COMPANION = 2,
	SUP_TASKS_MAX = SUP_COMPANION + SUP_COMPANIONS_MAX,
	SUP_EFFECTS_MAX = 32,
	SUP_BACKOFF_BASE_MS = 1000,
	SUP_BACKOFF_CAP_MS = 60 * 1000,
	SUP_HEALTHY_MS =
	    10 * 60 * 1000, /* a run this long forgets the delays before it */
	SUP_TERM_MS = 2000,
	SUP_STUCK_MS = 60 * 1000,
	SUP_KILL_AGAIN_MS = 5000,
};

enum sup_phase {
	SUP_PREPARING,
	SUP_COMPANIONS,
	SUP_STARTING,
	SUP_RUNNING,
	SUP_ABORT, /* not ready in time: main is being ended, to be started again */
	SUP_BACKOFF,
	SUP_STOP_HOOK,
	SUP_STOP_GRACE,
	SUP_STOP_TERM,
	SUP_STOP_KILL,
	SUP_DONE,
};

struct sup_rules {
	struct restart_rule restart; /* complete */
	struct stop_rule stop;       /* complete */
	int64_t ready_timeout_ms;
	bool has_hook;
	bool probed; /* readiness of main comes as an event; else after alive_ms */
	int64_t alive_ms;
	size_t n_companions;
	bool companion_probed[SUP_COMPANIONS_MAX];
};

enum sup_task_state { SUP_TASK_DOWN, SUP_TASK_SPAWNING, SUP_TASK_UP };

struct sup_task {
	enum sup_task_state state;
	bool ready;
	uint32_t run; /* counts its starts */
	int64_t pid;
	unsigned n_fails; /* companions: since it last was well */
	int64_t retry_ms; /* companions: when to start it again; 0: not waiting */
	int64_t up_since_ms;
};

struct sup {
	struct sup_rules rules;
	enum sup_phase phase;
	/* what is told */
	enum instance_state state;
	enum reason reason;
	char detail[DETAIL_MAX + 1];
	bool refused;
	bool has_exit_code, has_signal;
	int32_t exit_code, signal;
	uint32_t restarts;

	struct sup_task tasks[SUP_TASKS_MAX];
	/* restarting */
	bool leftovers; /* of the last run may live */
	unsigned n_fails;
	int64_t restart_at_ms[RESTART_MAX_MAX]; /* ring of the latest restarts */
	size_t n_restart_at;
	int64_t due_ms; /* of the phase: readiness, end of backoff, end of grace...; 0:
			   none */
	int64_t alive_due_ms; /* READY by staying alive; 0: none */
	/* stopping */
	bool stop_asked;
	struct stop_request stop;
	enum reason stop_reason;
	int64_t stop_at_ms, kill_at_ms;
	enum sup_phase main_ended_in;    /* of a stop */
	enum instance_state final_state; /* STATE_NONE: not decided */
	enum reason final_reason;
	char final_detail[DETAIL_MAX + 1];
};

enum sup_event_type {
	SUP_EV_START,        /* first of all */
	SUP_EV_PREPARED,     /* all is there to exec */
	SUP_EV_REFUSED,      /* cannot be started here: @reason, @detail */
	SUP_EV_SPAWNED,      /* @task runs: @pid */
	SUP_EV_SPAWN_FAILED, /* @task: @error (errno), @detail */
	SUP_EV_EXITED, /* @task: @exit_code (-1: none), @signal, @reason OOM, HOST_REBOOT,
			  UNKNOWN_EXIT or none */
	SUP_EV_READY,  /* @task's probe succeeded */
	SUP_EV_LEFTOVERS_GONE, /* what earlier runs of main left is gone */
	SUP_EV_EMPTY,          /* no process is left */
	SUP_EV_STOP,           /* @stop, @reason */
	SUP_EV_TICK,           /* time passed */
};

struct sup_event {
	enum sup_event_type type;
	int64_t now_ms; /* boot clock */
	uint32_t random;
	int task;
	int64_t pid;
	int error;
	int exit_code, signal;
	enum reason reason;
	const char *detail; /* NULL for none */
	const struct stop_request *stop;
};

enum sup_effect_type {
	SUP_DO_PREPARE,   /* check the exec rule, read spec and profile, make folders;
			     PREPARED or REFUSED */
	SUP_DO_CANCEL,    /* what PREPARE or SPAWN began */
	SUP_DO_SPAWN,     /* @task, run number @run */
	SUP_DO_SIGNAL,    /* @task, @signo */
	SUP_DO_PROBE,     /* @task, until READY or UNPROBE */
	SUP_DO_UNPROBE,   /* @task */
	SUP_DO_LEFTOVERS, /* kill what main's runs left, then LEFTOVERS_GONE */
	SUP_DO_TERM,      /* SIGTERM to all that lives */
	SUP_DO_KILL, /* kill all that lives until EMPTY; said again while it does not come
		      */
	SUP_DO_REPORT, /* state, reason, detail, pid, exit changed */
};

struct sup_effect {
	enum sup_effect_type type;
	int task;
	uint32_t run;
	int signo;
};

struct sup_effects {
	struct sup_effect v[SUP_EFFECTS_MAX];
	size_t n;
};

/* @rules is copied. Nothing happens before SUP_EV_START. */
void sup_init(struct sup *s, const struct sup_rules *rules);
/* One event; appends to @out what is to be done, in order. */
void sup_step(struct sup *s, const struct sup_event *ev, struct sup_effects *out);
/* Boot clock of the next TICK it needs; 0: none. */
int64_t sup_next_ms(const struct sup *s);
/* After a restart of the runner, with @s as it was stored and tasks that died meanwhile
 * still up in it: resume. The shell then tells what it finds (EXITED, EMPTY). */
void sup_resume(struct sup *s, int64_t now_ms, struct sup_effects *out);
/* Something is to be told beside the state (waiting for the broker, for a token...); true
 * if that is news. */
bool sup_set_detail(struct sup *s, const char *detail);

const char *sup_phase_name(enum sup_phase p);
bool sup_is_stopping(const struct sup *s);
/* The start has not come to an end yet: RUNNING, backoff and stopping are not it. */
bool sup_is_starting(const struct sup *s);

/* private to supervise*.c */
void sup_add_effect(struct sup_effects *out, enum sup_effect_type type, int task);
void sup_set_state(struct sup *s, enum instance_state state, enum reason reason,
    const char *detail, struct sup_effects *out);
/* The end is decided: stop what lives, then say so. */
void sup_finish(struct sup *s, enum instance_state final, enum reason reason,
    const char *detail, int64_t now_ms, struct sup_effects *out);
void sup_on_stop(struct sup *s, const struct sup_event *ev, struct sup_effects *out);
/* Events while stopping. */
void sup_stop_step(struct sup *s, const struct sup_event *ev, struct sup_effects *out);
void sup_stop_resume(struct sup *s, int64_t now_ms, struct sup_effects *out);
