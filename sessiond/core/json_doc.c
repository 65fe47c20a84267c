/* Parser: one pass over the tokens, the tree's parent pointers are its stack. */
#include "sessiond/core/json_doc.h"

#include "base/utf8.h"
#include "sessiond/core/json_string.h"

#include <stdio.h>

/* What may come next. */
enum want {
	WANT_VALUE,
	WANT_VALUE_OR_CLOSE, /* after [ and after a comma in an array */
	WANT_KEY_OR_CLOSE,   /* after { and after a comma in an object */
	WANT_COLON,
	WANT_COMMA_OR_CLOSE,
	WANT_END,
};

struct parser {
	struct arena *a;
	struct json_doc *d;
	struct json_lex lx;
	enum want want;
	struct jval *open; /* innermost open container */
	unsigned depth;
	uint32_t tok_key;
	struct slice key;
	size_t toks_max;
};

static void doc_error(
    struct json_doc *d, enum json_doc_state state, size_t offset, const char *message)
{
	size_t line_start = 0;

	d->state = state;
	d->root = NULL;
	d->error.offset = offset;
	d->error.line = 1;
	for (size_t i = 0; i < offset; i++)
		if (d->text.p[i] == '\n') {
			d->error.line++;
			line_start = i + 1;
		}
	d->error.column = 1;
	for (size_t i = line_start; i < offset; i++)
		if (((unsigned char)d->text.p[i] & 0xc0) != 0x80)
			d->error.column++;
	snprintf(d->error.message, sizeof(d->error.message), "%s", message);
}

static bool parse_fail(struct parser *p, const struct json_tok *t, const char *message)
{
	doc_error(p->d, JSON_DOC_INVALID, t->start, message);
	return false;
}

static bool keep_token(struct parser *p, const struct json_tok *t)
{
	struct json_doc *d = p->d;

	if (d->n_toks == p->toks_max) {
		doc_error(d, JSON_DOC_TOO_LARGE, t->start,
		    p->toks_max == JSON_DOC_TOKENS_MAX ? "more than 100000 tokens"
						       : "too many tokens");
		return false;
	}
	d->toks[d->n_toks++] = *t;
	return true;
}

static struct slice token_text(const struct parser *p, const struct json_tok *t)
{
	return (struct slice){p->d->text.p + t->start, t->end - t->start};
}

static struct slice string_content(struct parser *p, const struct json_tok *t)
{
	struct slice s = token_text(p, t);

	return json_string_decode(p->a, (struct slice){s.p + 1, s.n - 2});
}

static struct jval *token_value(struct parser *p, const struct json_tok *t)
{
	static const enum jval_type types[] = {[TOK_OBJECT_OPEN] = JVAL_OBJECT,
	    [TOK_ARRAY_OPEN] = JVAL_ARRAY,
	    [TOK_STRING] = JVAL_STRING,
	    [TOK_NUMBER] = JVAL_NUMBER,
	    [TOK_TRUE] = JVAL_BOOL,
	    [TOK_FALSE] = JVAL_BOOL,
	    [TOK_NULL] = JVAL_NULL};
	struct jval *v = jval_new(p->a, types[t->kind]);

	v->text = token_text(p, t);
	v->truth = t->kind == TOK_TRUE;
	v->tok_first = v->tok_last = p->d->n_toks - 1;
	if (v->type == JVAL_STRING)
		v->str = string_content(p, t);
	return v;
}

static bool container_close(struct parser *p, const struct json_tok *t)
{
	struct jval *v = p->open;

	v->tok_last = p->d->n_toks - 1;
	v->text.n = t->end - p->d->toks[v->tok_first].start;
	if (v->type == JVAL_OBJECT && jval_shadow_duplicates(p->a, v))
		p->d->duplicate_keys = true;
	p->open = v->parent;
	p->depth--;
	p->want = p->open ? WANT_COMMA_OR_CLOSE : WANT_END;
	return true;
}

