/* JSON values of settings: a tree that keeps the text of every scalar, the order of
 * members and, for parsed documents, where each value stands in its text. Settings never
 * pass through binary floating point: numbers are compared as exact decimals and printed
 * as they came. Base, overrides, file and merged view are all such trees. */
#pragma once

#include "sessiond/core/arena.h"

enum jval_type {
	JVAL_NULL,
	JVAL_BOOL,
	JVAL_NUMBER,
	JVAL_STRING,
	JVAL_ARRAY,
	JVAL_OBJECT,
	JVAL_TOMB, /* in overrides only: "absent, by the user's wish" */
};

enum {
	JVAL_DEPTH_MAX = 100, /* nested containers */
};

struct jval_index;

struct jval {
	enum jval_type type;
	bool truth;       /* JVAL_BOOL */
	bool shadowed;    /* a later member of the same object has the same key */
	uint32_t hash;     /* of the key; 0: not made yet */
	uint32_t n;       /* elements, or members that are not shadowed */
	struct slice key; /* of a member, decoded */
	struct slice
	    text; /* scalars: as it stood; containers of a document: their whole text */
	union {
		struct slice
		    str; /* JVAL_STRING: decoded; lone surrogates as three bytes */
		struct jval *guess; /* JVAL_OBJECT: the member that may be asked for next */
	};
	struct jval *parent, *first, *last, *prev, *next;
	struct jval_index *index; /* objects with many members, made at first look-up */
	uint32_t tok_key, tok_first, tok_last; /* documents: tokens */
};

static inline bool jval_is_object(const struct jval *v)
{
	return v && v->type == JVAL_OBJECT;
}

/* An object that has members: what is descended into. Anything else that exists is a
 * leaf. */
static inline bool jval_is_tree(const struct jval *v)
{
	return v && v->type == JVAL_OBJECT && v->n > 0;
}

static inline bool jval_is_leaf(const struct jval *v)
{
	return v && !jval_is_tree(v);
}

/* The member @key of @obj that counts (the last), or NULL; takes anything for @obj. */
struct jval *jval_get(struct arena *a, const struct jval *obj, struct slice key);
/* The member of @obj with the key of @like; faster, where several objects are asked for
 * one key. */
struct jval *jval_get_like(
    struct arena *a, const struct jval *obj, const struct jval *like);
uint32_t jval_hash(struct slice key);
struct jval *jval_get_hashed(
    struct arena *a, const struct jval *obj, struct slice key, uint32_t hash);
struct jval *jval_get_str(struct arena *a, const struct jval *obj, const char *key);

/* Members that count, in order; elements of arrays. */
struct jval *jval_first(const struct jval *container);
struct jval *jval_next(const struct jval *v);
#define jval_for_each(it, v) for (struct jval *it = jval_first(v); it; it = jval_next(it))

struct jval *jval_new(struct arena *a, enum jval_type type);
struct jval *jval_new_string(
    struct arena *a, struct slice decoded); /* borrows @decoded */
struct jval *jval_new_bool(struct arena *a, bool truth);
/* A node of its own with the same content; children of arrays are shared, objects become
 * empty. */
struct jval *jval_copy_leaf(struct arena *a, const struct jval *v);
/* Everything below too. */
struct jval *jval_copy(struct arena *a, const struct jval *v);

/* Append @v (on no object yet) under @key, which must not be there; borrows @key. */
void jval_add(struct arena *a, struct jval *obj, struct slice key, struct jval *v);
/* Replace or append. */
void jval_put(struct arena *a, struct jval *obj, struct slice key, struct jval *v);
/* For parsers, once all members of @obj are added by jval_add whatever their keys: of
 * equal keys the last counts, the others become shadowed. True if there were any. */
bool jval_shadow_duplicates(struct arena *a, struct jval *obj);
void jval_push(struct jval *arr, struct jval *v);
void jval_remove(struct arena *a, struct jval *obj, struct jval *member);
/* Put @fresh where @old stands, same key, same place. */
void jval_replace(struct arena *a, struct jval *old, struct jval *fresh);

/* Same value: numbers by exact decimal, strings by code points, objects without regard to
 * order, arrays in order. */
bool jval_equal(struct arena *a, const struct jval *x, const struct jval *y);

/* Equal values have equal hashes. */
uint64_t jval_value_hash(const struct jval *v);

const char *jval_type_name(enum jval_type t);
