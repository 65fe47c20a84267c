/* Edits: the input is two texts, one to be edited and one that says what it shall say.
 * The edit verifies itself (it parses to the target, no comment is lost) or this fails;
 * what did not change is there byte for byte; and a second one finds nothing to do. */
#include "sessiond/core/json_edit.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* From the first to the last byte of two members and what is between them. */
static struct slice span(
    const struct json_doc *d, const struct jval *from, const struct jval *to)
{
	uint32_t start = d->toks[from->tok_key].start;

	return (struct slice){d->text.p + start, d->toks[to->tok_last].end - start};
}

/* Neighbours that both stay as they are stay together as they are. */
static void check_untouched(
    struct arena *a, const struct json_doc *before, const struct json_doc *after)
{
	const struct jval *prev = NULL, *prev_now = NULL;

	if (!before->root || before->duplicate_keys)
		return;
	jval_for_each (m, before->root) {
		struct jval *now = jval_get(a, after->root, m->key);

		if (!now || !jval_equal(a, m, now)) {
			prev = NULL;
			continue;
		}
		must(slice_eq(json_doc_span(before, m), json_doc_span(after, now)));
		if (prev)
			must(slice_eq(span(before, prev, m), span(after, prev_now, now)));
		prev = m;
		prev_now = now;
	}
}

static int check(struct arena *a, struct slice before, struct slice says)
{
	struct json_doc d, t, again;
	struct slice text, second;
	enum json_edit_result r;

	if (json_doc_parse_object(a, before, &d) > JSON_DOC_BLANK)
		return -1;
	if (json_doc_parse_object(a, says, &t) != JSON_DOC_OK)
		return -1;
	/* what grows over a limit cannot be read again, and is not written */
	if (before.n + says.n > JSON_DOC_BYTES_MAX / 64)
		return -1;
	r = json_edit_to(a, &d, t.root, &text, NULL);
	if (r == JSON_EDIT_TOO_LARGE)
		return -1;
	must(r != JSON_EDIT_FAILED);
	must(json_doc_parse_object(a, text, &again) == JSON_DOC_OK);
	check_untouched(a, &d, &again);
	must(json_edit_to(a, &again, t.root, &second, NULL) == JSON_EDIT_NONE);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_NULL;
	struct slice all = {(const char *)data, n};
	const char *cut = n ? memchr(all.p, '\0', n) : NULL;

	if (cut) {
		struct slice before = {all.p, (size_t)(cut - all.p)};
		struct slice says = {cut + 1, n - before.n - 1};

		check(&a, before, says);
		check(&a, says, before);
	}
	arena_deinit(&a);
	return 0;
}
