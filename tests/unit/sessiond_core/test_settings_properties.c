/* What must hold whatever users, Helix and other instances do: random documents and
 * edits, stepped like the daemon does it. How long: settings_props.h. */
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_accept.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/core/settings_shape.h"
#include "tests/unit/sessiond_core/settings_bytes.h"
#include "tests/unit/sessiond_core/settings_gen.h"
#include "tests/unit/sessiond_core/settings_props.h"

#include <stdio.h>

#include "base/must.h"
#include "tests/lib/test.h"

enum {
	CASES = 100 * 1000,
	CASES_MS = 25 * 1000,
	STEPS_MAX = 6,
};

struct world {
	struct gen g;
	struct policy policy;
	struct policy_walk *walk;
	struct jval *base, *base0;
	struct overrides u;
	struct slice file, last;
	bool has_file, has_last, use_base0;
	uint64_t seed;
	const char *did; /* the last action */
};

static _Noreturn void broken(const struct world *w, enum prop prop, const char *detail)
{
	fprintf(stderr,
	    "property broken: %s: %s (after: %s)\nZEDBUS_SEED=%llu\nfile before:\n%.*s\n",
	    prop_name(prop), detail, w->did, (unsigned long long)w->seed, (int)w->file.n,
	    w->file.p);
	if (w->has_last)
		fprintf(stderr, "last:\n%.*s\n", (int)w->last.n, w->last.p);
	struct buf b = BUF_NULL(SIZE_MAX);

	jval_print(&b, w->base);
	buf_adds(&b, "\noverrides: ");
	overrides_print(&b, &w->u);
	fprintf(stderr, "base: %s\n", buf_cstr(&b));
	abort();
}

static struct settings_output run_with(struct world *w, const struct jval *base,
    const struct overrides *u, const struct slice *file, const struct slice *last,
    const struct jval *base0)
{
	struct settings_output out;
	struct err e;
	struct settings_input in = {.file = file,
	    .last = last,
	    .base = base,
	    .base0 = w->use_base0 ? base0 : NULL,
	    .overrides = u,
	    .policy = &w->policy};

	must(!settings_plan(w->g.a, &in, &out, &e));
	if (out.edit_failed)
		broken(w, PROP_VALIDITY, "edit_failed");
	return out;
}

static struct settings_output run(struct world *w)
{
	return run_with(w, w->base, &w->u, w->has_file ? &w->file : NULL,
	    w->has_last ? &w->last : NULL, w->base0);
}

static struct jval *root_of(struct world *w, struct slice text)
{
	struct json_doc d;

	if (json_doc_parse_object(w->g.a, text, &d) != JSON_DOC_OK)
		return jval_new(w->g.a, JVAL_OBJECT);
	return d.root;
}

/* Leaves of @root, one after the other. */
static const struct jval *leaf_after(const struct jval *root, const struct jval *leaf)
{
	struct overrides o = {.root = jval_first(root) ? jval_first(root)->parent : NULL};

	return o.root ? overrides_next(&o, leaf) : NULL;
}

static struct jval *same_path(struct world *w, struct jval *root, const struct jval *leaf)
{
	struct json_pointer ptr;

	must(json_pointer_parse(w->g.a, json_pointer_of(w->g.a, leaf), &ptr));
	return json_pointer_get(w->g.a, root, ptr.tokens, ptr.n);
}

static struct policy_hit hit_of(struct world *w, const struct jval *leaf)
{
	struct json_pointer ptr;
	struct policy_hit hit;

	must(json_pointer_parse(w->g.a, json_pointer_of(w->g.a, leaf), &ptr));
	for (size_t i = 0; i < ptr.n; i++)
		policy_push(w->walk, ptr.tokens[i]);
	hit = *policy_here(w->walk);
	for (size_t i = 0; i < ptr.n; i++)
		policy_pop(w->walk);
	return hit;
}

static const char *path_str(struct world *w, const struct jval *leaf)
{
	return json_pointer_of(w->g.a, leaf).p;
}

