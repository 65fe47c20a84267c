/* Cursors of lists: opaque to callers, valid for the list that gave them, stable under
 * inserts. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

enum {
	CURSOR_MAX = 192,
};

/* Two numbers and a word, bound to @scope (what is listed, and how). */
struct cursor {
	uint64_t a, b;
	char key[80];
};

void cursor_print(const struct cursor *c, const char *scope, char out[static CURSOR_MAX]);
/* False: not a cursor of @scope. */
bool cursor_parse(const char *text, const char *scope, struct cursor *out);
