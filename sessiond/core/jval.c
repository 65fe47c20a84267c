/* The value tree: members in a list that keeps their order, with a hash index once an
 * object is large. Walks use parent pointers or explicit stacks, never recursion: depth
 * is what the outside decides. */
#include "sessiond/core/jval.h"

#include "base/must.h"
#include "sessiond/core/json_number.h"

enum {
	INDEX_FROM = 8, /* members; below, a list is faster */
};

/* Open addressing; removed slots hold &jval_gone until the next growth. */
struct jval_index {
	struct jval **slots;
	uint32_t cap, n_used;
};

static struct jval jval_gone;

uint32_t jval_hash(struct slice key)
{
	/* where the program lies differs from run to run: collisions cannot be prepared
	 * from outside */
	uint64_t h = (uint64_t)(uintptr_t)&jval_gone * 0x9e3779b97f4a7c15u;
	size_t i = 0;

	for (; i + 8 <= key.n; i += 8) {
		uint64_t word;

		memcpy(&word, key.p + i, sizeof(word));
		h = (h ^ word) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	for (; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3u;
	h = (h ^ h >> 29) * 0x9fb21c651e98df25u;
	return (uint32_t)(h >> 32) | 1;
}

static uint32_t member_hash(struct jval *m)
{
	if (!m->hash)
		m->hash = jval_hash(m->key);
	return m->hash;
}

static struct jval **index_slot(
    const struct jval_index *ix, struct slice key, uint32_t hash, bool for_insert)
{
	for (uint32_t i = hash >> 1 & (ix->cap - 1);; i = (i + 1) & (ix->cap - 1)) {
		struct jval **slot = &ix->slots[i];

		if (!*slot || (for_insert && *slot == &jval_gone))
			return slot;
		if ((*slot)->hash == hash && slice_eq((*slot)->key, key))
			return slot;
	}
}

static struct jval_index *index_new(struct arena *a, uint32_t n_members)
{
	struct jval_index *ix = ARENA_NEW(a, struct jval_index);

	ix->cap = 16;
	while (ix->cap < n_members * 2)
		ix->cap *= 2;
	ix->slots = arena_alloc(a, ix->cap * sizeof(struct jval *));
	return ix;
}

/* An index of all members that count. */
static void index_build(struct arena *a, struct jval *obj)
{
	struct jval_index *ix = index_new(a, obj->n);

	for (struct jval *m = obj->first; m; m = m->next)
		if (!m->shadowed) {
			*index_slot(ix, m->key, member_hash(m), true) = m;
			ix->n_used++;
		}
	obj->index = ix;
}

static bool shadow_few(struct jval *obj)
{
	uint32_t n_all = obj->n;

	for (struct jval *m = obj->first; m; m = m->next)
		for (struct jval *l = m->next; l && !m->shadowed; l = l->next)
			if (slice_eq(m->key, l->key)) {
				m->shadowed = true;
				obj->n--;
			}
	return obj->n < n_all;
}

/* From the end, so that the last of a key is found first. */
bool jval_shadow_duplicates(struct arena *a, struct jval *obj)
{
	uint32_t n_all = obj->n;
	struct jval_index *ix;

	if (n_all < INDEX_FROM)
		return shadow_few(obj);
	ix = index_new(a, n_all);
	for (struct jval *m = obj->last; m; m = m->prev) {
		struct jval **slot = index_slot(ix, m->key, member_hash(m), false);

		if (*slot) {
			m->shadowed = true;
			obj->n--;
		} else {
			*slot = m;
			ix->n_used++;
		}
	}
	obj->index = ix;
	return obj->n < n_all;
}

static void index_add(struct arena *a, struct jval *obj, struct jval *m)
{
	struct jval_index *ix = obj->index;

	if (!ix)
		return;
	if ((ix->n_used + 1) * 4 > ix->cap * 3) {
		index_build(a, obj);
		return;
	}
	ix->n_used++;
	*index_slot(ix, m->key, member_hash(m), true) = m;
}

static struct jval *find_few(const struct jval *obj, struct slice key)
{
	for (struct jval *m = obj->first; m; m = m->next)
		if (!m->shadowed && slice_eq(m->key, key))
			return m;
	return NULL;
}

/* Documents are walked side by side: what is asked for is most often what follows. */
static struct jval *guessed(const struct jval *obj, struct slice key, uint32_t hash)
{
	struct jval *g = obj->guess ? obj->guess : obj->first;

	return !g->shadowed && member_hash(g) == hash && slice_eq(g->key, key) ? g : NULL;
}

struct jval *jval_get_hashed(
    struct arena *a, const struct jval *obj, struct slice key, uint32_t hash)
{
	struct jval *self, *found;

	if (!jval_is_tree(obj))
		return NULL;
	if (obj->n < INDEX_FROM)
		return find_few(obj, key);
	/* index and guess are no part of the value: a reader may set them */
	self = obj->first->parent;
	must(self == obj);
	found = guessed(self, key, hash);
	if (!found) {
		if (!self->index)
			index_build(a, self);
		found = *index_slot(self->index, key, hash, false);
	}
	if (found)
		self->guess = found->next;
	return found;
}

struct jval *jval_get(struct arena *a, const struct jval *obj, struct slice key)
{
	if (!jval_is_tree(obj))
		return NULL;
	if (obj->n < INDEX_FROM)
		return find_few(obj, key);
	return jval_get_hashed(a, obj, key, jval_hash(key));
}

struct jval *jval_get_like(
    struct arena *a, const struct jval *obj, const struct jval *like)
{
	return like->hash ? jval_get_hashed(a, obj, like->key, like->hash)
			  : jval_get(a, obj, like->key);
}

struct jval *jval_get_str(struct arena *a, const struct jval *obj, const char *key)
{
	return jval_get(a, obj, slice_of(key));
}

static struct jval *jval_skip(struct jval *v)
{
	while (v && v->shadowed)
		v = v->next;
	return v;
}

struct jval *jval_first(const struct jval *container)
{
	return container ? jval_skip(container->first) : NULL;
}

struct jval *jval_next(const struct jval *v)
{
	return jval_skip(v->next);
}

struct jval *jval_new(struct arena *a, enum jval_type type)
{
	struct jval *v = ARENA_NEW(a, struct jval);

	v->type = type;
	if (type == JVAL_NULL)
		v->text = SLICE_LIT("null");
	return v;
}

struct jval *jval_new_string(struct arena *a, struct slice decoded)
{
	struct jval *v = jval_new(a, JVAL_STRING);

	v->str = decoded;
	return v;
}

struct jval *jval_new_bool(struct arena *a, bool truth)
{
	struct jval *v = jval_new(a, JVAL_BOOL);

	v->truth = truth;
	v->text = truth ? SLICE_LIT("true") : SLICE_LIT("false");
	return v;
}

struct jval *jval_copy_leaf(struct arena *a, const struct jval *v)
{
	struct jval *c = ARENA_NEW(a, struct jval);

	*c = *v;
	c->shadowed = false;
	c->parent = c->prev = c->next = NULL;
	c->index = NULL;
	c->key = SLICE_NULL;
	c->hash = 0;
	if (v->type == JVAL_OBJECT) {
		c->first = c->last = c->guess = NULL;
		c->n = 0;
		c->text = SLICE_NULL;
	}
	return c;
}

struct jval *jval_copy(struct arena *a, const struct jval *v)
{
	struct jval *root = jval_copy_leaf(a, v), *to = root;
	const struct jval *from = v;

	if (!jval_is_tree(v))
		return root;
	for (from = jval_first(v); from;) {
		struct jval *c = jval_copy_leaf(a, from);

		jval_add(a, to, from->key, c);
		if (jval_is_tree(from)) {
			from = jval_first(from);
			to = c;
			continue;
		}
		while (!jval_next(from)) {
			from = from->parent;
			if (from == v)
				return root;
			to = to->parent;
		}
		from = jval_next(from);
	}
	return root;
}

static void jval_link(struct jval *container, struct jval *v)
{
	must(!v->parent);
	v->parent = container;
	v->prev = container->last;
	if (container->last)
		container->last->next = v;
	else
		container->first = v;
	container->last = v;
	container->n++;
}

void jval_add(struct arena *a, struct jval *obj, struct slice key, struct jval *v)
{
	must(obj->type == JVAL_OBJECT);
	v->key = key;
	v->hash = 0;
	jval_link(obj, v);
	index_add(a, obj, v);
}

void jval_put(struct arena *a, struct jval *obj, struct slice key, struct jval *v)
{
	struct jval *old = jval_get(a, obj, key);

	if (old)
		jval_replace(a, old, v);
	else
		jval_add(a, obj, key, v);
}

void jval_push(struct jval *arr, struct jval *v)
{
	must(arr->type == JVAL_ARRAY);
	jval_link(arr, v);
}

static void jval_unlink(struct jval *v)
{
	struct jval *p = v->parent;

	if (p->type == JVAL_OBJECT && p->guess == v)
		p->guess = v->next;
	if (v->prev)
		v->prev->next = v->next;
	else
		p->first = v->next;
	if (v->next)
		v->next->prev = v->prev;
	else
		p->last = v->prev;
	if (!v->shadowed)
		p->n--;
	v->parent = v->prev = v->next = NULL;
}

void jval_remove(struct arena *a, struct jval *obj, struct jval *member)
{
	(void)a;
	must(member->parent == obj);
	if (obj->index && !member->shadowed) {
		struct jval **slot =
		    index_slot(obj->index, member->key, member_hash(member), false);

		must(*slot == member);
		*slot = &jval_gone;
	}
	jval_unlink(member);
}

void jval_replace(struct arena *a, struct jval *old, struct jval *fresh)
{
	struct jval *p = old->parent;

	(void)a;
	must(p && !fresh->parent && !old->shadowed);
	fresh->key = old->key;
	fresh->hash = old->hash;
	if (p->type == JVAL_OBJECT && p->guess == old)
		p->guess = fresh;
	if (p->index)
		*index_slot(p->index, old->key, member_hash(old), false) = fresh;
	fresh->parent = p;
	fresh->prev = old->prev;
	fresh->next = old->next;
	if (old->prev)
		old->prev->next = fresh;
	else
		p->first = fresh;
	if (old->next)
		old->next->prev = fresh;
	else
		p->last = fresh;
	old->parent = old->prev = old->next = NULL;
}

static bool jval_equal_shallow(const struct jval *x, const struct jval *y)
{
	if (x->type != y->type)
		return false;
	switch (x->type) {
	case JVAL_NULL:
	case JVAL_TOMB:
		return true;
	case JVAL_BOOL:
		return x->truth == y->truth;
	case JVAL_NUMBER:
		return json_number_equal(x->text, y->text);
	case JVAL_STRING:
		return slice_eq(x->str, y->str);
	case JVAL_ARRAY:
	case JVAL_OBJECT:
		return x->n == y->n;
	}
	return false;
}

struct equal_frame {
	const struct jval *x, *y; /* children of containers still to be compared; y: the
				     container in objects */
	bool object;
};

bool jval_equal(struct arena *a, const struct jval *x, const struct jval *y)
{
	struct equal_frame stack[JVAL_DEPTH_MAX + 2];
	size_t n = 0;

	if (!x || !y)
		return x == y;
	for (;;) {
		if (!jval_equal_shallow(x, y))
			return false;
		if (x->type == JVAL_OBJECT || x->type == JVAL_ARRAY) {
			must(n < ARRAY_LEN(stack));
			stack[n++] = (struct equal_frame){.x = jval_first(x),
			    .y = x->type == JVAL_OBJECT ? y : jval_first(y),
			    .object = x->type == JVAL_OBJECT};
		}
		while (n > 0 && !stack[n - 1].x)
			n--;
		if (n == 0)
			return true;
		struct equal_frame *f = &stack[n - 1];

		x = f->x;
		y = f->object ? jval_get_like(a, f->y, x) : f->y;
		if (!y)
			return false;
		f->x = jval_next(f->x);
		if (!f->object)
			f->y = jval_next(f->y);
	}
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ b * 0x9e3779b97f4a7c15u) * 0x9fb21c651e98df25u;

	return h ^ h >> 29;
}

/* Of anything without children. */
static uint64_t leaf_hash(const struct jval *v)
{
	switch (v->type) {
	case JVAL_BOOL:
		return mix(v->type, v->truth);
	case JVAL_NUMBER:
		return mix(v->type, json_number_hash(v->text));
	case JVAL_STRING:
		return mix(v->type, jval_hash(v->str));
	default:
		return mix(v->type, 0);
	}
}

/* The place of @v in its container: by name, or by number. */
static uint64_t place_hash(const struct jval *v, uint64_t around, size_t i)
{
	return mix(around, v->parent->type == JVAL_OBJECT ? jval_hash(v->key) : i);
}

/* The sum of what each leaf is, mixed with where it is: so the order of members does not
 * count. */
uint64_t jval_value_hash(const struct jval *v)
{
	uint64_t at[JVAL_DEPTH_MAX + 2] = {1}, sum = 0;
	size_t index[JVAL_DEPTH_MAX + 2] = {0}, depth = 0;
	const struct jval *it = v;

	for (;;) {
		const struct jval *child = jval_first(it);

		if (child && (it->type == JVAL_OBJECT || it->type == JVAL_ARRAY)) {
			must(depth + 1 < ARRAY_LEN(at));
			depth++;
			index[depth] = 0;
			it = child;
		} else {
			sum += mix(at[depth], leaf_hash(it));
			while (depth && !jval_next(it)) {
				it = it->parent;
				depth--;
			}
			if (!depth)
				return sum;
			it = jval_next(it);
			index[depth]++;
		}
		at[depth] = place_hash(it, at[depth - 1], index[depth]);
	}
}

const char *jval_type_name(enum jval_type t)
{
	static const char *const names[] = {
	    "null", "boolean", "number", "string", "array", "object", "absent"};

	return names[t];
}
