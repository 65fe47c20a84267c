/* Operation documents: read with everything that is wrong named, applied, and made from
 * the difference of two states. */
#include "sessiond/core/overrides.h"

#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

struct named_path {
	struct slice text;
	struct json_pointer ptr;
};

struct ops_reader {
	struct arena *a;
	struct named_path *paths;
	size_t n_paths;
	struct overrides_problem *problems;
};

static void problem_add(struct ops_reader *r, struct slice path, const char *message)
{
	struct overrides_problem *p = ARENA_NEW(r->a, struct overrides_problem);

	*p = (struct overrides_problem){path, message, r->problems};
	r->problems = p;
}

/* Containers below @v, itself not counted. */
static size_t value_depth(const struct jval *v)
{
	size_t depth = 0, max = 0;
	const struct jval *it = v;

	for (;;) {
		if (it->first) {
			it = it->first;
			depth++;
			max = depth > max ? depth : max;
			continue;
		}
		while (it != v && !it->next) {
			it = it->parent;
			depth--;
		}
		if (it == v)
			return max;
		it = it->next;
	}
}

static bool path_read(struct ops_reader *r, struct slice text, const struct jval *value,
    struct json_pointer *out)
{
	if (!json_pointer_parse(r->a, text, out)) {
		problem_add(r, text, "not a JSON pointer");
		return false;
	}
	if (out->n == 0) {
		problem_add(r, text, "the whole document cannot be set or removed");
		return false;
	}
	if (value && out->n + value_depth(value) > JVAL_DEPTH_MAX) {
		problem_add(r, text, "nested deeper than 100");
		return false;
	}
	r->paths[r->n_paths++] = (struct named_path){text, *out};
	return true;
}

/* Token by token, so that a prefix stands directly before what it is a prefix of. */
static int by_tokens(const void *x, const void *y)
{
	const struct json_pointer *a = &((const struct named_path *)x)->ptr;
	const struct json_pointer *b = &((const struct named_path *)y)->ptr;

	for (size_t i = 0; i < a->n && i < b->n; i++) {
		struct slice s = a->tokens[i], t = b->tokens[i];
		size_t n = s.n < t.n ? s.n : t.n;
		int c = n ? memcmp(s.p, t.p, n) : 0;

		if (c)
			return c;
		if (s.n != t.n)
			return s.n < t.n ? -1 : 1;
	}
	return (a->n > b->n) - (a->n < b->n);
}

static bool is_prefix(const struct json_pointer *a, const struct json_pointer *b)
{
	if (a->n > b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!slice_eq(a->tokens[i], b->tokens[i]))
			return false;
	return true;
}

static void find_overlaps(struct ops_reader *r)
{
	const struct named_path *outer = r->paths;

	if (r->n_paths < 2)
		return;
	qsort(r->paths, r->n_paths, sizeof(*r->paths), by_tokens);
	for (size_t i = 1; i < r->n_paths; i++) {
		if (is_prefix(&outer->ptr, &r->paths[i].ptr))
			problem_add(
			    r, r->paths[i].text, "overlaps another path of this request");
		else
			outer = &r->paths[i];
	}
}

static void read_sets(
    struct ops_reader *r, const struct jval *set, struct overrides_ops *out)
{
	struct json_pointer ptr;

	jval_for_each (v, set) {
		if (!path_read(r, v->key, v, &ptr))
			continue;
		overrides_set(r->a, &out->changes, ptr.tokens, ptr.n, v);
		out->named[out->n_named++] = ptr;
	}
}

static void read_dels(
    struct ops_reader *r, const struct jval *del, struct overrides_ops *out)
{
	struct json_pointer ptr;

	jval_for_each (v, del) {
		if (!path_read(r, v->str, NULL, &ptr))
			continue;
		overrides_del(r->a, &out->changes, ptr.tokens, ptr.n);
		out->named[out->n_named++] = ptr;
	}
}

