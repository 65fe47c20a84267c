/* A hand-written scanner, because cJSON alone would take invalid UTF-8, raw control
 * characters, numbers like 01 or 1. and text after a NUL, and would cut strings at
 * \u0000. */
#include "base/jsn_scan.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/hex.h"
#include "base/jsn.h"
#include "base/utf8.h"

enum {
	JSN_NUMBER_MAX_CHARS = 63, /* what cJSON reads of a number */
};

struct scan {
	const char *text;
	size_t n, i;
	unsigned depth;
	uint64_t is_object; /* bit d: the container at depth d+1 is an object */
	size_t n_values;
	bool rewrite;
	struct err *e;
};

_Static_assert(JSN_DEPTH_MAX <= 64, "is_object has a bit for each level");

static int scan_fail(struct scan *s, size_t offset, const char *what)
{
	return err_set(
	    s->e, ERROR_INVALID, "not valid JSON at byte %zu: %s", offset, what);
}

/* The next byte, or 0 at the end: a NUL in the text is valid nowhere, so the two need no
 * telling apart. */
static char scan_peek(const struct scan *s)
{
	return s->i < s->n ? s->text[s->i] : '\0';
}

static void scan_space(struct scan *s)
{
	while (s->i < s->n && memchr(" \t\n\r", s->text[s->i], 4))
		s->i++;
}

