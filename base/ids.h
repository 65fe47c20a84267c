/* Identifiers: the one place that says what a safe token is, and that makes new ones. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

enum {
	ID_MAX = 64, /* bytes of a subject token, without the NUL */
};

/* A validated token [A-Za-z0-9_-]{1,64}: safe in subjects, keys, file names. "" means
 * none. */
struct id {
	char s[ID_MAX + 1];
};

#define ID_NULL ((struct id){{0}})

bool id_token_valid(struct slice s);
/* Copies @s if it is a token; false (and *out empty) if not. */
bool id_parse(struct slice s, struct id *out);
bool id_eq(const struct id *a, const struct id *b);
bool id_empty(const struct id *a);
/* @prefix (at most 8 bytes) and 26 characters of time-ordered Crockford base32 (ULID),
 * e.g. "ses_01J...". Two ids made by one process in the same millisecond still sort in
 * the order they were made. */
struct id id_make(const char *prefix);
/* @n random bytes from the kernel. Aborts if there are none to be had. */
void random_bytes(void *out, size_t n);
