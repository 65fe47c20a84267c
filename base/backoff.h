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
	unsigned shift = b->n_tries < 62 ? b->n_tries : 62;
	int64_t d = b->cap_ms >> shift < b->base_ms ? b->cap_ms : b->base_ms << shift;

	b->n_tries++;
	return d - d / 5 + (int64_t)((double)(d / 5 * 2) * ((double)random / UINT32_MAX));
}

static inline void backoff_reset(struct backoff *b)
{
	b->n_tries = 0;
}
