/* Members that go and members that come, in one object of the text. Commas are found by
 * token, never by search; a comment is moved rather than lost. */
#include "sessiond/core/json_edit_internal.h"
#include "sessiond/core/json_style.h"
#include "sessiond/core/jval_print.h"

static bool member_goes(
    struct editor *ed, const struct member_plan *mp, const struct jval *m)
{
	return !jval_get_like(ed->a, mp->to, m);
}

static bool has_comma(const struct json_doc *d, uint32_t i_after)
{
	return d->toks[i_after].kind == TOK_COMMA;
}

static struct slice tok_text(const struct json_doc *d, const struct json_tok *t)
{
	return (struct slice){d->text.p + t->start, t->end - t->start};
}

/* The end of the comments that follow @pos on its line; *i is the token after @pos and
 * moves past them. */
static size_t tail_end(const struct json_doc *d, size_t pos, uint32_t *i)
{
	while (json_tok_is_comment(&d->toks[*i]) &&
	       !memchr(d->text.p + pos, '\n', d->toks[*i].start - pos)) {
		pos = d->toks[*i].end;
		++*i;
	}
	return pos;
}

/* Where the white space after @pos ends on its line. */
static size_t blank_end(const struct json_doc *d, size_t pos)
{
	while (pos < d->text.n && (d->text.p[pos] == ' ' || d->text.p[pos] == '\t'))
		pos++;
	return pos;
}

/* @pos is at the end of its line; *after is the next line's start. */
static bool at_eol(const struct json_doc *d, size_t pos, size_t *after)
{
	if (pos < d->text.n && d->text.p[pos] == '\r')
		pos++;
	if (pos >= d->text.n || d->text.p[pos] != '\n')
		return false;
	*after = pos + 1;
	return true;
}

struct removal {
	const struct jval *m;
	size_t start, end;       /* key to comma, or to value if it has none */
	uint32_t i_first, i_end; /* its tokens */
	bool in_tail;            /* no member that stays follows */
	size_t floor;            /* what is before is another removal's */
};

/* The member stands alone on its lines: they go, its comments get lines of their own. */
static bool remove_lines(struct editor *ed, const struct removal *r)
{
	const struct json_doc *d = ed->d;
	struct slice indent = json_style_indent(d, r->start),
		     eol = json_style_eol(d, r->start);
	uint32_t i_tail = r->i_end;
	size_t tail_start, tail, next_line;
	struct buf b = BUF_NULL(SIZE_MAX);

	if (!json_style_first_on_line(d, r->start))
		return false;
	tail_start = d->toks[i_tail].start;
	tail = tail_end(d, r->end, &i_tail);
	if (!at_eol(d, blank_end(d, tail), &next_line))
		return false;
	for (uint32_t i = r->i_first; i < r->i_end; i++) {
		if (!json_tok_is_comment(&d->toks[i]))
			continue;
		buf_add_slice(&b, indent);
		buf_add_slice(&b, tok_text(d, &d->toks[i]));
		buf_add_slice(&b, eol);
	}
	if (tail > r->end) {
		buf_add_slice(&b, indent);
		buf_add(&b, d->text.p + tail_start, tail - tail_start);
		buf_add_slice(&b, eol);
	}
	json_edit_add(ed, (size_t)(indent.p - d->text.p), next_line,
	    arena_copy(ed->a, buf_slice(&b)));
	buf_deinit(&b);
	return true;
}

/* The member shares its line: it goes with the white space on one side, its comments stay
 * in its place. */
static void remove_inline(struct editor *ed, const struct removal *r)
{
	const struct json_doc *d = ed->d;
	struct slice indent = json_style_indent(d, r->start),
		     eol = json_style_eol(d, r->start);
	size_t start = r->start, end = blank_end(d, r->end), unused;
	bool line_ends = at_eol(d, end, &unused);
	bool backward = line_ends || r->in_tail;
	struct buf b = BUF_NULL(SIZE_MAX);

	if (backward) {
		end = r->end;
		while (start > r->floor &&
		       (d->text.p[start - 1] == ' ' || d->text.p[start - 1] == '\t'))
			start--;
	}
	for (uint32_t i = r->i_first; i < r->i_end; i++) {
		if (!json_tok_is_comment(&d->toks[i]))
			continue;
		if (backward)
			buf_addc(&b, ' ');
		buf_add_slice(&b, tok_text(d, &d->toks[i]));
		if (d->toks[i].kind == TOK_LINE_COMMENT) {
			buf_add_slice(&b, eol);
			buf_add_slice(&b, indent);
		} else if (!backward) {
			buf_addc(&b, ' ');
		}
	}
	json_edit_add(ed, start, end, arena_copy(ed->a, buf_slice(&b)));
	buf_deinit(&b);
}

