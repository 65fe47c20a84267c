/* Edits are computed on one snapshot as spans and what replaces them, then spliced. An
 * object's deletions and insertions are made together, because they share its commas. */
#include "sessiond/core/json_edit.h"

#include "sessiond/core/json_edit_internal.h"
#include "sessiond/core/json_style.h"
#include "sessiond/core/jval_print.h"

void json_edit_add(struct editor *ed, size_t start, size_t end, struct slice text)
{
	if (ed->n == ed->cap) {
		size_t cap = ed->cap ? ed->cap * 2 : 32;
		struct json_edit *v = arena_alloc(ed->a, cap * sizeof(*v));

		if (ed->n)
			memcpy(v, ed->edits, ed->n * sizeof(*v));
		ed->edits = v;
		ed->cap = cap;
	}
	ed->edits[ed->n] = (struct json_edit){start, end, ed->n, text};
	ed->n++;
}

static struct slice keep(struct editor *ed, struct buf *b)
{
	struct slice s = arena_copy(ed->a, buf_slice(b));

	must(!b->failed);
	buf_deinit(b);
	return s;
}

/* Comments among the tokens [from, to) of a value that goes away, put before it. */
static void hoist_comments(
    struct editor *ed, const struct jval *member, uint32_t from, uint32_t to)
{
	const struct json_doc *d = ed->d;
	size_t at = d->toks[member->tok_key].start;
	bool own_line = json_style_first_on_line(d, at);
	struct slice indent = json_style_indent(d, at), eol = json_style_eol(d, at);
	struct buf b = BUF_NULL(SIZE_MAX);

	for (uint32_t i = from; i < to; i++) {
		const struct json_tok *t = &d->toks[i];
		struct slice text = {d->text.p + t->start, t->end - t->start};

		if (!json_tok_is_comment(t))
			continue;
		if (own_line) {
			buf_add_slice(&b, indent);
			buf_add_slice(&b, text);
			buf_add_slice(&b, eol);
		} else {
			buf_add_slice(&b, text);
			if (t->kind == TOK_LINE_COMMENT) {
				buf_add_slice(&b, eol);
				buf_add_slice(&b, indent);
			} else {
				buf_addc(&b, ' ');
			}
		}
	}
	if (own_line)
		at = (size_t)(indent.p - d->text.p);
	if (b.n)
		json_edit_add(ed, at, at, keep(ed, &b));
	buf_deinit(&b);
}

/* Layout of what is put in place of @member's value. */
static struct jval_style member_style(struct editor *ed, const struct jval *member)
{
	const struct json_doc *d = ed->d;
	const struct jval *obj = member->parent;
	size_t at = d->toks[member->tok_key].start;
	struct jval_style st = {
	    .multi_line = json_style_multi_line(d, obj),
	    .indent = json_style_indent(d, at),
	    .eol = json_style_eol(d, at),
	    .colon_space = json_style_colon_space(d, obj),
	    .comma_space = json_style_comma_space(d, obj),
	};

	st.unit = json_edit_unit(ed, st.indent);
	return st;
}

static void replace_value(
    struct editor *ed, const struct jval *member, const struct jval *target)
{
	const struct json_doc *d = ed->d;
	struct jval_style st = member_style(ed, member);
	struct buf b = BUF_NULL(SIZE_MAX);

	if (member->type == JVAL_OBJECT || member->type == JVAL_ARRAY)
		hoist_comments(ed, member, member->tok_first, member->tok_last);
	jval_render(&b, target, &st);
	json_edit_add(ed, d->toks[member->tok_first].start, d->toks[member->tok_last].end,
	    keep(ed, &b));
}

struct slice json_edit_unit(struct editor *ed, struct slice indent)
{
	if (indent.n && memchr(indent.p, '\t', indent.n))
		return SLICE_LIT("\t");
	if (!ed->unit.n)
		ed->unit = json_style_unit(ed->a, ed->d);
	return ed->unit;
}

static void queue_push(struct editor *ed, const struct jval *from, const struct jval *to)
{
	struct edit_pair *p = ARENA_NEW(ed->a, struct edit_pair);

	*p = (struct edit_pair){from, to, ed->todo};
	ed->todo = p;
}

/* Compare one object with what it shall be: values here, members in json_edit_members.c.
 */
static void edit_object(struct editor *ed, const struct jval *from, const struct jval *to)
{
	struct member_plan mp = {.obj = from};

	for (struct jval *m = from->first; m; m = m->next) {
		const struct jval *t = jval_get_like(ed->a, to, m);

		if (!t) {
			mp.n_gone++;
			continue;
		}
		mp.n_kept++;
		mp.last_kept = m;
		if (m->shadowed)
			continue;
		if (m->type == JVAL_OBJECT && t->type == JVAL_OBJECT)
			queue_push(ed, m, t);
		else if (!jval_equal(ed->a, m, t))
			replace_value(ed, m, t);
	}
	mp.to = to;
	jval_for_each (t, to)
		if (!jval_get_like(ed->a, from, t))
			mp.n_new++;
	if (mp.n_gone || mp.n_new)
		json_edit_members(ed, &mp);
}

