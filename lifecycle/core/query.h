/* What can be asked of lifecycled without changing anything, and the shapes of the
 * answers. */
#pragma once

#include "lifecycle/core/instance.h"
#include "lifecycle/core/runner_info.h"

enum {
	LIST_LIMIT_MAX = 500,
	LIST_LIMIT_DEFAULT = 100,
	WAIT_MS_MAX = 600000,
	WAIT_MS_DEFAULT = 60000,
};

/* get, wait, list, scale, force_lost: each uses what it needs. */
struct query {
	struct id tenant, instance_id; /* "" for none */
	enum instance_state state;     /* list; STATE_NONE: any */
	struct id profile;             /* list; "" for any */
	struct strmap labels;          /* list: wanted of a runner by the instance */
	int64_t limit;                 /* list; -1 unset */
	char *cursor;                  /* list; owned, NULL for the start */
	uint32_t states;               /* wait: bits 1u << state */
	int64_t timeout_ms;            /* wait; -1 unset */
};

#define QUERY_NULL ((struct query){.limit = -1, .timeout_ms = -1})

static inline void query_deinit(struct query *q)
{
	strmap_deinit(&q->labels);
	free(q->cursor);
	*q = QUERY_NULL;
}

struct runner_view {
	const struct runner_info *info;
	const char *state; /* ready, draining, gone */
	uint32_t running;
	int64_t last_seen_unix_ms;
};

struct scale_view {
	uint32_t pending_by_reason[REASON_N_];
	int64_t oldest_pending_ms;
	uint32_t free_slots, starting, running, idle;
};
