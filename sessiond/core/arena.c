/* A chain of growing blocks. Nothing is freed singly: that is what makes tree code that
 * shares leaves between documents simple. */
#include "sessiond/core/arena.h"

#include "base/must.h"

enum {
	ARENA_ALIGN = 16,
	ARENA_BLOCK_MIN = 16 * 1024,
	ARENA_BLOCK_MAX = 1024 * 1024,
};

struct arena_block {
	struct arena_block *prev;
	size_t n_bytes;
	char data[] __attribute__((aligned(ARENA_ALIGN)));
};

static void arena_grow(struct arena *a, size_t n)
{
	size_t size = a->blocks ? a->blocks->n_bytes * 2 : ARENA_BLOCK_MIN;
	struct arena_block *b;

	if (size > ARENA_BLOCK_MAX)
		size = ARENA_BLOCK_MAX;
	if (size < n)
		size = n;
	b = malloc(sizeof(*b) + size);
	must(b);
	b->prev = a->blocks;
	b->n_bytes = size;
	a->blocks = b;
	a->next = b->data;
	a->end = b->data + size;
}

void *arena_alloc_raw(struct arena *a, size_t n_bytes)
{
	void *p;

	must(n_bytes < SIZE_MAX / 2);
	n_bytes = (n_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (!a->blocks || (size_t)(a->end - a->next) < n_bytes)
		arena_grow(a, n_bytes);
	p = a->next;
	a->next += n_bytes;
	return p;
}

void *arena_alloc(struct arena *a, size_t n_bytes)
{
	return memset(arena_alloc_raw(a, n_bytes), 0, n_bytes);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *p = arena_alloc_raw(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct slice){p, s.n};
}

void arena_deinit(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->prev;
		free(b);
	}
	*a = ARENA_NULL;
}
