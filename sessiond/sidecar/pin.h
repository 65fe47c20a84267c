/* Keeping the editor hearing. It watches the inode of its settings file; a save by
 * rename, its own too, puts another inode in place and it would never hear of the file
 * again. So the watched inode is held by a second name, and after such a save it gets the
 * new text and goes back into its place. */
#pragma once

#include "sessiond/sidecar/file_io.h"
#include "sessiond/sidecar/state_dir.h"

enum pin_state {
	PIN_NONE,     /* nothing is held (no hard link can be had: @why) */
	PIN_IN_PLACE, /* the file is the held inode */
	PIN_APART,    /* another inode is in its place */
};

enum pin_hearing {
	PIN_HEARING_UNKNOWN, /* nobody is seen to watch, or nobody may be looked at */
	PIN_HEARING_ALIVE,   /* somebody watches the file in its place */
	PIN_HEARING_DEAD, /* somebody watches the held inode, which is not in its place; or
			     watched the file, and does not watch what stands there now */
};

struct pin {
	struct state_dir *state;
	enum pin_state is;
	enum pin_hearing hearing;
	char why[128];   /* PIN_NONE */
	bool held;       /* since this process runs */
	bool hurry;      /* who hears may be found out later, if nothing depends on it */
	pid_t listener;  /* who was last seen to watch the file; 0: nobody */
	bool has_orphan; /* an inode that was put out of its place, kept for a while */
	struct file_look orphan;
};

/* The functions block on the disk, and on /proc: for a worker thread. */

/**
 * pin_settle() - make sure that the file and the held inode are one
 * @path: the settings file, symlinks resolved
 *
 * Holds the file's inode if none is held, or if nobody watches the held one. Else puts
 * the held one back, with the text of the file. Where nothing can be held (another file
 * system, no state folder) it only finds out who hears: which means to look through all
 * processes, and is left out in a @hurry.
 *
 * Return: 0; -EAGAIN: somebody is just writing the file; -errno. p->is says what came of
 * it
 */
int pin_settle(struct pin *p, const char *path, struct err *e) MUST_CHECK;

/* Somebody wrote into the inode that was put out of its place: true, and what. */
bool pin_orphan_written(struct pin *p, struct buf *text);
void pin_drop_orphan(struct pin *p);
const char *pin_hearing_name(enum pin_hearing h);
