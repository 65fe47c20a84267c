/* The command line, read by the table of verbs: zedctl [global flags] verb [flags and
 * arguments]. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct ctl;
struct args;

enum flag_kind {
	FLAG_NONE,     /* no value */
	FLAG_ONE,      /* a value; the last one given counts */
	FLAG_REQUIRED, /* likewise, and it must be there */
	FLAG_MANY,     /* may be repeated */
	FLAG_INT,      /* a whole number, not negative */
};

struct flag {
	const char *verb; /* id; "global" for all */
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	enum flag_kind kind;
	const char *value; /* what stands for it in help */
	const char *sentence;
};

/* More about a verb than its sentence, for its --help. */
struct note {
	const char *verb; /* id */
	const char *text;
};

struct verb {
	const char *id;
	const char *words; /* "session new" */
	const char *operands;
	size_t min, max; /* of operands */
	const char *sentence;
	int (*run)(struct ctl *c, const struct args *a); /* exit code */
};

extern const struct verb verbs[];
extern const size_t n_verbs;
extern const struct flag flags[];
extern const size_t n_flags;
extern const struct note notes[];
extern const size_t n_notes;

enum {
	ARGS_OPERANDS_MAX = 129, /* a session and 64 pairs */
	ARGS_GIVEN_MAX = 256,
};

struct args {
	const struct verb *verb; /* NULL: none was named */
	const char *operands[ARGS_OPERANDS_MAX];
	size_t n_operands;
	struct {
		const struct flag *flag;
		const char *value; /* "" for FLAG_NONE */
	} given[ARGS_GIVEN_MAX];
	size_t n_given;
};

/* Strings are borrowed from @argv. ERROR_INVALID with one line for stderr; a verb's
 * required flags and operands are not asked for when --help is given. */
int args_parse(int argc, char **argv, struct args *out, struct err *e) MUST_CHECK;

bool args_has(const struct args *a, const char *name);
const char *args_get(
    const struct args *a, const char *name); /* NULL if not given; the last one */
/* The value in order; NULL after the last: for (i = 0; (v = args_nth(a, "env", i)); i++).
 */
const char *args_nth(const struct args *a, const char *name, size_t i);
int64_t args_int(const struct args *a, const char *name, int64_t dflt);

/* Help of all verbs, or of one. */
void help_all(struct buf *out);
void help_verb(const struct verb *v, struct buf *out);
/* False: no such shell. */
bool completion_print(const char *shell, struct buf *out);
