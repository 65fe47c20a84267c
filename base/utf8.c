/* UTF-8 by the table of well-formed sequences (Unicode 15, table 3-7). Its own file
 * because both the JSON reader and everything that stores text must agree on what valid
 * means. */
#include "base/utf8.h"

#include "base/must.h"

static bool utf8_is_cont(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/* The second byte carries the limits that exclude overlong forms, surrogates and what
 * lies beyond U+10FFFF. */
static bool utf8_second_ok(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xE0:
		return second >= 0xA0 && second <= 0xBF;
	case 0xED:
		return second >= 0x80 && second <= 0x9F;
	case 0xF0:
		return second >= 0x90 && second <= 0xBF;
	case 0xF4:
		return second >= 0x80 && second <= 0x8F;
	default:
		return utf8_is_cont(second);
	}
}

size_t utf8_seq_len(const char *p, size_t n)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t len;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (n < len || !utf8_second_ok(s[0], s[1]))
		return 0;
	for (size_t i = 2; i < len; i++)
		if (!utf8_is_cont(s[i]))
			return 0;
	return len;
}

static bool utf8_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Eight bytes at once: bit 7 of a byte of the result is set if one of them, up to and
 * with that byte, is not plain. */
static uint64_t utf8_not_plain(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w, quote, backslash;

	memcpy(&w, p, sizeof(w));
	quote = w ^ (ones * '"');
	backslash = w ^ (ones * '\\');
	return (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
}

size_t utf8_plain_len(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 8 && utf8_not_plain(p + i) == 0)
		i += 8;
	while (i < n && utf8_is_plain((unsigned char)p[i]))
		i++;
	return i;
}

bool utf8_valid(const char *p, size_t n)
{
	while (n > 0) {
		size_t len = utf8_seq_len(p, n);

		if (len == 0)
			return false;
		p += len;
		n -= len;
	}
	return true;
}

uint32_t utf8_decode(const char *p, size_t n, size_t *len_out)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t len = utf8_seq_len(p, n);
	uint32_t c;

	must(len > 0);
	c = len == 1 ? s[0] : s[0] & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		c = (c << 6) | (s[i] & 0x3Fu);
	*len_out = len;
	return c;
}

size_t utf8_utf16_len(const char *p, size_t n)
{
	size_t units = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!utf8_is_cont(c))
			units += c >= 0xF0 ? 2 : 1;
	}
	return units;
}

static bool utf8_is_unwanted(uint32_t c)
{
	if (c < 0x20)
		return c != '\t' && c != '\n' && c != '\r';
	return (c >= 0x80 && c <= 0x9F) || (c >= 0xFDD0 && c <= 0xFDEF) ||
	       (c & 0xFFFE) == 0xFFFE;
}

void utf8_add_clean(struct buf *out, const char *p, size_t n)
{
	size_t i_kept = 0, i = 0; /* [i_kept, i) is good and not yet appended */

	while (i < n) {
		size_t len = utf8_seq_len(p + i, n - i);

		if (len > 0 && !utf8_is_unwanted(utf8_decode(p + i, n - i, &len))) {
			i += len;
			continue;
		}
		buf_add(out, p + i_kept, i - i_kept);
		if (len == 0)
			buf_adds(out, "\xEF\xBF\xBD");
		i += len ? len : 1;
		i_kept = i;
	}
	buf_add(out, p + i_kept, i - i_kept);
}
