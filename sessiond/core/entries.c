/* The accumulator of a turn's answer. See entries.h. */
#include "sessiond/core/entries.h"

#include "base/must.h"
#include "base/utf8.h"

enum {
	CONTENT_CAP_MIN = 64,
};

const char *entry_type_name(enum entry_type t)
{
	return t == ENTRY_TOOL_CALL ? "tool_call" : "text";
}

static void entry_deinit(struct entry *en)
{
	free(en->message_id);
	free(en->tool_name);
	free(en->tool_status);
	free(en->content);
}

void entries_deinit(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		entry_deinit(&e->v[i]);
	free(e->v);
	*e = ENTRIES_NULL;
}

struct entry *entries_find(const struct entries *e, const char *message_id)
{
	/* From the end: what grows is nearly always the last one. */
	for (size_t i = e->n; i > 0; i--)
		if (strcmp(e->v[i - 1].message_id, message_id) == 0)
			return &e->v[i - 1];
	return NULL;
}

static char *clean_copy(const char *s, size_t max)
{
	struct buf b = BUF_NULL(4 * ENTRIES_BYTES_MAX);
	char *copy;

	utf8_add_clean(&b, s ? s : "", s ? strnlen(s, max) : 0);
	copy = buf_steal(&b, NULL);
	must(copy);
	return copy;
}

static void entries_mark(struct entries *e, struct entry *en, bool meta)
{
	for (int r = 0; r < ENTRIES_READER_N_; r++) {
		e->dirty[r] = true;
		if (meta)
			en->seen[r].meta = true;
	}
}

static struct entry *entries_add(struct entries *e, const char *message_id)
{
	struct entry *en;

	if (e->n == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 8;
		e->v = realloc(e->v, e->cap * sizeof(*e->v));
		must(e->v);
	}
	en = &e->v[e->n++];
	*en = (struct entry){.message_id = strdup(message_id),
	    .tool_name = clean_copy("", 1),
	    .tool_status = clean_copy("", 1),
	    .content = clean_copy("", 1),
	    .cap_content = 1,
	    .raw_is_clean = true};
	must(en->message_id);
	entries_mark(e, en, true);
	return en;
}

/* ---- content ---- */

/* Keep @keep bytes of the content and put @tail (clean) behind them. */
static void entry_splice(
    struct entries *e, struct entry *en, size_t keep, struct slice tail)
{
	size_t n = keep + tail.n;
	size_t keep_utf16 =
	    keep == en->n_content ? en->n_utf16 : utf8_utf16_len(en->content, keep);

	if (n + 1 > en->cap_content) {
		size_t cap =
		    en->cap_content < CONTENT_CAP_MIN ? CONTENT_CAP_MIN : en->cap_content;
		while (cap < n + 1)
			cap *= 2;
		en->content = realloc(en->content, cap);
		must(en->content);
		en->cap_content = cap;
	}
	if (tail.n)
		memcpy(en->content + keep, tail.p, tail.n);
	en->content[n] = '\0';
	e->n_bytes = e->n_bytes - en->n_content + n;
	en->n_content = n;
	en->n_utf16 = keep_utf16 + utf8_utf16_len(en->content + keep, tail.n);
	for (int r = 0; r < ENTRIES_READER_N_; r++) {
		if (en->seen[r].n <= keep)
			continue;
		en->seen[r].n = keep;
		en->seen[r].n_utf16 = keep_utf16;
		en->seen[r].meta = true; /* news even when nothing follows: it was cut */
	}
	entries_mark(e, en, false);
}

