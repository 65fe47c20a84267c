/* A borrowed run of bytes: pointer and length, not NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE_NULL   ((struct slice){0})
#define SLICE_LIT(s) ((struct slice){"" s, sizeof(s) - 1})
#define SLICE_FMT    "%.*s"
#define SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct slice slice_of(const char *cstr)
{
	return (struct slice){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *cstr)
{
	return slice_eq(a, slice_of(cstr));
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
	return a.n >= prefix.n && slice_eq((struct slice){a.p, prefix.n}, prefix);
}
