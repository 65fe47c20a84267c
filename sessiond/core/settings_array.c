/* Arrays that a policy merges element by element: as sets of equal elements, or as
 * records known by one of their members. */
#include "sessiond/core/settings_step.h"

static bool same_element(struct arena *a, const struct policy_array *rule,
    const struct jval *x, const struct jval *y)
{
	if (rule->merge == POLICY_KEYED) {
		const struct jval *kx = jval_get(a, x, rule->by),
				  *ky = jval_get(a, y, rule->by);

		if (kx || ky)
			return kx && ky && jval_equal(a, kx, ky);
	}
	return jval_equal(a, x, y);
}

static const struct jval *find_element(struct arena *a, const struct policy_array *rule,
    const struct jval *arr, const struct jval *e)
{
	if (!arr || arr->type != JVAL_ARRAY)
		return NULL;
	jval_for_each (x, arr)
		if (same_element(a, rule, x, e))
			return x;
	return NULL;
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
	struct jval *out = jval_new(a, JVAL_ARRAY);

	if (!base || base->type != JVAL_ARRAY)
		return jval_copy_leaf(a, user);
	jval_for_each (e, base) {
		const struct jval *mine = find_element(a, rule, user, e);
		const struct jval *seen = find_element(a, rule, last, e);

		if (!seen)
			seen = find_element(a, rule, base0, e);
		if (mine)
			jval_push(out, jval_copy(a, pick(a, seen, mine, e)));
		else if (!seen)
			jval_push(out, jval_copy(a, e)); /* new from the base */
	}
	jval_for_each (e, user) {
		const struct jval *was = find_element(a, rule, base0, e);

		if (find_element(a, rule, base, e))
			continue;
		/* the base had it and gave it up: gone, unless the user made it another
		 */
		if (!was || !jval_equal(a, was, e))
			jval_push(out, jval_copy(a, e));
	}
	return out;
}
