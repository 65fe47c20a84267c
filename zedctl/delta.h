/* Two values of one path, one under the other, as people read differences. */
#pragma once

#include "base/buf.h"

struct delta {
	const char *path;
	struct slice before, after; /* JSON; p NULL: absent */
	const char *note;           /* a line below, "" for none */
};

/* Append it: "~ /path", "- before", "+ after", the note. Values of many lines are shown
 * only around where they differ. */
void delta_render(const struct delta *d, bool colours, struct buf *out);
/* "added", "deleted", "changed", "same" */
const char *delta_kind(const struct delta *d);
