/* Workspaces: beneath an allowed root whatever symbolic links say, made when missing, and
 * each held by one instance only. */
#pragma once

#include "base/err.h"
#include "lifecycle/runner/account.h"

#include <sys/stat.h>

/**
 * workspace_open() - the folder @path, made if missing
 * @roots:   absolute folders, one of which @path must lie beneath; a relative @path is
 * taken beneath the first
 * @account: owns what is made
 * @fd_out:  O_PATH descriptor of it; the caller closes
 * @real_out: its path without symbolic links, PATH_MAX bytes
 *
 * Return: 0; ERROR_INVALID (not beneath a root, .., a file in the way); -errno
 */
int workspace_open(const char *path, char *const *roots, size_t n_roots,
    const struct account *account, int *fd_out, char *real_out, struct err *e) MUST_CHECK;

/**
 * workspace_lock() - make it ours
 * @locks_dir: descriptor of the folder of lock files
 * @who:       written into the lock, for whoever finds it taken
 * @lock_out:  descriptor that holds the lock as long as it, or a copy in a child, is open
 *
 * Return: 0; ERROR_CONFLICT (@e names the holder); -errno
 */
int workspace_lock(int locks_dir, int workspace_fd, const char *who, int *lock_out,
    struct err *e) MUST_CHECK;
/* Remove the lock's file if nobody holds it. */
void workspace_unlock_file(int locks_dir, dev_t dev, ino_t ino);
