/* The parts of the sync loop, and what they share. */
#pragma once

#include "base/ids.h"
#include "sessiond/sidecar/insist.h"
#include "sessiond/sidecar/lookout.h"
#include "sessiond/sidecar/pin.h"
#include "sessiond/sidecar/recover.h"
#include "sessiond/sidecar/sync.h"

enum sync_upload_answer {
	SYNC_UPLOAD_NONE,
	SYNC_UPLOAD_TAKEN,
	SYNC_UPLOAD_STALE,
	SYNC_UPLOAD_REFUSED,
};

struct sync {
	struct sync_conf c;
	struct state_dir *state;
	struct lookout *lookout;
	struct record last; /* what was last applied */
	bool started, closing;
	int64_t started_ms; /* monotonic */
	bool recovered; /* what was interrupted is settled */
	bool plain, online;

	/* from the server; p NULL: not known, or remembered by now */
	struct buf base, policy, server;
	bool have_base, have_policy, have_server;
	bool base_known, overrides_known; /* since the start, confirmed or new */
	char base_tag[128], server_tag[128];
	/* heard while a worker had the record: taken when the next run begins */
	enum sync_upload_answer upload_answer;
	char upload_tag[128];
	bool server_reset;
	bool unsaved;        /* s->last is newer than what is on disk */
	bool need_overrides; /* an upload came too late: nothing new until they are read
				again */

	/* the run under way */
	bool busy;        /* a worker has record, file and pin */
	bool used_server; /* s->server goes into what is being committed */
	bool again;
	int64_t planned_us;
	int64_t file_since_us,
	    server_since_us;                  /* what made this run happen, 0: nothing */
	int64_t next_file_us, next_server_us; /* likewise the next one */
	int64_t upload_since_us;
	int64_t visible_us;   /* of a write nobody has read yet, 0: none */
	unsigned n_overtaken; /* in a row */
	/* a write that failed is not tried again as long as nothing changed */
	struct buf failed_text;
	struct file_look failed_look;
	int64_t failed_until_ms;

	/* what is read */
	struct buf text;
	struct file_look look;
	struct buf trouble; /* the text that is not valid, or blank */
	unsigned rung;      /* of the ladder on which it is looked at again */
	bool ran, made;     /* made: the file was written since it was read */
	struct loop_timer *ladder, *retry;
	struct buf before, after; /* what the last write replaced, and by what */
	int64_t written_mtime_ns; /* of that write */

	/* what waits */
	struct loop_timer *held, *offer;
	enum decide_answer answers[DECIDE_WAIT_N_];
	int64_t invalid_since_unix_ms; /* 0: it is not */
	bool offered;                  /* the last good text, for the file that is invalid */
	bool restoring;                /* it was asked for */
	struct id offer_id;
	int64_t offered_unix_ms;

	/* the inode the editor watches */
	struct pin pin;
	ino_t pin_ino;         /* of the file when the pin was settled last */
	int64_t pin_probed_ms; /* monotonic */
	bool pin_wanted;
	int64_t pin_due_ms; /* it gives way to an upload until then; 0: it does not */
	struct buf orphan; /* what was written into the inode put aside */
	bool have_orphan;
	int64_t orphan_until_ms;
	struct loop_timer *orphan_timer, *probe, *pin_later;

	/* told */
	enum sync_file_state file;
	int64_t file_since_unix_ms;
	char problem[SYNC_PROBLEM_MAX];
	char invalid[SYNC_PROBLEM_MAX]; /* what the parser says */
	uint32_t line, column;
	enum file_write_mode write_mode;
	char write_why[128];
	enum recovery recovery;
	struct sync_event events[SYNC_EVENTS_KEPT];
	size_t n_events;
	struct insist insist;

	loop_task_cb *closed_cb;
	void *closed_data;
};

/* Return: 0; ERROR_CONFLICT: another process has the state */
int sync_open(struct sync *s, const struct lookout_conf *look, struct err *e) MUST_CHECK;
/* What was remembered, and a write that was interrupted. 0; -errno (@e): not now */
int sync_recover(struct sync *s, struct err *e) MUST_CHECK;
/* Borrowed texts are copied; no run begins. */
void sync_take_base(struct sync *s, const struct sync_base *b);
/* Read, decide, carry out; later, if a run is under way. */
void sync_run(struct sync *s);
void sync_run_end(struct sync *s);
void sync_take_news(struct sync *s);
/* The settings file's folder; and the themes in it, without which the editor takes any
 * file beside its settings for a theme. 0 or -errno. */
int sync_make_folders(const struct sync *s) MUST_CHECK;
/* Carry out @d; takes it. False: there is nothing to do. */
bool sync_commit_start(struct sync *s, struct decide_output *d);
/* The write failed a moment ago, and would again. */
bool sync_is_futile(const struct sync *s, const struct decide_output *d);
void sync_set_file(struct sync *s, enum sync_file_state f, const char *problem);
/* Tell what a step did. */
void sync_tell(struct sync *s, const struct settings_event *events);
void sync_tell_one(struct sync *s, const char *type, const char *rule);
/* A worker makes sure of the pin, if the file is not the inode it was. False: no need. */
bool sync_pin_start(struct sync *s);
void sync_pin_init(struct sync *s);
void sync_pin_deinit(struct sync *s);
/* A bulk deletion is held for a while only. */
void sync_arm_held(struct sync *s);
/* The file is not valid; again and again until sync_end_invalid(). */
void sync_begin_invalid(struct sync *s);
void sync_end_invalid(struct sync *s);
void sync_wait_init(struct sync *s);
void sync_wait_deinit(struct sync *s);
