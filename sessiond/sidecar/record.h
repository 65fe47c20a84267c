/* What the sidecar knows and must not forget, as named texts: the file as last applied,
 * the base it was made with, the overrides. As bytes: a line with name and length for
 * each, and a checksum at the end, so that a half-written record is seen to be one. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* RECORD(field, name, sentence) */
#define RECORD_FIELDS(RECORD)                                                            \
	RECORD(SESSION, "session", "whose settings these are")                           \
	RECORD(TEXT, "text", "the file as last applied")                                 \
	RECORD(BASE, "base", "the base it was made with")                                \
	RECORD(SOUND, "sound", "that base with last good values; absent: itself")        \
	RECORD(BASE_TAG, "base_tag", "the base's ETag")                                  \
	RECORD(POLICY, "policy", "the policy; absent: the built-in one")                 \
	RECORD(OVERRIDES, "overrides", "set and del: complete, posted or not")           \
	RECORD(SERVER, "server", "set and del: what the server has of them")             \
	RECORD(SERVER_TAG, "server_tag", "the ETag of that")                             \
	RECORD(SERVER_THEN, "server_then", "what it had when the base last moved; absent: SERVER") \
	RECORD(POST, "post", "body of an upload whose answer is not known")              \
	RECORD(POST_AS, "post_as", "what the server has once it is taken")               \
	RECORD(REFUSED, "refused", "overrides the server would not take")                \
	RECORD(HELD, "held", "del: missing from the file, not yet taken for deleted")    \
	RECORD(HELD_ID, "held_id", "name of that, and since when")                       \
	RECORD(FIRST, "first", "set: what first contact replaced in the file")           \
	RECORD(FIRST_ID, "first_id", "name of that, and since when")                     \
	RECORD(MIGRATED, "migrated", "names the editor has changed and the base has not")  \
	RECORD(BEFORE, "before", "the file before the write that is under way")          \
	RECORD(TARGET, "target", "device and inode that write goes to")

enum record_field {
#define RECORD(field, name, sentence) RECORD_##field,
	RECORD_FIELDS(RECORD)
#undef RECORD
	    RECORD_N_
};

enum {
	RECORD_FIELD_MAX = 4 * 1024 * 1024, /* a settings file and then some */
	RECORD_BYTES_MAX = RECORD_N_ * RECORD_FIELD_MAX,
};

struct record {
	struct slice f[RECORD_N_]; /* owned, NUL-terminated; p NULL: absent */
};

#define RECORD_NULL ((struct record){0})

void record_deinit(struct record *r); /* legal twice */
/* Copies @text; its p NULL removes the field. */
void record_set(struct record *r, enum record_field f, struct slice text);
/* p NULL if absent; borrowed until the field is set. */
struct slice record_get(const struct record *r, enum record_field f);
const char *record_str(const struct record *r, enum record_field f); /* "" if absent */
void record_copy(struct record *to, const struct record *from);      /* @to is replaced */
bool record_equal(const struct record *a, const struct record *b);

void record_encode(const struct record *r, struct buf *out);
/* Unknown names are skipped. Return: 0; ERROR_INVALID: cut off, changed or none of ours
 * (@out stays as it was) */
int record_decode(struct slice bytes, struct record *out, struct err *e) MUST_CHECK;
