/* The server's side of ownership: the same classes as in the file, applied to requests.
 */
#include "sessiond/core/settings_accept.h"

#include "base/must.h"
#include "sessiond/core/settings_step.h"

enum {
	NOTES_MAX = 200,
};

struct acceptor {
	struct settings_step s;
	struct overrides *out;
	struct settings_verdict *v;
	size_t n_del; /* tokens of the path being removed */
	bool plain;   /* a leaf equal to the base says nothing */
};

struct jval *settings_join(
    struct arena *a, const struct jval *under, const struct jval *over)
{
	struct jval *root;
	const struct jval *v;
	struct jval *to;

	if (!under || !over)
		return under || over ? jval_copy(a, under ? under : over)
				     : jval_new(a, JVAL_OBJECT);
	root = to = jval_copy(a, under);
	for (v = jval_first(over); v;) {
		struct jval *old = jval_get(a, to, v->key);

		if (jval_is_tree(v) && old && old->type == JVAL_OBJECT) {
			to = old;
			v = jval_first(v);
			continue;
		}
		/* an empty object has nothing to say to an object */
		if (!old || v->type != JVAL_OBJECT || old->type != JVAL_OBJECT)
			jval_put(a, to, v->key, jval_copy(a, v));
		while (v != over && !jval_next(v)) {
			v = v->parent;
			to = to->parent;
		}
		v = v == over ? NULL : jval_next(v);
	}
	return root;
}

/* Each path once, and not more than anybody reads. */
static void note_add(
    struct arena *a, struct settings_note **list, struct slice path, const char *text)
{
	struct settings_note *n;
	size_t count = 0;

	for (; *list; list = &(*list)->next)
		if (slice_eq((*list)->path, path) || ++count == NOTES_MAX)
			return;
	n = ARENA_NEW(a, struct settings_note);
	*n = (struct settings_note){path, text, NULL};
	*list = n;
}

static void reject(struct acceptor *ac, size_t depth, const char *rule)
{
	note_add(ac->s.a, &ac->v->rejected, settings_path(&ac->s, depth), rule);
}

static void acceptor_init(
    struct acceptor *ac, struct arena *a, const struct jval *base, const struct policy *p)
{
	struct jval *none = jval_new(a, JVAL_OBJECT);

	ac->s = (struct settings_step){.a = a, .policy = p};
	ac->s.events_end = &ac->s.events;
	ac->s.walk = policy_walk_new(a, p);
	ac->s.base = ac->s.base_raw = base ? base : none;
	ac->s.u = ac->s.given = ac->s.held = overrides_new(a);
}

/* What the base has at the walk's path. */
static struct settings_at at_path(struct acceptor *ac, const struct slice *path, size_t n)
{
	struct settings_at at = settings_root(&ac->s);

	for (size_t i = 0; i < n; i++)
		at = settings_child(&ac->s, &at, path[i]);
	return at;
}

static bool accept_leaf(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct acceptor *ac = data;
	const struct policy_hit *hit = policy_here(s->walk);
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);
	struct settings_at at = at_path(ac, path, n);

	if (n == 0)
		return false;
	if (at.base && jval_equal(s->a, at.base, leaf) && hit->cls != POLICY_PROTECTED) {
		if (!ac->plain)
			overrides_clear(s->a, ac->out, path, n);
		return false;
	}
	if (hit->cls == POLICY_PROTECTED || hit->cls == POLICY_HELIX_OWNED)
		reject(ac, 0, policy_class_name(hit->cls));
	else if (hit->cls == POLICY_NO_DELETE && hit->root == n && jval_is_tree(at.base))
		reject(ac, 0, "no-delete");
	else if (leaf->type != JVAL_OBJECT && settings_guarded(s, &at))
		reject(ac, 0, "guarded");
	else
		overrides_set(s->a, ac->out, path, n, leaf);
	return false;
}

struct overrides settings_accept_plain(struct arena *a, const struct jval *base,
    const struct policy *p, const struct jval *doc, struct settings_verdict *v)
{
	struct overrides out = overrides_new(a);
	struct acceptor ac = {.out = &out, .v = v, .plain = true};

	acceptor_init(&ac, a, base, p);
	settings_any_leaf(&ac.s, doc, accept_leaf, &ac);
	return out;
}

/* A reserved entry that would go as a whole. */
static bool goes_whole(const struct acceptor *ac, const struct policy_hit *hit)
{
	return hit->cls == POLICY_NO_DELETE && hit->root >= ac->n_del;
}

static bool accept_removal(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct acceptor *ac = data;
	const struct policy_hit *hit = policy_here(s->walk);
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	(void)leaf;
	if (hit->cls <= POLICY_HELIX_OWNED || goes_whole(ac, hit))
		reject(ac, hit->root, policy_class_name(hit->cls));
	else
		overrides_del(s->a, ac->out, path, n);
	return false;
}

