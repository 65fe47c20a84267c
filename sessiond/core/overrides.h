/* What a user changed, as operations on paths: a value set, or a tombstone. Not a merge
 * patch, where null would mean "delete"; not a list of edits, whose order would matter.
 * Kept as a partial document whose leaves are values or JVAL_TOMB, so that no two paths
 * can overlap. */
#pragma once

#include "sessiond/core/json_doc.h"
#include "sessiond/core/json_pointer.h"

struct overrides {
	struct jval *root; /* an object */
};

struct overrides overrides_new(struct arena *a);
struct overrides overrides_copy(struct arena *a, const struct overrides *o);

/* @value borrowed; an object's leaves are set one by one. What overlaps the path is
 * replaced. @n > 0. */
void overrides_set(struct arena *a, struct overrides *o, const struct slice *path,
    size_t n, const struct jval *value);
void overrides_del(
    struct arena *a, struct overrides *o, const struct slice *path, size_t n);
/* Forget what is at the path and below. True if there was something. */
bool overrides_clear(
    struct arena *a, struct overrides *o, const struct slice *path, size_t n);
/* The leaf (value or tomb) or tree there, or NULL. */
struct jval *overrides_at(
    struct arena *a, const struct overrides *o, const struct slice *path, size_t n);

/* The leaf after @leaf in document order (NULL: the first), or NULL. */
const struct jval *overrides_next(const struct overrides *o, const struct jval *leaf);
#define overrides_for_each(it, o)                                                        \
	for (const struct jval *it = overrides_next((o), NULL); it;                      \
	     it = overrides_next((o), it))

size_t overrides_count_sets(const struct overrides *o);
bool overrides_empty(const struct overrides *o);
bool overrides_equal(
    struct arena *a, const struct overrides *x, const struct overrides *y);

/* The sets as one nested object; objects that hold only tombs are left out. */
struct jval *overrides_plain(struct arena *a, const struct overrides *o);
/* {"set":{"/ptr":value,...},"del":["/ptr",...]} in document order. */
void overrides_print(struct buf *out, const struct overrides *o);
/* "set" object and "del" array alone. */
void overrides_print_sets(struct buf *out, const struct overrides *o);
void overrides_print_dels(struct buf *out, const struct overrides *o);

/* What is wrong with an operation document, pointer by pointer. */
struct overrides_problem {
	struct slice path;
	const char *message;
	struct overrides_problem *next;
};

/* Operations on overrides: {"set":{},"del":[],"clear":[]}, each optional. */
struct overrides_ops {
	struct overrides changes; /* sets and tombs */
	struct json_pointer *named; /* the pointers of both, as they were given */
	size_t n_named;
	struct json_pointer *clears;
	size_t n_clears;
};

/**
 * overrides_ops_parse() - read operations
 * @doc: borrowed by the result
 *
 * Refuses malformed pointers, the empty pointer, a value nested too deep, and paths of
 * which one is a prefix of another. Members of @doc other than set, del and clear are
 * refused too.
 *
 * Return: NULL, or what is wrong (in the arena)
 */
struct overrides_problem *overrides_ops_parse(
    struct arena *a, const struct jval *doc, struct overrides_ops *out);
void overrides_apply(
    struct arena *a, struct overrides *o, const struct overrides_ops *ops);
/* The stored form: "set" and "del" as overrides_print writes them; anything else in @doc
 * is ignored. */
struct overrides_problem *overrides_parse(
    struct arena *a, const struct jval *doc, struct overrides *out);
/* {"set":{},"del":[],"clear":[]}: what turns @from into @to. False if nothing does. */
bool overrides_print_delta(struct arena *a, const struct overrides *from,
    const struct overrides *to, struct buf *out);
/* Likewise for a server that has @base (may be NULL): what is below an array there or in
 * @from is told as one object in the array's place, because no pointer leads into one. */
bool overrides_print_delta_over(struct arena *a, const struct overrides *from,
    const struct overrides *to, const struct jval *base, struct buf *out);
