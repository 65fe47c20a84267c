/* The settings file and what the server says are brought together: whenever one of them
 * changed, the file is read, a step is decided and carried out, one at a time. */
#pragma once

#include "base/io/loop.h"
#include "sessiond/sidecar/commit.h"
#include "sessiond/sidecar/decide.h"

enum {
	SYNC_EVENTS_KEPT = 32,
	SYNC_PROBLEM_MAX = 256,
};

struct pin;
struct sync;

struct sync_conf {
	struct loop *loop;
	const char *settings;  /* as configured */
	const char *state_dir; /* NULL: chosen */
	const char *session_id;
	const char *client; /* which of several instances of the session this is */
	enum file_write_mode mode;
	int64_t offer_restore_ms; /* of an invalid file, until its last good text is offered
				   */
	/* There may be something to upload; what is left of the run does not hold it up. */
	void (*remembered)(void *data);
	/* A run ended and nothing waits for another. */
	void (*settled)(void *data);
	void *data;
};

/* What was remembered is read, a write that was interrupted is settled. Nothing else
 * happens until sync_start(). Return: 0; ERROR_CONFLICT: another process has the state */
int sync_new(const struct sync_conf *c, struct sync **out, struct err *e) MUST_CHECK;
void sync_start(struct sync *s);
/* What is under way is finished first. */
void sync_close(struct sync *s, loop_task_cb *closed_cb, void *data);

/* What the server has, as it becomes known. Texts are copied. @since_us: when the change
 * was heard of. */
struct sync_base {
	struct slice base, policy; /* an empty policy is the built-in one */
	const char *tag;
	bool plain; /* the server takes whole objects and gives nothing back */
	int64_t since_us;
};
void sync_set_base(struct sync *s, const struct sync_base *b);
/* It is still as remembered. */
void sync_base_confirmed(struct sync *s);
/* @reset: it has forgotten what it had; ours are given to it anew. */
void sync_set_overrides(struct sync *s, struct slice text, const char *tag, bool reset);
/* They are still those of @tag. False: which are not the ones remembered. */
bool sync_overrides_confirmed(struct sync *s, const char *tag) MUST_CHECK;
/* The server can take uploads. */
void sync_set_online(struct sync *s, bool online);

/* What there is to upload now: false if nothing. Borrowed until the next call into @s. */
bool sync_get_upload(const struct sync *s, struct slice *body_out, const char **tag_out);
void sync_upload_taken(struct sync *s, const char *tag);
void sync_upload_stale(struct sync *s);
void sync_upload_refused(struct sync *s);
/* Monotonic time of the save that is in the upload, 0: none (told once). */
int64_t sync_upload_since_us(struct sync *s);

/* Look at the file now. */
void sync_kick(struct sync *s, int64_t since_us);
/* And try again what failed. */
void sync_retry(struct sync *s);
enum sync_answer { SYNC_ANSWER_CONFIRM, SYNC_ANSWER_UNDO, SYNC_ANSWER_RESTORE };

/* Something that waits is decided. @id NULL: whatever waits, if it is one thing.
 * ERROR_NOT_FOUND; ERROR_INVALID: several wait, or @a makes no sense. The outcome is
 * there when settled() comes. */
int sync_answer(
    struct sync *s, const char *id, enum sync_answer a, struct err *e) MUST_CHECK;
bool sync_is_settled(const struct sync *s);

enum sync_file_state {
	SYNC_FILE_STARTING,
	SYNC_FILE_OK,
	SYNC_FILE_UNTOUCHED, /* nothing is known of what it should say: left as it is */
	SYNC_FILE_SETTLING,  /* half written, or gone: looked at again in a moment */
	SYNC_FILE_INVALID,
	SYNC_FILE_TOO_LARGE,
	SYNC_FILE_UNREADABLE,
	SYNC_FILE_NOT_WRITABLE,
	SYNC_FILE_UNUSABLE, /* base, policy or record cannot be used */
};

struct sync_event {
	char type[32], path[256], rule[64];
	int64_t at_unix_ms;
};

struct sync_status {
	enum sync_file_state file;
	int64_t file_since_unix_ms;
	const char *problem; /* "" if none */
	/* since when it is no valid document (0: it is), also while it is looked at again;
	 * what is wrong and where */
	int64_t invalid_since_unix_ms;
	const char *invalid;
	uint32_t line, column;
	const char *offer_id; /* the last good text may be restored; NULL: not offered */
	int64_t offered_unix_ms;
	bool exists;           /* there is a file, and Zed may be started */
	bool base_known;       /* from the server, since the start or before */
	const struct record *record;
	const char *path, *watch;
	const char *state_dir, *state_problem; /* "": it is had */
	enum file_write_mode write_mode; /* of the last write; before it, of the next */
	const char *write_why;
	const struct pin *pin; /* the inode the editor watches */
	const char *recovery;
	const struct sync_event *events; /* ring */
	size_t n_events; /* ever; the newest is [(n_events - 1) % SYNC_EVENTS_KEPT] */
};

/* Look again, soon, whether anybody still watches the file. */
void sync_probe(struct sync *s);
void sync_get_status(const struct sync *s, struct sync_status *out);
const char *sync_file_state_name(enum sync_file_state f);
