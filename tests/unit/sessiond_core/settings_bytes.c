#include "tests/unit/sessiond_core/settings_bytes.h"

#include "sessiond/core/json_pointer.h"

static int by_text(const void *x, const void *y)
{
	const struct slice *a = x, *b = y;
	size_t n = a->n < b->n ? a->n : b->n;
	int c = memcmp(a->p, b->p, n);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static struct slice *comments_of(struct arena *a, const struct json_doc *d, size_t *n_out)
{
	struct slice *v = arena_alloc(a, (d->n_toks + 1) * sizeof(*v));
	size_t n = 0;

	for (uint32_t i = 0; i < d->n_toks; i++) {
		const struct json_tok *t = &d->toks[i];

		if (json_tok_is_comment(t))
			v[n++] = (struct slice){d->text.p + t->start, t->end - t->start};
	}
	qsort(v, n, sizeof(*v), by_text);
	*n_out = n;
	return v;
}

static const char *comment_lost(
    struct arena *a, const struct json_doc *before, const struct json_doc *after)
{
	size_t n, m, k = 0;
	struct slice *was = comments_of(a, before, &n), *is = comments_of(a, after, &m);

	for (size_t i = 0; i < n; i++, k++) {
		while (k < m && by_text(&is[k], &was[i]) < 0)
			k++;
		if (k == m || by_text(&is[k], &was[i]))
			return arena_copy(a, was[i]).p;
	}
	return NULL;
}

/* From the first to the last byte of two members. */
static struct slice span(
    const struct json_doc *d, const struct jval *from, const struct jval *to)
{
	uint32_t start = d->toks[from->tok_key].start;

	return (struct slice){d->text.p + start, d->toks[to->tok_last].end - start};
}

struct pair {
	const struct jval *was, *is;
};

/* Members that say the same keep their bytes, and neighbours what is between them; those
 * that differ and are objects go to @todo. */
static const struct jval *member_lost(struct arena *a, const struct json_doc *before,
    const struct json_doc *after, struct pair p, struct pair *todo, size_t *n_todo)
{
	const struct jval *prev = NULL, *prev_now = NULL;

	jval_for_each (m, p.was) {
		struct jval *now = jval_get(a, p.is, m->key);

		if (!now || !jval_equal(a, m, now)) {
			if (jval_is_tree(m) && jval_is_tree(now))
				todo[(*n_todo)++] = (struct pair){m, now};
			prev = NULL;
			continue;
		}
		if (!slice_eq(span(before, m, m), span(after, now, now)) ||
		    (prev && !slice_eq(span(before, prev, m), span(after, prev_now, now))))
			return m;
		prev = m;
		prev_now = now;
	}
	return NULL;
}

const char *bytes_lost(struct arena *a, struct slice before, struct slice after)
{
	struct json_doc x, y;
	struct pair *todo;
	size_t n = 1;
	const char *comment;

	if (json_doc_parse_object(a, before, &x) != JSON_DOC_OK ||
	    json_doc_parse_object(a, after, &y) != JSON_DOC_OK)
		return NULL;
	comment = comment_lost(a, &x, &y);
	if (comment)
		return comment;
	todo = arena_alloc(a, (x.n_toks + 1) * sizeof(*todo));
	todo[0] = (struct pair){x.root, y.root};
	while (n > 0) {
		struct pair p = todo[--n];
		const struct jval *lost = member_lost(a, &x, &y, p, todo, &n);

		if (lost)
			return json_pointer_of(a, lost).p;
	}
	return NULL;
}
