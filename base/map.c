/* uthash behind functions: its macros stay in this file, and a map of nothing costs
 * nothing. */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/must.h"

/* Jenkins' one-at-a-time from a start that differs in each process: keys come from
 * outside, and nobody should be able to prepare a list of those that meet in one bucket.
 */
static uint32_t map_hash(const void *key, size_t n)
{
	static uint32_t start;
	const unsigned char *p = key;
	uint32_t h;

	while (start == 0)
		random_bytes(&start, sizeof(start));
	h = start;
	for (size_t i = 0; i < n; i++) {
		h += p[i];
		h += h << 10;
		h ^= h >> 6;
	}
	h += h << 3;
	h ^= h >> 11;
	return h + (h << 15);
}

#define HASH_FUNCTION(key, n, hash) ((hash) = map_hash(key, n))
#include <uthash.h>

struct map_entry {
	UT_hash_handle hh;
	void *value;
	size_t n_key;
	char key[];
};

struct map {
	struct map_entry *head; /* never NULL: the last removal frees the map */
};

static struct map_entry *map_find(const struct map *m, struct slice key)
{
	struct map_entry *e = NULL;

	if (m)
		HASH_FIND(hh, m->head, key.p ? key.p : "", key.n, e);
	return e;
}

void *map_get(const struct map *m, struct slice key)
{
	struct map_entry *e = map_find(m, key);

	return e ? e->value : NULL;
}

void *map_put(struct map **m, struct slice key, void *value)
{
	struct map_entry *e = map_find(*m, key);
	void *previous = NULL;

	must(value);
	if (e) {
		previous = e->value;
		e->value = value;
		return previous;
	}
	if (!*m)
		*m = calloc(1, sizeof(**m));
	e = malloc(sizeof(*e) + key.n);
	must(*m && e);
	e->value = value;
	e->n_key = key.n;
	if (key.n)
		memcpy(e->key, key.p, key.n);
	HASH_ADD_KEYPTR(hh, (*m)->head, e->key, e->n_key, e);
	return NULL;
}

void *map_del(struct map **m, struct slice key)
{
	struct map_entry *e = map_find(*m, key);
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	HASH_DEL((*m)->head, e);
	free(e);
	if (!(*m)->head) {
		free(*m);
		*m = NULL;
	}
	return value;
}

size_t map_count(const struct map *m)
{
	return m ? HASH_COUNT(m->head) : 0;
}

void map_clear(struct map **m)
{
	struct map_entry *e, *next;

	if (!*m)
		return;
	HASH_ITER(hh, (*m)->head, e, next)
	{
		HASH_DEL((*m)->head, e);
		free(e);
	}
	free(*m);
	*m = NULL;
}

const struct map_entry *map_first(const struct map *m)
{
	return m ? m->head : NULL;
}

const struct map_entry *map_next(const struct map_entry *e)
{
	return e->hh.next;
}

struct slice map_key(const struct map_entry *e)
{
	return (struct slice){e->key, e->n_key};
}

void *map_value(const struct map_entry *e)
{
	return e->value;
}