/* 1, 2, 15: a second step changes nothing. 6: the same input gives the same bytes. */
static void check_settled(struct world *w, const struct settings_output *out)
{
	struct settings_output again = run(w), second;

	if (!slice_eq(again.text, out->text) ||
	    !overrides_equal(w->g.a, &again.overrides, &out->overrides))
		broken(w, PROP_DETERMINISM, "another result");
	second = run_with(w, w->base, &out->overrides, &out->text, &out->text, w->base);
	if (second.changed)
		broken(w, PROP_IDEMPOTENCE, arena_copy(w->g.a, second.text).p);
	if (!overrides_equal(w->g.a, &second.overrides, &out->overrides))
		broken(w, PROP_ECHO, "overrides changed");
	prop_checked(PROP_IDEMPOTENCE);
	prop_checked(PROP_ECHO);
	prop_checked(PROP_DETERMINISM);
	prop_checked(PROP_QUIESCENCE);
}

/* 7: owned leaves of the base are what the file says. 8: reserved entries are there. */
static void check_ownership(struct world *w, const struct settings_output *out)
{
	struct jval *servers = jval_get_str(w->g.a, w->base, "context_servers");

	for (const struct jval *l = leaf_after(w->base, NULL); l;
	     l = leaf_after(w->base, l)) {
		if (hit_of(w, l).cls != POLICY_HELIX_OWNED)
			continue;
		if (l->type != JVAL_OBJECT &&
		    !jval_equal(w->g.a, same_path(w, out->merged, l), l))
			broken(w, PROP_OWNERSHIP, path_str(w, l));
	}
	jval_for_each (s, servers)
		if (slice_starts(s->key, SLICE_LIT("helix-")) &&
		    !jval_get(w->g.a,
			jval_get_str(w->g.a, out->merged, "context_servers"), s->key))
			broken(w, PROP_NO_DELETE, path_str(w, s));
	prop_checked(PROP_OWNERSHIP);
	prop_checked(PROP_NO_DELETE);
}

/* 9: what is protected is as it was, and is not told. 11: what stays keeps its text. */
static void check_text(struct world *w, const struct settings_output *out)
{
	struct jval *before = root_of(w, w->file), *after = root_of(w, out->text);

	for (const struct jval *l = leaf_after(before, NULL); l;
	     l = leaf_after(before, l)) {
		struct jval *now = same_path(w, after, l);

		if (hit_of(w, l).cls == POLICY_PROTECTED &&
		    !(now && slice_eq(now->text, l->text)))
			broken(w, PROP_PROTECTED, path_str(w, l));
		if (now && now->type != JVAL_OBJECT && jval_equal(w->g.a, now, l) &&
		    !slice_eq(now->text, l->text))
			broken(w, PROP_LEXEMES, path_str(w, l));
	}
	overrides_for_each (l, &out->overrides)
		if (hit_of(w, l).cls == POLICY_PROTECTED)
			broken(w, PROP_PROTECTED, path_str(w, l));
	prop_checked(PROP_PROTECTED);
	prop_checked(PROP_LEXEMES);
}

/* 10: what is not changed is there byte for byte, and no comment is lost. */
static void check_locality(struct world *w, const struct settings_output *out)
{
	const char *lost = bytes_lost(w->g.a, w->file, out->text);

	if (lost)
		broken(w, PROP_LOCALITY, lost);
	prop_checked(PROP_LOCALITY);
}

static bool told(const struct settings_output *out, struct slice path)
{
	for (const struct settings_event *e = out->events; e; e = e->next)
		if (e->path.n <= path.n && slice_starts(path, e->path))
			return true;
	return false;
}

/* 4: what the user set is in the file, or in the overrides, or was answered with its
 * rule. */