static bool is_pointer_list(
    struct ops_reader *r, const struct jval *list, const char *name)
{
	if (list->type != JVAL_ARRAY) {
		problem_add(r, slice_of(name), "must be an array of pointers");
		return false;
	}
	jval_for_each (v, list)
		if (v->type != JVAL_STRING) {
			problem_add(r, slice_of(name), "must be an array of pointers");
			return false;
		}
	return true;
}

static void ops_read(struct ops_reader *r, const struct jval *set, const struct jval *del,
    const struct jval *clear, struct overrides_ops *out)
{
	struct json_pointer ptr;

	r->paths = arena_alloc(
	    r->a, sizeof(*r->paths) * ((set ? set->n : 0u) + (del ? del->n : 0u) +
					  (clear ? clear->n : 0u) + 1u));
	out->changes = overrides_new(r->a);
	out->named = arena_alloc(r->a,
	    sizeof(*out->named) * ((set ? set->n : 0u) + (del ? del->n : 0u) + 1u));
	if (set && set->type != JVAL_OBJECT)
		problem_add(
		    r, SLICE_LIT("set"), "must be an object of pointers and values");
	else
		read_sets(r, set, out);
	if (del && is_pointer_list(r, del, "del"))
		read_dels(r, del, out);
	if (!clear || !is_pointer_list(r, clear, "clear"))
		return;
	out->clears = arena_alloc(r->a, sizeof(*out->clears) * (clear->n + 1u));
	jval_for_each (v, clear)
		if (path_read(r, v->str, NULL, &ptr))
			out->clears[out->n_clears++] = ptr;
}

struct overrides_problem *overrides_ops_parse(
    struct arena *a, const struct jval *doc, struct overrides_ops *out)
{
	struct ops_reader r = {.a = a};

	*out = (struct overrides_ops){0};
	jval_for_each (m, doc)
		if (!slice_is(m->key, "set") && !slice_is(m->key, "del") &&
		    !slice_is(m->key, "clear"))
			problem_add(&r, m->key, "unknown member");
	ops_read(&r, jval_get_str(a, doc, "set"), jval_get_str(a, doc, "del"),
	    jval_get_str(a, doc, "clear"), out);
	find_overlaps(&r);
	return r.problems;
}

struct overrides_problem *overrides_parse(
    struct arena *a, const struct jval *doc, struct overrides *out)
{
	struct ops_reader r = {.a = a};
	struct overrides_ops ops = {0};

	ops_read(
	    &r, jval_get_str(a, doc, "set"), jval_get_str(a, doc, "del"), NULL, &ops);
	find_overlaps(&r);
	*out = ops.changes;
	return r.problems;
}

/* Call overrides_set or _del for every leaf of @from. */
static void copy_leaves(
    struct arena *a, const struct overrides *from, struct overrides *to)
{
	overrides_for_each (v, from) {
		struct json_pointer ptr;

		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		if (v->type == JVAL_TOMB)
			overrides_del(a, to, ptr.tokens, ptr.n);
		else
			overrides_set(a, to, ptr.tokens, ptr.n, v);
	}
}

void overrides_apply(
    struct arena *a, struct overrides *o, const struct overrides_ops *ops)
{
	for (size_t i = 0; i < ops->n_clears; i++)
		overrides_clear(a, o, ops->clears[i].tokens, ops->clears[i].n);
	copy_leaves(a, &ops->changes, o);
}

static void print_list(struct buf *out, const char *name, const struct buf *items)
{
	buf_addf(out, ",\"%s\":[", name);
	buf_add_slice(out, buf_slice(items));
	buf_addc(out, ']');
}

static void list_add(struct buf *items, struct slice text)
{
	if (items->n)
		buf_addc(items, ',');
	json_string_print(items, text);
}

/* What @to says about the path of @leaf: nothing at, above or below it. */
static bool is_forgotten(
    struct arena *a, const struct overrides *to, const struct json_pointer *ptr)
{
	const struct jval *v = to->root;

	for (size_t i = 0; i < ptr->n; i++) {
		v = jval_get(a, v, ptr->tokens[i]);
		if (!v)
			return true;
		if (!jval_is_tree(v))
			/* an empty object makes no room for itself: what is below it must
			 * be cleared */
			return v->type == JVAL_OBJECT && i + 1 < ptr->n;
	}
	return false;
}