/* Overrides of what is removed are forgotten; those of an entry that stays stay too. */
static bool forget_override(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct acceptor *ac = data;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	(void)leaf;
	if (!goes_whole(ac, policy_here(s->walk)))
		overrides_clear(s->a, ac->out, path, n);
	return false;
}

static void push_all(struct acceptor *ac, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n; i++)
		policy_push(ac->s.walk, ptr->tokens[i]);
}

static void pop_all(struct acceptor *ac, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n; i++)
		policy_pop(ac->s.walk);
}

static void accept_del(struct acceptor *ac, const struct json_pointer *ptr)
{
	struct settings_at at = at_path(ac, ptr->tokens, ptr->n);
	struct jval *mine = overrides_at(ac->s.a, ac->out, ptr->tokens, ptr->n);
	const struct policy_hit *hit;

	ac->n_del = ptr->n;
	push_all(ac, ptr);
	hit = policy_here(ac->s.walk);
	if (!at.base && hit->cls <= POLICY_HELIX_OWNED)
		reject(ac, 0, policy_class_name(hit->cls));
	if (mine)
		settings_any_leaf(&ac->s, jval_copy(ac->s.a, mine), forget_override, ac);
	settings_any_leaf(&ac->s, at.base, accept_removal, ac);
	pop_all(ac, ptr);
}

static bool leads_into_array(
    struct arena *a, const struct jval *doc, const struct json_pointer *ptr)
{
	const struct jval *v = doc;

	for (size_t i = 0; i < ptr->n && v; i++) {
		if (v->type == JVAL_ARRAY)
			return true;
		v = jval_get(a, v, ptr->tokens[i]);
	}
	return false;
}

static void check_arrays(struct acceptor *ac, const struct overrides *current,
    const struct json_pointer *ptr, struct slice text,
    struct overrides_problem **problems)
{
	struct overrides_problem *p;

	if (!leads_into_array(ac->s.a, ac->s.base, ptr) &&
	    !leads_into_array(ac->s.a, current->root, ptr))
		return;
	p = ARENA_NEW(ac->s.a, struct overrides_problem);
	*p = (struct overrides_problem){
	    text, "leads into an array, which is one value", *problems};
	*problems = p;
}

/* What is set in the place of an array is set whole. */
static void clear_array(struct acceptor *ac, const struct json_pointer *ptr)
{
	struct settings_at at = at_path(ac, ptr->tokens, ptr->n);

	if (at.base && at.base->type == JVAL_ARRAY)
		overrides_clear(ac->s.a, ac->out, ptr->tokens, ptr->n);
}

struct overrides_problem *settings_accept_ops(struct arena *a, const struct jval *base,
    const struct policy *p, const struct overrides *current,
    const struct overrides_ops *ops, struct overrides *out, struct settings_verdict *v)
{
	struct acceptor ac = {.out = out, .v = v};
	struct overrides_problem *problems = NULL;
	struct json_pointer ptr;

	acceptor_init(&ac, a, base, p);
	for (size_t i = 0; i < ops->n_clears; i++)
		check_arrays(&ac, current, &ops->clears[i],
		    json_pointer_text(a, ops->clears[i].tokens, ops->clears[i].n),
		    &problems);
	for (size_t i = 0; i < ops->n_named; i++)
		check_arrays(&ac, current, &ops->named[i],
		    json_pointer_text(a, ops->named[i].tokens, ops->named[i].n),
		    &problems);
	if (problems)
		return problems;
	*out = overrides_copy(a, current);
	for (size_t i = 0; i < ops->n_clears; i++)
		overrides_clear(a, out, ops->clears[i].tokens, ops->clears[i].n);
	for (size_t i = 0; i < ops->n_named; i++)
		clear_array(&ac, &ops->named[i]);
	overrides_for_each (leaf, &ops->changes) {
		must(json_pointer_parse(a, json_pointer_of(a, leaf), &ptr));
		if (leaf->type == JVAL_TOMB) {
			accept_del(&ac, &ptr);
			continue;
		}
		push_all(&ac, &ptr);
		accept_leaf(&ac.s, leaf, &ac);
		pop_all(&ac, &ptr);
	}
	return NULL;
}

struct settings_note *settings_find_invalid(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct policy *p)
{
	struct settings_event *events = NULL;
	struct settings_note *notes = NULL;

	settings_merged(a, base, u, p, &events);
	for (const struct settings_event *e = events; e; e = e->next)
		if (strcmp(e->type, "dormant") == 0 || strcmp(e->type, "conflict") == 0)
			note_add(a, &notes, e->path, e->message);
	return notes;
}

const struct jval *settings_ops_body(struct arena *a, const struct jval *body)
{
	const struct jval *ops = jval_get_str(a, body, "ops");

	if (!ops || ops->type != JVAL_OBJECT)
		return NULL;
	jval_for_each (m, ops)
		if (!slice_is(m->key, "set") && !slice_is(m->key, "del") &&
		    !slice_is(m->key, "clear"))
			return NULL;
	return ops;
}
