/* Retry delays: doubling from base to cap, with +-20 % jitter. */
#pragma once

#include <stdint.h>

struct backoff {
	int64_t base_ms, cap_ms;
	unsigned n_tries; /* since the last reset */
};

#define BACKOFF_INIT(base, cap) ((struct backoff){.base_ms = (base), .cap_ms = (cap)})

/* The delay before the next try; @random is 32 random bits (the caller owns randomness).
 */
static inline int64_t backoff_next_ms(struct backoff *b, uint32_t random)
{
	unsigned shift = b->n_tries < 30 ? b->n_tries : 30;
	int64_t d = b->base_ms << shift;

	if (d > b->cap_ms || d < b->base_ms)
		d = b->cap_ms;
	b->n_tries++;
	return d - d / 5 +
	       (int64_t)((double)(2 * d / 5) * ((double)random / 4294967295.0));
}

static inline void backoff_reset(struct backoff *b)
{
	b->n_tries = 0;
}
