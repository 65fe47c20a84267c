/* What a daemon says of the stages a change goes through: the histograms of /metrics. */
#pragma once

#include "tests/bench/e2e/desk.h"

enum {
	STAGES = 8,
	STAGE_BUCKETS = 17,
};

struct stage {
	uint64_t buckets[STAGE_BUCKETS]; /* each the sum of those below */
	double seconds[STAGE_BUCKETS];   /* their bounds */
	size_t n_buckets;
	double sum;
	uint64_t n;
};

struct stages {
	struct stage s[STAGES];
};

void stages_read(const struct desk *d, struct stages *out);
/* What was counted between the two. */
void stages_print(const struct stages *before, const struct stages *after);
