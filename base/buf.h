/* Bounded byte and string builder with a sticky failure: append freely, check once.
 * Always NUL-terminated after the last byte (the NUL is not counted). */
#pragma once

#include "base/must.h"
#include "base/slice.h"

#include <stdint.h>

struct buf {
	char *data; /* NULL until the first append */
	size_t n;   /* bytes in use */
	size_t cap;
	size_t max;  /* appends that would pass it fail */
	bool failed; /* sticky: over max, or out of memory; what was there before stays */
	bool no_memory; /* which of the two it was */
};

#define BUF_NULL(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_deinit(struct buf *b); /* legal twice; keeps max */
void buf_reset(struct buf *b);  /* empty, not failed, memory kept */

void buf_add(struct buf *b, const void *data, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *cstr);
void buf_add_slice(struct buf *b, struct slice s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Append @n bytes as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_add_json_string(struct buf *b, const char *data, size_t n);
/* Append text that may hold URLs, for people to read: the userinfo of
 * "nats://user:secret@host" becomes three stars. Of several URLs in one text everything
 * up to the last '@' goes, since a secret may contain anything. */
void buf_add_masked(struct buf *b, const char *cstr);
/* Remove @n bytes from the front. */
void buf_consume(struct buf *b, size_t n);

/* 0, -ENOBUFS (over max) or -ENOMEM. */
int buf_check(const struct buf *b) MUST_CHECK;
/* "" when empty or failed; borrowed until the next change. */
const char *buf_cstr(const struct buf *b);
/* Returns the bytes (caller frees; "" allocated when empty), leaves @b empty; NULL if
 * failed. */
char *buf_steal(struct buf *b, size_t *n_out);

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->n};
}
