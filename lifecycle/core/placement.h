/* Which runner gets an instance, and why not the others. Pure. */
#pragma once

#include "lifecycle/core/instance.h"
#include "lifecycle/core/runner_info.h"

/* A runner as the placer sees it. */
struct candidate {
	const struct runner_info *info;
	bool live;       /* heard of within the limit, neither draining nor cordoned */
	uint32_t n_held; /* instances it holds or was given */
};

struct pick {
	const struct candidate *chosen; /* NULL: none */
	enum reason reason;             /* then why */
};

/* @random: two random numbers. Of two admissible candidates, drawn at random, the less
 * loaded one. Runners that refused this generation come last, and not before
 * i->retry_unix_ms. */
struct pick placement_pick(const struct instance *i, const struct candidate *c, size_t n,
    const uint32_t random[2], int64_t now_unix_ms);
