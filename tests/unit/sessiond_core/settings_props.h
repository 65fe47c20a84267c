/* What must hold whatever happens, by number; and how often a run looked. */
#pragma once

#include <stdint.h>

enum prop {
	PROP_IDEMPOTENCE = 1,
	PROP_ECHO,
	PROP_ROUND_TRIP,
	PROP_NO_LOST_KEY,
	PROP_COMMUTATIVITY,
	PROP_DETERMINISM,
	PROP_OWNERSHIP,
	PROP_NO_DELETE,
	PROP_PROTECTED,
	PROP_LOCALITY,
	PROP_LEXEMES,
	PROP_VALIDITY,
	PROP_CRASH,
	PROP_LINEARIZABLE,
	PROP_QUIESCENCE,
	PROP_PERMUTATION,
	PROP_REPLAY,
	PROP_ROLLBACK,
	PROP_DORMANT,
	PROP_MONOTONE,
	PROP_N_
};

void prop_checked(enum prop p);
/* "number name", to be said when it does not hold. */
const char *prop_name(enum prop p);
/* A line for each that was looked at, and how often. */
void props_print(void);

/* Random worlds, one a seed, until @cases are counted or @ms have passed: @one_world
 * returns how many its world had. Prints the first seed and the counts. ZEDBUS_SEED,
 * ZEDBUS_CASES and ZEDBUS_CASES_MS are taken in place of what is given; ZEDBUS_LONG makes
 * it ten times as long. */
void props_run(int64_t cases, int64_t ms, int64_t (*one_world)(uint64_t seed));
