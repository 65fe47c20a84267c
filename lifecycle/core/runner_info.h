/* What a runner tells of itself: its record (lifecycle_runner/<runner>) and its
 * heartbeat. */
#pragma once

#include "lifecycle/core/offer.h"

struct runner_info {
	struct id id;
	struct id boot_id;
	uint64_t epoch; /* unix ms of the runner's start: tells its lives apart */
	uint32_t slots;
	struct strmap labels;
	struct offer *offers; /* owned: the profiles it can run */
	size_t n_offers;
	char **degraded; /* owned strings: what it cannot do */
	size_t n_degraded;
	bool draining;
	int64_t at_unix_ms;
	char *version; /* owned; NULL for none */
};

#define RUNNER_INFO_NULL ((struct runner_info){0})

void runner_info_deinit(struct runner_info *r); /* legal twice */
/* The offer of that profile, or NULL. */
const struct offer *runner_info_offer(
    const struct runner_info *r, const struct id *profile);

/* lifecycle.v1.hb.<runner>, every 2 s */
struct heartbeat {
	struct id runner;
	struct id boot_id;
	uint64_t epoch, seq;
	uint32_t slots, starting, running; /* running: all instances it holds that are not
					      terminal, starting ones too */
	bool draining;
};
