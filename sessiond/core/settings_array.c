/* Arrays that a policy merges element by element: as sets of equal elements, or as
 * records known by one of their members. */
#include "sessiond/core/settings_step.h"

/* Elements of one array, found by what makes them the same. */
struct elements {
	const struct policy_array *rule;
	struct arena *a;
	struct element {
		const struct jval *v;
		uint64_t hash;
	} *slots;
	size_t cap;
};

static const struct jval *known_by(
    struct arena *a, const struct policy_array *rule, const struct jval *e)
{
	return rule->merge == POLICY_KEYED ? jval_get(a, e, rule->by) : NULL;
}

static bool same_element(struct arena *a, const struct policy_array *rule,
    const struct jval *x, const struct jval *y)
{
	const struct jval *kx = known_by(a, rule, x), *ky = known_by(a, rule, y);

	if (kx || ky)
		return kx && ky && jval_equal(a, kx, ky);
	return jval_equal(a, x, y);
}

/* Where @e is, or would be. */
static struct element *element_slot(
    const struct elements *es, const struct jval *e, uint64_t hash)
{
	for (size_t i = hash & (es->cap - 1);; i = (i + 1) & (es->cap - 1)) {
		struct element *el = &es->slots[i];

		if (!el->v ||
		    (el->hash == hash && same_element(es->a, es->rule, el->v, e)))
			return el;
	}
}

static uint64_t element_hash(const struct elements *es, const struct jval *e)
{
	const struct jval *key = known_by(es->a, es->rule, e);

	return jval_value_hash(key ? key : e);
}

/* Of equal elements the first counts. @arr may be anything. */
static struct elements elements_of(
    struct arena *a, const struct policy_array *rule, const struct jval *arr)
{
	struct elements es = {.rule = rule, .a = a, .cap = 8};

	if (!arr || arr->type != JVAL_ARRAY)
		return es;
	while (es.cap < arr->n * 2)
		es.cap *= 2;
	es.slots = arena_alloc(a, es.cap * sizeof(*es.slots));
	jval_for_each (e, arr) {
		uint64_t hash = element_hash(&es, e);
		struct element *el = element_slot(&es, e, hash);

		if (!el->v)
			*el = (struct element){e, hash};
	}
	return es;
}

static const struct jval *find_element(const struct elements *es, const struct jval *e)
{
	return es->slots ? element_slot(es, e, element_hash(es, e))->v : NULL;
}

/* Both have it: the user's, if the user changed it. */
static const struct jval *pick(struct arena *a, const struct jval *was,
    const struct jval *user, const struct jval *base)
{
	return was && !jval_equal(a, was, user) ? user : base;
}

struct jval *settings_merge_array(struct arena *a, const struct policy_array *rule,
    const struct jval *last, const struct jval *user, const struct jval *base0,
    const struct jval *base)
{
	struct elements in_last, in_user, in_base0, in_base;
	struct jval *out = jval_new(a, JVAL_ARRAY);

	if (!base || base->type != JVAL_ARRAY)
		return jval_copy_leaf(a, user);
	in_last = elements_of(a, rule, last);
	in_user = elements_of(a, rule, user);
	in_base0 = elements_of(a, rule, base0);
	in_base = elements_of(a, rule, base);
	jval_for_each (e, base) {
		const struct jval *mine = find_element(&in_user, e);
		const struct jval *seen = find_element(&in_last, e);

		if (!seen)
			seen = find_element(&in_base0, e);
		if (mine)
			jval_push(out, jval_copy(a, pick(a, seen, mine, e)));
		else if (!seen)
			jval_push(out, jval_copy(a, e)); /* new from the base */
	}
	jval_for_each (e, user) {
		const struct jval *was = find_element(&in_base0, e);

		if (find_element(&in_base, e))
			continue;
		/* the base had it and gave it up: gone, unless the user made it another
		 */
		if (!was || !jval_equal(a, was, e))
			jval_push(out, jval_copy(a, e));
	}
	return out;
}
