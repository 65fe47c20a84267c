/* The event loop over libuv. Its own file because every other wrapper stands on it, and
 * because it alone knows which handles belong to the loop itself and not to anyone who
 * forgot to close theirs.
 *
 * happy path: loop_new, handles come and go, loop_run, loop_stop, the last handle
 * closes, loop_run returns, loop_free
 *
 * failure modes: a handle left open at loop_free: listed and abort; libuv out of
 * descriptors at loop_new: abort */
#include "base/io/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"

enum {
	LOOP_N_SIGNALS = 3,
};

static const int loop_signums[LOOP_N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

struct loop {
	uv_loop_t uv;
	uv_async_t
	    keep_open; /* referenced while the loop may run with nothing else open */
	uv_idle_t deferring; /* active while tasks wait, so that polling does not block */
	struct list tasks;   /* struct loop_task.link */
	bool stopped;

	uv_signal_t signals[LOOP_N_SIGNALS];
	bool watches_signals;
	bool stop_seen;
	struct loop_signals on_signal;
};

struct loop_task {
	struct list_link link;
	loop_task_cb *cb;
	void *data;
};

struct loop_timer {
	uv_timer_t uv;
	loop_timer_cb *cb;
	void *data;
};

struct loop_job {
	uv_work_t uv;
	loop_task_cb *work;
	loop_task_cb *done;
	void *data;
};

/* Only those tasks that waited when the turn began: a task that defers another must not
 * starve the poll. */
static void loop_on_deferring(uv_idle_t *h)
{
	struct loop *l = h->data;

	for (size_t n = l->tasks.n; n > 0; n--) {
		struct loop_task *t =
		    list_entry(list_pop(&l->tasks), struct loop_task, link);
		loop_task_cb *cb = t->cb;
		void *data = t->data;

		free(t);
		cb(data);
	}
	if (l->tasks.n == 0)
		uv_idle_stop(h);
}

static void loop_on_keep_open(uv_async_t *h)
{
	(void)h;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	must(l);
	signal(SIGPIPE, SIG_IGN);
	list_init(&l->tasks);
	must(uv_loop_init(&l->uv) == 0);
	l->uv.data = l;
	must(uv_async_init(&l->uv, &l->keep_open, loop_on_keep_open) == 0);
	l->keep_open.data = l;
	uv_unref((uv_handle_t *)&l->keep_open);
	uv_idle_init(&l->uv, &l->deferring);
	l->deferring.data = l;
	return l;
}

void loop_run(struct loop *l)
{
	if (!l->stopped)
		uv_ref((uv_handle_t *)&l->keep_open);
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

bool loop_turn(struct loop *l)
{
	return uv_run(&l->uv, UV_RUN_NOWAIT) != 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	uv_unref((uv_handle_t *)&l->keep_open);
}

static bool loop_owns(const struct loop *l, const uv_handle_t *h)
{
	const char *p = (const char *)h, *self = (const char *)l;

	return p >= self && p < self + sizeof(*l);
}

static void loop_list_open(uv_handle_t *h, void *n_open)
{
	if (loop_owns(h->loop->data, h) || uv_is_closing(h))
		return;
	fprintf(stderr, "left open: %s handle%s\n", uv_handle_type_name(h->type),
	    uv_is_active(h) ? ", active" : "");
	++*(size_t *)n_open;
}

static void loop_close_own(struct loop *l)
{
	uv_close((uv_handle_t *)&l->keep_open, NULL);
	uv_close((uv_handle_t *)&l->deferring, NULL);
	for (size_t i = 0; l->watches_signals && i < LOOP_N_SIGNALS; i++)
		uv_close((uv_handle_t *)&l->signals[i], NULL);
}

struct loop *loop_free(struct loop *l)
{
	size_t n_open = 0;

	if (!l)
		return NULL;
	while (l->tasks.n > 0) /* what was deferred last may be what frees memory */
		loop_on_deferring(&l->deferring);
	uv_walk(&l->uv, loop_list_open, &n_open);
	must(n_open == 0);
	loop_close_own(l);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&l->uv) == 0);
	free(l);
	return NULL;
}

uv_loop_t *loop_uv(struct loop *l)
{
	return &l->uv;
}

/* signals */

static void loop_on_signal(uv_signal_t *h, int signum)
{
	struct loop *l = h->data;

	if (signum == SIGHUP) {
		if (l->on_signal.reload_cb)
			l->on_signal.reload_cb(l->on_signal.data);
		return;
	}
	if (l->stop_seen)
		_exit(1);
	l->stop_seen = true;
	if (l->on_signal.stop_cb)
		l->on_signal.stop_cb(l->on_signal.data);
}

void loop_watch_signals(struct loop *l, const struct loop_signals *s)
{
	l->on_signal = *s;
	if (l->watches_signals)
		return;
	l->watches_signals = true;
	for (size_t i = 0; i < LOOP_N_SIGNALS; i++) {
		uv_signal_t *h = &l->signals[i];

		must(uv_signal_init(&l->uv, h) == 0);
		h->data = l;
		must(uv_signal_start(h, loop_on_signal, loop_signums[i]) == 0);
		uv_unref((uv_handle_t *)h);
	}
}

/* timers */

static void loop_timer_on_due(uv_timer_t *h)
{
	struct loop_timer *t = h->data;

	t->cb(t, t->data);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb *cb, void *data)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	must(t);
	uv_timer_init(&l->uv, &t->uv);
	t->uv.data = t;
	t->cb = cb;
	t->data = data;
	return t;
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms, int64_t repeat_ms)
{
	/* libuv counts from the start of the turn; a long callback would make the delay
	 * short by its own length. */
	uv_update_time(t->uv.loop);
	must(uv_timer_start(&t->uv, loop_timer_on_due,
		 delay_ms > 0 ? (uint64_t)delay_ms : 0,
		 repeat_ms > 0 ? (uint64_t)repeat_ms : 0) == 0);
}

void loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}

bool loop_timer_armed(const struct loop_timer *t)
{
	return uv_is_active((const uv_handle_t *)&t->uv);
}

static void loop_timer_on_closed(uv_handle_t *h)
{
	free(h->data);
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, loop_timer_on_closed);
	return NULL;
}

/* tasks */

void loop_defer(struct loop *l, loop_task_cb *cb, void *data)
{
	struct loop_task *t = calloc(1, sizeof(*t));

	must(t);
	t->cb = cb;
	t->data = data;
	list_push(&l->tasks, &t->link);
	if (l->tasks.n == 1)
		uv_idle_start(&l->deferring, loop_on_deferring);
}

static void loop_job_on_work(uv_work_t *uv)
{
	struct loop_job *j = uv->data;

	j->work(j->data);
}

static void loop_job_on_done(uv_work_t *uv, int status)
{
	struct loop_job *j = uv->data;
	loop_task_cb *done = j->done;
	void *data = j->data;

	must(status == 0); /* nobody cancels */
	free(j);
	if (done)
		done(data);
}

void loop_work(struct loop *l, loop_task_cb *work, loop_task_cb *done, void *data)
{
	struct loop_job *j = calloc(1, sizeof(*j));

	must(j);
	j->uv.data = j;
	j->work = work;
	j->done = done;
	j->data = data;
	must(uv_queue_work(&l->uv, &j->uv, loop_job_on_work, loop_job_on_done) == 0);
}
