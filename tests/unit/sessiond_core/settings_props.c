#include "tests/unit/sessiond_core/settings_props.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"

static const char *const names[PROP_N_] = {
    [PROP_IDEMPOTENCE] = "1 idempotence: a second step writes nothing",
    [PROP_ECHO] = "2 echo freedom: what was applied is not taken for the user's",
    [PROP_ROUND_TRIP] = "3 round trip: another instance gets the same and gives the same",
    [PROP_NO_LOST_KEY] = "4 no lost user key",
    [PROP_COMMUTATIVITY] = "5 disjoint commutativity: in any order, or at once",
    [PROP_DETERMINISM] = "6 determinism: the same input, the same bytes",
    [PROP_OWNERSHIP] = "7 monotone ownership: owned leaves are the base's",
    [PROP_NO_DELETE] = "8 no delete: reserved entries are there",
    [PROP_PROTECTED] = "9 protected isolation: not touched, not told",
    [PROP_LOCALITY] = "10 text locality: other bytes and all comments stay",
    [PROP_LEXEMES] = "11 lexemes of what is not changed",
    [PROP_VALIDITY] = "12 validity: nothing invalid is put together",
    [PROP_CRASH] = "13 crash: old, new, or the later save; never a mix",
    [PROP_LINEARIZABLE] = "14 linearizable file: no save is written over unread",
    [PROP_QUIESCENCE] = "15 quiescence: without input it ends",
    [PROP_PERMUTATION] = "16 permutation: the order of keys means nothing",
    [PROP_REPLAY] = "17 replay: pushes and posts twice, late or lost converge",
    [PROP_ROLLBACK] = "18 rollback brings back the merged settings of then",
    [PROP_DORMANT] = "19 dormant neutrality: an entry that comes back is as it was",
    [PROP_MONOTONE] = "20 monotone revisions of what was applied",
};
static unsigned long counts[PROP_N_];

void prop_checked(enum prop p)
{
	counts[p]++;
}

const char *prop_name(enum prop p)
{
	return names[p];
}

void props_print(void)
{
	for (enum prop p = PROP_IDEMPOTENCE; p < PROP_N_; p++)
		if (counts[p])
			printf("%9lu times %s\n", counts[p], names[p]);
}

static int64_t env_number(const char *name, int64_t otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoll(s, NULL, 10) : otherwise;
}

void props_run(int64_t cases, int64_t ms, int64_t (*one_world)(uint64_t seed))
{
	int64_t times = getenv("ZEDBUS_LONG") ? 10 : 1, n = 0;
	int64_t until_ms = clock_mono_ms() + env_number("ZEDBUS_CASES_MS", ms * times);
	uint64_t seed;

	cases = env_number("ZEDBUS_CASES", cases * times);
	/* keep freed memory: a world is as large as the one before */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	random_bytes(&seed, sizeof(seed));
	seed = (uint64_t)env_number("ZEDBUS_SEED", (int64_t)(seed >> 16));
	printf("seed %llu\n", (unsigned long long)seed);
	while (n < cases && clock_mono_ms() < until_ms)
		n += one_world(seed++);
	printf("%lld cases\n", (long long)n);
	props_print();
}
