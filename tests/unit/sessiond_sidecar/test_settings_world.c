/* What must hold of a whole session: random interleavings of saves, changes of the base,
 * crashes, restarts, uploads lost and repeated, late answers and rollbacks, with two
 * sidecars. How long: settings_props.h. */
#include "tests/lib/test.h"


#include "base/must.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/core/settings_shape.h"
#include "tests/unit/sessiond_sidecar/settings_world.h"

enum {
	CASES = 100 * 1000, /* events */
	CASES_MS = 20 * 1000,
	EVENTS_MAX = 30,
};

static const struct jval *at_path(
    struct world *w, const struct jval *root, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n && root; i++)
		root = jval_get(&w->a, root, ptr->tokens[i]);
	return root;
}

/* Behind this path is an entry Zed would not take: it stays where its user wrote it. */
static bool is_invalid(const struct shape_finding *f, struct slice path)
{
	for (; f; f = f->next)
		if (f->verdict == SHAPE_REJECT && slice_starts(path, f->unit))
			return true;
	return false;
}

/* Nobody else's: protected, or owned where the base says nothing. */
static bool is_local(
    struct world *w, const struct json_pointer *ptr, const struct jval *base)
{
	enum policy_class cls;

	for (size_t i = 0; i < ptr->n; i++)
		policy_push(w->walk, ptr->tokens[i]);
	cls = policy_here(w->walk)->cls;
	for (size_t i = 0; i < ptr->n; i++)
		policy_pop(w->walk);
	return cls == POLICY_PROTECTED ||
	       (cls == POLICY_HELIX_OWNED && !at_path(w, base, ptr));
}

/* Something only this file knows is below: no override of elsewhere may remove it. */
static bool has_local(
    struct world *w, const struct overrides *file, struct slice above, const struct jval *base)
{
	struct json_pointer ptr;

	overrides_for_each (l, file) {
		struct slice path = json_pointer_of(&w->a, l);

		must(json_pointer_parse(&w->a, path, &ptr));
		if (slice_starts(path, above) && is_local(w, &ptr, base))
			return true;
	}
	return false;
}

/* The merged settings have a leaf where the file has what is above @ptr. */
static bool is_below_leaf(
    struct world *w, const struct jval *merged, const struct json_pointer *ptr)
{
	const struct jval *v = merged;

	for (size_t i = 0; i < ptr->n && v; i++) {
		if (!jval_is_tree(v) && i > 0)
			return true;
		v = jval_get(&w->a, v, ptr->tokens[i]);
	}
	return false;
}

void world_check_file(
    struct world *w, const struct box *b, const struct jval *merged, enum prop prop)
{
	struct overrides want = {jval_copy(&w->a, merged)};
	struct overrides is = {world_parse(w, b->file)};
	struct jval *base = world_parse(w, w->server.base);
	struct shape_finding *bad = shape_check_document(&w->a, is.root);
	struct json_pointer ptr;

	overrides_for_each (l, &want) {
		struct slice path = json_pointer_of(&w->a, l);
		const struct jval *now;

		must(json_pointer_parse(&w->a, path, &ptr));
		now = at_path(w, is.root, &ptr);
		if (l->type != JVAL_OBJECT && !is_invalid(bad, path) &&
		    !is_local(w, &ptr, base) && !(now && jval_equal(&w->a, now, l)) &&
		    !(jval_is_tree(now) && has_local(w, &is, path, base)))
			world_broken(w, prop, path.p);
	}
	overrides_for_each (l, &is) {
		struct slice path = json_pointer_of(&w->a, l);

		must(json_pointer_parse(&w->a, path, &ptr));
		if (l->type != JVAL_OBJECT && !is_invalid(bad, path) &&
		    !is_local(w, &ptr, base) && !at_path(w, want.root, &ptr) &&
		    !is_below_leaf(w, want.root, &ptr))
			world_broken(w, prop, path.p);
	}
	prop_checked(prop);
}

/* 17: whatever was lost, late or twice, both sides say the same in the end. 7, 8: and the
 * base's own is as the base has it. */
static void check_converged(struct world *w)
{
	struct jval *base = world_parse(w, w->server.base);
	struct jval *merged = settings_merged(&w->a, base, &w->server.u, &w->policy, NULL);

	for (size_t i = 0; i < WORLD_BOXES; i++) {
		struct box *b = &w->boxes[i];
		struct overrides mine;

		must(!overrides_parse(&w->a,
		    world_parse(w, record_get(&b->mem, RECORD_OVERRIDES)), &mine));
		if (!overrides_equal(&w->a, &mine, &w->server.u))
			world_broken(w, PROP_REPLAY, "overrides differ");
		world_check_file(w, b, merged, PROP_REPLAY);
		jval_for_each (s, jval_get_str(&w->a, base, "context_servers"))
			if (slice_starts(s->key, SLICE_LIT("helix-")) &&
			    !jval_get(&w->a,
				jval_get_str(&w->a, world_parse(w, b->file), "context_servers"),
				s->key))
				world_broken(w, PROP_NO_DELETE, "a reserved entry is missing");
		prop_checked(PROP_NO_DELETE);
	}
}

/* 18: what a rollback brings back is what was merged then. */
static void check_rollback(struct world *w)
{
	size_t n = gen_below(&w->g, (unsigned)w->server.n_history);
	struct version then = w->server.history[n];
	struct jval *merged = settings_merged(
	    &w->a, world_parse(w, then.base), &then.u, &w->policy, NULL);

	world_rollback(w, n);
	world_settle(w);
	/* an entry with overrides that the base gives up becomes the user's: news of then */
	if (!overrides_equal(&w->a, &w->server.u, &then.u))
		return;
	for (size_t i = 0; i < WORLD_BOXES; i++)
		world_check_file(w, &w->boxes[i], merged, PROP_ROLLBACK);
}

static int64_t one_world(uint64_t seed)
{
	struct world w;
	unsigned n;

	world_init(&w, seed);
	n = 5 + gen_below(&w.g, EVENTS_MAX);
	for (unsigned i = 0; i < n; i++)
		world_event(&w);
	world_settle(&w);
	check_converged(&w);
	if (gen_chance(&w.g, 50))
		check_rollback(&w);
	world_deinit(&w);
	return n;
}

static void sessions_converge(void **state)
{
	(void)state;
	props_run(CASES, CASES_MS, one_world);
}

TEST_MAIN(cmocka_unit_test(sessions_converge))
