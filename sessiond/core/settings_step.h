/* What the parts of a sync step share: the documents walked side by side, the policy
 * walk, the events. */
#pragma once

#include "sessiond/core/settings_plan.h"
#include "sessiond/core/settings_shape.h"

struct settings_step {
	struct arena *a;
	const struct policy *policy;
	struct policy_walk *walk;
	const struct jval *last, *file; /* NULL: none */
	const struct jval *base,
	    *base0; /* base: never NULL, what may be written; base0 NULL: not known */
	const struct jval *base_raw; /* as given: with what is retired or cannot stand */
	const struct jval *base_sound; /* with last good values for what cannot stand */
	const struct jval *sound;    /* @base before anything in it was moved */
	struct overrides given;      /* overrides at the start of the step */
	const struct overrides *seen; /* what the server has of them; NULL: all */
	struct overrides u;          /* overrides being made */
	struct overrides held;       /* paths that are missing without being deleted */
	struct jval *migrated;       /* pointers to pointers: read under another name */
	struct settings_event *events, **events_end;
	/* extraction */
	bool counting; /* first pass: only count */
	bool holding;
	size_t n_removed_sets, n_added;
};

/* One path in every document; NULL where it is absent. */
struct settings_at {
	const struct jval *last, *file, *base, *base0, *u, *held;
	bool base_above; /* the base has a leaf somewhere above */
};

struct settings_at settings_root(const struct settings_step *s);
struct settings_at settings_child(
    const struct settings_step *s, const struct settings_at *at, struct slice key);

struct settings_at settings_child_like(
    const struct settings_step *s, const struct settings_at *at, const struct jval *like);

/* Keys of several objects, each once, in order. */
struct union_iter {
	const struct jval *objs[3];
	size_t i;
	const struct jval *next;
	bool started;
};
/* The next key, by a member that has it; NULL at the end. */
const struct jval *union_next(struct arena *a, struct union_iter *it);

/* Path of the walk as text, as deep as @n tokens (0: all). */
struct slice settings_path(const struct settings_step *s, size_t n);
size_t settings_depth(const struct settings_step *s);
struct settings_event *settings_event_add(
    struct settings_step *s, const char *type, struct slice path, const char *rule);
void settings_conflict(struct settings_step *s, const struct settings_at *at);
/* The base has another value at @at than when @last was made; false when that is not
 * known. */
bool settings_base_moved(const struct settings_step *s, const struct settings_at *at);

/* Leaves of @tree below the walk's path that satisfy @pred. */
typedef bool settings_leaf_pred(
    struct settings_step *s, const struct jval *leaf, void *data);
bool settings_any_leaf(struct settings_step *s, const struct jval *tree,
    settings_leaf_pred *pred, void *data);
/* The base has something below that no override may remove, or the file something that is
 * only its own. */
bool settings_guarded(struct settings_step *s, const struct settings_at *at);

/* A leaf of the file that no one else knows: protected, or owned but not in the base.
 * Call at its path. */
enum settings_locality { LOCAL_NO, LOCAL_YES, LOCAL_REJECTED };
enum settings_locality settings_locality(
    struct settings_step *s, const struct settings_at *at);

/* What Helix sent at the walk's path, entries included that cannot stand. */
const struct jval *settings_raw_base(struct settings_step *s);
/* A retired setting (this path) that is as Helix once wrote it. */
bool settings_is_retired(struct settings_step *s, const struct jval *v);

/* the parts, in order */
/* s->base from s->base_raw: without what is retired, last good values for entries Zed
 * would not take. */
void settings_prepare_base(struct settings_step *s);
/* What the base says under a name the editor gave up is moved to the new one; pairs that
 * still count are in s->migrated. @map may be NULL. */
void settings_apply_migrated(struct settings_step *s, const struct jval *map);
/* The file was saved by a migration of the editor: leaves that went and came with the
 * same value are such pairs. */
void settings_find_migrated(struct settings_step *s);
/* A tomb over an object of the base becomes one at each of its leaves. True if there was
 * one. */
bool settings_spread_tombs(struct settings_step *s, struct overrides *o);
/* Tombs below what is a leaf of the base now become one there. True if there were. */
bool settings_gather_tombs(struct settings_step *s);
void settings_extract(struct settings_step *s); /* file against last */
/* Likewise, whatever the amount. */
void settings_extract_plain(struct settings_step *s);
void settings_first_contact(struct settings_step *s); /* file without last */
void settings_transfer(struct settings_step *s);
/* Tombs of what the base gave up in this step: there is nothing left to remove. */
void settings_drop_tombs(struct settings_step *s);
void settings_note_shadowed(struct settings_step *s);
struct jval *settings_merge(struct settings_step *s);

/* Three-way, element by element; @last and @base0 may be NULL. */
struct jval *settings_merge_array(struct arena *a, const struct policy_array *rule,
    const struct jval *last, const struct jval *user, const struct jval *base0,
    const struct jval *base);
