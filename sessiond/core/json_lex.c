/* What Zed's parser takes: JSON, both kinds of comments. What it refuses is refused here:
 * control characters in strings, \v, \x escapes, single quotes, bare words, NaN. */
#include "sessiond/core/json_lex.h"

#include "sessiond/core/json_string.h"

static struct json_tok lex_tok(struct json_lex *lx, enum json_tok_kind kind, uint32_t end)
{
	struct json_tok t = {lx->pos, end, kind};

	lx->pos = end;
	return t;
}

static struct json_tok lex_bad(struct json_lex *lx, uint32_t at, const char *why)
{
	lx->pos = at;
	lx->why = why;
	return (struct json_tok){at, at, TOK_BAD};
}

/* No quote, backslash or control character among eight bytes? */
static bool plain_word(const char *p)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t w, q, b;

	memcpy(&w, p, sizeof(w));
	q = w ^ ones * '"';
	b = w ^ ones * '\\';
	/* a borrow may flag a byte too many, never one too few */
	return !(((w - ones * 0x20) & ~w & high) | ((q - ones) & ~q & high) |
		 ((b - ones) & ~b & high));
}

static struct json_tok lex_string(struct json_lex *lx)
{
	const char *p = lx->text.p;
	uint32_t n = (uint32_t)lx->text.n, i = lx->pos + 1;

	while (i < n && p[i] != '"') {
		size_t esc;

		if (n - i >= 8 && plain_word(p + i)) {
			i += 8;
			continue;
		}
		if ((unsigned char)p[i] < 0x20)
			return lex_bad(lx, i, "control character in a string");
		if (p[i] != '\\') {
			i++;
			continue;
		}
		esc = json_string_escape_len(p + i, n - i);
		if (!esc)
			return lex_bad(lx, i, "invalid escape in a string");
		i += (uint32_t)esc;
	}
	if (i >= n)
		return lex_bad(lx, lx->pos, "string is not closed");
	return lex_tok(lx, TOK_STRING, i + 1);
}

static bool is_digit(const struct json_lex *lx, uint32_t i)
{
	return i < lx->text.n && lx->text.p[i] >= '0' && lx->text.p[i] <= '9';
}

static bool is_char(const struct json_lex *lx, uint32_t i, char c)
{
	return i < lx->text.n && lx->text.p[i] == c;
}

static uint32_t skip_digits(const struct json_lex *lx, uint32_t i)
{
	while (is_digit(lx, i))
		i++;
	return i;
}

static struct json_tok lex_number(struct json_lex *lx)
{
	uint32_t i = lx->pos;

	if (is_char(lx, i, '-'))
		i++;
	if (!is_digit(lx, i))
		return lex_bad(lx, i, "a number needs digits");
	if (is_char(lx, i, '0') && is_digit(lx, i + 1))
		return lex_bad(lx, i, "a number may not begin with 0");
	i = skip_digits(lx, i);
	if (is_char(lx, i, '.')) {
		if (!is_digit(lx, i + 1))
			return lex_bad(lx, i, "a number needs digits after its point");
		i = skip_digits(lx, i + 1);
	}
	if (is_char(lx, i, 'e') || is_char(lx, i, 'E')) {
		i++;
		if (is_char(lx, i, '+') || is_char(lx, i, '-'))
			i++;
		if (!is_digit(lx, i))
			return lex_bad(lx, i, "a number needs digits in its exponent");
		i = skip_digits(lx, i);
	}
	return lex_tok(lx, TOK_NUMBER, i);
}

static struct json_tok lex_comment(struct json_lex *lx)
{
	const char *p = lx->text.p + lx->pos, *end = lx->text.p + lx->text.n, *q;

	if (end - p < 2 || (p[1] != '/' && p[1] != '*'))
		return lex_bad(lx, lx->pos, "unexpected character");
	if (p[1] == '*') {
		q = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
		if (!q)
			return lex_bad(lx, lx->pos, "comment is not closed");
		return lex_tok(lx, TOK_BLOCK_COMMENT, (uint32_t)(q + 2 - lx->text.p));
	}
	q = memchr(p, '\n', (size_t)(end - p));
	if (!q)
		q = end;
	while (q[-1] == '\r')
		q--; /* part of the end of the line */
	return lex_tok(lx, TOK_LINE_COMMENT, (uint32_t)(q - lx->text.p));
}

static struct json_tok lex_word(struct json_lex *lx)
{
	static const struct {
		struct slice word;
		enum json_tok_kind kind;
	} words[] = {{SLICE_LIT("true"), TOK_TRUE}, {SLICE_LIT("false"), TOK_FALSE},
	    {SLICE_LIT("null"), TOK_NULL}};
	struct slice rest = {lx->text.p + lx->pos, lx->text.n - lx->pos};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_starts(rest, words[i].word))
			return lex_tok(
			    lx, words[i].kind, lx->pos + (uint32_t)words[i].word.n);
	return lex_bad(lx, lx->pos, "unexpected character");
}

static enum json_tok_kind punctuation(char c)
{
	switch (c) {
	case '{':
		return TOK_OBJECT_OPEN;
	case '}':
		return TOK_OBJECT_CLOSE;
	case '[':
		return TOK_ARRAY_OPEN;
	case ']':
		return TOK_ARRAY_CLOSE;
	case ':':
		return TOK_COLON;
	case ',':
		return TOK_COMMA;
	default:
		return TOK_BAD;
	}
}

struct json_tok json_lex_next(struct json_lex *lx)
{
	const char *p = lx->text.p;
	enum json_tok_kind kind;
	char c;

	while (lx->pos < lx->text.n && (p[lx->pos] == ' ' || p[lx->pos] == '\n' ||
					   p[lx->pos] == '\t' || p[lx->pos] == '\r'))
		lx->pos++;
	if (lx->pos >= lx->text.n)
		return lex_tok(lx, TOK_END, lx->pos);
	c = p[lx->pos];
	kind = punctuation(c);
	if (kind != TOK_BAD)
		return lex_tok(lx, kind, lx->pos + 1);
	if (c == '"')
		return lex_string(lx);
	if (c == '/')
		return lex_comment(lx);
	if (c == '-' || (c >= '0' && c <= '9'))
		return lex_number(lx);
	return lex_word(lx);
}
