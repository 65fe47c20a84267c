/* The overrides as they came, against the base they meet now: tombs that have to be told
 * leaf by leaf, tombs whose leaf nobody has any more, values the base has moved away
 * from. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

static void push_all(struct settings_step *s, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n; i++)
		policy_push(s->walk, ptr->tokens[i]);
}

static void pop_all(struct settings_step *s, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n; i++)
		policy_pop(s->walk);
}

static const struct jval *follow(
    struct settings_step *s, const struct jval *v, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n && v; i++)
		v = jval_get(s->a, v, ptr->tokens[i]);
	return v;
}

struct spread {
	struct overrides *to;
	size_t n_tomb; /* tokens of the tomb's path */
};

/* A leaf below a tomb. */
static bool spread_leaf(struct settings_step *s, const struct jval *leaf, void *data)
{
	const struct policy_hit *hit = policy_here(s->walk);
	const struct spread *sp = data;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	(void)leaf;
	if (hit->cls == POLICY_PROTECTED || hit->cls == POLICY_HELIX_OWNED ||
	    (hit->cls == POLICY_NO_DELETE && hit->root >= sp->n_tomb))
		return false;
	overrides_del(s->a, sp->to, path, n);
	return false;
}

bool settings_spread_tombs(struct settings_step *s, struct overrides *o)
{
	struct overrides copy = {NULL};
	struct spread sp;

	overrides_for_each (v, o) {
		struct json_pointer ptr;

		if (v->type != JVAL_TOMB)
			continue;
		must(json_pointer_parse(s->a, json_pointer_of(s->a, v), &ptr));
		if (!jval_is_tree(follow(s, s->base, &ptr)))
			continue;
		copy = overrides_copy(s->a, o);
		break;
	}
	if (!copy.root)
		return false;
	/* what is walked may not be what is changed */
	*o = overrides_copy(s->a, &copy);
	overrides_for_each (v, &copy) {
		struct json_pointer ptr;
		const struct jval *base;

		must(json_pointer_parse(s->a, json_pointer_of(s->a, v), &ptr));
		base = v->type == JVAL_TOMB ? follow(s, s->base, &ptr) : NULL;
		if (!jval_is_tree(base))
			continue;
		overrides_clear(s->a, o, ptr.tokens, ptr.n);
		push_all(s, &ptr);
		sp = (struct spread){o, ptr.n};
		settings_any_leaf(s, base, spread_leaf, &sp);
		pop_all(s, &ptr);
	}
	return true;
}

/* How many tokens of @ptr lead to a leaf of the base above it; 0: there is none. */
static size_t leaf_above(struct settings_step *s, const struct json_pointer *ptr)
{
	const struct jval *v = s->base;

	for (size_t i = 0; i < ptr->n && v; i++) {
		if (v->type != JVAL_OBJECT)
			return i;
		v = jval_get(s->a, v, ptr->tokens[i]);
	}
	return 0;
}

/* Tombs alone are below: what they removed is this value now. */
static void gather(struct settings_step *s, const struct json_pointer *ptr, size_t n)
{
	struct overrides part = {jval_copy(
	    s->a, overrides_at(s->a, &s->u, ptr->tokens, n))};
	enum policy_class cls;
	struct json_pointer at = {ptr->tokens, n};

	push_all(s, &at);
	cls = policy_here(s->walk)->cls;
	pop_all(s, &at);
	if (overrides_count_sets(&part) == 0 && cls >= POLICY_DEFAULT_ONCE)
		overrides_del(s->a, &s->u, ptr->tokens, n);
}

bool settings_gather_tombs(struct settings_step *s)
{
	struct json_pointer ptr;
	bool any = false;
	const struct jval *v = overrides_next(&s->u, NULL), *next;

	for (; v; v = next) {
		size_t n;

		next = overrides_next(&s->u, v);
		if (v->type != JVAL_TOMB)
			continue;
		must(json_pointer_parse(s->a, json_pointer_of(s->a, v), &ptr));
		n = leaf_above(s, &ptr);
		if (!n)
			continue;
		gather(s, &ptr, n);
		v = overrides_at(s->a, &s->u, ptr.tokens, n);
		if (jval_is_tree(v))
			continue;
		/* its neighbours went with it */
		next = overrides_next(&s->u, v);
		any = true;
	}
	return any;
}

