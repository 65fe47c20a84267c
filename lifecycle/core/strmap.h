/* A small map of strings to strings, kept sorted by key: labels, parameters, environment.
 * Its own file because requests, records and runner records all carry such maps; not for
 * large ones (insertion is linear). */
#pragma once

#include "base/slice.h"

#include <stdint.h>

struct strmap_pair {
	char *key, *value; /* owned, NUL-terminated, no NUL inside */
};

struct strmap {
	struct strmap_pair *items; /* owned, sorted by key (bytewise) */
	size_t n;
};

#define STRMAP_NULL ((struct strmap){0})

void strmap_deinit(struct strmap *m); /* legal twice */
/* Insert or replace; both are copied. Memory running out aborts. */
void strmap_put(struct strmap *m, const char *key, const char *value);
/* The value, or NULL; borrowed until the next change. */
const char *strmap_get(const struct strmap *m, const char *key);
/* @out is overwritten (must be deinitialised or null). */
void strmap_copy(struct strmap *out, const struct strmap *m);
bool strmap_eq(const struct strmap *a, const struct strmap *b);
/* Every pair of @wanted is in @have. */
bool strmap_covers(const struct strmap *have, const struct strmap *wanted);
