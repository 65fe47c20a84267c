/* Directory watches on one inotify descriptor in the loop. Not uv_fs_event: that knows no
 * "closed after writing", tells every write, and opens a descriptor a loop all the same.
 *
 * happy path: watcher_new, watch_new, readable, events read in batches, callbacks
 * failure modes: queue overflow (every watch is told WATCH_LOST), directory removed,
 * moved or unmounted (its watches are told), watch or watcher freed in a callback (memory
 * goes when the batch is done) */
#include "base/io/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/list.h"

enum {
	WATCH_BATCH_BYTES = 16 * 1024,
	WATCH_BATCHES_MAX = 16, /* a turn: a busy directory must not starve the loop */
};

struct watcher {
	uv_poll_t poll;
	int fd;
	struct list watches; /* struct watch.link */
	bool dispatching, freed;
};

struct watch {
	struct list_link link;
	struct watcher *watcher;
	int wd; /* -1: the kernel has dropped it */
	unsigned events;
	bool freed; /* in a callback: swept after the batch */
	watch_cb *cb;
	void *data;
};

static const struct {
	unsigned event;
	uint32_t mask;
} watch_masks[] = {
    {WATCH_WRITTEN, IN_CLOSE_WRITE},
    {WATCH_MOVED_IN, IN_MOVED_TO},
    {WATCH_CREATED, IN_CREATE},
    {WATCH_GONE, IN_DELETE | IN_MOVED_FROM},
    {WATCH_MODIFIED, IN_MODIFY},
    {WATCH_OPENED, IN_OPEN},
    {WATCH_READ_CLOSED, IN_CLOSE_NOWRITE},
    {WATCH_ATTRIB, IN_ATTRIB},
};

#define WATCH_SELF_MASK ((uint32_t)(IN_DELETE_SELF | IN_MOVE_SELF))
#define WATCH_LOST_MASK (WATCH_SELF_MASK | IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW)

static uint32_t watch_mask_of(unsigned events)
{
	uint32_t mask = WATCH_SELF_MASK;

	for (size_t i = 0; i < ARRAY_LEN(watch_masks); i++) {
		if (events & watch_masks[i].event)
			mask |= watch_masks[i].mask;
	}
	return mask;
}

static unsigned watch_events_of(uint32_t mask)
{
	unsigned events = 0;

	for (size_t i = 0; i < ARRAY_LEN(watch_masks); i++) {
		if (mask & watch_masks[i].mask)
			events |= watch_masks[i].event;
	}
	return events;
}

/* dispatch */

static void watch_tell(struct watch *w, const struct inotify_event *ev)
{
	unsigned events;

	if (ev->mask & IN_IGNORED)
		w->wd = -1;
	if (ev->mask & WATCH_LOST_MASK) {
		w->cb(w->data, WATCH_LOST, "");
		return;
	}
	/* Without a name it is about the directory itself: opened, listed. */
	events = watch_events_of(ev->mask) & w->events;
	if (events && ev->len)
		w->cb(w->data, events, ev->name);
}

static void watcher_dispatch(struct watcher *wr, const struct inotify_event *ev)
{
	list_for_each (it, &wr->watches) {
		struct watch *w = list_entry(it, struct watch, link);

		if (wr->freed)
			return;
		if (!w->freed && (ev->mask & IN_Q_OVERFLOW || w->wd == ev->wd))
			watch_tell(w, ev);
	}
}

/* False: nothing more to read now. */
static bool watcher_read_batch(struct watcher *wr)
{
	_Alignas(struct inotify_event) char batch[WATCH_BATCH_BYTES];
	ssize_t n = read(wr->fd, batch, sizeof(batch));

	for (const char *p = batch; n > 0 && p < batch + n && !wr->freed;) {
		const struct inotify_event *ev = (const void *)p;

		watcher_dispatch(wr, ev);
		p += sizeof(*ev) + ev->len;
	}
	return n > 0;
}

static void watch_drop(struct watch *w)
{
	list_del(&w->watcher->watches, &w->link);
	free(w);
}

static void watcher_on_closed(uv_handle_t *h)
{
	struct watcher *wr = h->data;

	close(wr->fd);
	free(wr);
}

static void watcher_close(struct watcher *wr)
{
	list_for_each_safe (it, &wr->watches)
		watch_drop(list_entry(it, struct watch, link));
	uv_close((uv_handle_t *)&wr->poll, watcher_on_closed);
}

static void watcher_on_readable(uv_poll_t *h, int status, int events)
{
	struct watcher *wr = h->data;

	(void)status;
	(void)events;
	wr->dispatching = true;
	for (int i = 0; i < WATCH_BATCHES_MAX && !wr->freed && watcher_read_batch(wr);)
		i++;
	wr->dispatching = false;
	if (wr->freed) {
		watcher_close(wr);
		return;
	}
	list_for_each_safe (it, &wr->watches) {
		struct watch *w = list_entry(it, struct watch, link);

		if (w->freed)
			watch_drop(w);
	}
}

/* public */

int watcher_new(struct loop *l, struct watcher **out, struct err *e)
{
	struct watcher *wr = calloc(1, sizeof(*wr));

	must(wr);
	wr->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (wr->fd < 0) {
		int error = errno;

		free(wr);
		return err_set(e, -error, "inotify: %s", strerror(error));
	}
	list_init(&wr->watches);
	must(uv_poll_init(loop_uv(l), &wr->poll, wr->fd) == 0);
	wr->poll.data = wr;
	must(uv_poll_start(&wr->poll, UV_READABLE, watcher_on_readable) == 0);
	*out = wr;
	return 0;
}

struct watcher *watcher_free(struct watcher *wr)
{
	if (!wr || wr->freed)
		return NULL;
	wr->freed = true;
	if (!wr->dispatching)
		watcher_close(wr);
	return NULL;
}

int watch_new(struct watcher *wr, const char *dir, unsigned events, watch_cb *cb,
    void *data, struct watch **out, struct err *e)
{
	/* The mask is added to: another watch may be on the same directory. */
	int wd = inotify_add_watch(
	    wr->fd, dir, watch_mask_of(events) | IN_ONLYDIR | IN_MASK_ADD);
	struct watch *w;

	if (wd < 0)
		return err_set(e, -errno, "watch %s: %s", dir, strerror(errno));
	w = calloc(1, sizeof(*w));
	must(w);
	w->watcher = wr;
	w->wd = wd;
	w->events = events;
	w->cb = cb;
	w->data = data;
	list_push(&wr->watches, &w->link);
	*out = w;
	return 0;
}

static bool watch_is_shared(const struct watch *w)
{
	list_for_each (it, &w->watcher->watches) {
		const struct watch *o = list_entry(it, struct watch, link);

		if (o != w && !o->freed && o->wd == w->wd)
			return true;
	}
	return false;
}

struct watch *watch_free(struct watch *w)
{
	if (!w || w->freed || w->watcher->freed)
		return NULL;
	if (w->wd >= 0 && !watch_is_shared(w))
		(void)inotify_rm_watch(w->watcher->fd, w->wd);
	w->freed = true;
	if (!w->watcher->dispatching)
		watch_drop(w);
	return NULL;
}
