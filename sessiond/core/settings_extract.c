/* What the user did: the file against what was last applied, path by path, into
 * overrides. Never against the base: a base that moved is not an edit. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

enum {
	BULK_MIN = 5, /* leaves */
};

static void u_set(struct settings_step *s, const struct jval *v)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	overrides_set(s->a, &s->u, path, n, v);
}

static void u_clear(struct settings_step *s)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	overrides_clear(s->a, &s->u, path, n);
}

/* Both sides moved. What is the user's for good is not contended. */
static void note_conflict(struct settings_step *s, const struct settings_at *at)
{
	if (at->base && policy_here(s->walk)->cls != POLICY_DEFAULT_ONCE &&
	    settings_base_moved(s, at))
		settings_conflict(s, at);
}

static bool tomb_leaf(struct settings_step *s, const struct jval *leaf, void *data)
{
	enum policy_class c = policy_here(s->walk)->cls;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	(void)leaf;
	(void)data;
	if (c != POLICY_PROTECTED && c != POLICY_HELIX_OWNED)
		overrides_del(s->a, &s->u, path, n);
	return false;
}

/* The user removed this leaf. */
static void leaf_removed(struct settings_step *s, const struct settings_at *at)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	const struct jval *given = overrides_at(s->a, &s->given, path, n);

	if (s->counting) {
		s->n_removed_sets +=
		    given && jval_is_leaf(given) && given->type != JVAL_TOMB;
		return;
	}
	if (s->holding) {
		overrides_del(s->a, &s->held, path, n);
		settings_event_add(s, "held", settings_path(s, 0), "bulk-delete");
		return;
	}
	u_clear(s);
	if (!at->base)
		return;
	settings_any_leaf(s, at->base, tomb_leaf, NULL);
	note_conflict(s, at);
}

/* A no-delete entry is not in the file any more: it comes back, with the user's own
 * leaves. */
static void entry_removed(struct settings_step *s, const struct settings_at *at)
{
	size_t n;
	struct slice path[POINTER_TOKENS_MAX + 1];

	if (s->counting)
		return;
	memcpy(path, policy_path(s->walk, &n), settings_depth(s) * sizeof(*path));
	if (!at->base) {
		u_clear(s);
		return;
	}
	settings_event_add(s, "restored", settings_path(s, 0), "no-delete");
	if (s->policy->disable_on_delete && !s->holding && n < POINTER_TOKENS_MAX) {
		path[n] = SLICE_LIT("enabled");
		overrides_set(s->a, &s->u, path, n + 1, jval_new_bool(s->a, false));
	}
}

/* Nothing of this path is left in the file. True: look at what was below. */
static bool on_removed(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);

	switch (hit->cls) {
	case POLICY_PROTECTED:
		return jval_is_tree(at->last);
	case POLICY_HELIX_OWNED:
		if (at->base &&
		    (jval_is_leaf(at->last) || hit->root == settings_depth(s))) {
			settings_event_add(
			    s, "restored", settings_path(s, 0), "helix-owned");
			return false;
		}
		return jval_is_tree(at->last);
	case POLICY_NO_DELETE:
		if (hit->root == settings_depth(s)) {
			entry_removed(s, at);
			return false;
		}
		break;
	default:
		break;
	}
	if (jval_is_tree(at->last) && !jval_is_leaf(at->base))
		return true;
	leaf_removed(s, at);
	return false;
}

/* The value an array with an element-wise policy ends up with. */
static const struct jval *merged_array(
    struct settings_step *s, const struct settings_at *at)
{
	const struct policy_array *rule = policy_array_here(s->walk);
	const struct jval *base0 = at->base0;
	const struct slice *path;
	size_t n;

	if (!rule || at->file->type != JVAL_ARRAY)
		return at->file;
	path = policy_path(s->walk, &n);
	if (!s->base0 && !overrides_at(s->a, &s->given, path, n))
		base0 = at->last;
	return settings_merge_array(s->a, rule, at->last, at->file, base0, at->base);
}

