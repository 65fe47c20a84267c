/* happy path: folders watched, event with the file's name (or a symlink's on the way to
 * it), told at once
 * failure modes: no inotify (polled every 250 ms, tried again), inotify that tells
 * nothing, not even of our own reading (polled likewise), folder removed or
 * replaced (route followed again), queue overflow (looked at), a writer that never closes
 * (looked at when it has been quiet, at last after 250 ms) */
#include "sessiond/sidecar/lookout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/watch.h"

enum {
	LOOKOUT_POLL_MS = 2000,
	LOOKOUT_POLL_ALONE_MS = 250, /* without inotify */
	LOOKOUT_QUIET_MS = 50,       /* of an open writer */
	LOOKOUT_QUIET_MAX_MS = 250,
	LOOKOUT_OWN_READ_MS = 1000,
	LOOKOUT_PROOF_MS = 1000, /* in which our own reading must be heard of */
	/* A file may change twice within one tick of its clock. */
	LOOKOUT_RACY_NS = 100 * 1000 * 1000,
};

#define LOOKOUT_EVENTS                                                                   \
	(WATCH_WRITTEN | WATCH_MOVED_IN | WATCH_CREATED | WATCH_GONE | WATCH_MODIFIED |  \
	    WATCH_ATTRIB | WATCH_READ_CLOSED)

struct lookout {
	struct lookout_conf c;
	struct watcher *watcher;
	struct watch *watches[PATH_HOPS_MAX];
	struct path_route route; /* what the watches are on */
	bool watching;           /* all of them */
	bool heard;              /* anything, since they are watched: they do work */
	int64_t proof_ms;        /* since when something is to be heard; 0: nothing is */
	bool lost;
	struct loop_timer *poll, *quiet;
	int64_t
	    modified_since_us; /* first write of a writer that did not close; 0: none */
	struct file_look seen;
	int64_t seen_unix_ns;
	unsigned n_own_reads; /* whose events are still to come */
	int64_t own_read_ms;
	char how[160];
};

static void lookout_tell(struct lookout *l, int64_t since_us)
{
	loop_timer_stop(l->quiet);
	l->modified_since_us = 0;
	l->c.look(l->c.data, since_us);
}

static void lookout_on_quiet(struct loop_timer *t, void *data)
{
	struct lookout *l = data;

	(void)t;
	lookout_tell(l, l->modified_since_us);
}

static void lookout_on_modified(struct lookout *l)
{
	int64_t now_us = clock_mono_us(), open_ms;

	if (!l->modified_since_us)
		l->modified_since_us = now_us;
	open_ms = (now_us - l->modified_since_us) / 1000;
	if (open_ms + LOOKOUT_QUIET_MS < LOOKOUT_QUIET_MAX_MS)
		loop_timer_start(l->quiet, LOOKOUT_QUIET_MS, 0);
}

static bool lookout_names(const struct lookout *l, const char *name)
{
	for (size_t i = 0; i < l->route.n_hops; i++) {
		if (strcmp(l->route.hops[i].name, name) == 0)
			return true;
	}
	return false;
}

static void lookout_on_read(struct lookout *l, const char *name)
{
	if (strcmp(l->route.hops[l->route.n_hops - 1].name, name) != 0)
		return;
	/* The kernel joins equal events: a count that is left over is no news. */
	if (clock_mono_ms() - l->own_read_ms > LOOKOUT_OWN_READ_MS)
		l->n_own_reads = 0;
	if (l->n_own_reads > 0)
		l->n_own_reads--;
	else
		l->c.was_read(l->c.data);
}

/* Told how changes are noticed, and how often to look besides. */
static void lookout_set_how(struct lookout *l, const char *why_not)
{
	int64_t period_ms = why_not ? LOOKOUT_POLL_ALONE_MS : LOOKOUT_POLL_MS;

	if (why_not)
		snprintf(l->how, sizeof(l->how), "poll (%.140s)", why_not);
	else
		snprintf(l->how, sizeof(l->how), "inotify");
	loop_timer_start(l->poll, period_ms, period_ms);
}

static void lookout_on_event(void *data, unsigned events, const char *name)
{
	struct lookout *l = data;

	if (!l->heard && l->watching)
		lookout_set_how(l, NULL);
	l->heard = true;
	if (events & WATCH_LOST) {
		l->lost = true;
		l->n_own_reads = 0;
		lookout_tell(l, clock_mono_us());
	} else if (events == WATCH_READ_CLOSED) {
		lookout_on_read(l, name);
	} else if (!lookout_names(l, name)) {
		return;
	} else if (events == WATCH_MODIFIED) {
		lookout_on_modified(l);
	} else {
		lookout_tell(l, clock_mono_us());
	}
}

