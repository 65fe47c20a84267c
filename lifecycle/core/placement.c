/* Filter, then the power of two choices. */
#include "lifecycle/core/placement.h"

enum fit { FIT_DEAD, FIT_LABELS, FIT_FULL, FIT_EXCLUDED, FIT_LAST, FIT_GOOD };

static enum fit fit_of(
    const struct instance *i, const struct candidate *c, int64_t now_unix_ms)
{
	if (!c->live)
		return FIT_DEAD;
	if (!runner_info_offer(c->info, &i->profile) ||
	    !strmap_covers(&c->info->labels, &i->labels))
		return FIT_LABELS;
	if (c->n_held >= c->info->slots)
		return FIT_FULL;
	if (instance_is_excluded(i, &c->info->id))
		return now_unix_ms < i->retry_unix_ms ? FIT_EXCLUDED : FIT_LAST;
	return FIT_GOOD;
}

static enum reason reason_of(const struct instance *i, enum fit best)
{
	switch (best) {
	case FIT_DEAD:
		return REASON_NO_RUNNER;
	case FIT_LABELS:
		return REASON_LABELS;
	case FIT_FULL:
		return REASON_NO_CAPACITY;
	default:
		return i->reason; /* why it was refused */
	}
}

/* a/b < c/d without division */
static bool less_loaded(const struct candidate *a, const struct candidate *b)
{
	return (uint64_t)a->n_held * b->info->slots <
	       (uint64_t)b->n_held * a->info->slots;
}

/* The k-th candidate that fits as well as @fit. */
static const struct candidate *nth_fit(const struct instance *i,
    const struct candidate *c, size_t n, enum fit fit, size_t k, int64_t now_unix_ms)
{
	for (size_t x = 0; x < n; x++)
		if (fit_of(i, &c[x], now_unix_ms) == fit && k-- == 0)
			return &c[x];
	return NULL;
}

struct pick placement_pick(const struct instance *i, const struct candidate *c, size_t n,
    const uint32_t random[2], int64_t now_unix_ms)
{
	enum fit best = FIT_DEAD;
	size_t n_best = 0, a, b;
	const struct candidate *first, *second;

	for (size_t x = 0; x < n; x++) {
		enum fit f = fit_of(i, &c[x], now_unix_ms);

		if (f > best) {
			best = f;
			n_best = 0;
		}
		n_best += f == best;
	}
	if (best < FIT_LAST)
		return (struct pick){.reason = reason_of(i, best)};
	a = random[0] % n_best;
	b = random[1] % n_best;
	first = nth_fit(i, c, n, best, a, now_unix_ms);
	second = nth_fit(i, c, n, best, b, now_unix_ms);
	must(first && second);
	return (struct pick){.chosen = less_loaded(second, first) ? second : first};
}