/* A leaf of the file that is new or not what it was. */
static void leaf_set(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);
	const struct jval *v;

	if (s->counting) {
		s->n_added += !at->last;
		return;
	}
	if (hit->cls == POLICY_PROTECTED)
		return;
	if (hit->cls == POLICY_HELIX_OWNED) {
		if ((at->base && !jval_equal(s->a, at->base, at->file)) ||
		    (!at->base && at->base0 && !settings_raw_base(s)) ||
		    settings_locality(s, at) == LOCAL_REJECTED)
			settings_event_add(
			    s, "rejected", settings_path(s, 0), "helix-owned");
		return;
	}
	if (hit->retire && settings_is_retired(s, at->file)) {
		u_clear(s);
		return;
	}
	v = merged_array(s, at);
	if (at->base && jval_equal(s->a, at->base, v)) {
		u_clear(s);
		return;
	}
	if (v->type == JVAL_OBJECT && jval_is_tree(at->base))
		return; /* an empty object against one with members: their removal says it
			 */
	u_set(s, v);
	note_conflict(s, at);
}

/* A reserved entry that user and base came to have at the same time: the base's, with the
 * user's switch. */
static void entry_twice(struct settings_step *s, const struct settings_at *at)
{
	const struct jval *enabled = jval_get_str(s->a, at->file, "enabled");

	if (s->counting) {
		s->n_added++;
		return;
	}
	if (enabled &&
	    !jval_equal(s->a, enabled, jval_get_str(s->a, at->base, "enabled"))) {
		policy_push(s->walk, enabled->key);
		u_set(s, enabled);
		policy_pop(s->walk);
	}
	if (!jval_equal(s->a, at->file, at->base))
		settings_conflict(s, at);
}

/* Nothing was here before. True: look at what is below. */
static bool on_added(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);

	if (hit->cls == POLICY_NO_DELETE && hit->root == settings_depth(s)) {
		if (jval_is_tree(at->base)) {
			entry_twice(s, at);
			return false;
		}
		settings_event_add(
		    s, "reserved_prefix", settings_path(s, 0), "no-delete");
	}
	if (!jval_is_tree(at->file)) {
		if (jval_is_tree(at->base) && at->file->type != JVAL_OBJECT &&
		    settings_guarded(s, at))
			settings_event_add(s, "rejected", settings_path(s, 0), "guarded");
		else
			leaf_set(s, at);
		return false;
	}
	if (hit->cls == POLICY_HELIX_OWNED && at->base && at->base->type != JVAL_OBJECT) {
		settings_event_add(s, "rejected", settings_path(s, 0), "helix-owned");
		return false;
	}
	return true;
}

/* An object became something else, or the other way round. True: look below. */
static bool on_retyped(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);

	if (hit->cls == POLICY_NO_DELETE && hit->root == settings_depth(s) && at->base) {
		entry_removed(s, at);
		return false;
	}
	if (jval_is_tree(at->file)) {
		if (hit->cls == POLICY_HELIX_OWNED && at->base &&
		    at->base->type != JVAL_OBJECT) {
			settings_event_add(
			    s, "rejected", settings_path(s, 0), "helix-owned");
			return false;
		}
		if (!s->counting)
			u_clear(s);
		return true;
	}
	if (settings_guarded(s, at)) {
		settings_event_add(s, "rejected", settings_path(s, 0), "guarded");
		return false;
	}
	if (!s->counting)
		u_clear(s);
	leaf_set(s, at);
	return false;
}

