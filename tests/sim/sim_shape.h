/* What of a settings document Zed rejects: one bad context server and the whole file
 * counts for nothing. */
#pragma once

#include "base/err.h"
#include "base/jsn.h"

struct sim_shape {
	int64_t n_stubs;   /* context servers that say nothing Zed knows: it makes dead
			      extension stubs of them */
	int64_t n_dropped; /* settings Zed drops alone, with an error toast */
};

/* Return: 0; ERROR_INVALID (Zed ignores the whole file), @e names the path. */
int sim_shape_check(
    const struct jsn *doc, struct sim_shape *out, struct err *e) MUST_CHECK;
