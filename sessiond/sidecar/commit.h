/* Carrying out a step: what is about to be written is noted durably, the file is written,
 * the note becomes what was last applied. Killed anywhere in between, the next start
 * finds the old text, the new one, or what it takes to finish. Blocks on the disk. */
#pragma once

#include "sessiond/sidecar/file_write.h"
#include "sessiond/sidecar/state_dir.h"

struct commit {
	struct state_dir *state;
	const char *path; /* borrowed; symlinks resolved */
	enum file_write_mode mode;
	struct record next; /* owned: what will have been applied; its RECORD_TEXT is what
			       is written */
	bool write;         /* false: only remember */
	bool missing;       /* there is no file yet */
	struct buf before;  /* owned: what the file says now */
	/* results */
	int result;   /* FILE_WRITE_DONE, FILE_WRITE_CHANGED, -errno */
	bool written; /* the file says it, even if not all could be remembered */
	struct err e;
	struct file_write how;
	int64_t visible_at_us; /* monotonic: when the file said it */
};

void commit_run(struct commit *c);
void commit_deinit(struct commit *c);

/* What a commit that did not end left behind. */
enum recovery {
	RECOVERY_NONE,   /* nothing was under way */
	RECOVERY_NEW,    /* it had been written */
	RECOVERY_OLD,    /* it had not */
	RECOVERY_TORN,   /* half of it had: written again, whole */
	RECOVERY_EDITED, /* somebody saved since: what was under way is the server's news,
			    their save is the user's */
};

struct recovered {
	enum recovery what;
	struct record last; /* owned: what was last applied, for the next step */
	/* EDITED: the base that was being applied, not in @last */
	struct record under_way;
};

/**
 * commit_recover() - at start
 * @path: the settings file, symlinks resolved
 *
 * An unreadable record is moved aside and counts as none.
 *
 * Return: 0; -errno (@e; nothing was changed)
 */
int commit_recover(struct state_dir *s, const char *path, struct recovered *out,
    struct err *e) MUST_CHECK;
void recovered_deinit(struct recovered *r);
const char *recovery_name(enum recovery r);
/* @is may have come of writing @to over @from, interrupted anywhere. */
bool commit_is_torn(struct slice is, struct slice from, struct slice to);
