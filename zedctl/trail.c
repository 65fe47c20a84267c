#include "zedctl/trail.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "zedctl/given.h"
#include "zedctl/span.h"

enum {
	TRAIL_TEXT_MAX_BYTES = 1 << 20,
};

/* ---- reading */

static char *trail_text(struct slice object, const char *member)
{
	struct buf b = BUF_NULL(TRAIL_TEXT_MAX_BYTES);
	char *s;

	if (!span_string(span_find(object, member), &b))
		buf_reset(&b);
	s = buf_steal(&b, NULL);
	must(s);
	return s;
}

static int64_t trail_int(struct slice object, const char *member, int64_t dflt)
{
	struct slice v = span_find(object, member);

	return v.n ? (int64_t)strtoll(v.p, NULL, 10) : dflt;
}

static const char *trail_part(struct slice change)
{
	struct slice part = span_find(change, "/part");

	if (slice_is(part, "\"policy\""))
		return "policy";
	return slice_is(part, "\"helix\"") ? "helix" : "";
}

/* One side of a change: null is absent, unless "nulls" names the side. */
static struct slice trail_side(struct slice change, const char *name)
{
	struct slice nulls = span_find(change, "/nulls"), key, side, v;
	char pointer[16];
	size_t at = 0;

	snprintf(pointer, sizeof pointer, "/%s", name);
	v = span_find(change, pointer);
	if (!slice_is(v, "null"))
		return v;
	while (span_each(nulls, &at, &key, &side)) {
		if (side.n == strlen(name) + 2 && !memcmp(side.p + 1, name, side.n - 2))
			return v;
	}
	return SLICE_NULL;
}

static void trail_add_change(struct trail_entry *e, struct slice change)
{
	e->changes =
	    reallocarray(e->changes, e->n_changes + 1, sizeof *e->changes);
	must(e->changes);
	e->changes[e->n_changes++] = (struct trail_change){
	    .path = trail_text(change, "/path"),
	    .part = trail_part(change),
	    .old = trail_side(change, "old"),
	    .fresh = trail_side(change, "new"),
	};
}

static struct trail_entry trail_entry_of(struct slice raw)
{
	struct trail_entry e = {
	    .raw = raw,
	    .revision = trail_int(raw, "/revision", 0),
	    .restored = trail_int(raw, "/restored", -1),
	    .kind = trail_text(raw, "/kind"),
	    .actor = trail_text(raw, "/actor"),
	    .at = trail_text(raw, "/at"),
	};
	struct slice changes = span_find(raw, "/changes"), key, change;
	size_t at = 0;

	while (span_each(changes, &at, &key, &change))
		trail_add_change(&e, change);
	return e;
}

static void trail_entry_deinit(struct trail_entry *e)
{
	for (size_t i = 0; i < e->n_changes; i++)
		free(e->changes[i].path);
	free(e->changes);
	free(e->kind);
	free(e->actor);
	free(e->at);
}

void trail_deinit(struct trail *t)
{
	for (size_t i = 0; i < t->n_entries; i++)
		trail_entry_deinit(&t->entries[i]);
	for (size_t i = 0; i < t->n_pages; i++)
		buf_deinit(&t->pages[i]);
	free(t->entries);
	free(t->pages);
	*t = TRAIL_NULL;
}

bool trail_touches(const struct trail_change *ch, const char *pointer)
{
	if (!*pointer)
		return true;
	return !*ch->part && (given_is_below(ch->path, pointer) ||
				 given_is_below(pointer, ch->path));
}

static bool trail_is_wanted(
    const struct trail_entry *e, int64_t after, const char *pointer)
{
	if (e->revision <= after)
		return false;
	for (size_t i = 0; i < e->n_changes && *pointer; i++) {
		if (trail_touches(&e->changes[i], pointer))
			return true;
	}
	return !*pointer;
}

static void trail_add_entry(
    struct trail *t, struct slice raw, int64_t after, const char *pointer)
{
	struct trail_entry e = trail_entry_of(raw);

