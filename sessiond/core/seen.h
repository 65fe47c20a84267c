/* What entries earlier turns of a session had: (message id, content) pairs as hashes. Zed
 * replays history when it loads a thread; a replayed entry is one whose id and content
 * are both known. Ids alone tell nothing: they are used again. */
#pragma once

#include "sessiond/core/entries.h"

enum {
	SEEN_MAX = 512, /* the newest are kept */
};

struct seen_pair {
	uint64_t id, content;
};

struct seen {
	struct seen_pair *v; /* a ring once SEEN_MAX are in it */
	size_t n, cap, next;
};

/* Zeroed memory is one that has seen nothing. */
struct seen *seen_new(void);
struct seen *seen_free(struct seen *s); /* takes NULL; returns NULL */
void seen_clear(struct seen *s);
uint64_t seen_hash(struct slice s);
void seen_add(struct seen *s, struct seen_pair p);
void seen_add_entries(struct seen *s, const struct entries *e);
bool seen_has(const struct seen *s, const char *message_id, struct slice content);
bool seen_has_id(const struct seen *s, const char *message_id);
/* Oldest first: @out has room for SEEN_MAX; returns how many. */
size_t seen_list(const struct seen *s, struct seen_pair *out);
