/* Bytes alone would take a small edit for half of a write: what tears, tears in blocks. */
#include "sessiond/sidecar/torn.h"

#include "sessiond/core/json_doc.h"

enum {
	TORN_BLOCK_BYTES = 512,
};

/* What @text leaves at @i: itself, or what stands behind its end, which is what the other
 * had there, or @fill. */
static char torn_at(struct slice text, struct slice behind, char fill, size_t i)
{
	if (i < text.n)
		return text.p[i];
	return i < behind.n ? behind.p[i] : fill;
}

static bool torn_block_is(struct slice is, size_t at, struct slice text,
    struct slice behind, char fill)
{
	for (size_t i = at; i < is.n && i < at + TORN_BLOCK_BYTES; i++) {
		if (is.p[i] != torn_at(text, behind, fill, i))
			return false;
	}
	return true;
}

/* A disk keeps or loses blocks, a killed write pages: each is one text's or the other's,
 * with room made for what was not written yet, or padding. */
static bool torn_in_blocks(struct slice is, struct slice from, struct slice to)
{
	for (size_t at = 0; at < is.n; at += TORN_BLOCK_BYTES) {
		if (!torn_block_is(is, at, from, SLICE_NULL, '\0') &&
		    !torn_block_is(is, at, from, SLICE_NULL, ' ') &&
		    !torn_block_is(is, at, to, SLICE_NULL, ' ') &&
		    !torn_block_is(is, at, to, from, ' '))
			return false;
	}
	return true;
}

static bool torn_byte(size_t i, char c, struct slice from, struct slice to)
{
	if ((i < from.n && c == from.p[i]) || (i < to.n && c == to.p[i]))
		return true;
	return (i >= from.n && c == '\0') || ((i >= from.n || i >= to.n) && c == ' ');
}

static bool torn_in_bytes(struct slice is, struct slice from, struct slice to)
{
	for (size_t i = 0; i < is.n; i++) {
		if (!torn_byte(i, is.p[i], from, to))
			return false;
	}
	return true;
}

bool torn_is_document(struct slice text)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct json_doc doc;

	return json_doc_parse_object(&a, text, &doc) == JSON_DOC_OK;
}

bool torn_is(struct slice is, struct slice from, struct slice to)
{
	size_t n_min = from.n < to.n ? from.n : to.n;
	size_t n_max = from.n < to.n ? to.n : from.n;

	if (is.n < n_min || is.n > n_max)
		return false;
	return torn_in_blocks(is, from, to) ||
	       (torn_in_bytes(is, from, to) && !torn_is_document(is));
}