static void check_nothing_lost(struct world *w, const struct settings_output *out)
{
	struct jval *before = root_of(w, w->file), *last = root_of(w, w->last);

	for (const struct jval *l = leaf_after(before, NULL); l;
	     l = leaf_after(before, l)) {
		struct jval *was = w->has_last ? same_path(w, last, l) : NULL;
		struct jval *now = same_path(w, out->merged, l);
		struct json_pointer ptr;

		if (was && jval_equal(w->g.a, was, l))
			continue;
		must(json_pointer_parse(w->g.a, json_pointer_of(w->g.a, l), &ptr));
		if (now && (jval_equal(w->g.a, now, l) ||
			       (l->type == JVAL_OBJECT && now->type == JVAL_OBJECT)))
			continue;
		if (overrides_at(w->g.a, &out->overrides, ptr.tokens, ptr.n))
			continue;
		if (!told(out, json_pointer_of(w->g.a, l)))
			broken(w, PROP_NO_LOST_KEY, path_str(w, l));
	}
	prop_checked(PROP_NO_LOST_KEY);
}

/* 12: whatever Zed would choke on was there before. */
static void check_shape(struct world *w, const struct settings_output *out)
{
	struct jval *before = root_of(w, w->file);

	for (struct shape_finding *f = shape_check_document(w->g.a, out->merged); f;
	     f = f->next) {
		struct json_pointer ptr;
		struct jval *was, *now;

		if (f->verdict != SHAPE_REJECT)
			continue;
		must(json_pointer_parse(w->g.a, f->unit, &ptr));
		was = json_pointer_get(w->g.a, before, ptr.tokens, ptr.n);
		now = json_pointer_get(w->g.a, out->merged, ptr.tokens, ptr.n);
		if (!was || !jval_equal(w->g.a, was, now))
			broken(w, PROP_VALIDITY,
			    arena_copy(w->g.a, f->path).p);
	}
	prop_checked(PROP_VALIDITY);
}

/* 16: the order of keys means nothing. */
static void check_order(struct world *w, const struct settings_output *out)
{
	struct settings_output other = run_with(w, gen_shuffled(&w->g, w->base), &w->u,
	    w->has_file ? &w->file : NULL, w->has_last ? &w->last : NULL, w->base0);

	if (!jval_equal(w->g.a, other.merged, out->merged) ||
	    !overrides_equal(w->g.a, &other.overrides, &out->overrides))
		broken(w, PROP_PERMUTATION, "another result");
	prop_checked(PROP_PERMUTATION);
}

/* 3: another instance of the session gets the same settings, and does not take them for
 * its user's. */
static void check_round_trip(struct world *w, const struct settings_output *out)
{
	struct settings_output fresh = run_with(
				   w, w->base, &out->overrides, NULL, NULL, NULL),
			       next;

	if (!overrides_equal(w->g.a, &fresh.overrides, &out->overrides))
		broken(w, PROP_ROUND_TRIP, "a new file changes overrides");
	next = run_with(w, w->base, &fresh.overrides, &fresh.text, &fresh.text, w->base);
	if (next.changed || !overrides_equal(w->g.a, &next.overrides, &out->overrides))
		broken(w, PROP_ROUND_TRIP, "the new file says something else");
	if (!jval_equal(w->g.a, fresh.merged,
		settings_merged(w->g.a, w->base, &out->overrides, &w->policy, NULL)))
		broken(w, PROP_ROUND_TRIP, "server and file differ");
	prop_checked(PROP_ROUND_TRIP);
}

/* Without objects that say nothing: whether one that lost its members stays is the
 * file's business. */
static struct jval *pruned(struct world *w, const struct jval *v)
{
	struct overrides leaves = overrides_new(w->g.a);
	struct json_pointer ptr;

	for (const struct jval *l = leaf_after(v, NULL); l; l = leaf_after(v, l)) {
		must(json_pointer_parse(w->g.a, json_pointer_of(w->g.a, l), &ptr));
		if (l->type != JVAL_OBJECT)
			overrides_set(w->g.a, &leaves, ptr.tokens, ptr.n, l);
	}
	return leaves.root;
}

