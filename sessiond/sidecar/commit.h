/* Carrying out a step: what is about to be written is noted durably, the file is written,
 * the note becomes what was last applied. Killed anywhere in between, the next start
 * finds the old text, the new one, or what it takes to finish. Where nothing can be noted
 * the file is written all the same, in steps that are each a valid document. Blocks on
 * the disk. */
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
	bool keep_note;     /* only remember, and leave the note of a write that failed */
	struct buf before;  /* owned: what the file says now */
	/* results */
	int result;      /* of the file: FILE_WRITE_DONE, FILE_WRITE_CHANGED, -errno */
	bool written;    /* the file says it */
	bool remembered; /* @next is what the next start will find */
	struct err e;    /* @result < 0, or not @remembered: why */
	struct file_write how;
	int64_t visible_at_us; /* monotonic: when the file said it */
};

void commit_run(struct commit *c);
void commit_deinit(struct commit *c);