/* The code unit of a \uXXXX that starts at @p, or -1. */
static int32_t unicode_escape(const char *p, size_t n)
{
	int32_t unit = 0;

	if (n < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_value(p[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

static bool is_high_surrogate(int32_t unit)
{
	return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(int32_t unit)
{
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Bytes that one good \u escape takes (12 for a surrogate pair); *bad_out if it must be
 * rewritten. 0 if malformed. */
static size_t unicode_escape_len(const char *p, size_t n, bool *bad_out)
{
	int32_t unit = unicode_escape(p, n);

	*bad_out = false;
	if (unit < 0)
		return 0;
	if (is_high_surrogate(unit) && is_low_surrogate(unicode_escape(p + 6, n - 6)))
		return 12;
	*bad_out = unit == 0 || is_high_surrogate(unit) || is_low_surrogate(unit);
	return 6;
}

static int scan_escape(struct scan *s)
{
	bool bad;
	size_t len;

	if (s->n - s->i < 2)
		return scan_fail(s, s->i, "the text ends in an escape");
	if (s->text[s->i + 1] != 'u') {
		if (!memchr("\"\\/bfnrt", s->text[s->i + 1], 8))
			return scan_fail(s, s->i, "unknown escape in a string");
		s->i += 2;
		return 0;
	}
	len = unicode_escape_len(s->text + s->i, s->n - s->i, &bad);
	if (len == 0)
		return scan_fail(s, s->i, "\\u without four hexadecimal digits");
	s->rewrite |= bad;
	s->i += len;
	return 0;
}

/* One that is not plain ASCII. */
static int scan_character(struct scan *s)
{
	size_t len = utf8_seq_len(s->text + s->i, s->n - s->i);

	if ((unsigned char)s->text[s->i] < 0x20)
		return scan_fail(s, s->i, "raw control character in a string");
	if (len == 0)
		return scan_fail(s, s->i, "invalid UTF-8");
	s->i += len;
	return 0;
}

static int scan_string(struct scan *s)
{
	size_t start = s->i++;

	for (;;) {
		unsigned char c;
		int r;

		s->i += utf8_plain_len(s->text + s->i, s->n - s->i);
		if (s->i == s->n)
			return scan_fail(s, start, "string without an end");
		c = (unsigned char)s->text[s->i];
		if (c == '"') {
			s->i++;
			return 0;
		}
		r = c == '\\' ? scan_escape(s) : scan_character(s);
		if (r)
			return r;
	}
}

static size_t scan_digits(struct scan *s)
{
	size_t start = s->i;

	while (s->i < s->n && s->text[s->i] >= '0' && s->text[s->i] <= '9')
		s->i++;
	return s->i - start;
}

/* What the grammar allows may still be no double. */
static int scan_number_range(struct scan *s, size_t start)
{
	char copy[JSN_NUMBER_MAX_CHARS + 1];
	size_t n = s->i - start;

	if (n > JSN_NUMBER_MAX_CHARS)
		return scan_fail(s, start, "number of more than 63 characters");
	memcpy(copy, s->text + start, n);
	copy[n] = '\0';
	return isfinite(strtod(copy, NULL)) ? 0
					    : scan_fail(s, start, "number out of range");
}

static int scan_number(struct scan *s)
{
	size_t start = s->i;
	bool has_exponent = false;

	if (scan_peek(s) == '-')
		s->i++;
	if (scan_peek(s) == '0')
		s->i++;
	else if (scan_digits(s) == 0)
		return scan_fail(s, s->i, "digit expected");
	if (scan_peek(s) == '.') {
		s->i++;
		if (scan_digits(s) == 0)
			return scan_fail(s, s->i, "digit expected after the point");
	}
	if (scan_peek(s) == 'e' || scan_peek(s) == 'E') {
		has_exponent = true;
		s->i++;
		if (scan_peek(s) == '+' || scan_peek(s) == '-')
			s->i++;
		if (scan_digits(s) == 0)
			return scan_fail(s, s->i, "digit expected in the exponent");
	}
	if (!has_exponent && s->i - start <= JSN_NUMBER_MAX_CHARS)
		return 0;
	return scan_number_range(s, start);
}

static int scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n - s->i < n || memcmp(s->text + s->i, word, n) != 0)
		return scan_fail(s, s->i, "value expected");
	s->i += n;
	return 0;
}

static int scan_scalar(struct scan *s)
{
	switch (scan_peek(s)) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	case '-':
	case '0' ... '9':
		return scan_number(s);
	default:
		return scan_fail(
		    s, s->i, s->i < s->n ? "value expected" : "the text ends too early");
	}
}

static bool scan_in_object(const struct scan *s)
{
	return s->is_object >> (s->depth - 1) & 1;
}

/* In an object: the key and the colon before a value. */
static int scan_key(struct scan *s)
{
	int r;

	if (!scan_in_object(s))
		return 0;
	if (scan_peek(s) != '"')
		return scan_fail(s, s->i, "key expected");
	r = scan_string(s);
	if (r)
		return r;
	scan_space(s);
	if (scan_peek(s) != ':')
		return scan_fail(s, s->i, "':' expected");
	s->i++;
	scan_space(s);
	return 0;
}

/* At '{' or '['. *empty_out: it closed at once; else the first value comes next. */
static int scan_open(struct scan *s, bool *empty_out)
{
	bool object = scan_peek(s) == '{';

	if (s->depth == JSN_DEPTH_MAX)
		return scan_fail(s, s->i, "nested too deeply");
	s->is_object &= ~(UINT64_C(1) << s->depth);
	s->is_object |= (uint64_t)object << s->depth;
	s->depth++;
	s->i++;
	scan_space(s);
	*empty_out = scan_peek(s) == (object ? '}' : ']');
	if (!*empty_out)
		return scan_key(s);
	s->i++;
	s->depth--;
	return 0;
}

/* After a value: closing brackets up to the comma before the next value, or to the end of
 * the root. */
static int scan_after_value(struct scan *s)
{
	while (s->depth > 0) {
		bool object = scan_in_object(s);
		char c;

		scan_space(s);
		c = scan_peek(s);
		if (c == ',') {
			s->i++;
			scan_space(s);
			return scan_key(s);
		}
		if (c != (object ? '}' : ']'))
			return scan_fail(s, s->i,
			    object ? "',' or '}' expected" : "',' or ']' expected");
		s->i++;
		s->depth--;
	}
	return 0;
}

static int scan_value(struct scan *s)
{
	char c = scan_peek(s);
	bool empty = true;
	int r;

	if (++s->n_values > JSN_VALUES_MAX)
		return scan_fail(s, s->i, "too many values");
	r = c == '{' || c == '[' ? scan_open(s, &empty) : scan_scalar(s);
	if (r || !empty)
		return r;
	return scan_after_value(s);
}

int jsn_scan(const char *text, size_t n, bool *rewrite_out, struct err *e)
{
	struct scan s = {.text = text, .n = n, .e = e};
	int r;

	scan_space(&s);
	do {
		r = scan_value(&s);
		if (r)
			return r;
	} while (s.depth > 0);
	scan_space(&s);
	if (s.i < n)
		return scan_fail(&s, s.i, "text after the value");
	*rewrite_out = s.rewrite;
	return 0;
}

void jsn_scan_rewrite(char *text, size_t n)
{
	size_t i = 0;

	while (i + 1 < n) {
		bool bad = false;
		size_t len = 1;

		if (text[i] == '\\') {
			len = unicode_escape_len(text + i, n - i, &bad);
			if (len == 0)
				len = 2; /* some other escape, "\\\\" among them */
		}
		if (bad)
			memcpy(text + i, "\\ufffd", 6);
		i += len;
	}
}
