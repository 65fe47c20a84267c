/* The tree of operations: paths are set, tombed and cleared in it. */
#include "sessiond/core/overrides.h"

#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

struct overrides overrides_new(struct arena *a)
{
	return (struct overrides){jval_new(a, JVAL_OBJECT)};
}

struct overrides overrides_copy(struct arena *a, const struct overrides *o)
{
	return (struct overrides){jval_copy(a, o->root)};
}

/* The object that holds the last token of @path, made along the way; leaves in the way
 * give place. */
static struct jval *make_parent(
    struct arena *a, struct overrides *o, const struct slice *path, size_t n)
{
	struct jval *v = o->root;

	for (size_t i = 0; i + 1 < n; i++) {
		struct jval *child = jval_get(a, v, path[i]);

		if (!child || child->type != JVAL_OBJECT) {
			child = jval_new(a, JVAL_OBJECT);
			jval_put(a, v, arena_copy(a, path[i]), child);
		}
		v = child;
	}
	return v;
}

static void put_leaf(struct arena *a, struct overrides *o, const struct slice *path,
    size_t n, struct jval *leaf)
{
	struct jval *parent = make_parent(a, o, path, n);
	struct jval *old = jval_get(a, parent, path[n - 1]);

	/* "is an object" says nothing about one that has leaves of its own */
	if (leaf->type == JVAL_OBJECT && jval_is_tree(old))
		return;
	jval_put(a, parent, arena_copy(a, path[n - 1]), leaf);
}

void overrides_set(struct arena *a, struct overrides *o, const struct slice *path,
    size_t n, const struct jval *value)
{
	struct slice full[POINTER_TOKENS_MAX + 1];
	const struct jval *v = value;
	size_t depth = n;

	must(n > 0 && n <= POINTER_TOKENS_MAX);
	if (!jval_is_tree(value)) {
		put_leaf(a, o, path, n, jval_copy_leaf(a, value));
		return;
	}
	memcpy(full, path, n * sizeof(*path));
	for (v = jval_first(value); v;) {
		must(depth < ARRAY_LEN(full));
		full[depth] = v->key;
		if (jval_is_tree(v)) {
			depth++;
			v = jval_first(v);
			continue;
		}
		put_leaf(a, o, full, depth + 1, jval_copy_leaf(a, v));
		while (v != value && !jval_next(v)) {
			v = v->parent;
			depth--;
		}
		if (v == value)
			return;
		v = jval_next(v);
	}
}

void overrides_del(
    struct arena *a, struct overrides *o, const struct slice *path, size_t n)
{
	struct jval *parent;

	must(n > 0 && n <= POINTER_TOKENS_MAX);
	parent = make_parent(a, o, path, n);
	jval_put(a, parent, arena_copy(a, path[n - 1]), jval_new(a, JVAL_TOMB));
}

bool overrides_clear(
    struct arena *a, struct overrides *o, const struct slice *path, size_t n)
{
	struct jval *v = json_pointer_get(a, o->root, path, n);

	if (!v || v == o->root)
		return false;
	/* an object without leaves would be an override of its own: it goes too */
	do {
		struct jval *parent = v->parent;

		jval_remove(a, parent, v);
		v = parent;
	} while (v != o->root && v->n == 0);
	return true;
}

struct jval *overrides_at(
    struct arena *a, const struct overrides *o, const struct slice *path, size_t n)
{
	return json_pointer_get(a, o->root, path, n);
}

const struct jval *overrides_next(const struct overrides *o, const struct jval *leaf)
{
	const struct jval *root = o->root, *v = leaf ? leaf : root;

	if (leaf || !jval_is_tree(root)) {
		while (v != root && !jval_next(v))
			v = v->parent;
		if (v == root)
			return NULL;
		v = jval_next(v);
	}
	while (jval_is_tree(v))
		v = jval_first(v);
	return v;
}

size_t overrides_count_sets(const struct overrides *o)
{
	size_t n = 0;

	overrides_for_each (v, o)
		n += v->type != JVAL_TOMB;
	return n;
}

bool overrides_empty(const struct overrides *o)
{
	return !jval_is_tree(o->root);
}

bool overrides_equal(
    struct arena *a, const struct overrides *x, const struct overrides *y)
{
	return jval_equal(a, x->root, y->root);
}

struct jval *overrides_plain(struct arena *a, const struct overrides *o)
{
	struct overrides plain = overrides_new(a);

	overrides_for_each (v, o) {
		struct json_pointer ptr;

		if (v->type == JVAL_TOMB)
			continue;
		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		overrides_set(a, &plain, ptr.tokens, ptr.n, v);
	}
	return plain.root;
}

static void print_pointer(struct buf *out, const struct jval *v)
{
	struct slice tokens[POINTER_TOKENS_MAX + 1];
	size_t n = ARRAY_LEN(tokens);
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	for (; v->parent; v = v->parent) {
		must(n > 0);
		tokens[--n] = v->key;
	}
	json_pointer_print(&text, tokens + n, ARRAY_LEN(tokens) - n);
	json_string_print(out, buf_slice(&text));
}

void overrides_print_sets(struct buf *out, const struct overrides *o)
{
	bool first = true;

	buf_addc(out, '{');
	overrides_for_each (v, o) {
		if (v->type == JVAL_TOMB)
			continue;
		if (!first)
			buf_addc(out, ',');
		first = false;
		print_pointer(out, v);
		buf_addc(out, ':');
		jval_print(out, v);
	}
	buf_addc(out, '}');
}

void overrides_print_dels(struct buf *out, const struct overrides *o)
{
	bool first = true;

	buf_addc(out, '[');
	overrides_for_each (v, o) {
		if (v->type != JVAL_TOMB)
			continue;
		if (!first)
			buf_addc(out, ',');
		first = false;
		print_pointer(out, v);
	}
	buf_addc(out, ']');
}

void overrides_print(struct buf *out, const struct overrides *o)
{
	buf_adds(out, "{\"set\":");
	overrides_print_sets(out, o);
	buf_adds(out, ",\"del\":");
	overrides_print_dels(out, o);
	buf_addc(out, '}');
}
