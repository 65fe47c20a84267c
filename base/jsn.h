/* JSON values with limits: the only user of cJSON. For messages and API bodies; settings
 * documents, whose number text and key order matter, have their own tree
 * (sessiond/core/json_doc.h). Numbers are doubles: exact to 2^53. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct jsn; /* a value; a root is freed with jsn_free, members are borrowed from their
	       root */

enum jsn_type { JSN_NULL, JSN_BOOL, JSN_NUMBER, JSN_STRING, JSN_ARRAY, JSN_OBJECT };

enum {
	JSN_DEPTH_MAX = 64,
	JSN_VALUES_MAX = 500000, /* a value of two bytes of text takes 80 of memory */
};

/**
 * jsn_parse() - parse one strict JSON text
 * @text: borrowed; need not be NUL-terminated
 *
 * Refuses (ERROR_INVALID, with the byte offset): whatever RFC 8259 does not allow,
 * invalid UTF-8, nesting over JSN_DEPTH_MAX, more than JSN_VALUES_MAX values, numbers no
 * double can hold or of more than 63 characters. Of duplicate keys the last one wins.
 * "\u0000" and lone surrogates in strings become U+FFFD.
 *
 * Return: 0 and *out (caller frees with jsn_free); ERROR_INVALID; -ENOMEM
 */
int jsn_parse(const char *text, size_t n, struct jsn **out, struct err *e) MUST_CHECK;
void jsn_free(struct jsn *v); /* takes NULL */
void jsn_freep(struct jsn **v);

/* reading: all take NULL for @v and then find nothing */
enum jsn_type jsn_type(const struct jsn *v); /* JSN_NULL for NULL */
const struct jsn *jsn_get(const struct jsn *obj,
    const char *key); /* NULL if absent; a null member is a value */
const struct jsn *jsn_first(const struct jsn *arr_or_obj);
const struct jsn *jsn_next(const struct jsn *v);
const char *jsn_key(const struct jsn *member); /* "" for array elements */
size_t jsn_count(const struct jsn *arr_or_obj);
const char *jsn_string(const struct jsn *v); /* NULL if not a string */
bool jsn_number(const struct jsn *v, double *out);
/* A whole number; a string of digits counts too (64-bit JSON). A number beyond +-(2^53 -
 * 1) does not: what was meant is no longer known. */
bool jsn_int(const struct jsn *v, int64_t *out);
bool jsn_bool(const struct jsn *v, bool *out);
/* The same value; order of members does not matter. NULL equals only NULL. */
bool jsn_equal(const struct jsn *a, const struct jsn *b);
/* The text given to jsn_new_raw(), or NULL. */
const char *jsn_raw(const struct jsn *v);

/* shorthand: member @key of @obj */
const char *jsn_get_string(
    const struct jsn *obj, const char *key); /* NULL if absent or not a string */
int64_t jsn_get_int(const struct jsn *obj, const char *key,
    int64_t dflt); /* dflt if absent or not whole */
bool jsn_get_bool(const struct jsn *obj, const char *key, bool dflt);

/* writing: memory running out aborts; @v is taken by the container */
struct jsn *jsn_new_object(void);
struct jsn *jsn_new_array(void);
struct jsn *jsn_new_string(const char *s); /* NULL makes null */
struct jsn *jsn_new_string_n(const char *s, size_t n);
struct jsn *jsn_new_int(int64_t i);   /* exact over the whole range */
struct jsn *jsn_new_number(double d); /* infinities and NaN make null */
struct jsn *jsn_new_bool(bool b);
struct jsn *jsn_new_null(void);
/* Verbatim text that is already valid JSON (@json is copied). For printing: it has a
 * type, but no members. */
struct jsn *jsn_new_raw(const char *json, size_t n);
struct jsn *jsn_copy(const struct jsn *v);
void jsn_set(struct jsn *obj, const char *key, struct jsn *v); /* replaces */
void jsn_del(struct jsn *obj, const char *key);
void jsn_push(struct jsn *arr, struct jsn *v);
void jsn_set_string(
    struct jsn *obj, const char *key, const char *s); /* NULL makes null */
void jsn_set_int(struct jsn *obj, const char *key, int64_t i);
void jsn_set_bool(struct jsn *obj, const char *key, bool b);
void jsn_set_null(struct jsn *obj, const char *key);
/* Wall time as RFC 3339; 0 makes null. */
void jsn_set_time(struct jsn *obj, const char *key, int64_t unix_ms);

/* Compact text; whole numbers without fraction or exponent. */
void jsn_print(const struct jsn *v, struct buf *out);

#define jsn_for_each(it, v)                                                              \
	for (const struct jsn *it = jsn_first(v); it; it = jsn_next(it))
