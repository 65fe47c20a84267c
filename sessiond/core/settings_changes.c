/* Differences are for people and audits: leaf by leaf, in the order of the documents. */
#include "sessiond/core/settings_changes.h"

#include <stdio.h>

#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

/* ---- secrets ---- */

struct masker {
	struct arena *a;
	const struct settings_mask *m;
	struct policy_walk *walks[SETTINGS_MASK_POLICIES];
};

static void masker_push(struct masker *mk, struct slice token)
{
	for (size_t i = 0; i < SETTINGS_MASK_POLICIES; i++)
		if (mk->walks[i])
			policy_push(mk->walks[i], token);
}

static void masker_pop(struct masker *mk)
{
	for (size_t i = 0; i < SETTINGS_MASK_POLICIES; i++)
		if (mk->walks[i])
			policy_pop(mk->walks[i]);
}

static bool masker_secret(const struct masker *mk)
{
	for (size_t i = 0; i < SETTINGS_MASK_POLICIES; i++)
		if (mk->walks[i] && policy_here(mk->walks[i])->secret)
			return true;
	return false;
}

static struct jval *masked_leaf(struct masker *mk, const struct jval *v)
{
	char hash[SETTINGS_HASH_MAX], text[SETTINGS_HASH_MAX + 8];
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	if (v->type == JVAL_STRING)
		buf_add_slice(&b, v->str);
	else
		jval_print(&b, v);
	mk->m->hash(mk->m->hash_data, buf_slice(&b), hash);
	snprintf(text, sizeof(text), "secret:%s", hash);
	return jval_new_string(mk->a, arena_copy(mk->a, slice_of(text)));
}

/* The token of an element: its number. */
static struct slice element_token(struct arena *a, size_t i)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", i);
	return arena_copy(a, slice_of(text));
}

struct mask_frame {
	const struct jval *next;
	struct jval *to;
	size_t i;
};

static void mask_children(struct masker *mk, const struct jval *v, struct jval *root)
{
	struct mask_frame stack[JVAL_DEPTH_MAX + 2];
	size_t n = 0;

	stack[n++] = (struct mask_frame){jval_first(v), root, 0};
	while (n > 0) {
		struct mask_frame *f = &stack[n - 1];
		const struct jval *child = f->next;
		struct jval *copy;

		if (!child) {
			if (--n > 0)
				masker_pop(mk);
			continue;
		}
		f->next = jval_next(child);
		masker_push(mk, f->to->type == JVAL_OBJECT
				    ? child->key
				    : element_token(mk->a, f->i++));
		if (masker_secret(mk)) {
			copy = masked_leaf(mk, child);
		} else {
			copy = jval_copy_leaf(mk->a, child);
			copy->first = copy->last = NULL;
			copy->n = 0;
		}
		if (f->to->type == JVAL_OBJECT)
			jval_add(mk->a, f->to, child->key, copy);
		else
			jval_push(f->to, copy);
		if (child->first &&
		    (copy->type == JVAL_OBJECT || copy->type == JVAL_ARRAY)) {
			must(n < ARRAY_LEN(stack));
			stack[n++] = (struct mask_frame){jval_first(child), copy, 0};
		} else {
			masker_pop(mk);
		}
	}
}

static void masker_init(struct masker *mk, struct arena *a, const struct settings_mask *m)
{
	*mk = (struct masker){.a = a, .m = m};
	for (size_t i = 0; i < SETTINGS_MASK_POLICIES; i++)
		if (m->policies[i])
			mk->walks[i] = policy_walk_new(a, m->policies[i]);
}

static struct jval *masked_at(
    struct masker *mk, const struct slice *path, size_t n, const struct jval *v)
{
	struct jval *root;

	for (size_t i = 0; i < n; i++)
		masker_push(mk, path[i]);
	if (masker_secret(mk)) {
		root = masked_leaf(mk, v);
	} else {
		root = jval_copy_leaf(mk->a, v);
		if (v->type == JVAL_OBJECT || v->type == JVAL_ARRAY) {
			root->first = root->last = NULL;
			root->n = 0;
			mask_children(mk, v, root);
		}
	}
	for (size_t i = 0; i < n; i++)
		masker_pop(mk);
	return root;
}

struct jval *settings_masked(struct arena *a, const struct settings_mask *m,
    const struct slice *path, size_t n, const struct jval *v)
{
	struct masker mk;

	masker_init(&mk, a, m);
	return masked_at(&mk, path, n, v);
}

/* ---- differences ---- */

struct printer {
	struct arena *a;
	struct buf *out;
	struct masker mask;
	const char *part;
	size_t n;
};

