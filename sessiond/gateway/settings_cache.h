/* What was read or stored a moment ago, so that it is not asked for again. A document
 * never changes under its sequence. A revision may be followed by another of some other
 * replica at any time: it is good for trying to write after it, which the broker refuses
 * if that is so, and for nothing else. Documents stay sealed. */
#pragma once

#include "base/buf.h"
#include "base/ids.h"

struct settings_cache;
struct settings_head;

struct settings_cache *settings_cache_new(void);
struct settings_cache *settings_cache_free(struct settings_cache *c); /* takes NULL */
/* The stream may not be the one it was. */
void settings_cache_clear(struct settings_cache *c);

/* @appended: stored just now; a sequence that does not grow is that of another stream. */
void settings_cache_put_document(
    struct settings_cache *c, uint64_t seq, struct slice sealed, bool appended);
/* p NULL: not known; borrowed until the next call. */
struct slice settings_cache_document(const struct settings_cache *c, uint64_t seq);

void settings_cache_put_head(struct settings_cache *c, const char *kind,
    const struct id *id, uint64_t seq, struct slice record);
/* False: not known. @out is the callee's. */
bool settings_cache_head(const struct settings_cache *c, const char *kind,
    const struct id *id, struct settings_head *out);
