/* The trail of a session's settings, newest revision first, as sessiond tells it; and what
 * lies between two revisions. Values stay the text they came as. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

struct trail_change {
	char *path;
	const char *part;        /* "", "policy" or "helix" */
	struct slice old, fresh; /* JSON; p NULL: absent */
};

struct trail_entry {
	struct slice raw; /* the whole entry, JSON */
	int64_t revision;
	int64_t restored; /* rollback: the revision gone back to; else -1 */
	char *kind, *actor, *at;
	struct trail_change *changes;
	size_t n_changes;
};

struct trail {
	struct buf *pages; /* what slices point into */
	size_t n_pages;
	struct trail_entry *entries;
	size_t n_entries;
};

#define TRAIL_NULL ((struct trail){0})

void trail_deinit(struct trail *t);
/* Take the text of one page (valid JSON; @page is empty afterwards) with those of its
 * entries that are newer than @after and touch @pointer ("": any). */
void trail_add_page(
    struct trail *t, struct buf *page, int64_t after, const char *pointer);
/* At, above or below @pointer. */
bool trail_touches(const struct trail_change *ch, const char *pointer);

/* One path between two revisions. A path can have two: what Helix did to it and what the
 * user did, when neither followed from the other. */
struct trail_step {
	const struct trail_change *first, *last; /* old is the first's, fresh the last's */
	const struct trail_entry *entry;         /* the last's */
};

/* What the revisions up to @to (-1: all) together changed at @pointer, ordered by path;
 * what came back to where it was is left out. Points into @t. The caller frees. */
struct trail_step *trail_net(
    const struct trail *t, int64_t to, const char *pointer, size_t *n_out);
