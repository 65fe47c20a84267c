/* Escapes, both ways. */
#include "sessiond/core/json_string.h"

#include <stdint.h>

#include "base/hex.h"

size_t json_string_escape_len(const char *p, size_t n)
{
	if (n < 2 || p[0] != '\\')
		return 0;
	if (p[1] != 'u')
		return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
	if (n < 6)
		return 0;
	for (size_t i = 2; i < 6; i++)
		if (hex_value(p[i]) < 0)
			return 0;
	return 6;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)hex_value(p[i]);
	return v;
}

/* One code unit or pair at the \u escape @p; *used is how much was read. */
static uint32_t escape_code(const char *p, const char *end, size_t *used)
{
	uint32_t c = hex4(p + 2), low;

	*used = 6;
	if (c < 0xd800 || c > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return c;
	low = hex4(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return c;
	*used = 12;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static char *put_code(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

static char simple_escape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

struct slice json_string_decode(struct arena *a, struct slice inner)
{
	const char *p = inner.p, *end = inner.p + inner.n;
	char *start, *out;

	if (inner.n == 0 || !memchr(inner.p, '\\', inner.n))
		return inner;
	start = out = arena_alloc(a, inner.n + 1);
	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
		} else if (p[1] != 'u') {
			*out++ = simple_escape(p[1]);
			p += 2;
		} else {
			size_t used;

			out = put_code(out, escape_code(p, end, &used));
			p += used;
		}
	}
	return (struct slice){start, (size_t)(out - start)};
}

/* A surrogate in its three-byte form at @p? */
static bool is_surrogate(const char *p, size_t n)
{
	return n >= 3 && (unsigned char)p[0] == 0xed && (unsigned char)p[1] >= 0xa0;
}

static void print_escape(struct buf *out, char c)
{
	switch (c) {
	case '"':
	case '\\':
		buf_addc(out, '\\');
		buf_addc(out, c);
		return;
	case '\b':
		buf_adds(out, "\\b");
		return;
	case '\f':
		buf_adds(out, "\\f");
		return;
	case '\n':
		buf_adds(out, "\\n");
		return;
	case '\r':
		buf_adds(out, "\\r");
		return;
	case '\t':
		buf_adds(out, "\\t");
		return;
	default:
		buf_addf(out, "\\u%04x", (unsigned)c);
	}
}

void json_string_print(struct buf *out, struct slice decoded)
{
	size_t from = 0, i = 0;

	buf_addc(out, '"');
	while (i < decoded.n) {
		const char *p = decoded.p + i;

		if (is_surrogate(p, decoded.n - i)) {
			buf_add(out, decoded.p + from, i - from);
			buf_addf(out, "\\u%04x",
			    0xd000u | ((unsigned)p[1] & 0x3fu) << 6 |
				((unsigned)p[2] & 0x3fu));
			i += 3;
			from = i;
		} else if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\') {
			buf_add(out, decoded.p + from, i - from);
			print_escape(out, *p);
			from = ++i;
		} else {
			i++;
		}
	}
	buf_add(out, decoded.p + from, i - from);
	buf_addc(out, '"');
}