	if (!trail_is_wanted(&e, after, pointer)) {
		trail_entry_deinit(&e);
		return;
	}
	t->entries = reallocarray(t->entries, t->n_entries + 1, sizeof *t->entries);
	must(t->entries);
	t->entries[t->n_entries++] = e;
}

void trail_add_page(struct trail *t, struct buf *page, int64_t after, const char *pointer)
{
	struct slice list = span_find(buf_slice(page), "/history"), key, raw;
	size_t at = 0, n_before = t->n_entries;

	while (span_each(list, &at, &key, &raw))
		trail_add_entry(t, raw, after, pointer);
	if (t->n_entries == n_before) {
		buf_deinit(page);
		return;
	}
	t->pages = reallocarray(t->pages, t->n_pages + 1, sizeof *t->pages);
	must(t->pages);
	t->pages[t->n_pages++] = *page;
	*page = BUF_NULL(page->max);
}

/* ---- between two revisions */

/* Steps of one path, newest first. */
struct trail_chain {
	struct trail_step step;
	struct trail_chain *next; /* of the same path */
};

struct trail_net {
	struct map *by_path; /* the first chain of each */
	struct trail_chain **chains;
	size_t n;
};

static bool trail_same(struct slice a, struct slice b)
{
	return !a.p == !b.p && slice_eq(a, b);
}

static void trail_new_chain(struct trail_net *net, struct slice key,
    const struct trail_entry *e, const struct trail_change *ch)
{
	struct trail_chain *c = calloc(1, sizeof *c);

	must(c);
	c->step = (struct trail_step){ch, ch, e};
	c->next = map_get(net->by_path, key);
	map_put(&net->by_path, key, c);
	net->chains = reallocarray(net->chains, net->n + 1, sizeof *net->chains);
	must(net->chains);
	net->chains[net->n++] = c;
}

/* @ch is older than all before: it goes before the chain that begins with what it made. */
static void trail_link(struct trail_net *net, const struct trail_entry *e,
    const struct trail_change *ch)
{
	struct buf key = BUF_NULL(TRAIL_TEXT_MAX_BYTES);
	struct trail_chain *c;

	buf_addf(&key, "%s %s", ch->part, ch->path);
	c = map_get(net->by_path, buf_slice(&key));
	while (c && !trail_same(c->step.first->old, ch->fresh))
		c = c->next;
	if (c)
		c->step.first = ch;
	else
		trail_new_chain(net, buf_slice(&key), e, ch);
	buf_deinit(&key);
}

static int trail_by_path(const void *a, const void *b)
{
	const struct trail_step *x = a, *y = b;
	int order = strcmp(x->last->part, y->last->part);

	if (order == 0)
		order = strcmp(x->last->path, y->last->path);
	if (order == 0)
		order = x->entry->revision < y->entry->revision ? -1 : 1;
	return order;
}

struct trail_step *trail_net(
    const struct trail *t, int64_t to, const char *pointer, size_t *n_out)
{
	struct trail_net net = {0};
	struct trail_step *steps;
	size_t n = 0;

	for (size_t i = 0; i < t->n_entries; i++) {
		const struct trail_entry *e = &t->entries[i];

		for (size_t k = 0; k < e->n_changes; k++) {
			if ((to < 0 || e->revision <= to) &&
			    trail_touches(&e->changes[k], pointer))
				trail_link(&net, e, &e->changes[k]);
		}
	}
	steps = calloc(net.n + 1, sizeof *steps);
	must(steps);
	for (size_t i = 0; i < net.n; i++) {
		const struct trail_step *s = &net.chains[i]->step;

		if (!trail_same(s->first->old, s->last->fresh))
			steps[n++] = *s;
		free(net.chains[i]);
	}
	free(net.chains);
	map_clear(&net.by_path);
	qsort(steps, n, sizeof *steps, trail_by_path);
	*n_out = n;
	return steps;
}
