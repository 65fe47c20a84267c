/* The folder of what must survive a restart: one record of what was last applied, one of
 * a write under way, and older texts of the settings file. */
#pragma once

#include "base/err.h"
#include "sessiond/sidecar/record.h"

enum {
	STATE_BACKUPS = 32, /* older texts kept */
};

struct state_dir;

struct state_dir_conf {
	const char *dir;      /* NULL: chosen */
	const char *settings; /* the settings file, symlinks resolved */
};

/**
 * state_dir_open() - make the folder, take it for this process
 *
 * Without a given one: $XDG_STATE_HOME/helix-settings (or ~/.local/state/...) if that is
 * on the file system of the settings file, which hard links need; else
 * ~/.config/.helix-settings likewise; else .helix-settings beside the file.
 *
 * Return: 0; ERROR_CONFLICT: another process has it; -errno
 */
int state_dir_open(
    const struct state_dir_conf *c, struct state_dir **out, struct err *e) MUST_CHECK;
struct state_dir *state_dir_close(struct state_dir *s); /* takes NULL; returns NULL */
const char *state_dir_path(const struct state_dir *s);
int state_dir_fd(const struct state_dir *s);

/* The functions below block on the disk; any thread, one at a time. */

enum state_slot {
	STATE_LAST, /* what was last applied */
	STATE_NEXT, /* what is being applied */
};

/* Return: 0; -ENOENT; ERROR_INVALID: unreadable (it was moved aside, to be looked at);
 * -errno */
int state_load(struct state_dir *s, enum state_slot slot, struct record *out,
    struct err *e) MUST_CHECK;
/* Whole or not at all; durable when it returns 0. */
int state_save(struct state_dir *s, enum state_slot slot, const struct record *r,
    struct err *e) MUST_CHECK;
/* NEXT becomes LAST. */
int state_commit(struct state_dir *s, struct err *e) MUST_CHECK;
int state_abort(struct state_dir *s,
    struct err *e) MUST_CHECK; /* NEXT goes; also when there is none */

/* Keep @text among the backups, the oldest makes room. Not durable: what it keeps was in
 * the file. */
int state_backup(struct state_dir *s, struct slice text, struct err *e) MUST_CHECK;