/* 19: an entry that goes and comes back finds its overrides. */
static void check_dormant(struct world *w, const struct settings_output *out)
{
	struct jval *less = jval_copy(w->g.a, w->base), *servers, *entry;
	struct settings_output gone, back;

	/* what the user broke is kept in the file only: it is not put together again */
	for (struct shape_finding *f = shape_check_document(w->g.a, out->merged); f;
	     f = f->next)
		if (f->verdict == SHAPE_REJECT)
			return;
	servers = jval_get_str(w->g.a, less, "context_servers");
	entry = jval_get_str(w->g.a, servers, "helix-rag");
	if (!entry)
		return;
	jval_remove(w->g.a, servers, entry);
	gone = run_with(w, less, &out->overrides, &out->text, &out->text, w->base);
	back = run_with(w, w->base, &gone.overrides, &gone.text, &gone.text, less);
	if (!jval_equal(w->g.a, pruned(w, back.merged), pruned(w, out->merged)))
		broken(w, PROP_DORMANT, arena_copy(w->g.a, back.text).p);
	prop_checked(PROP_DORMANT);
}

/* ---- 5: order ---- */

/* Top-level keys in which two documents differ are all other ones than those of two more;
 * blocks concern them all. */
static bool is_disjoint(struct world *w, const struct jval *h0, const struct jval *h1,
    const struct jval *f0, const struct jval *f1)
{
	static const char *const blocks[] = {"linux", "stable", "profiles"};
	const struct jval *docs[] = {h0, h1, f0, f1};

	for (size_t i = 0; i < ARRAY_LEN(docs); i++)
		jval_for_each (m, docs[i])
			if (!jval_equal(w->g.a, jval_get(w->g.a, h0, m->key),
				jval_get(w->g.a, h1, m->key)) &&
			    !jval_equal(w->g.a, jval_get(w->g.a, f0, m->key),
				jval_get(w->g.a, f1, m->key)))
				return false;
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (!jval_equal(w->g.a, jval_get_str(w->g.a, f0, blocks[i]),
			jval_get_str(w->g.a, f1, blocks[i])))
			return false;
	return true;
}

/* The file as the user would have changed it, had it been @text. */
static struct slice edited(struct world *w, struct slice text, const struct jval *from,
    const struct jval *to)
{
	struct jval *f = jval_copy(w->g.a, root_of(w, text));
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);
	const struct jval *docs[] = {from, to};

	for (size_t i = 0; i < ARRAY_LEN(docs); i++)
		jval_for_each (m, docs[i]) {
			struct jval *now = jval_get(w->g.a, to, m->key);
			struct jval *old = jval_get(w->g.a, f, m->key);

			if (jval_equal(w->g.a, jval_get(w->g.a, from, m->key), now))
				continue;
			if (now)
				jval_put(w->g.a, f, m->key, jval_copy(w->g.a, now));
			else if (old)
				jval_remove(w->g.a, f, old);
		}
	jval_print(&b, f);
	return arena_copy(w->g.a, buf_slice(&b));
}

static void check_commutes(struct world *w, const struct settings_output *out)
{
	struct jval *base = jval_copy(w->g.a, w->base), *f0 = root_of(w, out->text), *f1;
	struct slice both, later;
	struct settings_output user, helix, last1, last2, once;

	f1 = jval_copy(w->g.a, f0);
	gen_change_file(&w->g, f1);
	gen_change_base(&w->g, base);
	if (!is_disjoint(w, w->base, base, f0, f1))
		return;
	both = edited(w, out->text, f0, f1);
	once = run_with(w, base, &out->overrides, &both, &out->text, w->base);
	user = run_with(w, w->base, &out->overrides, &both, &out->text, w->base);
	last1 = run_with(w, base, &user.overrides, &user.text, &user.text, w->base);
	helix = run_with(w, base, &out->overrides, &out->text, &out->text, w->base);
	later = edited(w, helix.text, f0, f1);
	last2 = run_with(w, base, &helix.overrides, &later, &helix.text, base);
	/* a file without anything is guarded as a whole */
	if (!jval_is_tree(f1) || !jval_is_tree(root_of(w, later)) ||
	    !overrides_empty(&once.held) || !overrides_empty(&user.held) ||
	    !overrides_empty(&last2.held))
		return;
	prop_checked(PROP_COMMUTATIVITY);
	if (!jval_equal(w->g.a, pruned(w, last1.merged), pruned(w, last2.merged)) ||
	    !jval_equal(w->g.a, pruned(w, last1.merged), pruned(w, once.merged)) ||
	    !overrides_equal(w->g.a, &last1.overrides, &last2.overrides) ||
	    !overrides_equal(w->g.a, &last1.overrides, &once.overrides))
		broken(w, PROP_COMMUTATIVITY, arena_copy(w->g.a, both).p);
}