static int by_place(const void *x, const void *y)
{
	const struct json_edit *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

/* The length of the text with all edits made; false if two of them overlap. */
static bool spliced_length(const struct editor *ed, size_t *n_out)
{
	size_t pos = 0, n = ed->d->text.n;

	for (size_t i = 0; i < ed->n; i++) {
		const struct json_edit *e = &ed->edits[i];

		if (e->start < pos)
			return false;
		pos = e->end;
		n = n - (e->end - e->start) + e->text.n;
	}
	*n_out = n;
	return true;
}

static char *put(char *to, const char *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
	return to + n;
}

static bool splice(struct editor *ed, struct slice *out)
{
	struct slice from = ed->d->text;
	size_t pos = 0, n;
	char *text, *to;

	qsort(ed->edits, ed->n, sizeof(*ed->edits), by_place);
	if (!spliced_length(ed, &n))
		return false;
	text = to = arena_alloc_raw(ed->a, n + 1);
	for (size_t i = 0; i < ed->n; i++) {
		const struct json_edit *e = &ed->edits[i];

		to = put(to, from.p + pos, e->start - pos);
		to = put(to, e->text.p, e->text.n);
		pos = e->end;
	}
	to = put(to, from.p + pos, from.n - pos);
	must((size_t)(to - text) == n);
	*to = '\0';
	*out = (struct slice){text, n};
	return true;
}

/* A file without a document: its comments, then the new one. */
static struct slice blank_text(struct editor *ed, const struct jval *target)
{
	const struct json_doc *d = ed->d;
	struct jval_style st = {.multi_line = true,
	    .unit = SLICE_LIT("  "),
	    .eol = json_style_eol(d, d->text.n)};
	struct buf b = BUF_NULL(SIZE_MAX);

	if (d->n_toks)
		buf_add_slice(&b, d->text);
	else if (d->bom)
		buf_add(&b, d->text.p, 3);
	if (d->n_toks && d->text.p[d->text.n - 1] != '\n')
		buf_add_slice(&b, st.eol);
	jval_render(&b, target, &st);
	buf_add_slice(&b, st.eol);
	return keep(ed, &b);
}

static int by_text(const void *x, const void *y)
{
	const struct slice *a = x, *b = y;
	size_t n = a->n < b->n ? a->n : b->n;
	int c = memcmp(a->p, b->p, n);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static struct slice *all_comments(
    struct arena *a, const struct json_doc *d, size_t *n_out)
{
	struct slice *v;
	size_t n = 0;

	for (uint32_t i = 0; i < d->n_toks; i++)
		n += json_tok_is_comment(&d->toks[i]);
	v = arena_alloc_raw(a, (n + 1) * sizeof(*v));
	*n_out = n;
	n = 0;
	for (uint32_t i = 0; i < d->n_toks; i++) {
		const struct json_tok *t = &d->toks[i];

		if (json_tok_is_comment(t))
			v[n++] = (struct slice){d->text.p + t->start, t->end - t->start};
	}
	return v;
}

static bool same_list(const struct slice *p, const struct slice *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!slice_eq(p[i], q[i]))
			return false;
	return true;
}

static bool same_comments(
    struct arena *a, const struct json_doc *x, const struct json_doc *y)
{
	size_t n, m;
	struct slice *p = all_comments(a, x, &n), *q = all_comments(a, y, &m);

	if (n != m)
		return false;
	if (same_list(p, q, n))
		return true;
	/* some moved */
	qsort(p, n, sizeof(*p), by_text);
	qsort(q, m, sizeof(*q), by_text);
	return same_list(p, q, n);
}

static enum json_edit_result verify(
    struct editor *ed, struct slice text, const struct jval *target)
{
	struct json_doc d;

	switch (json_doc_parse_object(ed->a, text, &d)) {
	case JSON_DOC_OK:
		break;
	case JSON_DOC_TOO_LARGE:
		return JSON_EDIT_TOO_LARGE;
	default:
		return JSON_EDIT_FAILED;
	}
	return jval_equal(ed->a, d.root, target) && same_comments(ed->a, ed->d, &d)
		   ? JSON_EDIT_DONE
		   : JSON_EDIT_FAILED;
}

enum json_edit_result json_edit_to(struct arena *a, const struct json_doc *d,
    const struct jval *target, struct slice *text_out, struct json_edit_stats *stats_out)
{
	struct editor ed = {.a = a, .d = d};

	*text_out = d->text;
	if (d->state == JSON_DOC_BLANK) {
		*text_out = blank_text(&ed, target);
		ed.n = 1;
	} else {
		queue_push(&ed, d->root, target);
		while (ed.todo) {
			struct edit_pair *p = ed.todo;

			ed.todo = p->next;
			edit_object(&ed, p->from, p->to);
		}
		if (ed.n == 0)
			return JSON_EDIT_NONE;
		if (!splice(&ed, text_out))
			return JSON_EDIT_FAILED;
	}
	if (stats_out) {
		stats_out->n_edits = ed.n;
		stats_out->n_changed_bytes = 0;
		for (size_t i = 0; i < ed.n && ed.edits; i++)
			stats_out->n_changed_bytes +=
			    ed.edits[i].end - ed.edits[i].start + ed.edits[i].text.n;
	}
	return verify(&ed, *text_out, target);
}