static bool place_value(struct parser *p, const struct json_tok *t)
{
	struct jval *v = token_value(p, t);

	if (!p->open) {
		p->d->root = v;
	} else if (p->open->type == JVAL_ARRAY) {
		jval_push(p->open, v);
	} else {
		v->tok_key = p->tok_key;
		jval_add(p->a, p->open, p->key, v);
	}
	if (v->type != JVAL_ARRAY && v->type != JVAL_OBJECT) {
		p->want = p->open ? WANT_COMMA_OR_CLOSE : WANT_END;
		return true;
	}
	if (++p->depth > JVAL_DEPTH_MAX) {
		doc_error(p->d, JSON_DOC_TOO_LARGE, t->start, "nested deeper than 100");
		return false;
	}
	p->open = v;
	p->want = v->type == JVAL_ARRAY ? WANT_VALUE_OR_CLOSE : WANT_KEY_OR_CLOSE;
	return true;
}

static bool is_close(const struct parser *p, const struct json_tok *t)
{
	return t->kind ==
	       (p->open->type == JVAL_ARRAY ? TOK_ARRAY_CLOSE : TOK_OBJECT_CLOSE);
}

static bool on_key_or_close(struct parser *p, const struct json_tok *t)
{
	if (is_close(p, t))
		return container_close(p, t);
	if (t->kind != TOK_STRING)
		return parse_fail(p, t, "expected a key in double quotes or }");
	if (t->end - t->start - 2 > JSON_DOC_KEY_MAX) {
		doc_error(
		    p->d, JSON_DOC_TOO_LARGE, t->start, "key longer than 4096 bytes");
		return false;
	}
	p->key = string_content(p, t);
	p->tok_key = p->d->n_toks - 1;
	p->want = WANT_COLON;
	return true;
}

static bool is_value(const struct json_tok *t)
{
	return t->kind == TOK_OBJECT_OPEN || t->kind == TOK_ARRAY_OPEN ||
	       (t->kind >= TOK_STRING && t->kind <= TOK_NULL);
}

static bool on_value(struct parser *p, const struct json_tok *t)
{
	return is_value(t) ? place_value(p, t) : parse_fail(p, t, "expected a value");
}

static bool on_token(struct parser *p, const struct json_tok *t)
{
	bool array = p->open && p->open->type == JVAL_ARRAY;

	switch (p->want) {
	case WANT_VALUE_OR_CLOSE:
		return is_close(p, t) ? container_close(p, t) : on_value(p, t);
	case WANT_VALUE:
		return on_value(p, t);
	case WANT_KEY_OR_CLOSE:
		return on_key_or_close(p, t);
	case WANT_COLON:
		if (t->kind != TOK_COLON)
			return parse_fail(p, t, "expected : after the key");
		p->want = WANT_VALUE;
		return true;
	case WANT_COMMA_OR_CLOSE:
		if (is_close(p, t))
			return container_close(p, t);
		if (t->kind != TOK_COMMA)
			return parse_fail(
			    p, t, array ? "expected , or ]" : "expected , or }");
		p->want = array ? WANT_VALUE_OR_CLOSE : WANT_KEY_OR_CLOSE;
		return true;
	case WANT_END:
		return parse_fail(p, t, "something follows the document");
	}
	return false;
}

static bool on_end(struct parser *p, const struct json_tok *t)
{
	if (p->want == WANT_END)
		return true;
	if (!p->open && p->want == WANT_VALUE) {
		p->d->state = JSON_DOC_BLANK;
		return false;
	}
	return parse_fail(p, t, "the document ends too early");
}

/* Eight bytes of plain ASCII without a NUL? */
static bool plain_word(const char *p)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return !((w | (w - ones)) & high);
}

/* The first byte that is no UTF-8, or a NUL; the length if there is none. */
static size_t first_bad_byte(struct slice text)
{
	size_t i = 0, n;

	while (i < text.n) {
		if (text.n - i >= 8 && plain_word(text.p + i)) {
			i += 8;
			continue;
		}
		n = utf8_seq_len(text.p + i, text.n - i);
		if (n == 0 || text.p[i] == '\0')
			return i;
		i += n;
	}
	return i;
}

