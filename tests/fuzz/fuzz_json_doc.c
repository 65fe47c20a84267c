/* Settings texts: whatever the bytes, an outcome; what was taken prints to the same
 * value, is found at every pointer, and an edit that changes nothing changes nothing. */
#include "sessiond/core/json_edit.h"
#include "sessiond/core/json_pointer.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_shape.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_pointers(struct arena *a, struct jval *root)
{
	for (struct jval *v = jval_first(root); v;) {
		struct json_pointer ptr;

		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		must(json_pointer_get(a, root, ptr.tokens, ptr.n) == v);
		if (jval_is_tree(v)) {
			v = jval_first(v);
			continue;
		}
		while (v != root && !jval_next(v))
			v = v->parent;
		v = v == root ? NULL : jval_next(v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_NULL;
	AUTO(buf_deinit) struct buf b = BUF_NULL(64 << 20);
	struct json_doc d, back;
	struct slice text = {(const char *)data, n}, out;

	switch (json_doc_parse_object(&a, text, &d)) {
	case JSON_DOC_OK:
		jval_print(&b, d.root);
		must(json_doc_parse_object(&a, buf_slice(&b), &back) == JSON_DOC_OK);
		must(jval_equal(&a, d.root, back.root));
		must(jval_equal(&a, d.root, jval_copy(&a, d.root)));
		must(json_edit_to(&a, &d, back.root, &out, NULL) == JSON_EDIT_NONE);
		check_pointers(&a, d.root);
		shape_check_document(&a, d.root);
		break;
	case JSON_DOC_BLANK:
		must(json_doc_parse_object(&a, SLICE_LIT("{\"a\":1}"), &back) ==
		     JSON_DOC_OK);
		must(json_edit_to(&a, &d, back.root, &out, NULL) == JSON_EDIT_DONE);
		break;
	default:
		must(d.error.line > 0 && d.error.column > 0 && d.error.message[0] &&
		     !d.root);
	}
	arena_deinit(&a);
	return 0;
}
