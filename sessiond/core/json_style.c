/* Everything here is read off the text around a place; nothing is remembered. */
#include "sessiond/core/json_style.h"

enum {
	UNIT_LEVELS = 3,
	UNIT_MAX = 16,
	UNIT_SAMPLES_MAX = 2000,
};

size_t json_style_line_start(const struct json_doc *d, size_t offset)
{
	return d->lines[json_doc_line(d, offset)];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice json_style_indent(const struct json_doc *d, size_t offset)
{
	size_t start = json_style_line_start(d, offset), end = start;

	if (start == 0 && d->bom)
		start = end = 3;
	while (end < d->text.n && is_blank(d->text.p[end]))
		end++;
	return (struct slice){d->text.p + start, end - start};
}

bool json_style_first_on_line(const struct json_doc *d, size_t offset)
{
	struct slice in = json_style_indent(d, offset);

	return in.p + in.n >= d->text.p + offset;
}

struct slice json_style_eol(const struct json_doc *d, size_t offset)
{
	uint32_t i = json_doc_line(d, offset);

	if (i == 0 && d->n_lines > 1)
		i = 1;
	if (i > 0 && d->lines[i] >= 2 && d->text.p[d->lines[i] - 2] == '\r')
		return SLICE_LIT("\r\n");
	return SLICE_LIT("\n");
}

bool json_style_multi_line(const struct json_doc *d, const struct jval *v)
{
	return json_doc_line(d, d->toks[v->tok_first].start) !=
	       json_doc_line(d, d->toks[v->tok_last].start);
}

/* The depth of @v, the root's members being 1; stops counting at @max. */
static unsigned depth_of(const struct jval *v, unsigned max)
{
	unsigned n = 0;

	for (; v->parent && n < max; v = v->parent)
		n++;
	return n;
}

/* Count what members of @obj are indented by, relative to the line @obj begins on. */
static void sample_object(const struct json_doc *d, const struct jval *obj,
    unsigned *counts, unsigned *n_samples)
{
	struct slice outer = json_style_indent(d, d->toks[obj->tok_first].start);

	for (const struct jval *m = obj->first; m && *n_samples < UNIT_SAMPLES_MAX;
	     m = m->next) {
		size_t at = d->toks[m->tok_key].start;
		struct slice in;

		if (!json_style_first_on_line(d, at))
			continue;
		++*n_samples;
		in = json_style_indent(d, at);
		if (in.n && memchr(in.p, '\t', in.n))
			counts[0]++;
		else if (in.n > outer.n && in.n - outer.n <= UNIT_MAX)
			counts[in.n - outer.n]++;
	}
}

struct slice json_style_unit(struct arena *a, const struct json_doc *d)
{
	static const char spaces[UNIT_MAX + 1] = "                ";
	unsigned counts[UNIT_MAX + 1] = {0}, n_samples = 0;
	const struct jval *v = d->root;
	size_t best = 0;

	(void)a;
	/* walk the outer levels in document order */
	while (v && n_samples < UNIT_SAMPLES_MAX) {
		unsigned depth = depth_of(v, UNIT_LEVELS);

		if (v->type == JVAL_OBJECT)
			sample_object(d, v, counts, &n_samples);
		if (v->first && depth + 1 < UNIT_LEVELS) {
			v = v->first;
			continue;
		}
		while (v && !v->next)
			v = v->parent;
		if (v)
			v = v->next;
	}
	if (counts[0] > n_samples / 2)
		return SLICE_LIT("\t");
	for (size_t i = 1; i <= UNIT_MAX; i++)
		if (counts[i] > counts[best] || (best == 0 && counts[i]))
			best = i;
	return (struct slice){spaces, best ? best : 2};
}

static uint32_t skip_comments(const struct json_doc *d, uint32_t i)
{
	while (json_tok_is_comment(&d->toks[i]))
		i++;
	return i;
}

uint32_t json_style_after(const struct json_doc *d, const struct jval *member)
{
	return skip_comments(d, member->tok_last + 1);
}

bool json_style_colon_space(const struct json_doc *d, const struct jval *obj)
{
	const struct jval *m = obj->last;
	size_t after;

	while (!m) {
		/* no member: as the nearest member around it has it */
		if (!obj->parent)
			return true;
		if (obj->parent->type == JVAL_OBJECT)
			m = obj;
		obj = obj->parent;
	}
	after = d->toks[skip_comments(d, m->tok_key + 1)].end;
	return d->text.p[after] == ' ' || d->text.p[after] == '\n';
}

bool json_style_comma_space(const struct json_doc *d, const struct jval *obj)
{
	uint32_t i;

	if (!obj->first || obj->first == obj->last)
		return json_style_colon_space(d, obj);
	i = json_style_after(d, obj->first);
	return d->text.p[d->toks[i].end] == ' ' || d->text.p[d->toks[i].end] == '\n';
}
