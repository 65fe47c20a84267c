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
 * Without a given one, the first that can be had of $XDG_STATE_HOME/helix-settings (or
 * ~/.local/state/...), ~/.config/.helix-settings and .helix-settings beside the file, on
 * the file system of the settings file, which hard links need; if none is there, the
 * first on any other.
 *
 * One that cannot be had is no failure: what needs it fails, and tries again to have it.
 *
 * Return: 0; ERROR_CONFLICT: another process has it
 */
int state_dir_open(
    const struct state_dir_conf *c, struct state_dir **out, struct err *e) MUST_CHECK;
struct state_dir *state_dir_close(struct state_dir *s); /* takes NULL; returns NULL */
const char *state_dir_path(const struct state_dir *s);
int state_dir_fd(const struct state_dir *s); /* -1: it cannot be had */
/* Why not; "" when it is had. */
const char *state_dir_problem(const struct state_dir *s);

/* The functions below block on the disk; any thread, one at a time. */

enum state_slot {
	STATE_LAST, /* what was last applied */
	STATE_NEXT, /* what is being applied */
};

/* Of slots.h: the newest that is whole. Return: 0; -ENOENT; ERROR_INVALID: unreadable (it
 * was moved aside, to be looked at); -errno */
int state_load(struct state_dir *s, enum state_slot slot, struct record *out,
    struct err *e) MUST_CHECK;
/* Whole or not at all; durable when it returns 0. */
int state_save(struct state_dir *s, enum state_slot slot, const struct record *r,
    struct err *e) MUST_CHECK;
/* NEXT becomes LAST, durably. */
int state_commit(struct state_dir *s, struct err *e) MUST_CHECK;
int state_abort(struct state_dir *s,
    struct err *e) MUST_CHECK; /* NEXT goes; also when there is none */
/* LAST goes: it is older than what was applied, and newer cannot be kept. */
void state_forget(struct state_dir *s);

/* Keep @text among the backups, the oldest makes room. Not durable: what it keeps was in
 * the file. */
int state_backup(struct state_dir *s, struct slice text, struct err *e) MUST_CHECK;