static size_t common_prefix(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t n = n_a < n_b ? n_a : n_b, i = 0;

	if (n > 0 && memcmp(a, b, n) == 0)
		return n;
	/* Narrow by halves: memcmp is many times faster than a loop over bytes. */
	for (size_t step = n / 2; step > 64; step /= 2)
		while (i + step <= n && memcmp(a + i, b + i, step) == 0)
			i += step;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Not into the middle of a character. */
static size_t char_boundary(const char *p, size_t n)
{
	while (n > 0 && ((unsigned char)p[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static enum entries_outcome entry_set_content(
    struct entries *e, struct entry *en, struct slice text)
{
	size_t keep = common_prefix(en->content, en->n_content, text.p, text.n);

	if (keep == en->n_content && keep == text.n)
		return ENTRIES_SAME;
	if (e->n_bytes - en->n_content + text.n > ENTRIES_BYTES_MAX) {
		e->truncated = true;
		return ENTRIES_REFUSED;
	}
	/* Where one text ends the other may go on inside no character: both are whole. */
	if (keep < text.n)
		keep = char_boundary(text.p, keep);
	else if (keep < en->n_content)
		keep = char_boundary(en->content, keep);
	entry_splice(e, en, keep, (struct slice){text.p + keep, text.n - keep});
	return ENTRIES_CHANGED;
}

static enum entries_outcome entry_set_cleaned(
    struct entries *e, struct entry *en, struct slice raw)
{
	struct buf clean = BUF_NULL(4 * ENTRIES_BYTES_MAX);
	enum entries_outcome r;

	utf8_add_clean(&clean, raw.p, raw.n);
	if (buf_check(&clean)) {
		buf_deinit(&clean);
		e->truncated = true;
		return ENTRIES_REFUSED;
	}
	en->raw_is_clean = slice_eq(buf_slice(&clean), raw);
	r = entry_set_content(e, en, buf_slice(&clean));
	buf_deinit(&clean);
	return r;
}

/* While raw text needed no cleaning, what is known of it need not be cleaned again: only
 * its tail. */
static enum entries_outcome entry_put_content(
    struct entries *e, struct entry *en, struct slice raw)
{
	struct buf tail = BUF_NULL(4 * ENTRIES_BYTES_MAX);
	struct slice rest;
	bool grown = en->raw_is_clean && raw.n >= en->n_content &&
		     memcmp(raw.p, en->content, en->n_content) == 0;

	if (!grown)
		return entry_set_cleaned(e, en, raw);
	if (raw.n == en->n_content)
		return ENTRIES_SAME;
	rest = (struct slice){raw.p + en->n_content, raw.n - en->n_content};
	if (e->n_bytes + rest.n > ENTRIES_BYTES_MAX) {
		e->truncated = true;
		return ENTRIES_REFUSED;
	}
	utf8_add_clean(&tail, rest.p, rest.n);
	must(buf_check(&tail) == 0);
	en->raw_is_clean = slice_eq(buf_slice(&tail), rest);
	if (tail.n)
		entry_splice(e, en, en->n_content, buf_slice(&tail));
	rest.n = tail.n;
	buf_deinit(&tail);
	return rest.n ? ENTRIES_CHANGED : ENTRIES_SAME;
}

/* ---- updates ---- */

static bool entry_put_tool(char **field, const char *value)
{
	char *copy;

	if (!value || !*value)
		return false;
	copy = clean_copy(value, ENTRY_TOOL_MAX);
	if (strcmp(copy, *field) == 0) {
		free(copy);
		return false;
	}
	free(*field);
	*field = copy;
	return true;
}

static enum entry_type entry_type_of(const struct entry_update *u, enum entry_type known)
{
	if (u->type && strcmp(u->type, "tool_call") == 0)
		return ENTRY_TOOL_CALL;
	if (u->type && strcmp(u->type, "text") == 0)
		return ENTRY_TEXT;
	if (slice_starts(u->content, SLICE_LIT("**Tool Call:")))
		return ENTRY_TOOL_CALL;
	return known;
}

enum entries_outcome entries_put(struct entries *e, const struct entry_update *u)
{
	struct entry *en = entries_find(e, u->message_id);
	bool added = !en, meta = false;
	enum entry_type type;
	enum entries_outcome r;

	if (added && e->n == ENTRIES_MAX) {
		e->truncated = true;
		return ENTRIES_REFUSED;
	}
	if (added)
		en = entries_add(e, u->message_id);
	type = entry_type_of(u, en->type);
	if (type != en->type) {
		en->type = type;
		meta = true;
	}
	meta |= entry_put_tool(&en->tool_name, u->tool_name);
	meta |= entry_put_tool(&en->tool_status, u->tool_status);
	if (meta)
		entries_mark(e, en, true);
	r = entry_put_content(e, en, u->content);
	if (added)
		return ENTRIES_ADDED;
	return r == ENTRIES_SAME && meta ? ENTRIES_CHANGED : r;
}

enum entries_outcome entries_append(
    struct entries *e, const char *message_id, struct slice text)
{
	struct entry *en = entries_find(e, message_id);
	struct buf whole = BUF_NULL(4 * ENTRIES_BYTES_MAX);
	struct entry_update u = {.message_id = message_id};
	enum entries_outcome r;

	if (en)
		buf_add(&whole, en->content, en->n_content);
	buf_add_slice(&whole, text);
	u.content = buf_slice(&whole);
	r = buf_check(&whole) ? ENTRIES_REFUSED : entries_put(e, &u);
	buf_deinit(&whole);
	return r;
}

/* ---- reading ---- */

size_t entries_n_shown(const struct entries *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		n += e->v[i].n_content > 0;
	return n;
}

bool entries_empty(const struct entries *e)
{
	return e->n_bytes == 0;
}

void entries_text(const struct entries *e, struct buf *out)
{
	size_t n_before = out->n;

	for (size_t i = 0; i < e->n; i++) {
		if (e->v[i].n_content == 0)
			continue;
		if (out->n > n_before)
			buf_adds(out, "\n\n");
		buf_add(out, e->v[i].content, e->v[i].n_content);
	}
}

bool entries_tool_running(const struct entries *e)
{
	static const char *const ended[] = {
	    "Completed", "Failed", "Rejected", "Canceled"};
	const struct entry *last = e->n ? &e->v[e->n - 1] : NULL;

	if (!last || last->type != ENTRY_TOOL_CALL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(ended); i++)
		if (strcmp(last->tool_status, ended[i]) == 0)
			return false;
	return true;
}

/* ---- patches ---- */

bool entries_next_patch(struct entries *e, enum entries_reader reader, size_t max_append,
    struct entry_patch *out)
{
	if (!e->dirty[reader])
		return false;
	for (size_t i = 0; i < e->n; i++) {
		struct entry *en = &e->v[i];
		size_t from = en->seen[reader].n, n = en->n_content - from;

		if (n == 0 && !en->seen[reader].meta)
			continue;
		if (n > max_append)
			n = char_boundary(en->content, from + max_append) - from;
		*out = (struct entry_patch){.index = i,
		    .entry = en,
		    .offset = from,
		    .offset_utf16 = en->seen[reader].n_utf16,
		    .append = {en->content + from, n},
		    .meta = en->seen[reader].meta};
		en->seen[reader].n = from + n;
		en->seen[reader].n_utf16 += utf8_utf16_len(en->content + from, n);
		en->seen[reader].meta = false;
		return true;
	}
	e->dirty[reader] = false;
	return false;
}

void entries_rewind(struct entries *e, enum entries_reader reader)
{
	for (size_t i = 0; i < e->n; i++) {
		e->v[i].seen[reader].n = e->v[i].seen[reader].n_utf16 = 0;
		e->v[i].seen[reader].meta = true;
	}
	e->dirty[reader] = e->n > 0;
}

void entries_catch_up(struct entries *e, enum entries_reader reader)
{
	for (size_t i = 0; i < e->n; i++) {
		e->v[i].seen[reader].n = e->v[i].n_content;
		e->v[i].seen[reader].n_utf16 = e->v[i].n_utf16;
		e->v[i].seen[reader].meta = false;
	}
	e->dirty[reader] = false;
}

bool entries_apply(struct entries *e, const struct entry_stored *p)
{
	struct entry *en;

	if (p->index > e->n || p->index >= ENTRIES_MAX)
		return false;
	if (p->index == e->n)
		entries_add(e, p->message_id);
	en = &e->v[p->index];
	if (strcmp(en->message_id, p->message_id) != 0 || p->offset > en->n_content ||
	    e->n_bytes - en->n_content + p->offset + p->append.n > ENTRIES_BYTES_MAX)
		return false;
	en->type = p->type;
	entry_put_tool(&en->tool_name, p->tool_name);
	entry_put_tool(&en->tool_status, p->tool_status);
	/* Without knowing the raw text, the next snapshot is compared whole, once. */
	en->raw_is_clean = false;
	entry_splice(e, en, p->offset, p->append);
	return true;
}
