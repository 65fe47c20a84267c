/* What happens to a record by itself: placement, reports, silence, deadlines. Pure, like
 * decide.h. Each function changes
 * @i in place and returns whether it did; then the shell stores it. At most 3 events are
 * added. */
#pragma once

#include "lifecycle/core/instance.h"

enum {
	PLACEMENTS_MAX = 3, /* of a generation; the last refusal makes it FAILED, unless
			       the runner was full */
	PLACEMENT_RETRY_MS = 5000, /* until a runner that refused may be asked again */
};

/* PENDING -> ASSIGNED to @runner, with a new fence. */
bool step_place(struct instance *i, const struct id *runner, int64_t now_unix_ms);
/* PENDING: why it still is. No event. */
bool step_wait(struct instance *i, enum reason reason);
/* PENDING past its start deadline -> FAILED(EXPIRED). */
bool step_expire(struct instance *i, int64_t now_unix_ms);

/**
 * step_report() - take a runner's report into account
 *
 * Ignored unless it is of this placement (runner, generation, fence) and newer than what
 * was taken before; while UNKNOWN or LOST the last one counts again: its runner is back.
 */
bool step_report(struct instance *i, const struct report *r, int64_t now_unix_ms);
/* Its runner is back but has not reported on it (it had not begun yet): UNKNOWN or LOST
 * -> ASSIGNED. */
bool step_runner_back(struct instance *i, int64_t now_unix_ms);
/* Its runner is silent: -> UNKNOWN. */
bool step_runner_silent(struct instance *i, int64_t now_unix_ms);
/* It was so for lost_after_ms: UNKNOWN -> LOST, and with on_lost replace -> PENDING. */
bool step_lost(struct instance *i, int64_t now_unix_ms);
/* The operator says that nothing of it lives: UNKNOWN, LOST -> FAILED. */
bool step_force_lost(struct instance *i, int64_t now_unix_ms);
