/* Sorted string map. */
#include "lifecycle/core/strmap.h"

#include "base/must.h"

static char *strmap_dup(const char *s)
{
	char *copy = strdup(s);

	must(copy);
	return copy;
}

void strmap_deinit(struct strmap *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].key);
		free(m->items[i].value);
	}
	free(m->items);
	*m = STRMAP_NULL;
}

/* Index of @key, or where it belongs. */
static size_t strmap_find(const struct strmap *m, const char *key, bool *found)
{
	size_t lo = 0, hi = m->n;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(m->items[mid].key, key);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void strmap_put(struct strmap *m, const char *key, const char *value)
{
	bool found;
	size_t i = strmap_find(m, key, &found);
	char *copy = strmap_dup(value);

	if (found) {
		free(m->items[i].value);
		m->items[i].value = copy;
		return;
	}
	m->items = reallocarray(m->items, m->n + 1, sizeof(*m->items));
	must(m->items);
	memmove(&m->items[i + 1], &m->items[i], (m->n - i) * sizeof(*m->items));
	m->items[i] = (struct strmap_pair){.key = strmap_dup(key), .value = copy};
	m->n++;
}

const char *strmap_get(const struct strmap *m, const char *key)
{
	bool found;
	size_t i = strmap_find(m, key, &found);

	return found ? m->items[i].value : NULL;
}

void strmap_copy(struct strmap *out, const struct strmap *m)
{
	*out = STRMAP_NULL;
	if (m->n == 0)
		return;
	out->items = calloc(m->n, sizeof(*out->items));
	must(out->items);
	for (size_t i = 0; i < m->n; i++)
		out->items[i] = (struct strmap_pair){.key = strmap_dup(m->items[i].key),
		    .value = strmap_dup(m->items[i].value)};
	out->n = m->n;
}

bool strmap_eq(const struct strmap *a, const struct strmap *b)
{
	return a->n == b->n && strmap_covers(a, b);
}

bool strmap_covers(const struct strmap *have, const struct strmap *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const char *value = strmap_get(have, wanted->items[i].key);

		if (!value || strcmp(value, wanted->items[i].value) != 0)
			return false;
	}
	return true;
}