/* @floor: where the removal before ended; returns where this one does. */
static size_t remove_member(
    struct editor *ed, const struct member_plan *mp, const struct jval *m, size_t floor)
{
	const struct json_doc *d = ed->d;
	uint32_t i_after = json_style_after(d, m);
	struct removal r = {.m = m, .i_first = m->tok_key, .i_end = m->tok_last + 1};

	if (has_comma(d, i_after))
		r.i_end = i_after + 1;
	r.start = d->toks[m->tok_key].start;
	r.end = d->toks[r.i_end - 1].end;
	r.floor = floor;
	r.in_tail = !mp->last_kept || d->toks[mp->last_kept->tok_key].start < r.start;
	if (!remove_lines(ed, &r))
		remove_inline(ed, &r);
	return ed->edits[ed->n - 1].end;
}

static struct jval_style object_style(
    struct editor *ed, const struct member_plan *mp, bool multi_line)
{
	const struct json_doc *d = ed->d;
	const struct jval *obj = mp->obj;
	size_t at = d->toks[obj->tok_first].start;
	struct jval_style st = {.multi_line = multi_line,
	    .eol = json_style_eol(d, obj->last ? d->toks[obj->last->tok_key].start : at),
	    .colon_space = json_style_colon_space(d, obj),
	    .comma_space = json_style_comma_space(d, obj)};

	for (const struct jval *m = obj->last; m && multi_line; m = m->prev) {
		size_t key = d->toks[m->tok_key].start;

		if (!json_style_first_on_line(d, key))
			continue;
		st.indent = json_style_indent(d, key);
		st.unit = json_edit_unit(ed, st.indent);
		return st;
	}
	if (multi_line) {
		/* no sibling to copy from: the line of the object and one step */
		struct slice outer = json_style_indent(d, at);
		struct buf b = BUF_NULL(SIZE_MAX);

		st.unit = json_edit_unit(ed, outer);
		buf_add_slice(&b, outer);
		buf_add_slice(&b, st.unit);
		st.indent = arena_copy(ed->a, buf_slice(&b));
		buf_deinit(&b);
	}
	return st;
}

/* The new members with commas between them; @lead before the first and after each comma.
 */
static void render_new(struct editor *ed, const struct member_plan *mp,
    const struct jval_style *st, bool lead_first, struct buf *b)
{
	bool first = true;

	jval_for_each (t, mp->to) {
		if (jval_get_like(ed->a, mp->obj, t))
			continue;
		if (!first)
			buf_addc(b, ',');
		if (st->multi_line && (!first || lead_first)) {
			buf_add_slice(b, st->eol);
			buf_add_slice(b, st->indent);
		} else if (!st->multi_line && st->comma_space && (!first || lead_first)) {
			buf_addc(b, ' ');
		}
		first = false;
		jval_render_key(b, t->key, st);
		jval_render(b, t, st);
	}
}

/* After the last member that stays. */
static void insert_after(
    struct editor *ed, const struct member_plan *mp, bool trailing_comma)
{
	const struct json_doc *d = ed->d;
	const struct jval *k = mp->last_kept;
	struct jval_style st = object_style(ed, mp, json_style_multi_line(d, mp->obj));
	uint32_t i = json_style_after(d, k);
	size_t pos = d->toks[k->tok_last].end;
	struct buf b = BUF_NULL(SIZE_MAX);

	if (has_comma(d, i)) {
		pos = d->toks[i].end;
		i++;
	} else {
		json_edit_add(ed, pos, pos, SLICE_LIT(","));
		i = k->tok_last + 1;
	}
	pos = tail_end(d, pos, &i);
	render_new(ed, mp, &st, true, &b);
	if (trailing_comma)
		buf_addc(&b, ',');
	json_edit_add(ed, pos, pos, arena_copy(ed->a, buf_slice(&b)));
	buf_deinit(&b);
}

