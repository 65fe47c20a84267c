/* What comes in from the sides before a step can be decided: a base with entries that
 * cannot stand, a file nothing was ever applied to, entries the base gave up. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

/* Remove @v, and the objects that held nothing else. */
static void remove_upwards(struct settings_step *s, struct jval *v)
{
	while (v && v->parent) {
		struct jval *parent = v->parent;

		jval_remove(s->a, parent, v);
		v = parent->n == 0 && parent->parent ? parent : NULL;
	}
}

static bool drop_retired(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct jval *base = data;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	(void)leaf;
	if (policy_here(s->walk)->retire)
		remove_upwards(s, json_pointer_get(s->a, base, path, n));
	return false;
}

static bool is_retired(struct settings_step *s, const struct jval *leaf, void *data)
{
	(void)leaf;
	(void)data;
	return policy_here(s->walk)->retire;
}

/* Whether to look for retired leaves at all: most bases have no key any such rule begins
 * with, nor a block in which one could be. */
static bool may_have_retired(struct settings_step *s)
{
	bool any = false;

	for (size_t i = 0; i < s->policy->n_rules; i++) {
		const struct policy_rule *r = &s->policy->rules[i];

		if (!r->retire)
			continue;
		any = true;
		if (!(r->pattern.literal & 1) ||
		    jval_get(s->a, s->base_raw, r->pattern.tokens[0]))
			return true;
	}
	return any && policy_has_blocks(s->a, s->base_raw);
}

/* The unit of @doc at @ptr, if Zed would take it. */
static struct jval *good_unit(struct settings_step *s, const struct jval *doc,
    const struct json_pointer *ptr, enum shape_unit unit)
{
	const struct jval *v = doc;

	for (size_t i = 0; i < ptr->n && v; i++)
		v = jval_get(s->a, v, ptr->tokens[i]);
	if (!v || shape_check(s->a, unit, ptr->tokens, ptr->n, v).verdict == SHAPE_REJECT)
		return NULL;
	return jval_copy(s->a, v);
}

static void quarantine(
    struct settings_step *s, struct jval *base, const struct shape_finding *f)
{
	struct json_pointer ptr;
	struct jval *bad, *good;
	enum shape_unit unit;
	size_t block = 0;

	must(json_pointer_parse(s->a, f->unit, &ptr));
	for (size_t i = 0; i < ptr.n; i++)
		policy_push(s->walk, ptr.tokens[i]);
	block = policy_block(s->walk);
	for (size_t i = 0; i < ptr.n; i++)
		policy_pop(s->walk);
	/* a profile is itself a unit, and the block in it begins behind it */
	unit = shape_unit_at(ptr.tokens, ptr.n, block < ptr.n ? block : 0);
	bad = json_pointer_get(s->a, base, ptr.tokens, ptr.n);
	if (!bad)
		return;
	good = good_unit(s, s->base0, &ptr, unit);
	if (!good)
		good = good_unit(s, s->last, &ptr, unit);
	if (good)
		jval_replace(s->a, bad, good);
	else
		remove_upwards(s, bad);
}

static const struct jval *sound_base(struct settings_step *s)
{
	struct shape_finding *f;
	struct jval *copy = NULL;

	for (f = shape_check_document(s->a, s->base_raw); f; f = f->next) {
		if (f->verdict != SHAPE_REJECT)
			continue;
		if (!copy)
			copy = jval_copy(s->a, s->base_raw);
		quarantine(s, copy, f);
		settings_event_add(s, "base_invalid", f->path, "shape")->message =
		    f->message;
	}
	if (!copy)
		return s->base_raw;
	/* a map that was good may have entries that are not, the user's */
	for (f = shape_check_document(s->a, copy); f; f = f->next)
		if (f->verdict == SHAPE_REJECT)
			quarantine(s, copy, f);
	return copy;
}

void settings_prepare_base(struct settings_step *s)
{
	struct jval *copy;

	s->base = s->base_sound = sound_base(s);
	if (!may_have_retired(s) || !settings_any_leaf(s, s->base, is_retired, NULL))
		return;
	copy = jval_copy(s->a, s->base);
	settings_any_leaf(s, s->base, drop_retired, copy);
	s->base = copy;
}

/* Another kind of context server of the same name is in the base: the file's is an old
 * one. */
