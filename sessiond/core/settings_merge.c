/* Base and overrides become what the file shall say. Each leaf goes to whom its class
 * gives it; entries that Zed would choke on are not put together in the first place. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

struct frame {
	struct settings_at at,
	    whole; /* after and before what may not count was left out */
	struct union_iter it;
	struct jval *m; /* what is being put together */
	bool tombed;    /* the user removed all that is not guarded */
	bool drop[SHAPE_VARIANT_N_ +
		  1]; /* members of these variants are not taken from the base */
};

struct merger {
	struct settings_step *s;
	struct frame stack[JVAL_DEPTH_MAX + 2];
	size_t n;
};

/* An override may stand here. */
static bool user_may(const struct settings_step *s, const struct settings_at *at)
{
	const struct policy_hit *hit = policy_here(s->walk);

	if (hit->cls == POLICY_NO_DELETE)
		return hit->root < settings_depth(s) || !at->base;
	return hit->cls == POLICY_DEFAULT_ONCE || hit->cls == POLICY_USER_WINS;
}

static bool is_unit_server(const struct settings_step *s)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	return shape_unit_at(path, n, policy_block(s->walk)) == SHAPE_CONTEXT_SERVER;
}

/* The user made this server one kind: what the base says of the other kinds is not mixed
 * in. */
static void drop_variants(struct settings_step *s, struct frame *f)
{
	bool wanted[SHAPE_VARIANT_N_ + 1] = {0}, any = false;

	if (!jval_is_tree(f->at.u) || !is_unit_server(s))
		return;
	jval_for_each (m, f->at.u) {
		if (!shape_names_variant(m->key) || m->type == JVAL_TOMB)
			continue;
		wanted[shape_variant_of(m->key)] = any = true;
	}
	for (size_t i = 0; any && i < SHAPE_VARIANT_N_; i++)
		f->drop[i] = !wanted[i];
}

enum outcome { ABSENT, LEAF, OBJECT };

/* Who gives the value at one path. LEAF: *out; OBJECT: put together from what is below.
 */
static enum outcome resolve(struct settings_step *s, struct settings_at *at, bool *tombed,
    const struct jval **out)
{
	const struct policy_hit *hit = policy_here(s->walk);
	enum settings_locality local;

	if (hit->cls == POLICY_NO_DELETE && at->base && hit->root == settings_depth(s))
		*tombed = false;
	if (at->u && at->u->type == JVAL_TOMB) {
		/* a leaf was removed: an object that came in its place is not meant */
		*tombed |= user_may(s, at) && !jval_is_tree(at->base);
		at->u = NULL;
	}
	if (at->held && at->held->type == JVAL_TOMB && user_may(s, at)) {
		*tombed = true;
		at->u = NULL;
	}
	if (at->u && !user_may(s, at) &&
	    (jval_is_leaf(at->u) || hit->cls == POLICY_PROTECTED))
		at->u = NULL;
	if (at->u && at->u->type != JVAL_OBJECT) {
		if (!settings_guarded(s, at)) {
			*out = at->u;
			return LEAF;
		}
		at->u = NULL;
	}
	if (at->base && hit->cls == POLICY_PROTECTED) {
		if (jval_is_leaf(at->base))
			settings_event_add(
			    s, "ignored", settings_path(s, 0), "protected");
		if (!jval_is_tree(at->base))
			at->base = NULL;
	}
	if (at->base && at->base->type != JVAL_OBJECT) {
		if (hit->cls == POLICY_HELIX_OWNED ||
		    (!at->u && (!*tombed || !user_may(s, at)))) {
			*out = at->base;
			return LEAF;
		}
		at->base = NULL;
	}
	local = settings_locality(s, at);
	if (at->file && at->file->type != JVAL_OBJECT) {
		bool given_up = hit->cls == POLICY_HELIX_OWNED && at->base0 &&
				!settings_raw_base(s);

		if (local != LOCAL_YES || given_up)
			at->file = NULL;
		else {
			*out = at->file;
			return LEAF;
		}
	}
	return at->base || at->u || at->file ? OBJECT : ABSENT;
}

/* An object without members: is it to be there at all? */
static bool keep_empty(struct settings_step *s, const struct frame *f)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	const struct settings_at *at = &f->at;
	enum policy_class c = policy_here(s->walk)->cls;

	if (at->u && at->u->type == JVAL_OBJECT && at->u->n == 0)
		return true;
	if (at->base && at->base->n == 0 && c != POLICY_PROTECTED &&
	    (!f->tombed || c == POLICY_HELIX_OWNED))
		return true;
	if (!jval_is_object(at->file))
		return false;
	/* emptied by the user, and left standing */
	if (at->file->n == 0 &&
	    (jval_is_tree(at->base) || jval_is_tree(settings_raw_base(s))))
		return true;
	/* a profile is not lost because what was in it may not be */
	if ((n == 2 || (n == 3 && slice_is(path[2], "settings"))) &&
	    slice_is(path[0], "profiles"))
		return true;
	return at->file->n == 0 && settings_locality(s, at) == LOCAL_YES;
}

/* The base's entry with the user's switch. */
static struct jval *base_entry(struct settings_step *s, const struct settings_at *at)
{
	struct jval *m = jval_copy(s->a, at->base);
	const struct jval *enabled = jval_get_str(s->a, at->u, "enabled");

