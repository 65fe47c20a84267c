/* Two tables of one entry a place: a newcomer takes the place of what had it. */
#include "sessiond/gateway/settings_cache.h"

#include <stdlib.h>
#include <string.h>

#include "sessiond/gateway/settings_internal.h"

enum {
	CACHE_PLACES = 64,
	CACHE_DOCUMENT_MAX = 64 * 1024, /* larger ones are rare: they are read */
	CACHE_RECORD_MAX = 16 * 1024,
};

struct cached_document {
	uint64_t seq; /* 0: none */
	struct buf sealed;
};

struct cached_head {
	const char *kind; /* static text */
	struct id id;
	uint64_t seq; /* 0: none */
	struct buf record;
};

struct settings_cache {
	struct cached_document documents[CACHE_PLACES];
	struct cached_head heads[CACHE_PLACES];
	uint64_t appended_seq; /* newest of ours */
};

struct settings_cache *settings_cache_new(void)
{
	struct settings_cache *c = calloc(1, sizeof(*c));

	must(c);
	for (size_t i = 0; i < CACHE_PLACES; i++) {
		c->documents[i].sealed = BUF_NULL(CACHE_DOCUMENT_MAX);
		c->heads[i].record = BUF_NULL(CACHE_RECORD_MAX);
	}
	return c;
}

void settings_cache_clear(struct settings_cache *c)
{
	c->appended_seq = 0;
	for (size_t i = 0; i < CACHE_PLACES; i++) {
		c->documents[i].seq = c->heads[i].seq = 0;
		buf_deinit(&c->documents[i].sealed);
		buf_deinit(&c->heads[i].record);
	}
}

struct settings_cache *settings_cache_free(struct settings_cache *c)
{
	if (c)
		settings_cache_clear(c);
	free(c);
	return NULL;
}

/* documents */

void settings_cache_put_document(
    struct settings_cache *c, uint64_t seq, struct slice sealed, bool appended)
{
	struct cached_document *d = &c->documents[seq % CACHE_PLACES];

	if (appended && seq <= c->appended_seq)
		settings_cache_clear(c);
	if (appended)
		c->appended_seq = seq;
	if (sealed.n > CACHE_DOCUMENT_MAX)
		return;
	buf_reset(&d->sealed);
	buf_add_slice(&d->sealed, sealed);
	d->seq = buf_check(&d->sealed) ? 0 : seq;
}

struct slice settings_cache_document(const struct settings_cache *c, uint64_t seq)
{
	const struct cached_document *d = &c->documents[seq % CACHE_PLACES];

	return d->seq == seq ? buf_slice(&d->sealed) : SLICE_NULL;
}

/* revisions */

static size_t head_place(const char *kind, const struct id *id)
{
	size_t h = (unsigned char)kind[0];

	for (const char *p = id->s; *p; p++)
		h = h * 31 + (unsigned char)*p;
	return h % CACHE_PLACES;
}

static bool head_is(const struct cached_head *h, const char *kind, const struct id *id)
{
	return h->seq && strcmp(h->kind, kind) == 0 && strcmp(h->id.s, id->s) == 0;
}

void settings_cache_put_head(struct settings_cache *c, const char *kind,
    const struct id *id, uint64_t seq, struct slice record)
{
	struct cached_head *h = &c->heads[head_place(kind, id)];

	if (record.n > CACHE_RECORD_MAX)
		return;
	h->kind = strcmp(kind, "app") == 0 ? "app" : "ses";
	h->id = *id;
	buf_reset(&h->record);
	buf_add_slice(&h->record, record);
	h->seq = buf_check(&h->record) ? 0 : seq;
}

bool settings_cache_head(const struct settings_cache *c, const char *kind,
    const struct id *id, struct settings_head *out)
{
	const struct cached_head *h = &c->heads[head_place(kind, id)];

	return head_is(h, kind, id) &&
	       settings_head_parse(buf_slice(&h->record), h->seq, out);
}