static bool other_variant(struct settings_step *s)
{
	size_t n, block = policy_block(s->walk);
	const struct slice *path = policy_path(s->walk, &n);
	const struct jval *entry;

	if (n < block + 3 || !slice_is(path[block], "context_servers"))
		return false;
	entry = json_pointer_get(
	    s->a, jval_get_str(s->a, s->base, "context_servers"), path + block + 1, 1);
	return jval_is_tree(entry) &&
	       shape_variant_of(path[block + 2]) != SHAPE_VARIANT_N_ &&
	       shape_variant_of(path[block + 2]) != shape_variant(s->a, entry);
}

/* One leaf of a file that was there before anything was applied to it. */
static bool first_leaf(struct settings_step *s, const struct jval *leaf, void *data)
{
	const struct policy_hit *hit = policy_here(s->walk);
	struct settings_at at = settings_root(s);
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	bool u_has = false;

	(void)data;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		at = settings_child(s, &at, path[i]);
		u_has |= at.u && (jval_is_leaf(at.u) || i + 1 == n) &&
			 (at.u->type != JVAL_TOMB || at.base);
	}
	if (hit->cls == POLICY_PROTECTED || (hit->retire && settings_is_retired(s, leaf)))
		return false;
	if (hit->cls == POLICY_HELIX_OWNED) {
		if ((at.base && !jval_equal(s->a, at.base, leaf)) ||
		    settings_locality(s, &at) == LOCAL_REJECTED)
			settings_event_add(
			    s, "rejected", settings_path(s, 0), "helix-owned");
		return false;
	}
	if (!u_has && hit->cls == POLICY_DEFAULT_ONCE) {
		overrides_set(s->a, &s->u, path, n, leaf);
		return false;
	}
	if (u_has || at.base || at.base_above || other_variant(s)) {
		const struct jval *wins = u_has ? at.u : at.base;

		if (!wins || !jval_equal(s->a, wins, leaf))
			settings_event_add(s, "first_contact", settings_path(s, 0),
			    u_has ? "override" : "base");
		return false;
	}
	overrides_set(s->a, &s->u, path, n, leaf);
	return false;
}

void settings_first_contact(struct settings_step *s)
{
	settings_any_leaf(s, s->file, first_leaf, NULL);
}

static bool has_set(struct jval *tree)
{
	struct overrides o = {tree};

	return jval_is_tree(tree) ? overrides_count_sets(&o) > 0
				  : tree && tree->type != JVAL_TOMB;
}

/* Some leaf of @entry is not an override: it came from the base. */
static bool has_base_part(
    struct settings_step *s, const struct jval *entry, const struct jval *u)
{
	jval_for_each (m, entry)
		if (!jval_get(s->a, u, m->key))
			return true;
	return false;
}

/* The base gave up a context server the user has overrides on: it stays as it is, as the
 * user's own. */
void settings_transfer(struct settings_step *s)
{
	const struct jval *servers = jval_get_str(s->a, s->u.root, "context_servers");
	const struct jval *copy;

	if (!jval_is_tree(servers))
		return;
	copy = jval_copy(s->a, servers);
	policy_push(s->walk, SLICE_LIT("context_servers"));
	jval_for_each (u, copy) {
		struct slice path[2] = {SLICE_LIT("context_servers"), u->key};
		const struct jval *f, *b0;

		f = jval_get(
		    s->a, jval_get_str(s->a, s->file, "context_servers"), u->key);
		b0 = jval_get(
		    s->a, jval_get_str(s->a, s->base0, "context_servers"), u->key);
		if (jval_get(
			s->a, jval_get_str(s->a, s->base, "context_servers"), u->key) ||
		    !jval_is_tree(f) || !has_set(u) || (s->base0 && !b0) ||
		    !has_base_part(s, f, u) ||
		    shape_check(s->a, SHAPE_CONTEXT_SERVER, path, 2, f).verdict ==
			SHAPE_REJECT)
			continue;
		policy_push(s->walk, u->key);
		if (policy_here(s->walk)->cls >= POLICY_DEFAULT_ONCE) {
			overrides_set(s->a, &s->u, path, 2, f);
			settings_event_add(
			    s, "transferred", settings_path(s, 0), "user-wins");
		}
		policy_pop(s->walk);
	}
	policy_pop(s->walk);
}
