/* Known entries of earlier turns. */
#include "sessiond/core/seen.h"

#include "base/must.h"

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* FNV-1a, eight bytes a step with a final mix: stored, so it must never change. */
uint64_t seen_hash(struct slice s)
{
	uint64_t h = FNV_BASIS ^ s.n;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t w = 0;

		for (int k = 7; k >= 0; k--)
			w = w << 8 | (unsigned char)s.p[i + (size_t)k];
		h = (h ^ w) * FNV_PRIME;
		h ^= h >> 29;
	}
	for (; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * FNV_PRIME;
	h ^= h >> 32;
	h *= UINT64_C(0x9E3779B97F4A7C15);
	return h ^ h >> 29;
}

struct seen *seen_new(void)
{
	struct seen *s = calloc(1, sizeof(*s));

	must(s);
	return s;
}

void seen_clear(struct seen *s)
{
	free(s->v);
	*s = (struct seen){0};
}

struct seen *seen_free(struct seen *s)
{
	if (s)
		seen_clear(s);
	free(s);
	return NULL;
}

void seen_add(struct seen *s, struct seen_pair p)
{
	if (s->n == s->cap && s->cap < SEEN_MAX) {
		s->cap = s->cap ? 2 * s->cap : 8;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		must(s->v);
		s->next = s->n;
	}
	s->v[s->next] = p;
	s->next = (s->next + 1) % s->cap;
	if (s->n < s->cap)
		s->n++;
}

void seen_add_entries(struct seen *s, const struct entries *e)
{
	for (size_t i = 0; i < e->n; i++) {
		struct slice content = {e->v[i].content, e->v[i].n_content};

		seen_add(s, (struct seen_pair){seen_hash(slice_of(e->v[i].message_id)),
				seen_hash(content)});
	}
}

bool seen_has(const struct seen *s, const char *message_id, struct slice content)
{
	uint64_t id, h;

	if (s->n == 0)
		return false;
	id = seen_hash(slice_of(message_id));
	h = seen_hash(content);
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].id == id && s->v[i].content == h)
			return true;
	return false;
}

bool seen_has_id(const struct seen *s, const char *message_id)
{
	uint64_t id = seen_hash(slice_of(message_id));

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].id == id)
			return true;
	return false;
}

size_t seen_list(const struct seen *s, struct seen_pair *out)
{
	size_t start = s->cap ? (s->next + s->cap - s->n) % s->cap : 0;

	for (size_t i = 0; i < s->n; i++)
		out[i] = s->v[(start + i) % s->cap];
	return s->n;
}
