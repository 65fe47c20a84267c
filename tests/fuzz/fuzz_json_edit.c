/* Edits: the input is two texts, one to be edited and one that says what it shall say.
 * The edit verifies itself (it parses to the target, no comment is lost) or this fails;
 * and a second one finds nothing to do. */
#include "sessiond/core/json_edit.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int check(struct arena *a, struct slice before, struct slice says)
{
	struct json_doc d, t, again;
	struct slice text, second;

	if (json_doc_parse_object(a, before, &d) > JSON_DOC_BLANK)
		return -1;
	if (json_doc_parse_object(a, says, &t) != JSON_DOC_OK)
		return -1;
	/* what grows over a limit cannot be read again, and is not written */
	if (before.n + says.n > JSON_DOC_BYTES_MAX / 64)
		return -1;
	must(json_edit_to(a, &d, t.root, &text, NULL) != JSON_EDIT_FAILED);
	must(json_doc_parse_object(a, text, &again) == JSON_DOC_OK);
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