	if (m->type == JVAL_OBJECT && enabled && enabled->type == JVAL_BOOL)
		jval_put(s->a, m, SLICE_LIT("enabled"), jval_copy_leaf(s->a, enabled));
	return m;
}

/* Zed would refuse the file because of @m: whose fault is it, and what stands instead? */
static struct jval *settle_bad(struct settings_step *s, const struct settings_at *at,
    struct jval *m, enum shape_unit unit, const char *message)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	enum policy_class c = policy_here(s->walk)->cls;
	bool file_bad = at->file && shape_check(s->a, unit, path, n, at->file).verdict ==
					SHAPE_REJECT;

	if (file_bad && (jval_equal(s->a, m, at->file) ||
			    (c >= POLICY_DEFAULT_ONCE && at->u) || !at->base)) {
		/* the user's own text is never repaired, only pointed at */
		settings_event_add(s, "invalid", settings_path(s, 0), "shape")->message =
		    message;
		return jval_copy(s->a, at->file);
	}
	if (!at->base) {
		settings_event_add(s, "dormant", settings_path(s, 0), "shape")->message =
		    message;
		return NULL;
	}
	if (c >= POLICY_DEFAULT_ONCE && unit == SHAPE_CONTEXT_SERVER &&
	    m->type == JVAL_OBJECT && shape_variant(s->a, m) == SHAPE_VARIANT_N_)
		return NULL; /* what made it a server was removed: so is the server */
	settings_event_add(s, "conflict", settings_path(s, 0), "shape")->message =
	    message;
	return base_entry(s, at);
}

static struct jval *settle_unit(
    struct settings_step *s, const struct settings_at *at, struct jval *m)
{
	const struct policy_hit *hit = policy_here(s->walk);
	size_t n, block = policy_block(s->walk);
	const struct slice *path = policy_path(s->walk, &n);
	enum shape_unit unit = shape_unit_at(path, n, block < n ? block : 0);
	struct shape_finding f;

	if (m && unit != SHAPE_NONE) {
		f = shape_check(s->a, unit, path, n, m);
		if (f.verdict == SHAPE_WARN)
			settings_event_add(s, "warning", f.path, "shape")->message =
			    f.message;
		if (f.verdict == SHAPE_REJECT)
			m = settle_bad(s, at, m, unit, f.message);
	}
	if (!m && hit->cls == POLICY_NO_DELETE && hit->root == n && at->base)
		m = base_entry(s, at);
	return m;
}

static void attach(
    struct merger *mg, const struct settings_at *at, struct slice key, struct jval *m)
{
	m = settle_unit(mg->s, at, m);
	if (m)
		jval_add(mg->s->a, mg->stack[mg->n - 1].m, key, m);
}

static void frame_open(struct merger *mg, const struct settings_at *at,
    const struct settings_at *whole, bool tombed)
{
	struct frame *f = &mg->stack[mg->n++];

	must(mg->n <= ARRAY_LEN(mg->stack));
	*f = (struct frame){.at = *at,
	    .whole = *whole,
	    .it = {.objs = {at->base, at->u, at->file}},
	    .m = jval_new(mg->s->a, JVAL_OBJECT),
	    .tombed = tombed};
	drop_variants(mg->s, f);
}

/* The object on top is complete: hand it to the one around it. */
static void frame_close(struct merger *mg)
{
	struct frame *f = &mg->stack[mg->n - 1];
	struct settings_at whole = f->whole;
	struct jval *m = f->m;
	size_t n;
	const struct slice *path = policy_path(mg->s->walk, &n);

	if (m->n == 0 && !keep_empty(mg->s, f))
		m = NULL;
	mg->n--;
	attach(mg, &whole, path[n - 1], m);
	policy_pop(mg->s->walk);
}

static void on_child(struct merger *mg, const struct jval *member)
{
	struct settings_step *s = mg->s;
	struct frame *f = &mg->stack[mg->n - 1];
	struct slice key = member->key;
	struct settings_at at = settings_child_like(s, &f->at, member), whole;
	const struct jval *leaf = NULL;
	bool tombed = f->tombed;
	enum shape_variant variant = shape_variant_of(key);

	if (f->drop[variant])
		at.base = NULL;
	policy_push(s->walk, key);
	whole = at;
	switch (resolve(s, &at, &tombed, &leaf)) {
	case OBJECT:
		frame_open(mg, &at, &whole, tombed);
		return;
	case LEAF:
		attach(mg, &whole, key, jval_copy_leaf(s->a, leaf));
		break;
	case ABSENT:
		attach(mg, &whole, key, NULL);
		break;
	}
	policy_pop(s->walk);
}

struct jval *settings_merge(struct settings_step *s)
{
	struct merger mg = {.s = s};
	struct settings_at at = settings_root(s);
	const struct jval *m;

	at.last = NULL; /* has been heard */
	frame_open(&mg, &at, &at, false);
	for (;;) {
		struct frame *f = &mg.stack[mg.n - 1];

		m = union_next(s->a, &f->it);
		if (m)
			on_child(&mg, m);
		else if (mg.n > 1)
			frame_close(&mg);
		else
			return f->m;
	}
}
