/* Parsing and printing of pointers, and following them through objects. */
#include "sessiond/core/json_pointer.h"

#include "base/must.h"

static bool token_decode(struct arena *a, struct slice s, struct slice *out)
{
	char *p;

	if (!s.n || !memchr(s.p, '~', s.n)) {
		*out = s;
		return true;
	}
	p = arena_alloc(a, s.n);
	*out = (struct slice){p, 0};
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '~') {
			if (++i == s.n || (s.p[i] != '0' && s.p[i] != '1'))
				return false;
			c = s.p[i] == '0' ? '~' : '/';
		}
		p[out->n++] = c;
	}
	return true;
}

bool json_pointer_parse(struct arena *a, struct slice text, struct json_pointer *out)
{
	const char *p = text.p, *end = text.p + text.n;
	size_t n = 0;

	*out = (struct json_pointer){0};
	if (text.n == 0)
		return true;
	if (text.n > POINTER_TEXT_MAX || *p != '/')
		return false;
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '/';
	if (n > POINTER_TOKENS_MAX)
		return false;
	out->tokens = arena_alloc(a, n * sizeof(*out->tokens));
	while (p < end) {
		const char *from = ++p;

		while (p < end && *p != '/')
			p++;
		if (!token_decode(a, (struct slice){from, (size_t)(p - from)},
			&out->tokens[out->n++]))
			return false;
	}
	return true;
}

void json_pointer_add_token(struct buf *out, struct slice token)
{
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] == '~')
			buf_adds(out, "~0");
		else if (token.p[i] == '/')
			buf_adds(out, "~1");
		else
			buf_addc(out, token.p[i]);
	}
}

void json_pointer_print(struct buf *out, const struct slice *tokens, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_addc(out, '/');
		json_pointer_add_token(out, tokens[i]);
	}
}

struct slice json_pointer_text(struct arena *a, const struct slice *tokens, size_t n)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	json_pointer_print(&b, tokens, n);
	return arena_copy(a, buf_slice(&b));
}

struct jval *json_pointer_get(
    struct arena *a, struct jval *root, const struct slice *tokens, size_t n)
{
	struct jval *v = root;

	for (size_t i = 0; v && i < n; i++)
		v = jval_get(a, v, tokens[i]);
	return v;
}

struct slice json_pointer_of(struct arena *a, const struct jval *v)
{
	struct slice tokens[JVAL_DEPTH_MAX + 1];
	size_t n = ARRAY_LEN(tokens);

	for (; v->parent; v = v->parent) {
		must(n > 0);
		tokens[--n] = v->key;
	}
	return json_pointer_text(a, tokens + n, ARRAY_LEN(tokens) - n);
}