/* ---- what happens ---- */

static void user_edits(struct world *w)
{
	struct jval *f = jval_copy(w->g.a, root_of(w, w->has_file ? w->file : w->last));

	for (unsigned n = 1 + gen_below(&w->g, 3); n > 0; n--)
		gen_change_file(&w->g, f);
	w->file = gen_text(&w->g, f);
	w->has_file = true;
}

static void helix_changes(struct world *w)
{
	w->base = jval_copy(w->g.a, w->base);
	for (unsigned n = 1 + gen_below(&w->g, 2); n > 0; n--)
		gen_change_base(&w->g, w->base);
}

/* Another instance of the session reports what its user did. */
static void other_instance(struct world *w)
{
	struct jval *f =
	    jval_copy(w->g.a, settings_merged(w->g.a, w->base, &w->u, &w->policy, NULL));
	struct settings_output mine = run_with(w, w->base, &w->u, NULL, NULL, NULL),
			       theirs;
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);
	struct slice text;

	gen_change_file(&w->g, f);
	jval_print(&b, f);
	text = arena_copy(w->g.a, buf_slice(&b));
	theirs = run_with(w, w->base, &mine.overrides, &text, &mine.text, w->base);
	w->u = theirs.overrides;
}

static void act(struct world *w)
{
	unsigned what = gen_below(&w->g, 10);

	if (what < 4) {
		w->did = "a user's edit";
		user_edits(w);
	} else if (what < 6) {
		w->did = "a change of the base";
		helix_changes(w);
	} else if (what < 8) {
		w->did = "both at once";
		user_edits(w);
		helix_changes(w);
	} else if (what < 9) {
		w->did = "an edit elsewhere";
		other_instance(w);
	} else {
		w->did = "the file is lost";
		w->has_file = false;
	}
}

static void step(struct world *w)
{
	struct settings_output out = run(w);

	if (out.state != SETTINGS_OK)
		broken(w, PROP_VALIDITY, out.doc.error.message);
	if (overrides_empty(&out.held)) {
		check_settled(w, &out);
		check_nothing_lost(w, &out);
		check_round_trip(w, &out);
		check_dormant(w, &out);
		if (gen_chance(&w->g, 25))
			check_commutes(w, &out);
	}
	check_ownership(w, &out);
	if (w->has_file) {
		check_text(w, &out);
		check_locality(w, &out);
	}
	check_shape(w, &out);
	check_order(w, &out);
	if (!overrides_empty(&out.held))
		settings_confirm(w->g.a, &out.overrides, &out.held, w->base);
	w->u = out.overrides;
	w->file = w->last = out.text;
	w->has_file = w->has_last = true;
	w->base0 = w->base;
}

static int64_t one_world(uint64_t seed)
{
	struct arena a = ARENA_NULL;
	struct world w = {
	    .g = {.state = seed * 0x9e3779b97f4a7c15u | 1, .a = &a}, .seed = seed};
	unsigned n;

	policy_builtin(&a, &w.policy);
	w.walk = policy_walk_new(&a, &w.policy);
	w.use_base0 = gen_chance(&w.g, 80);
	w.policy.disable_on_delete = gen_chance(&w.g, 20);
	w.base = gen_base(&w.g);
	w.base0 = w.base;
	w.u = overrides_new(&a);
	w.did = "the start";
	if (gen_chance(&w.g, 30))
		user_edits(&w);
	step(&w);
	n = 1 + gen_below(&w.g, STEPS_MAX);
	for (unsigned i = 0; i < n; i++) {
		act(&w);
		step(&w);
	}
	arena_deinit(&a);
	return n + 1;
}

static void all_properties_hold(void **state)
{
	(void)state;
	props_run(CASES, CASES_MS, one_world);
}

TEST_MAIN(cmocka_unit_test(all_properties_hold))
