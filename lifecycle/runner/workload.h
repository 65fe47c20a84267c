/* One instance on this runner: the pure supervisor (lifecycle/core/supervise.h) and
 * everything it needs done. Files: workload.c (life, effects), workload_prepare.c (what
 * must be true before an exec), workload_task.c (processes, by the shim or without),
 * workload_adopt.c (after a restart of the runner), workload_state.c (what survives it),
 * launch.c (arguments and environment).
 *
 * happy path: assignment, prepare (record, spec, profile, folders, token), shim,
 * companions, main, ready, reports, stop, empty tree, report, assignment gone, forgotten
 * failure modes: broker or sessiond away (prepare waits and says so; what runs goes on);
 * not ours any more (denied); cannot run here (refused); shim dies (its processes are
 * held by pidfd and found by their marks); runner dies (adopted) */
#pragma once

#include "base/io/proc.h"
#include "base/shim_msg.h"
#include "lifecycle/core/plan.h"
#include "lifecycle/core/profile.h"
#include "lifecycle/core/supervise.h"
#include "lifecycle/runner/account.h"
#include "lifecycle/runner/limits.h"
#include "lifecycle/runner/probe.h"
#include "lifecycle/runner/runner.h"
#include "lifecycle/runner/shim_link.h"

#include <limits.h>

enum {
	WORKLOAD_KEY_MAX = 2 * ID_MAX + 2,
	WORKLOAD_DIR_NAME_MAX = 24, /* short: unix sockets lie deep below it */
};

struct launch;
struct prepare;

/* One stream of the main program's output, as told on the bus. */
struct workload_output {
	uint64_t seq, n_dropped; /* messages; bytes dropped here */
};

/* A process of the instance, as the shell holds it. */
struct workload_task {
	struct workload *owner;
	char name[PROFILE_COMPANION_NAME_MAX + 1];
	char *ready_url; /* companions; owned, expanded; NULL: none */
	uint16_t port;   /* probed free for it; 0: none */
	int64_t pid;
	uint64_t start_ticks;
	uint32_t run;      /* of the process @pid, or the one being started */
	bool spawn_wanted; /* when the launch is prepared */
	struct proc *proc; /* without a shim only */
	struct probe *probe;
};

struct workload {
	struct runner *runner;
	char key[WORKLOAD_KEY_MAX]; /* tenant.instance */
	struct id tenant, instance_id, session_id, profile;
	uint64_t generation, fence, signal_no;
	struct hash spec_hash;
	char identity[SHIM_IDENTITY_MAX]; /* tenant.instance:generation:fence */

	struct sup sup;
	struct loop_timer *timer; /* sup_next_ms */
	bool denied;              /* the record does not want it; to be dropped */
	bool adopting;            /* what is left of it is being found out */
	bool released;            /* ended, and all it held given back */
	bool forgetting;          /* its report is being deleted */

	/* wanted */
	bool assigned;
	struct assignment assignment;
	uint64_t assignment_revision;
	uint64_t told_revision; /* of the assignment that was answered by telling again */
	uint64_t listed;        /* the last listing that had it */
	int64_t seen_us;        /* when it was first seen; for the metric */
	bool asking_record;
	uint64_t denied_revision; /* the assignment that the record did not bear out... */
	int64_t denied_until_ms;  /* ...is not tried again before */

	/* folders */
	char dir_name[WORKLOAD_DIR_NAME_MAX + 1];
	char dir[PATH_MAX];                     /* absolute */
	char home[PATH_MAX], data[PATH_MAX];    /* $HOME and $XDG_DATA_HOME, below it */
	int dir_fd, lock_fd, workspace_lock_fd; /* -1: none */
	char workspace[PATH_MAX];
	dev_t workspace_dev;
	ino_t workspace_ino;
	struct account account;
	uid_t range_uid; /* of the range, 0: none; kept as long as the folder */
	bool wipe;
	struct limits_group group;
	uint64_t oom_kills;

	/* processes */
	struct workload_task tasks[SUP_TASKS_MAX];
	enum ready_kind ready;
	char *ready_target; /* owned, expanded; file or URL */
	char **hook_argv;   /* owned, expanded */
	int64_t idle_timeout_ms;
	struct shim_link *shim;
	bool shim_said_hello, shim_quitting;
	int64_t shim_pid;
	bool
	    has_strays; /* a shim of this placement died: marks, not it, say what lives */
	struct loop_timer *adopt_timer;
	struct loop_timer
	    *strays_timer; /* without a shim: looks whether anything is left */
	int strays_signo;
	bool strays_leftovers;

	struct workload_output outputs[2]; /* out, err */
	int64_t output_left, output_at_ms; /* bytes that may be told now */

