/* Notices that the settings file may have changed: by directory watches on every folder
 * on the way to it, and by looking now and then, where watches miss things. It does not
 * read the file; whoever is told compares contents. */
#pragma once

#include "base/io/loop.h"
#include "sessiond/sidecar/file_io.h"
#include "sessiond/sidecar/path.h"

struct lookout;

struct lookout_conf {
	struct loop *loop;
	const char *path; /* as configured; borrowed */
	/* Look now. @since_us: monotonic time of what made it so. */
	void (*look)(void *data, int64_t since_us);
	/* Another process finished reading the file. */
	void (*was_read)(void *data);
	void *data;
};

/* Starts with what can be watched; what cannot is tried again with every look. */
struct lookout *lookout_new(const struct lookout_conf *c);
struct lookout *lookout_free(struct lookout *l); /* takes NULL; returns NULL */

/**
 * lookout_route() - where the file is now
 *
 * Follows the path again, moves the watches if it leads elsewhere, and makes the folder
 * if it is gone. Call it before each reading.
 *
 * Return: 0; -errno, and the route as last known
 */
int lookout_route(
    struct lookout *l, const struct path_route **out, struct err *e) MUST_CHECK;
/* Reading it through the lookout, so that it knows what it saw and which reader was us.
 * As file_read_look(). */
int lookout_read(struct lookout *l, size_t max, struct buf *out,
    struct file_look *look_out) MUST_CHECK;
/* What is there is known (we wrote it). */
void lookout_seen(struct lookout *l, const struct file_look *look);
/* "inotify", or why not: "poll (...)". */
const char *lookout_how(const struct lookout *l);
