/* Printing, without cJSON's printer: that writes 2^53 as 9.00719925474099e+15 and spends
 * most of its time on numbers. Apart from base/jsn.c because it needs nothing of cJSON:
 * it reads a tree as everyone does. */
#include "base/jsn.h"

#include <inttypes.h>
#include <math.h>

enum {
	PRINT_DEPTH_MAX =
	    4 * JSN_DEPTH_MAX, /* parsed trees and what we wrap around them */
};

/* The shortest of 15 to 17 digits that reads back as the same number. */
static void print_number(double d, struct buf *out)
{
	char text[40];

	if (fabs(d) < 9007199254740992.0 && d == trunc(d)) {
		buf_addf(out, "%" PRId64, (int64_t)d);
		return;
	}
	if (fabs(d) < 1e21 && d == trunc(d)) {
		buf_addf(out, "%.0f", d);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		double back;

		snprintf(text, sizeof(text), "%.*g", digits, d);
		back = strtod(text, NULL);
		if (!(back < d) && !(back > d))
			break;
	}
	buf_adds(out, text);
}

static void print_string(const char *s, struct buf *out)
{
	buf_add_json_string(out, s, strlen(s));
}

static void print_scalar(const struct jsn *v, struct buf *out)
{
	double d;
	bool b;

	if (jsn_raw(v))
		buf_adds(out, jsn_raw(v));
	else if (jsn_string(v))
		print_string(jsn_string(v), out);
	else if (jsn_number(v, &d))
		print_number(d, out);
	else if (jsn_bool(v, &b))
		buf_adds(out, b ? "true" : "false");
	else
		buf_adds(out, "null");
}

/* What comes before a value inside its container. */
static void print_lead(const struct jsn *container, const struct jsn *v, struct buf *out)
{
	if (v != jsn_first(container))
		buf_addc(out, ',');
	if (jsn_type(container) != JSN_OBJECT)
		return;
	print_string(jsn_key(v), out);
	buf_addc(out, ':');
}

static bool is_container(const struct jsn *v)
{
	return !jsn_raw(v) && (jsn_type(v) == JSN_ARRAY || jsn_type(v) == JSN_OBJECT);
}

void jsn_print(const struct jsn *v, struct buf *out)
{
	const struct jsn *open[PRINT_DEPTH_MAX]; /* containers begun and not ended */
	const struct jsn *root = v;
	size_t depth = 0;

	while (!out->failed) {
		if (v && is_container(v)) {
			must(depth < PRINT_DEPTH_MAX);
			buf_addc(out, jsn_type(v) == JSN_OBJECT ? '{' : '[');
			open[depth++] = v;
			v = jsn_first(v);
		} else if (v || v == root) {
			print_scalar(v, out);
			v = v == root ? NULL : jsn_next(v);
		}
		while (!v && depth > 0) {
			const struct jsn *done = open[--depth];

			buf_addc(out, jsn_type(done) == JSN_OBJECT ? '}' : ']');
			v = done == root ? NULL : jsn_next(done);
		}
		if (!v)
			return;
		print_lead(open[depth - 1], v, out);
	}
}