/* watches */

static void lookout_unwatch(struct lookout *l)
{
	for (size_t i = 0; i < PATH_HOPS_MAX; i++)
		l->watches[i] = watch_free(l->watches[i]);
	l->n_own_reads = 0;
	l->watching = false;
}

/* One watch a folder, however many of the names stand in it. */
static bool lookout_is_watched(const struct lookout *l, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(l->route.hops[i].dir, l->route.hops[j].dir) == 0)
			return true;
	}
	return false;
}

static int lookout_watch_all(struct lookout *l, struct err *e)
{
	int r = l->watcher ? 0 : watcher_new(l->c.loop, &l->watcher, e);

	for (size_t i = 0; !r && i < l->route.n_hops; i++) {
		if (!lookout_is_watched(l, i))
			r = watch_new(l->watcher, l->route.hops[i].dir, LOOKOUT_EVENTS,
			    lookout_on_event, l, &l->watches[i], e);
	}
	return r;
}

static void lookout_watch(struct lookout *l)
{
	struct err e = ERR_NULL;

	lookout_unwatch(l);
	l->watching = lookout_watch_all(l, &e) == 0;
	l->lost = l->heard = false;
	l->proof_ms = 0;
	lookout_set_how(l, l->watching ? NULL : e.text);
}

int lookout_route(struct lookout *l, const struct path_route **out, struct err *e)
{
	struct path_route now;
	int r = path_resolve(l->c.path, &now, e);

	if (!r && (l->lost || !l->watching || !path_same(&now, &l->route))) {
		l->route = now;
		lookout_watch(l);
	}
	*out = &l->route;
	return r;
}

/* reading */

static int64_t lookout_unix_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void lookout_seen(struct lookout *l, const struct file_look *look)
{
	l->seen = *look;
	l->seen_unix_ns = lookout_unix_ns();
}

int lookout_read(
    struct lookout *l, size_t max, struct buf *out, struct file_look *look_out)
{
	int r = file_read_look(l->route.real, max, out, look_out);

	if (r == 0 && look_out->exists && l->watching) {
		l->n_own_reads++;
		l->own_read_ms = clock_mono_ms();
		if (!l->proof_ms)
			l->proof_ms = l->own_read_ms;
	}
	if (r == 0)
		lookout_seen(l, look_out);
	return r;
}

const char *lookout_how(const struct lookout *l)
{
	return l->how;
}

/* A watch that was taken and tells nothing is none (some emulated kernels have such). */
static void lookout_check_proof(struct lookout *l)
{
	if (l->watching && !l->heard && l->proof_ms &&
	    clock_mono_ms() - l->proof_ms > LOOKOUT_PROOF_MS) {
		lookout_set_how(l, "inotify does not tell of our own reading");
		l->proof_ms = clock_mono_ms();
	}
}

static void lookout_on_poll(struct loop_timer *t, void *data)
{
	struct lookout *l = data;
	const struct path_route *route;
	struct file_look look;
	struct path_route was = l->route;
	struct err e = ERR_NULL;

	(void)t;
	lookout_check_proof(l);
	if (lookout_route(l, &route, &e) || !path_same(&was, route) ||
	    file_look(route->real, &look) || !file_look_same(&look, &l->seen) ||
	    (look.exists && l->seen_unix_ns - look.mtime_ns < LOOKOUT_RACY_NS))
		lookout_tell(l, clock_mono_us());
}

/* life */

struct lookout *lookout_new(const struct lookout_conf *c)
{
	struct lookout *l = calloc(1, sizeof(*l));
	const struct path_route *route;
	struct err e = ERR_NULL;

	must(l);
	l->c = *c;
	l->poll = loop_timer_new(c->loop, lookout_on_poll, l);
	l->quiet = loop_timer_new(c->loop, lookout_on_quiet, l);
	snprintf(l->how, sizeof(l->how), "poll (not started)");
	if (lookout_route(l, &route, &e)) {
		snprintf(l->how, sizeof(l->how), "poll (%.140s)", e.text);
		loop_timer_start(l->poll, LOOKOUT_POLL_ALONE_MS, LOOKOUT_POLL_ALONE_MS);
	}
	return l;
}

struct lookout *lookout_free(struct lookout *l)
{
	if (!l)
		return NULL;
	lookout_unwatch(l);
	watcher_free(l->watcher);
	loop_timer_free(l->poll);
	loop_timer_free(l->quiet);
	free(l);
	return NULL;
}
