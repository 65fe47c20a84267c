/* Bump memory for one piece of work: trees of a settings step are made in one arena and
 * go away together. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	char *next, *end;
};

#define ARENA_NULL ((struct arena){0})

/* Zeroed, aligned for any type; memory running out aborts. */
void *arena_alloc(struct arena *a, size_t n_bytes);
/* Likewise, but not zeroed: memory that is not written to costs nothing. */
void *arena_alloc_raw(struct arena *a, size_t n_bytes);
/* A copy with a NUL after its last byte (not counted). */
struct slice arena_copy(struct arena *a, struct slice s);
/* Legal twice; the arena can be used again. */
void arena_deinit(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
