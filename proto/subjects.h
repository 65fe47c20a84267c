/* Subjects, streams and buckets, built from ids and never from raw strings. The table is
 * proto/subjects.tbl.h. */
#pragma once

#include "base/ids.h"
#include "base/slice.h"

enum {
	SUBJECT_MAX = 512, /* with the NUL */
	SUBJECT_TOKENS_MAX = 12,
};

/* Patterns with %s, e.g. SUBJ_cmd, and names, e.g. STREAM_lifecycle_cmd,
 * BUCKET_lifecycle_instance. */
#define SUBJECT(id, plane, pattern, kind, sentence) extern const char SUBJ_##id[];
#define STREAM(id, plane, name, sentence)           extern const char STREAM_##id[];
#define BUCKET(id, plane, name, sentence)           extern const char BUCKET_##id[];
#include "proto/subjects.tbl.h"

struct subject {
	char s[SUBJECT_MAX];
};

/* Fill the pattern's %s in order from @tokens (each must be a valid token: programmer
 * error otherwise). */
struct subject subject_make(
    const char *pattern, const char *const *tokens, size_t n_tokens);
#define SUBJECT_OF(id, ...)                                                              \
	subject_make(SUBJ_##id, (const char *const[]){__VA_ARGS__},                      \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A key of tokens joined by dots, for buckets. */
#define KEY_OF(...)                                                                      \
	subject_join((const char *const[]){__VA_ARGS__},                                 \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
struct subject subject_join(const char *const *tokens, size_t n_tokens);

/* Cut @subject at its dots: the number of tokens, 0 if there are more than @cap. Slices
 * borrow from @subject. */
size_t subject_split(const char *subject, struct slice *out, size_t cap);
