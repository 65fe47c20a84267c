/* String-keyed hash map (over uthash). Keys are copied; values are borrowed pointers,
 * never NULL. */
#pragma once

#include "base/slice.h"

struct map; /* NULL is the empty map */

struct map_entry;

/* The value, or NULL. */
void *map_get(const struct map *m, struct slice key);
/* Insert or replace; returns the previous value or NULL. Memory running out aborts. */
void *map_put(struct map **m, struct slice key, void *value);
/* Remove; returns the value or NULL. */
void *map_del(struct map **m, struct slice key);
size_t map_count(const struct map *m);
/* Forget all entries (the values are the caller's business). */
void map_clear(struct map **m);

/* Iteration in insertion order; the current entry may be removed in the body. */
const struct map_entry *map_first(const struct map *m);
const struct map_entry *map_next(const struct map_entry *e);
struct slice map_key(const struct map_entry *e);
void *map_value(const struct map_entry *e);

#define map_for_each(it, m)                                                              \
	for (const struct map_entry *it = map_first(m),                                  \
				    *it##_next = it ? map_next(it) : NULL;               \
	     it; it = it##_next, it##_next = it ? map_next(it) : NULL)