/* How many tokens of @ptr lead to an array; 0: none does. */
static size_t array_above(
    struct arena *a, const struct jval *doc, const struct json_pointer *ptr)
{
	const struct jval *v = doc;

	for (size_t i = 0; i < ptr->n && v; i++) {
		if (v->type == JVAL_ARRAY)
			return i;
		v = jval_get(a, v, ptr->tokens[i]);
	}
	return 0;
}

static void add_set(
    struct buf *sets, struct slice path, const struct jval *value)
{
	if (sets->n)
		buf_addc(sets, ',');
	json_string_print(sets, path);
	buf_addc(sets, ':');
	jval_print(sets, value);
}

/* The object of @to at the first @n tokens, once. Where it only deletes, @clears: the
 * array must be gone before anything below it can be. */
static void add_whole(struct arena *a, struct buf *sets, struct buf *clears,
    const struct overrides *from, const struct overrides *to,
    const struct json_pointer *ptr, size_t n, const struct jval **told)
{
	struct jval *at = json_pointer_get(a, to->root, ptr->tokens, n);
	struct overrides part;

	if (at == *told)
		return;
	*told = at;
	part.root = jval_copy(a, at);
	part.root = overrides_plain(a, &part);
	if (part.root->n > 0)
		add_set(sets, json_pointer_text(a, ptr->tokens, n), part.root);
	else if (json_pointer_get(a, from->root, ptr->tokens, n))
		list_add(clears, json_pointer_text(a, ptr->tokens, n));
}

bool overrides_print_delta(struct arena *a, const struct overrides *from,
    const struct overrides *to, struct buf *out)
{
	return overrides_print_delta_over(a, from, to, NULL, out);
}

bool overrides_print_delta_over(struct arena *a, const struct overrides *from,
    const struct overrides *to, const struct jval *base, struct buf *out)
{
	const struct jval *told = NULL;
	AUTO(buf_deinit) struct buf sets = BUF_NULL(SIZE_MAX);
	AUTO(buf_deinit) struct buf dels = BUF_NULL(SIZE_MAX);
	AUTO(buf_deinit) struct buf clears = BUF_NULL(SIZE_MAX);
	struct json_pointer ptr;
	struct slice cleared = SLICE_NULL;
	size_t n_array;

	overrides_for_each (v, to) {
		struct slice text = json_pointer_of(a, v);
		const struct jval *old;

		must(json_pointer_parse(a, text, &ptr));
		old = overrides_at(a, from, ptr.tokens, ptr.n);
		if (old && (jval_equal(a, old, v) ||
			       (v->type == JVAL_OBJECT && jval_is_tree(old))))
			continue;
		n_array = array_above(a, from->root, &ptr);
		n_array = n_array ? n_array : array_above(a, base, &ptr);
		if (n_array)
			add_whole(a, &sets, &clears, from, to, &ptr, n_array, &told);
		else if (v->type == JVAL_TOMB)
			list_add(&dels, text);
		else
			add_set(&sets, text, v);
	}
	overrides_for_each (v, from) {
		struct slice text = json_pointer_of(a, v);

		must(json_pointer_parse(a, text, &ptr));
		if (!is_forgotten(a, to, &ptr))
			continue;
		n_array = array_above(a, base, &ptr);
		if (n_array && json_pointer_get(a, to->root, ptr.tokens, n_array))
			continue; /* the object in the array's place replaces it all */
		if (n_array)
			text = json_pointer_text(a, ptr.tokens, n_array);
		if (!slice_eq(text, cleared))
			list_add(&clears, text);
		cleared = text;
	}
	buf_adds(out, "{\"set\":{");
	buf_add_slice(out, buf_slice(&sets));
	buf_addc(out, '}');
	print_list(out, "del", &dels);
	print_list(out, "clear", &clears);
	buf_addc(out, '}');
	return sets.n || dels.n || clears.n;
}