static bool check_bytes(struct json_doc *d, size_t max)
{
	size_t bad;

	if (d->text.n > max) {
		doc_error(d, JSON_DOC_TOO_LARGE, 0,
		    max == JSON_DOC_BYTES_MAX ? "larger than 1 MiB" : "too large");
		return false;
	}
	bad = first_bad_byte(d->text);
	if (bad == d->text.n)
		return true;
	doc_error(d, JSON_DOC_INVALID, bad, d->text.p[bad] ? "not UTF-8" : "NUL byte");
	return false;
}

/* Where lines begin, so that layout questions never scan a long line again. */
static void index_lines(struct arena *a, struct json_doc *d)
{
	const char *p = d->text.p, *end = p + d->text.n;
	uint32_t n = 1;

	for (const char *q = p; q && (q = memchr(q, '\n', (size_t)(end - q))); q++)
		n++;
	d->lines = arena_alloc(a, n * sizeof(*d->lines));
	d->n_lines = 1;
	for (const char *q = p; q && (q = memchr(q, '\n', (size_t)(end - q))); q++)
		d->lines[d->n_lines++] = (uint32_t)(q + 1 - p);
}

uint32_t json_doc_line(const struct json_doc *d, size_t offset)
{
	uint32_t lo = 0, hi = d->n_lines;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (d->lines[mid] <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* @times the limits of a settings text */
static enum json_doc_state parse(
    struct arena *a, struct slice text, size_t times, struct json_doc *out)
{
	struct parser p = {.a = a,
	    .d = out,
	    .lx = {.text = text},
	    .want = WANT_VALUE,
	    .toks_max = times * JSON_DOC_TOKENS_MAX};
	size_t cap;

	if (!text.p)
		p.lx.text.p = text.p = "";
	*out = (struct json_doc){.text = text};
	if (!check_bytes(out, times * JSON_DOC_BYTES_MAX))
		return out->state;
	/* room for the most there can be: what is not used is never touched */
	cap = text.n < p.toks_max ? text.n : p.toks_max;
	out->toks = arena_alloc_raw(a, (cap + 1) * sizeof(*out->toks));
	if (slice_starts(text, SLICE_LIT("\xef\xbb\xbf"))) {
		out->bom = true;
		p.lx.pos = 3;
	}
	for (;;) {
		struct json_tok t = json_lex_next(&p.lx);

		if (t.kind == TOK_BAD) {
			parse_fail(&p, &t, p.lx.why);
			return out->state;
		}
		if (t.kind == TOK_END) {
			if (on_end(&p, &t) || out->state == JSON_DOC_BLANK)
				index_lines(a, out);
			return out->state;
		}
		if (!keep_token(&p, &t))
			return out->state;
		if (!json_tok_is_comment(&t) && !on_token(&p, &t))
			return out->state;
	}
}

enum json_doc_state json_doc_parse(
    struct arena *a, struct slice text, struct json_doc *out)
{
	return parse(a, text, 1, out);
}

static enum json_doc_state parse_object(
    struct arena *a, struct slice text, size_t times, struct json_doc *out)
{
	enum json_doc_state st = parse(a, text, times, out);

	if (st == JSON_DOC_OK && out->root->type != JVAL_OBJECT)
		doc_error(out, JSON_DOC_INVALID, out->toks[out->root->tok_first].start,
		    "the document must be an object");
	return out->state;
}

enum json_doc_state json_doc_parse_object(
    struct arena *a, struct slice text, struct json_doc *out)
{
	return parse_object(a, text, 1, out);
}

enum json_doc_state json_doc_parse_message(
    struct arena *a, struct slice text, struct json_doc *out)
{
	return parse_object(a, text, JSON_DOC_MESSAGE_TIMES, out);
}

struct slice json_doc_span(const struct json_doc *d, const struct jval *v)
{
	uint32_t start = d->toks[v->tok_first].start;

	return (struct slice){d->text.p + start, d->toks[v->tok_last].end - start};
}
