/* Somebody who takes the same thing away again and again, and gets it back each time,
 * means it: noticed, though not obeyed. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	INSIST_TIMES = 3,
	INSIST_WITHIN_MS = 60 * 1000,
	INSIST_PATHS = 16, /* remembered at once; the one longest quiet makes room */
};

struct insist {
	struct insist_path {
		uint64_t path;            /* its hash; 0: free */
		int64_t at[INSIST_TIMES]; /* newest first, monotonic ms */
	} paths[INSIST_PATHS];
};

/* @path was given back now. True each time that makes INSIST_TIMES within
 * INSIST_WITHIN_MS; counting begins anew then. */
bool insist_note(struct insist *i, struct slice path, int64_t now_ms);
