/* Turning a loop in a test. */
#include "tests/lib/run.h"

#include "base/clock.h"

static void run_on_limit(struct loop_timer *t, void *data)
{
	(void)t;
	*(bool *)data = true;
}

static bool run_while(
    struct loop *l, const bool *flag, const size_t *counter, size_t n, int64_t limit_ms)
{
	bool late = false;
	struct loop_timer *limit = loop_timer_new(l, run_on_limit, &late);

	loop_timer_start(limit, limit_ms, 0);
	while (!late && !(flag && *flag) && !(counter && *counter >= n))
		uv_run(loop_uv(l), UV_RUN_ONCE);
	loop_timer_free(limit);
	uv_run(loop_uv(l), UV_RUN_NOWAIT);
	return (flag && *flag) || (counter && *counter >= n);
}

bool run_until(struct loop *l, const bool *flag, int64_t limit_ms)
{
	return run_while(l, flag, NULL, 0, limit_ms);
}

bool run_until_n(struct loop *l, const size_t *counter, size_t n, int64_t limit_ms)
{
	return run_while(l, NULL, counter, n, limit_ms);
}

void run_for(struct loop *l, int64_t ms)
{
	run_while(l, NULL, NULL, 0, ms);
}
