#include "zedctl/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

enum {
	SPAN_TOKEN_MAX = 4096,
};

static size_t span_skip_space(struct slice j, size_t i)
{
	while (i < j.n && strchr(" \t\r\n", j.p[i]))
		i++;
	return i;
}

/* Past the string that begins at @i. */
static size_t span_skip_string(struct slice j, size_t i)
{
	for (i++; i < j.n && j.p[i] != '"'; i++)
		i += j.p[i] == '\\';
	return i < j.n ? i + 1 : j.n;
}

/* Past the value that begins at @i. */
static size_t span_skip_value(struct slice j, size_t i)
{
	int depth = 0;

	do {
		char c = j.p[i];

		if (c == '"') {
			i = span_skip_string(j, i);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		i++;
		/* A number or a word ends where something else begins. */
		if (depth == 0 && !strchr("{}[]", c))
			i += strcspn(j.p + i, " \t\r\n,]}");
	} while (depth > 0 && i < j.n);
	return i < j.n ? i : j.n;
}

/* ---- pointers */

/* Cut the next token off "/a/b"; "~1" and "~0" are decoded. False at the end or when it
 * is too long. */
static bool span_token(const char **pointer, char out[static SPAN_TOKEN_MAX])
{
	const char *p = *pointer;
	size_t n = 0;

	if (*p != '/')
		return false;
	for (p++; *p && *p != '/' && n < SPAN_TOKEN_MAX - 1; p++) {
		if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
			out[n++] = *++p == '0' ? '~' : '/';
		else
			out[n++] = *p;
	}
	out[n] = '\0';
	*pointer = p;
	return n < SPAN_TOKEN_MAX - 1;
}

static bool span_is_root(const char *pointer)
{
	return !*pointer || strcmp(pointer, "/") == 0;
}

/* ---- members */

struct span_member {
	struct slice key, value; /* key with quotes; empty in arrays */
	size_t begin, end;       /* key to value */
};

static bool span_key_is(struct slice key, const char *token)
{
	struct jsn *v = NULL;
	bool same;

	if (jsn_parse(key.p, key.n, &v, NULL) != 0)
		return false;
	same = jsn_string(v) && strcmp(jsn_string(v), token) == 0;
	jsn_free(v);
	return same;
}

/* The member or element that begins at or after @i; false at the closing bracket. */
static bool span_next(struct slice j, size_t *i, bool is_object, struct span_member *m)
{
	size_t at = span_skip_space(j, *i);

	if (at < j.n && j.p[at] == ',')
		at = span_skip_space(j, at + 1);
	if (at >= j.n || j.p[at] == '}' || j.p[at] == ']')
		return false;
	*m = (struct span_member){.begin = at};
	if (is_object) {
		m->end = span_skip_string(j, at);
		m->key = (struct slice){j.p + at, m->end - at};
		at = span_skip_space(j, m->end);
		at = span_skip_space(j, at + 1); /* the colon */
	}
	m->end = span_skip_value(j, at);
	m->value = (struct slice){j.p + at, m->end - at};
	*i = m->end;
	return true;
}

bool span_each(
    struct slice json, size_t *at, struct slice *key_out, struct slice *value_out)
{
	struct span_member m;
	size_t i = *at ? *at : 1;

	if (json.n == 0 || (json.p[0] != '{' && json.p[0] != '[') ||
	    !span_next(json, &i, json.p[0] == '{', &m))
		return false;
	*at = i;
	*key_out = m.key;
	*value_out = m.value;
	return true;
}

bool span_string(struct slice json, struct buf *out)
{
	struct jsn *v = NULL;
	bool ok = json.n > 0 && jsn_parse(json.p, json.n, &v, NULL) == 0 && jsn_string(v);

	if (ok)
		buf_adds(out, jsn_string(v));
	jsn_free(v);
	return ok;
}

/* The last member of that name, as JSON parsers take it. False: none, or @j is no
 * container. */
static bool span_member(struct slice j, const char *token, struct span_member *out)
{
	struct span_member m;
	bool is_object = j.n > 0 && j.p[0] == '{', found = false;
	char *end;
	unsigned long index = strtoul(token, &end, 10);
	size_t i = 1;

	if (!is_object && (j.n == 0 || j.p[0] != '[' || *end || !*token))
		return false;
	for (unsigned long k = 0; span_next(j, &i, is_object, &m); k++) {
		if (is_object ? span_key_is(m.key, token) : k == index) {
			*out = m;
			found = true;
		}
	}
	return found;
}

static struct slice span_root(struct slice json)
{
	size_t i = span_skip_space(json, 0);

	return (struct slice){json.p + i, span_skip_value(json, i) - i};
}

struct slice span_find(struct slice json, const char *pointer)
{
	struct slice at = span_root(json);
	char token[SPAN_TOKEN_MAX];
	struct span_member m;

	if (span_is_root(pointer))
		return at;
	while (span_token(&pointer, token)) {
		if (!span_member(at, token, &m))
			return SLICE_NULL;
		at = m.value;
	}
	return *pointer ? SLICE_NULL : at;
}

/* ---- changing */

static void span_replace(
    struct slice json, const char *from, size_t n, struct slice with, struct buf *out)
{
	buf_add(out, json.p, (size_t)(from - json.p));
	buf_add_slice(out, with);
	buf_add(out, from + n, json.n - (size_t)(from - json.p) - n);
}

/* @value inside objects for what is left of the pointer: {"a":{"b":value}}. */
static bool span_nest(const char *pointer, struct slice value, struct buf *out)
{
	char token[SPAN_TOKEN_MAX];
	size_t depth = 0;

	for (; span_token(&pointer, token); depth++) {
		buf_addc(out, '{');
		buf_add_json_string(out, token, strlen(token));
		buf_addc(out, ':');
	}
	buf_add_slice(out, value);
	while (depth-- > 0)
		buf_addc(out, '}');
	return !*pointer;
}

/* A new last member of the object @at. */
static void span_insert(struct slice json, struct slice at, const char *token,
    struct slice value, struct buf *out)
{
	struct buf text = BUF_NULL(out->max);
	size_t i = at.n - 1;

	while (strchr(" \t\r\n", at.p[i - 1]))
		i--;
	if (at.p[i - 1] != '{')
		buf_addc(&text, ',');
	buf_add_json_string(&text, token, strlen(token));
	buf_addc(&text, ':');
	buf_add_slice(&text, value);
	span_replace(json, at.p + i, 0, buf_slice(&text), out);
	buf_deinit(&text);
}

static int span_refuse(struct err *e, const char *pointer)
{
	return err_set(e, ERROR_INVALID,
	    "%s: not a JSON pointer to a place in this document", pointer);
}

int span_set(struct slice json, const char *pointer, struct slice value, struct buf *out,
    struct err *e)
{
	struct slice at = span_root(json);
	struct buf nested = BUF_NULL(out->max);
	const char *rest = pointer;
	char token[SPAN_TOKEN_MAX];
	struct span_member m;
	bool ok = true;

	if (span_is_root(pointer)) {
		buf_add_slice(out, value);
		return 0;
	}
	while (at.n && span_token(&rest, token) && span_member(at, token, &m)) {
		at = m.value;
		if (!*rest) {
			span_replace(json, at.p, at.n, value, out);
			return 0;
		}
	}
	/* @token is the first that is not there. */
	if (at.p[0] == '[' || pointer[0] != '/' || (*rest && *rest != '/'))
		return span_refuse(e, pointer);
	ok = span_nest(rest, value, &nested);
	if (ok && at.p[0] == '{') {
		span_insert(json, at, token, buf_slice(&nested), out);
	} else if (ok) {
		struct buf whole = BUF_NULL(out->max);

		buf_addc(&whole, '{');
		buf_add_json_string(&whole, token, strlen(token));
		buf_addf(&whole, ":%s}", buf_cstr(&nested));
		span_replace(json, at.p, at.n, buf_slice(&whole), out);
		buf_deinit(&whole);
	}
	buf_deinit(&nested);
	return ok ? 0 : span_refuse(e, pointer);
}

int span_unset(struct slice json, const char *pointer, struct buf *out, struct err *e)
{
	struct slice at = span_root(json);
	struct span_member m = {.value = at};
	const char *rest = pointer;
	char token[SPAN_TOKEN_MAX];
	size_t from, to;

	while (*rest) {
		at = m.value;
		if (!span_token(&rest, token))
			return span_refuse(e, pointer);
		if (!span_member(at, token, &m)) {
			buf_add_slice(out, json);
			return 0;
		}
	}
	if (span_is_root(pointer))
		return span_refuse(e, pointer);
	/* One comma goes with it: the one behind, else the one before. */
	from = m.begin;
	to = span_skip_space(at, m.end);
	if (at.p[to] == ',') {
		to = span_skip_space(at, to + 1);
	} else {
		to = m.end;
		while (from > 1 && strchr(" \t\r\n", at.p[from - 1]))
			from--;
		from -= at.p[from - 1] == ',';
	}
	span_replace(json, at.p + from, to - from, SLICE_NULL, out);
	return 0;
}