/* Neither the path nor a leaf it would lead through. */
static bool has_nothing(
    struct settings_step *s, const struct jval *v, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n && v; i++) {
		if (v->type != JVAL_OBJECT)
			return false;
		v = jval_get(s->a, v, ptr->tokens[i]);
	}
	return !v;
}

/* Leaves of an entry may come back with it; others are gone for good. */
static bool in_entry(const struct settings_step *s, const struct json_pointer *ptr)
{
	size_t block = policy_block(s->walk);

	return ptr->n >= block + 2 &&
	       shape_unit_at(ptr->tokens, block + 2, block) != SHAPE_NONE;
}

void settings_drop_tombs(struct settings_step *s)
{
	struct json_pointer ptr;
	const struct jval *next;

	if (!s->base0)
		return;
	for (const struct jval *v = overrides_next(&s->given, NULL); v; v = next) {
		const struct jval *now;
		bool entry;

		next = overrides_next(&s->given, v);
		if (v->type != JVAL_TOMB)
			continue;
		must(json_pointer_parse(s->a, json_pointer_of(s->a, v), &ptr));
		if (!follow(s, s->base0, &ptr) || !has_nothing(s, s->base, &ptr) ||
		    !has_nothing(s, s->base_raw, &ptr))
			continue;
		push_all(s, &ptr);
		entry = in_entry(s, &ptr);
		pop_all(s, &ptr);
		now = overrides_at(s->a, &s->u, ptr.tokens, ptr.n);
		if (!entry && now && now->type == JVAL_TOMB)
			overrides_clear(s->a, &s->u, ptr.tokens, ptr.n);
	}
}

/* The override is what stands in the file while the base says something else. */
static bool is_shadowing(
    struct settings_step *s, const struct settings_at *at, const struct jval *given)
{
	const struct jval *says = s->base0 || !at->file ? at->u : at->file;

	if (!at->base || !jval_is_leaf(at->u))
		return false;
	if (s->base0 && (jval_equal(s->a, at->base0, at->base) ||
			    !jval_equal(s->a, at->u, given)))
		return false; /* old news, or told as a conflict */
	if (says->type == JVAL_TOMB)
		return true;
	if (says->type == JVAL_OBJECT && at->base->type == JVAL_OBJECT)
		return false;
	return !jval_equal(s->a, says, at->base);
}

/* The server's side moved without knowing of @v: neither is an answer to the other. */
static bool is_unseen(
    struct settings_step *s, const struct json_pointer *ptr, const struct jval *v)
{
	const struct jval *seen;

	if (!s->seen || !s->base0)
		return false;
	seen = overrides_at(s->a, s->seen, ptr->tokens, ptr->n);
	return !seen || !jval_equal(s->a, seen, v);
}

static void note_shadowed(struct settings_step *s, const struct json_pointer *ptr,
    const struct settings_at *at, const struct jval *v)
{
	const struct policy_hit *hit = policy_here(s->walk);
	struct settings_event *ev;

	if (hit->cls == POLICY_PROTECTED || hit->cls == POLICY_HELIX_OWNED ||
	    !is_shadowing(s, at, v))
		return;
	if (!is_unseen(s, ptr, v)) {
		settings_event_add(s, "shadowed", settings_path(s, 0), "override");
		return;
	}
	ev = settings_event_add(
	    s, "conflict", settings_path(s, 0), policy_class_name(hit->cls));
	if (hit->secret)
		return;
	ev->base = at->base0;
	ev->helix = at->base;
	ev->user = v->type == JVAL_TOMB ? NULL : v;
}

void settings_note_shadowed(struct settings_step *s)
{
	overrides_for_each (v, &s->given) {
		struct settings_at at = settings_root(s);
		struct json_pointer ptr;

		must(json_pointer_parse(s->a, json_pointer_of(s->a, v), &ptr));
		for (size_t i = 0; i < ptr.n; i++)
			at = settings_child(s, &at, ptr.tokens[i]);
		push_all(s, &ptr);
		note_shadowed(s, &ptr, &at, v);
		pop_all(s, &ptr);
	}
}