	/* starting */
	struct prepare *prepare;
	struct launch *launch; /* what to exec */
	uint32_t fresh_tasks;  /* bits of tasks that may be exec'd by this preparation,
				  once each */
	char *token;           /* of the agent; owned; NULL none yet */
	bool token_issued;     /* to be revoked at the end */
	struct loop_timer *idle_timer;
	uint64_t idle_ticket;

	/* telling */
	bool report_dirty, report_in_flight;
	struct list queue; /* struct workload_event.link: events for the supervisor */
	bool stepping;
	struct buf saved;      /* what its state file holds; empty: not known */
	uint64_t serial;       /* tells it from another of the same key */
	struct list_link link; /* runner.workloads */
};

/* Made for an assignment, or found in the state folder. */
struct workload *workload_new(
    struct runner *r, const struct id *tenant, const struct id *instance);
/* Lets processes live. */
void workload_free(struct workload *w);
/* Freed, and what was kept for a restart removed: it has ended and that is told. */
void workload_forget(struct workload *w);
/* Begin with the assignment it has. */
void workload_start(struct workload *w);
/* Take its numbers and end at once: nothing is started. @state: STATE_ASSIGNED refuses
 * it, STATE_STOPPED says that nothing runs. */
void workload_end_unstarted(struct workload *w, enum instance_state state,
    enum reason reason, const char *detail);
void workload_stop(struct workload *w, const struct stop_request *s, enum reason reason);
/* Carry out the assignment's signal requests that are new. */
void workload_signals(struct workload *w);
struct plan_local workload_local(const struct workload *w);
/* Not ended: it takes a slot. */
bool workload_is_live(const struct workload *w);
/* One event to the supervisor; now and random are filled in. */
void workload_step(struct workload *w, struct sup_event ev);
void workload_fill_report(const struct workload *w, struct report *out);
/* Tell what is held (soon; the latest state wins), and save it. */
void workload_report(struct workload *w);
void workload_note_starting(struct workload *w);
/* Save what must survive us. */
void workload_save(struct workload *w);

/* ---- between the workload_*.c files */

/* The mark of this placement, from key, generation and fence. */
void workload_name_identity(struct workload *w);

/* workload_prepare.c */
void workload_prepare(struct workload *w);
void workload_prepare_cancel(struct workload *w);
void workload_on_connected(struct workload *w); /* the broker is back: go on at once */
void workload_on_prepared(struct workload *w);

/* workload_local.c: what is checked and made on this host before a start */
int workload_make_folders(struct workload *w, struct err *e) MUST_CHECK;
/* 0; ERROR_* or -errno with *reason_out: refuse */
int workload_prepare_local(struct workload *w, const struct spec *spec,
    enum reason *reason_out, struct err *e) MUST_CHECK;
int workload_open_dir(struct workload *w, struct err *e) MUST_CHECK;
void workload_release(struct workload *w);
/* Released, and so: told. */
void workload_released(struct workload *w);

/* workload_task.c */
void workload_spawn(struct workload *w, int task, uint32_t run);
void workload_send_spawn(struct workload *w, int task);
void workload_signal(struct workload *w, int task, int signo);
void workload_probe(struct workload *w, int task);
void workload_unprobe(struct workload *w, int task);
void workload_sweep(struct workload *w, int signo, bool leftovers);
void workload_kill(struct workload *w);
void workload_task_exited(
    struct workload *w, int task, int exit_code, int signal, enum reason reason);
/* Those that waited for a preparation that came to nothing. */
void workload_spawns_failed(struct workload *w, const char *stage);
void workload_task_failed(struct workload *w, int task, int error, const char *stage);
const struct shim_link_cb *workload_shim_cb(struct workload *w, struct shim_link_cb *out);
struct loop_timer *workload_new_strays_timer(struct workload *w);
/* Hold the processes it has by pidfd: there is no shim. */
void workload_hold_directly(struct workload *w);
/* "pid comm state" of what still lives. */
void workload_describe_strays(struct workload *w, char *out, size_t n);

/* workload_output.c: an OUTPUT frame */
void workload_output(struct workload *w, const char *p, size_t n);

/* workload_adopt.c */
/* @boot_id: of the boot its state was written in. */
void workload_adopt(struct workload *w, const struct id *boot_id);
struct loop_timer *workload_new_adopt_timer(struct workload *w);
/* Go on from where its state was stored. */
void workload_resume(struct workload *w);
void workload_on_hello(struct workload *w, const char *p, size_t n);

/* workload_state.c */
/* @boot_id_out: of the boot it was written in. */
int workload_state_load(
    struct workload *w, struct id *boot_id_out, struct err *e) MUST_CHECK;
int workload_state_write(struct workload *w, struct err *e) MUST_CHECK;
/* Tenant and instance of the state in @dir_fd, for finding what to adopt. */
int workload_state_identify(
    int dir_fd, struct id *tenant, struct id *instance, struct err *e) MUST_CHECK;
