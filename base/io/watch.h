/* Watching directories with inotify: what was completely written, renamed, made or removed in them. Files are watched
 * through their directory, because a watch on a file dies with the first rename over it. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"

enum watch_event {
	WATCH_WRITTEN = 1,  /* closed after writing */
	WATCH_MOVED_IN = 2,
	WATCH_CREATED = 4,
	WATCH_GONE = 8,     /* deleted or moved away */
	WATCH_MODIFIED = 16, /* written, not closed yet */
	WATCH_OPENED = 32,
	WATCH_READ_CLOSED = 64, /* closed by a reader */
	WATCH_ATTRIB = 128,
	WATCH_LOST = 256,   /* queue overflow, directory removed or unmounted: look again, and watch again if it is back */
};

struct watch;
/* @name: entry in the directory, "" with WATCH_LOST. */
typedef void watch_cb(void *data, unsigned events, const char *name);

/* 0; -ENOENT, -ENOTDIR, -ENOSPC (limit of watches) ... */
int watch_new(struct loop *l, const char *dir, unsigned events, watch_cb *cb, void *data, struct watch **out,
    struct err *e) MUST_CHECK;
struct watch *watch_free(struct watch *w); /* takes NULL; in its own callback too */
