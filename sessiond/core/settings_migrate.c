/* Keys the editor renamed of itself. Helix may go on saying the old name for a while: its
 * value is read under the new one, so that neither the old key comes back nor the user is
 * taken to have removed it. */
#include "sessiond/core/settings_step.h"

#include "base/must.h"

enum {
	MOVES_MAX = 256, /* leaves on either side of one save; more is no migration */
};

struct end {
	struct json_pointer ptr;
	const struct jval *v;
	bool taken;
};

struct moves {
	struct end gone[MOVES_MAX], come[MOVES_MAX];
	size_t n_gone, n_come;
	bool too_many;
};

static const struct jval *value_at(
    struct settings_step *s, const struct jval *v, const struct json_pointer *ptr)
{
	for (size_t i = 0; i < ptr->n && v; i++)
		v = jval_get(s->a, v, ptr->tokens[i]);
	return v;
}

/* A copy of @doc in which what is at @from is at @to; @doc itself if there is nothing. */
static const struct jval *moved(struct settings_step *s, const struct jval *doc,
    const struct json_pointer *from, const struct json_pointer *to)
{
	struct overrides o;
	struct jval *v;

	if (!value_at(s, doc, from))
		return doc;
	o.root = jval_copy(s->a, doc);
	v = jval_copy(s->a, json_pointer_get(s->a, o.root, from->tokens, from->n));
	overrides_clear(s->a, &o, from->tokens, from->n);
	if (!json_pointer_get(s->a, o.root, to->tokens, to->n))
		overrides_set(s->a, &o, to->tokens, to->n, v);
	return o.root;
}

static bool read_pair(struct settings_step *s, const struct jval *m,
    struct json_pointer *from, struct json_pointer *to)
{
	return m->type == JVAL_STRING && json_pointer_parse(s->a, m->key, from) &&
	       json_pointer_parse(s->a, m->str, to) && from->n > 0 && to->n > 0;
}

/* The entry @from is in was left out of the base, or made what it was before, because Zed
 * would not take it. */
static bool is_quarantined(struct settings_step *s, const struct json_pointer *from)
{
	struct json_pointer unit = {from->tokens, from->n < 2 ? from->n : 2};
	const struct jval *sent = value_at(s, s->base_raw, &unit);

	return sent && !jval_equal(s->a, sent, value_at(s, s->sound, &unit));
}

/* Its last good value, which stands under the new name. */
static const struct jval *with_last(
    struct settings_step *s, const struct jval *doc, const struct json_pointer *to)
{
	const struct jval *good = value_at(s, s->last, to);
	struct overrides o;

	if (!good || value_at(s, doc, to))
		return doc;
	o.root = jval_copy(s->a, doc);
	overrides_set(s->a, &o, to->tokens, to->n, good);
	return o.root;
}

static void apply_pair(struct settings_step *s, const struct jval *m)
{
	struct json_pointer from, to;

	if (!read_pair(s, m, &from, &to))
		return;
	if (value_at(s, s->base, &from))
		s->base = moved(s, s->base, &from, &to);
	else if (is_quarantined(s, &from))
		s->base = with_last(s, s->base, &to);
	else
		return; /* Helix says it by its new name, or not at all: done */
	if (s->base0)
		s->base0 = moved(s, s->base0, &from, &to);
	jval_put(s->a, s->migrated, m->key, jval_copy_leaf(s->a, m));
}

void settings_apply_migrated(struct settings_step *s, const struct jval *map)
{
	s->sound = s->base;
	s->migrated = jval_new(s->a, JVAL_OBJECT);
	jval_for_each (m, map)
		apply_pair(s, m);
}

static void end_add(struct settings_step *s, struct moves *mv, struct end *list,
    size_t *n, const struct jval *v)
{
	size_t depth;
	const struct slice *path = policy_path(s->walk, &depth);
	struct json_pointer ptr = {arena_alloc(s->a, depth * sizeof(*path)), depth};

	if (*n == MOVES_MAX) {
		mv->too_many = true;
		return;
	}
	memcpy(ptr.tokens, path, depth * sizeof(*path));
	list[(*n)++] = (struct end){ptr, v, false};
}

/* Leaves that may be moved and are not in @other. */
static bool is_moved(
    struct settings_step *s, const struct jval *leaf, const struct jval *other)
{
	enum policy_class c = policy_here(s->walk)->cls;
	struct json_pointer ptr;
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	ptr = (struct json_pointer){(struct slice *)(uintptr_t)path, n};
	return n > 0 && leaf->type != JVAL_OBJECT && c != POLICY_PROTECTED &&
	       c != POLICY_HELIX_OWNED && !value_at(s, other, &ptr);
}

static bool collect_gone(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct moves *mv = data;

	if (is_moved(s, leaf, s->file))
		end_add(s, mv, mv->gone, &mv->n_gone, leaf);
	return mv->too_many;
}

static bool collect_come(struct settings_step *s, const struct jval *leaf, void *data)
{
	struct moves *mv = data;

	if (is_moved(s, leaf, s->last))
		end_add(s, mv, mv->come, &mv->n_come, leaf);
	return mv->too_many;
}

static struct slice last_token(const struct end *e)
{
	return e->ptr.tokens[e->ptr.n - 1];
}

static void pair_up(struct settings_step *s, struct end *gone, struct end *come)
{
	struct slice from = json_pointer_text(s->a, gone->ptr.tokens, gone->ptr.n);
	struct slice to = json_pointer_text(s->a, come->ptr.tokens, come->ptr.n);

	gone->taken = come->taken = true;
	settings_event_add(s, "migrated", from, "migration")->message = to.p;
	if (!value_at(s, s->base, &gone->ptr) || is_quarantined(s, &gone->ptr))
		return; /* the user's alone: removing and setting says it all */
	jval_put(s->a, s->migrated, from, jval_new_string(s->a, to));
	s->base = moved(s, s->base, &gone->ptr, &come->ptr);
	if (s->base0)
		s->base0 = moved(s, s->base0, &gone->ptr, &come->ptr);
}

/* Equal values; first those that kept the last part of their name. */
static void pair_all(struct settings_step *s, struct moves *mv, bool same_name)
{
	for (size_t i = 0; i < mv->n_gone; i++) {
		struct end *g = &mv->gone[i];

		for (size_t k = 0; k < mv->n_come && !g->taken; k++) {
			struct end *c = &mv->come[k];

			if (!c->taken && jval_equal(s->a, g->v, c->v) &&
			    (!same_name || slice_eq(last_token(g), last_token(c))))
				pair_up(s, g, c);
		}
	}
}

void settings_find_migrated(struct settings_step *s)
{
	struct moves *mv = ARENA_NEW(s->a, struct moves);

	settings_any_leaf(s, s->last, collect_gone, mv);
	if (!mv->too_many && mv->n_gone > 0)
		settings_any_leaf(s, s->file, collect_come, mv);
	if (mv->too_many)
		return;
	pair_all(s, mv, true);
	pair_all(s, mv, false);
}
