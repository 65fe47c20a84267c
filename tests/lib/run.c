/* Turning a loop in a test. */
#include "tests/lib/run.h"

#include "base/clock.h"

struct run {
	const bool *flag;
	const size_t *counter;
	size_t n;
	bool late, closed;
};

static bool run_reached(const struct run *r)
{
	return (r->flag && *r->flag) || (r->counter && *r->counter >= r->n);
}

static void run_on_limit(struct loop_timer *t, void *data)
{
	struct run *r = data;

	(void)t;
	r->late = true;
}

/* After the turn's timers and tasks, before it polls: what they brought about must not
 * wait for the next event. */
static void run_on_prepare(uv_prepare_t *h)
{
	struct run *r = h->data;

	if (r->late || run_reached(r))
		uv_stop(h->loop);
}

static void run_on_closed(uv_handle_t *h)
{
	struct run *r = h->data;

	r->closed = true;
}

static bool run_while(struct loop *l, struct run *r, int64_t limit_ms)
{
	struct loop_timer *limit = loop_timer_new(l, run_on_limit, r);
	uv_prepare_t look;
	bool reached;

	uv_prepare_init(loop_uv(l), &look);
	look.data = r;
	uv_prepare_start(&look, run_on_prepare);
	loop_timer_start(limit, limit_ms, 0);
	while (!r->late && !run_reached(r))
		uv_run(loop_uv(l), UV_RUN_ONCE);
	reached = run_reached(r);
	loop_timer_free(limit);
	uv_close((uv_handle_t *)&look, run_on_closed);
	while (!r->closed)
		uv_run(loop_uv(l), UV_RUN_NOWAIT);
	return reached;
}

bool run_until(struct loop *l, const bool *flag, int64_t limit_ms)
{
	struct run r = {.flag = flag};

	return run_while(l, &r, limit_ms);
}

bool run_until_n(struct loop *l, const size_t *counter, size_t n, int64_t limit_ms)
{
	struct run r = {.counter = counter, .n = n};

	return run_while(l, &r, limit_ms);
}

void run_for(struct loop *l, int64_t ms)
{
	struct run r = {0};

	run_while(l, &r, ms);
}
