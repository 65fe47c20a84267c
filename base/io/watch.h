/* Watching directories with inotify: what was completely written, renamed, made or
 * removed in them. Files are watched through their directory, because a watch on a file
 * dies with the first rename over it. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"

enum watch_event {
	WATCH_WRITTEN = 1, /* closed after writing */
	WATCH_MOVED_IN = 2,
	WATCH_CREATED = 4,
	WATCH_GONE = 8,      /* deleted or moved away */
	WATCH_MODIFIED = 16, /* written, not closed yet */
	WATCH_OPENED = 32,
	WATCH_READ_CLOSED = 64, /* closed by a reader */
	WATCH_ATTRIB = 128,
	/* Queue overflow; directory removed, moved or unmounted: look again, and watch
	 * again if it is there. Always told. */
	WATCH_LOST = 256,
};

/* The kernel gives a user 128 of these by default: one a process is enough. */
struct watcher;

/* 0; -EMFILE (no more for this user: poll instead), ... */
int watcher_new(struct loop *l, struct watcher **out, struct err *e) MUST_CHECK;
/* Takes NULL; frees its watches too. Legal inside a callback. Returns NULL. */
struct watcher *watcher_free(struct watcher *w);

struct watch;
/* @events: one or more bits. @name: entry in the directory, never "" but with WATCH_LOST.
 * Watches may be made and freed in here. */
typedef void watch_cb(void *data, unsigned events, const char *name);

/* Several watches of one directory are told each its own events. 0; -ENOENT, -ENOTDIR,
 * -EACCES, -ENOSPC (limit of watches), ... */
int watch_new(struct watcher *wr, const char *dir, unsigned events, watch_cb *cb,
    void *data, struct watch **out, struct err *e) MUST_CHECK;
struct watch *watch_free(
    struct watch *w); /* takes NULL; legal in any callback. Returns NULL. */