/* A leaf the user left alone. */
static void on_same(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_array *rule;
	bool u_has = at->u && jval_is_leaf(at->u);

	if (s->counting)
		return;
	if (policy_here(s->walk)->cls == POLICY_DEFAULT_ONCE && !at->u &&
	    !(at->base && jval_equal(s->a, at->base, at->last))) {
		/* applied once: from here on it is the user's */
		u_set(s, at->last);
		return;
	}
	if (!u_has || at->u->type != JVAL_ARRAY || !at->base ||
	    at->base->type != JVAL_ARRAY || !s->base0 || !settings_base_moved(s, at))
		return;
	rule = policy_array_here(s->walk);
	if (rule)
		u_set(s,
		    settings_merge_array(s->a, rule, at->u, at->u, at->base0, at->base));
}

/* An object that lost all its members. True: look at each of them. */
static bool on_emptied(struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);

	if (hit->cls == POLICY_NO_DELETE && hit->root == settings_depth(s) && at->base) {
		entry_removed(s, at);
		return false;
	}
	if (hit->cls == POLICY_HELIX_OWNED && settings_locality(s, at) == LOCAL_REJECTED)
		settings_event_add(s, "rejected", settings_path(s, 0), "helix-owned");
	if (s->counting || s->holding || jval_is_tree(at->base) ||
	    hit->cls == POLICY_PROTECTED || hit->cls == POLICY_HELIX_OWNED)
		return true;
	/* the user's own: it stays as the empty object it is */
	u_clear(s);
	leaf_set(s, at);
	return false;
}

/* True: descend. */
static bool visit(struct settings_step *s, const struct settings_at *at)
{
	const struct jval *l = at->last, *f = at->file;

	if (!f)
		return on_removed(s, at);
	if (!l)
		return on_added(s, at);
	if (l->type == JVAL_OBJECT && f->type == JVAL_OBJECT) {
		if (f->n == 0 && l->n > 0)
			return on_emptied(s, at);
		if (f->n == 0)
			on_same(s, at);
		return true;
	}
	if (jval_is_tree(l) || jval_is_tree(f))
		return on_retyped(s, at);
	if (jval_equal(s->a, l, f))
		on_same(s, at);
	else
		leaf_set(s, at);
	return false;
}

struct frame {
	struct settings_at at;
	struct union_iter it;
};

static void walk_all(struct settings_step *s)
{
	struct frame stack[JVAL_DEPTH_MAX + 2];
	size_t n = 0;

	stack[n++] = (struct frame){settings_root(s), {.objs = {s->file, s->last}}};
	while (n > 0) {
		struct frame *f = &stack[n - 1];
		struct settings_at at;

		const struct jval *m = union_next(s->a, &f->it);

		if (!m) {
			if (--n > 0)
				policy_pop(s->walk);
			continue;
		}
		at = settings_child_like(s, &f->at, m);
		policy_push(s->walk, m->key);
		if (!visit(s, &at)) {
			policy_pop(s->walk);
			continue;
		}
		must(n < ARRAY_LEN(stack));
		stack[n++] = (struct frame){at, {.objs = {at.file, at.last}}};
	}
}

void settings_extract_plain(struct settings_step *s)
{
	s->counting = s->holding = false;
	walk_all(s);
}

/* Leaves the user left alone have something to say. */
static bool same_matters(const struct settings_step *s)
{
	for (size_t i = 0; i < s->policy->n_rules; i++)
		if (s->policy->rules[i].cls == POLICY_DEFAULT_ONCE)
			return true;
	return s->policy->n_arrays > 0;
}

void settings_extract(struct settings_step *s)
{
	size_t n_sets = overrides_count_sets(&s->given);
	bool emptied = !jval_is_tree(s->file) && jval_is_tree(s->last);

	if (s->file == s->last && !same_matters(s))
		return;
	if (n_sets >= BULK_MIN && !emptied) {
		s->counting = true;
		walk_all(s);
		s->counting = false;
		s->holding = s->n_added == 0 && s->n_removed_sets >= BULK_MIN &&
			     s->n_removed_sets * 2 >= n_sets;
	}
	s->holding |= emptied;
	walk_all(s);
}
