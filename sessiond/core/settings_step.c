/* Walking several documents at once, and the questions every part of a step asks. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

struct settings_at settings_root(const struct settings_step *s)
{
	return (struct settings_at){
	    .last = s->last,
	    .file = s->file,
	    .base = s->base,
	    .base0 = s->base0,
	    .u = s->u.root,
	    .held = s->held.root,
	};
}

static struct settings_at child_hashed(const struct settings_step *s,
    const struct settings_at *at, struct slice key, uint32_t hash)
{
	struct arena *a = s->a;

	return (struct settings_at){
	    .last = jval_get_hashed(a, at->last, key, hash),
	    .file = at->file == at->last ? NULL : jval_get_hashed(a, at->file, key, hash),
	    .base = jval_get_hashed(a, at->base, key, hash),
	    .base0 = jval_get_hashed(a, at->base0, key, hash),
	    .u = jval_get_hashed(a, at->u, key, hash),
	    .held = at->held && at->held->type == JVAL_TOMB
			? at->held
			: jval_get_hashed(a, at->held, key, hash),
	    .base_above = at->base_above || (at->base && at->base->type != JVAL_OBJECT),
	};
}

struct settings_at settings_child(
    const struct settings_step *s, const struct settings_at *at, struct slice key)
{
	struct settings_at c = child_hashed(s, at, key, jval_hash(key));

	if (at->file == at->last)
		c.file = c.last;
	return c;
}

struct settings_at settings_child_like(
    const struct settings_step *s, const struct settings_at *at, const struct jval *like)
{
	struct settings_at c = child_hashed(
	    s, at, like->key, like->hash ? like->hash : jval_hash(like->key));

	if (at->file == at->last)
		c.file = c.last;
	return c;
}

const struct jval *union_next(struct arena *a, struct union_iter *it)
{
	for (;;) {
		const struct jval *m = it->next;
		bool seen = false;

		if (!it->started) {
			it->started = true;
			it->next = jval_is_object(it->objs[it->i])
				       ? jval_first(it->objs[it->i])
				       : NULL;
			continue;
		}
		if (!m) {
			if (++it->i == ARRAY_LEN(it->objs))
				return NULL;
			it->started = false;
			continue;
		}
		it->next = jval_next(m);
		for (size_t i = 0; i < it->i && !seen; i++)
			seen = jval_get_like(a, it->objs[i], m) != NULL;
		if (!seen)
			return m;
	}
}

size_t settings_depth(const struct settings_step *s)
{
	size_t n;

	policy_path(s->walk, &n);
	return n;
}

struct slice settings_path(const struct settings_step *s, size_t n)
{
	size_t depth;
	const struct slice *path = policy_path(s->walk, &depth);

	return json_pointer_text(s->a, path, n && n < depth ? n : depth);
}

struct settings_event *settings_event_add(
    struct settings_step *s, const char *type, struct slice path, const char *rule)
{
	struct settings_event *ev = ARENA_NEW(s->a, struct settings_event);

	*ev = (struct settings_event){.type = type, .path = path, .rule = rule};
	if (s->counting)
		return ev; /* nobody sees it: it comes again in the second pass */
	*s->events_end = ev;
	s->events_end = &ev->next;
	return ev;
}

void settings_conflict(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);
	struct settings_event *ev = settings_event_add(
	    s, "conflict", settings_path(s, 0), policy_class_name(hit->cls));

	if (hit->secret)
		return;
	ev->base = at->last;
	ev->helix = at->base;
	ev->user = at->file;
}

bool settings_base_moved(const struct settings_step *s, const struct settings_at *at)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	const struct jval *v = s->given.root;

	if (s->base0)
		return !jval_equal(s->a, at->base0, at->base);
	/* Without the old base: where no override stands, what was applied is what it
	 * said. */
	for (size_t i = 0; i < n && v; i++) {
		if (v != s->given.root && !jval_is_tree(v))
			return false;
		v = jval_get(s->a, v, path[i]);
	}
	if (v)
		return false;
	return !jval_equal(s->a, at->last, at->base);
}

