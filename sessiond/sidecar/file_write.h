/* Writing the settings file: only if it still says what was read, and keeping its inode,
 * which is what the editor watches. Blocks on the disk: for a worker thread. */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "sessiond/sidecar/file_io.h"

enum file_write_mode {
	FILE_WRITE_AUTO,  /* by lease, where that cannot be had padded */
	FILE_WRITE_LEASE, /* in place while nobody else can open it: no reader sees half
			     of it */
	FILE_WRITE_PAD,   /* in place, in steps that are each a valid document */
	FILE_WRITE_EXCHANGE, /* a new file changes places with the old one */
	FILE_WRITE_CREATE,   /* there was none */
	FILE_WRITE_MODE_N_
};

enum file_write_outcome {
	FILE_WRITE_DONE = 0,
	/* It no longer says what was expected, or another file stands in its place: read
	 * again. What is there is untouched. */
	FILE_WRITE_CHANGED = 1,
};

struct file_write {
	const char *path; /* symlinks resolved */
	enum file_write_mode mode;
	bool missing;        /* there is to be no file yet */
	bool in_steps;       /* nothing could repair a write that is broken off: after
				each system call it is a valid document */
	struct slice expect; /* what it says now */
	struct slice text;   /* what it shall say */
	/* results */
	enum file_write_mode used;
	char why[96];                  /* why not the better mode; "" */
	int64_t visible_us, synced_us; /* since the start */
	struct file_look look;         /* afterwards */
};

/* Return: FILE_WRITE_DONE, FILE_WRITE_CHANGED, or -errno: @e; the file is as it was
 * unless @e says otherwise */
int file_write(struct file_write *w, struct err *e) MUST_CHECK;
/* How a write would go now, with FILE_WRITE_AUTO; AUTO if the file cannot be opened. @why:
 * as of a write. */
enum file_write_mode file_write_probe(const char *path, char *why, size_t n_why);
const char *file_write_mode_name(enum file_write_mode m);
/* FILE_WRITE_MODE_N_ if it is none. */
enum file_write_mode file_write_mode_parse(const char *s);
