/* Printing without recursion: a frame for each open container. */
#include "sessiond/core/jval_print.h"

#include "base/must.h"
#include "sessiond/core/json_string.h"

enum {
	ARRAY_LINE_MAX = 72, /* bytes; longer arrays are broken into lines */
};

struct frame {
	const struct jval *container, *next; /* next child to print */
	bool broken;                         /* one child a line */
	bool first;
};

struct printer {
	struct buf *out;
	const struct jval_style *st; /* NULL: compact and verbatim */
	struct frame stack[JVAL_DEPTH_MAX + 2];
	size_t depth;
};

static void print_scalar(struct printer *p, const struct jval *v)
{
	must(v->type != JVAL_TOMB);
	if (v->type == JVAL_STRING && (p->st || !v->text.p))
		json_string_print(p->out, v->str);
	else
		buf_add_slice(p->out, v->text);
}

static void print_line(struct printer *p, size_t depth)
{
	buf_add_slice(p->out, p->st->eol);
	buf_add_slice(p->out, p->st->indent);
	for (size_t i = 0; i < depth; i++)
		buf_add_slice(p->out, p->st->unit);
}

/* Fits on one line: few scalars. */
static bool array_is_short(const struct jval *v)
{
	size_t n = 0;

	jval_for_each (e, v) {
		if (e->first)
			return false;
		n += (e->type == JVAL_STRING ? e->str.n + 2 : e->text.n) + 2;
		if (n > ARRAY_LINE_MAX)
			return false;
	}
	return true;
}

static void frame_open(struct printer *p, const struct jval *v)
{
	const struct frame *up = p->depth ? &p->stack[p->depth - 1] : NULL;
	struct frame *f;

	must(p->depth < ARRAY_LEN(p->stack));
	f = &p->stack[p->depth++];
	*f = (struct frame){.container = v, .next = jval_first(v), .first = true};
	if (p->st && p->st->multi_line && f->next && (!up || up->broken))
		f->broken = v->type == JVAL_OBJECT || !array_is_short(v);
	buf_addc(p->out, v->type == JVAL_OBJECT ? '{' : '[');
}

static void frame_close(struct printer *p)
{
	const struct frame *f = &p->stack[--p->depth];

	if (f->broken)
		print_line(p, p->depth);
	buf_addc(p->out, f->container->type == JVAL_OBJECT ? '}' : ']');
}

static void print_key(struct printer *p, struct slice key, bool broken)
{
	json_string_print(p->out, key);
	buf_addc(p->out, ':');
	if (p->st && (broken || p->st->colon_space))
		buf_addc(p->out, ' ');
}

/* Separator and key of the next child of the innermost frame. */
static const struct jval *frame_next(struct printer *p)
{
	struct frame *f = &p->stack[p->depth - 1];
	const struct jval *v = f->next;

	if (!f->first)
		buf_addc(p->out, ',');
	if (f->broken)
		print_line(p, p->depth);
	else if (!f->first && p->st && (p->st->comma_space || p->st->multi_line))
		buf_addc(p->out, ' ');
	f->first = false;
	f->next = jval_next(v);
	if (f->container->type == JVAL_OBJECT)
		print_key(p, v->key, f->broken);
	return v;
}

static void print_value(struct printer *p, const struct jval *v)
{
	for (;;) {
		if (v->type == JVAL_OBJECT || v->type == JVAL_ARRAY)
			frame_open(p, v);
		else
			print_scalar(p, v);
		while (p->depth && !p->stack[p->depth - 1].next)
			frame_close(p);
		if (!p->depth)
			return;
		v = frame_next(p);
	}
}

void jval_print(struct buf *out, const struct jval *v)
{
	struct printer p = {.out = out};

	print_value(&p, v);
}

bool jval_same_text(const struct jval *x, const struct jval *y)
{
	AUTO(buf_deinit) struct buf a = BUF_NULL(SIZE_MAX);
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	jval_print(&a, x);
	jval_print(&b, y);
	return slice_eq(buf_slice(&a), buf_slice(&b));
}

void jval_render(struct buf *out, const struct jval *v, const struct jval_style *st)
{
	struct printer p = {.out = out, .st = st};

	print_value(&p, v);
}

void jval_render_key(struct buf *out, struct slice key, const struct jval_style *st)
{
	struct printer p = {.out = out, .st = st};

	print_key(&p, key, st->multi_line);
}
