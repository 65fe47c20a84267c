#include "zedctl/delta.h"

#include "zedctl/render.h"

enum {
	DELTA_COLUMNS = 76, /* a value that fits stays on one line */
	DELTA_CONTEXT = 2,  /* lines around a difference */
	DELTA_MAX_BYTES = 64 << 20,
};

static bool delta_same(const struct delta *d)
{
	return !d->before.p == !d->after.p && slice_eq(d->before, d->after);
}

const char *delta_kind(const struct delta *d)
{
	if (delta_same(d))
		return "same";
	if (!d->before.p)
		return "added";
	return d->after.p ? "changed" : "deleted";
}

static void delta_line(
    char sign, enum render_colour c, struct slice text, bool colours, struct buf *out)
{
	buf_addf(out, "%s  %c " SLICE_FMT "%s\n", render_colour(c, colours), sign,
	    SLICE_ARG(text), c != RENDER_PLAIN ? render_reset(colours) : "");
}

/* ---- values of many lines */

/* The line that begins at @i; *next_out past its newline. */
static struct slice delta_line_at(struct slice text, size_t i, size_t *next_out)
{
	const char *nl = memchr(text.p + i, '\n', text.n - i);
	size_t end = nl ? (size_t)(nl - text.p) : text.n;

	*next_out = nl ? end + 1 : text.n;
	return (struct slice){text.p + i, end - i};
}

static size_t delta_count(struct slice text)
{
	size_t n = text.n > 0, next;

	for (size_t i = 0; i < text.n; i = next) {
		delta_line_at(text, i, &next);
		n += next < text.n;
	}
	return n;
}

static size_t delta_offset(struct slice text, size_t line)
{
	size_t i = 0;

	while (line-- > 0)
		delta_line_at(text, i, &i);
	return i;
}

/* Lines both begin with; at most @max. */
static size_t delta_common_head(struct slice a, struct slice b, size_t max)
{
	size_t i = 0, k = 0, n = 0;

	while (n < max && slice_eq(delta_line_at(a, i, &i), delta_line_at(b, k, &k)))
		n++;
	return n;
}

static struct slice delta_last_line(struct slice text, size_t end)
{
	size_t i = end;

	while (i > 0 && text.p[i - 1] != '\n')
		i--;
	return (struct slice){text.p + i, end - i};
}

static size_t delta_common_tail(struct slice a, struct slice b, size_t max)
{
	size_t i = a.n, k = b.n, n = 0;

	while (n < max) {
		struct slice x = delta_last_line(a, i), y = delta_last_line(b, k);

		if (!slice_eq(x, y))
			break;
		i -= x.n + 1;
		k -= y.n + 1;
		n++;
	}
	return n;
}

static void delta_lines(struct slice text, size_t from, size_t n, char sign,
    enum render_colour c, bool colours, struct buf *out)
{
	size_t i = delta_offset(text, from);

	while (n-- > 0)
		delta_line(sign, c, delta_line_at(text, i, &i), colours, out);
}

static void delta_skipped(size_t n, bool colours, struct buf *out)
{
	if (n > 0)
		buf_addf(out, "%s    ... %zu line%s%s\n",
		    render_colour(RENDER_DIM, colours), n, n > 1 ? "s" : "",
		    render_reset(colours));
}

static void delta_long(struct slice a, struct slice b, bool colours, struct buf *out)
{
	size_t n_a = delta_count(a), n_b = delta_count(b);
	size_t most = n_a < n_b ? n_a : n_b;
	size_t head = delta_common_head(a, b, most);
	size_t tail = delta_common_tail(a, b, most - head);
	size_t before = head < DELTA_CONTEXT ? head : DELTA_CONTEXT;
	size_t behind = tail < DELTA_CONTEXT ? tail : DELTA_CONTEXT;

	delta_skipped(head - before, colours, out);
	delta_lines(a, head - before, before, ' ', RENDER_DIM, colours, out);
	delta_lines(a, head, n_a - head - tail, '-', RENDER_BAD, colours, out);
	delta_lines(b, head, n_b - head - tail, '+', RENDER_GOOD, colours, out);
	delta_lines(a, n_a - tail, behind, ' ', RENDER_DIM, colours, out);
	delta_skipped(tail - behind, colours, out);
}

/* ---- one path */

static bool delta_is_long(struct slice json)
{
	struct buf text = BUF_NULL(DELTA_MAX_BYTES);
	bool is_long;

	render_value(json, 0, &text);
	is_long = text.n > DELTA_COLUMNS;
	buf_deinit(&text);
	return is_long;
}

static void delta_value(
    char sign, enum render_colour c, struct slice json, bool colours, struct buf *out)
{
	struct buf text = BUF_NULL(DELTA_MAX_BYTES);

	if (!json.p)
		return;
	if (delta_is_long(json))
		render_json_add(json, &text);
	else
		render_value(json, 0, &text);
	delta_lines(buf_slice(&text), 0, delta_count(buf_slice(&text)), sign, c, colours,
	    out);
	buf_deinit(&text);
}

static void delta_values(const struct delta *d, bool colours, struct buf *out)
{
	struct buf before = BUF_NULL(DELTA_MAX_BYTES), after = BUF_NULL(DELTA_MAX_BYTES);

	if (delta_same(d)) {
		delta_value(' ', RENDER_PLAIN, d->after, colours, out);
	} else if (d->before.p && d->after.p &&
		   (delta_is_long(d->before) || delta_is_long(d->after))) {
		render_json_add(d->before, &before);
		render_json_add(d->after, &after);
		delta_long(buf_slice(&before), buf_slice(&after), colours, out);
	} else {
		delta_value('-', RENDER_BAD, d->before, colours, out);
		delta_value('+', RENDER_GOOD, d->after, colours, out);
	}
	buf_deinit(&before);
	buf_deinit(&after);
}

static char delta_sign(const struct delta *d)
{
	if (delta_same(d))
		return '=';
	if (!d->before.p)
		return '+';
	return d->after.p ? '~' : '-';
}

void delta_render(const struct delta *d, bool colours, struct buf *out)
{
	buf_addf(out, "%c ", delta_sign(d));
	render_safe(slice_of(d->path), out);
	buf_addc(out, '\n');
	delta_values(d, colours, out);
	if (!*d->note)
		return;
	buf_addf(out, "%s    ", render_colour(RENDER_DIM, colours));
	render_safe(slice_of(d->note), out);
	buf_addf(out, "%s\n", render_reset(colours));
}