bool settings_any_leaf(struct settings_step *s, const struct jval *tree,
    settings_leaf_pred *pred, void *data)
{
	const struct jval *v = tree;
	size_t depth = 0;
	bool hit = false;

	if (!tree)
		return false;
	while (!hit) {
		if (jval_is_tree(v)) {
			v = jval_first(v);
			policy_push(s->walk, v->key);
			depth++;
			continue;
		}
		if (pred(s, v, data)) {
			hit = true;
			break;
		}
		while (v != tree && !jval_next(v)) {
			v = v->parent;
			policy_pop(s->walk);
			depth--;
		}
		if (v == tree)
			break;
		v = jval_next(v);
		policy_pop(s->walk);
		policy_push(s->walk, v->key);
	}
	while (depth-- > 0)
		policy_pop(s->walk);
	return hit;
}

static bool is_base_guard(struct settings_step *s, const struct jval *leaf, void *data)
{
	enum policy_class c = policy_here(s->walk)->cls;

	(void)leaf;
	(void)data;
	return c == POLICY_HELIX_OWNED || c == POLICY_NO_DELETE;
}

const struct jval *settings_raw_base(struct settings_step *s)
{
	const struct jval *v = s->base_raw;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	for (size_t i = 0; i < n && v; i++)
		v = jval_get(s->a, v, path[i]);
	return v;
}

/* Nobody else knows it: what is protected, and what is owned but only here (and was not
 * the base's before). */
static bool is_local(struct settings_step *s, const struct jval *leaf, void *data)
{
	const struct jval *was = s->base0;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	enum policy_class c = policy_here(s->walk)->cls;

	(void)leaf;
	(void)data;
	for (size_t i = 0; i < n && was && c == POLICY_HELIX_OWNED; i++)
		was = jval_get(s->a, was, path[i]);
	return c == POLICY_PROTECTED ||
	       (c == POLICY_HELIX_OWNED && (!was || settings_raw_base(s)));
}

bool settings_guarded(struct settings_step *s, const struct settings_at *at)
{
	if (jval_is_tree(at->base) && settings_any_leaf(s, at->base, is_base_guard, NULL))
		return true;
	return jval_is_tree(at->file) && settings_any_leaf(s, at->file, is_local, NULL);
}

/* Something of the base is at this path, above it (a leaf) or below it. */
static bool base_related(struct settings_step *s, const struct slice *path, size_t n)
{
	const struct jval *v = s->base;

	for (size_t i = 0; i < n; i++) {
		if (v->type != JVAL_OBJECT)
			return true;
		v = jval_get(s->a, v, path[i]);
		if (!v)
			return false;
	}
	return true;
}

/* A member that would turn an owned context server into another kind of server. */
static bool changes_variant(struct settings_step *s, const struct slice *path, size_t n)
{
	const struct jval *entry;

	if (n < 3 || !slice_is(path[0], "context_servers") ||
	    !shape_names_variant(path[2]))
		return false;
	entry = json_pointer_get(
	    s->a, jval_get_str(s->a, s->base, "context_servers"), path + 1, 1);
	return entry && shape_variant(s->a, entry) != shape_variant_of(path[2]);
}

/* Within what the rule covers, the base says that an object above is empty: that is a
 * value, too. */
static bool in_empty(
    struct settings_step *s, const struct slice *path, size_t n, size_t root)
{
	const struct jval *v = s->base;

	for (size_t i = 0; i < n && v && v->type == JVAL_OBJECT; i++) {
		if (i > root && v->n == 0)
			return true;
		v = jval_get(s->a, v, path[i]);
	}
	return false;
}

enum settings_locality settings_locality(
    struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);
	size_t n, skip = hit->block;
	const struct slice *path = policy_path(s->walk, &n);

	if (hit->cls == POLICY_PROTECTED)
		return LOCAL_YES;
	if (hit->cls != POLICY_HELIX_OWNED || at->base)
		return LOCAL_NO;
	if (at->base_above || in_empty(s, path, n, hit->root))
		return LOCAL_REJECTED;
	if (skip && base_related(s, path + skip, n - skip))
		return LOCAL_REJECTED;
	if (changes_variant(s, path + skip, n - skip))
		return LOCAL_REJECTED;
	return LOCAL_YES;
}

bool settings_is_retired(struct settings_step *s, const struct jval *v)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	const struct jval *docs[] = {s->base_raw, s->base0};

	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		const struct jval *was = docs[i];

		for (size_t j = 0; j < n && was; j++)
			was = jval_get(s->a, was, path[j]);
		if (was && jval_equal(s->a, was, v))
			return true;
	}
	return false;
}