/* Every member goes and others come: they take the place of the last one. */
static void insert_instead(struct editor *ed, const struct member_plan *mp)
{
	const struct json_doc *d = ed->d;
	const struct jval *m = mp->obj->last;
	struct jval_style st = object_style(ed, mp, json_style_multi_line(d, mp->obj));
	size_t at = d->toks[m->tok_key].start;
	bool own_line = json_style_first_on_line(d, at);
	struct slice indent = json_style_indent(d, at);
	struct buf b = BUF_NULL(SIZE_MAX);

	for (uint32_t i = m->tok_key; i < m->tok_last; i++) {
		if (!json_tok_is_comment(&d->toks[i]))
			continue;
		buf_add_slice(&b, tok_text(d, &d->toks[i]));
		if (own_line || d->toks[i].kind == TOK_LINE_COMMENT) {
			buf_add_slice(&b, st.eol);
			buf_add_slice(&b, indent);
		} else {
			buf_addc(&b, ' ');
		}
	}
	render_new(ed, mp, &st, false, &b);
	json_edit_add(ed, at, d->toks[m->tok_last].end, arena_copy(ed->a, buf_slice(&b)));
	buf_deinit(&b);
}

/* Into an object without members, after its last comment if it has one. */
static void insert_first(struct editor *ed, const struct member_plan *mp)
{
	const struct json_doc *d = ed->d;
	const struct jval *obj = mp->obj;
	const struct json_tok *last = &d->toks[obj->tok_last - 1];
	const struct json_tok *close = &d->toks[obj->tok_last];
	bool commented = json_tok_is_comment(last);
	bool multi_line =
	    json_style_multi_line(d, obj) ||
	    (!commented && (!obj->parent || json_style_multi_line(d, obj->parent)));
	struct jval_style st = object_style(ed, mp, multi_line);
	size_t end = last->end;
	struct buf b = BUF_NULL(SIZE_MAX);

	if (commented && multi_line && json_style_first_on_line(d, last->start))
		st.indent = json_style_indent(d, last->start);
	if (!multi_line && commented)
		buf_addc(&b, ' ');
	if (!multi_line && !commented && close->start > last->end)
		buf_addc(&b, ' ');
	if (!multi_line)
		st.comma_space = st.colon_space;
	render_new(ed, mp, &st, multi_line, &b);
	if (multi_line && !commented) {
		/* the closing brace gets its own line, whatever white space was between
		 */
		end = close->start;
		buf_add_slice(&b, st.eol);
		buf_add_slice(&b, json_style_indent(d, d->toks[obj->tok_first].start));
	}
	json_edit_add(ed, last->end, end, arena_copy(ed->a, buf_slice(&b)));
	buf_deinit(&b);
}

static bool has_comments(const struct json_doc *d, const struct jval *v)
{
	for (uint32_t i = v->tok_first; i < v->tok_last; i++)
		if (json_tok_is_comment(&d->toks[i]))
			return true;
	return false;
}

void json_edit_members(struct editor *ed, const struct member_plan *mp)
{
	const struct json_doc *d = ed->d;
	const struct jval *obj = mp->obj;
	size_t floor = d->toks[obj->tok_first].end;
	uint32_t i_after;
	bool trailing_comma;

	if (!obj->last) {
		insert_first(ed, mp);
		return;
	}
	trailing_comma = has_comma(d, json_style_after(d, obj->last));
	if (!mp->n_kept && !mp->n_new && !has_comments(d, obj)) {
		json_edit_add(ed, d->toks[obj->tok_first].end,
		    d->toks[obj->tok_last].start, SLICE_NULL);
		return;
	}
	for (const struct jval *m = obj->first; m; m = m->next)
		if (member_goes(ed, mp, m) &&
		    (mp->n_kept || !mp->n_new || m != obj->last))
			floor = remove_member(ed, mp, m, floor);
	if (mp->n_new && mp->n_kept)
		insert_after(ed, mp, trailing_comma);
	else if (mp->n_new)
		insert_instead(ed, mp);
	if (mp->n_new || !mp->n_kept || trailing_comma)
		return;
	i_after = json_style_after(d, mp->last_kept);
	if (has_comma(d, i_after))
		json_edit_add(
		    ed, d->toks[i_after].start, d->toks[i_after].end, SLICE_NULL);
}