static void print_value(struct printer *p, const char *name, const struct slice *path,
    size_t n, const struct jval *v)
{
	buf_addf(p->out, ",\"%s\":", name);
	if (v)
		jval_print(p->out, masked_at(&p->mask, path, n, v));
	else
		buf_adds(p->out, "null");
}

/* What is absent is printed as null: sides that really are the value null are named. */
static void print_nulls(
    struct printer *p, const struct jval *old, const struct jval *fresh)
{
	bool was = old && old->type == JVAL_NULL, is = fresh && fresh->type == JVAL_NULL;

	if (was || is)
		buf_addf(p->out, ",\"nulls\":[%s%s%s]", was ? "\"old\"" : "",
		    was && is ? "," : "", is ? "\"new\"" : "");
}

static void print_change(struct printer *p, const struct json_pointer *ptr,
    const struct jval *old, const struct jval *fresh)
{
	if (p->n++)
		buf_addc(p->out, ',');
	buf_adds(p->out, "{\"path\":");
	json_string_print(p->out, json_pointer_text(p->a, ptr->tokens, ptr->n));
	if (p->part)
		buf_addf(p->out, ",\"part\":\"%s\"", p->part);
	print_value(p, "old", ptr->tokens, ptr->n, old);
	print_value(p, "new", ptr->tokens, ptr->n, fresh);
	print_nulls(p, old, fresh);
	buf_addc(p->out, '}');
}

/* Leaves of @from that are not in @to, or other ones there: gone (@to_is_new) or come. */
static void print_side(
    struct printer *p, struct jval *from, struct jval *to, bool to_is_new)
{
	struct overrides leaves = {.root = from};

	overrides_for_each (v, &leaves) {
		struct json_pointer ptr;
		struct jval *other;

		must(json_pointer_parse(p->a, json_pointer_of(p->a, v), &ptr));
		other = json_pointer_get(p->a, to, ptr.tokens, ptr.n);
		if (jval_is_tree(other))
			other = NULL; /* its leaves are told one by one */
		if (other && !to_is_new)
			continue; /* told from the other side */
		if (other && jval_same_text(v, other))
			continue;
		print_change(p, &ptr, to_is_new ? v : NULL, to_is_new ? other : v);
	}
}

size_t settings_changes_print(struct arena *a, struct buf *out,
    const struct settings_mask *m, const char *part, const struct jval *old,
    const struct jval *fresh)
{
	struct printer p = {.a = a, .out = out, .part = part};
	struct jval *x = old ? jval_copy(a, old) : jval_new(a, JVAL_OBJECT);
	struct jval *y = fresh ? jval_copy(a, fresh) : jval_new(a, JVAL_OBJECT);

	masker_init(&p.mask, a, m);
	print_side(&p, x, y, true);
	print_side(&p, y, x, false);
	return p.n;
}

const struct jval *settings_effective(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct slice *path, size_t n)
{
	const struct jval *v = u->root, *b = base;
	bool in_u = true;

	for (size_t i = 0; i < n; i++) {
		if (in_u) {
			v = jval_get(a, v, path[i]);
			in_u = v != NULL;
			if (v && v->type == JVAL_TOMB)
				return NULL;
			if (v && !jval_is_tree(v))
				return i + 1 == n ? v : NULL;
		}
		b = jval_get(a, b, path[i]);
	}
	return b;
}

size_t settings_changes_print_user(struct arena *a, struct buf *out,
    const struct settings_mask *m, const struct jval *old_base,
    const struct overrides *old_u, const struct jval *base, const struct overrides *u)
{
	struct printer p = {.a = a, .out = out};
	struct json_pointer ptr;

	masker_init(&p.mask, a, m);
	overrides_for_each (v, old_u) {
		const struct jval *now;

		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		now = overrides_at(a, u, ptr.tokens, ptr.n);
		if (now && now->type == v->type && jval_is_leaf(now) &&
		    (v->type == JVAL_TOMB || jval_same_text(v, now)))
			continue;
		print_change(&p, &ptr,
		    settings_effective(a, old_base, old_u, ptr.tokens, ptr.n),
		    settings_effective(a, base, u, ptr.tokens, ptr.n));
	}
	overrides_for_each (v, u) {
		const struct jval *was;

		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		was = overrides_at(a, old_u, ptr.tokens, ptr.n);
		if (was && jval_is_leaf(was))
			continue; /* told above */
		print_change(&p, &ptr,
		    settings_effective(a, old_base, old_u, ptr.tokens, ptr.n),
		    settings_effective(a, base, u, ptr.tokens, ptr.n));
	}
	return p.n;
}
