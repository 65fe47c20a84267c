/* base/jsn.c: whatever the bytes, an outcome; and what was taken prints to a text that
 * reads back as the same value. */
#include "base/jsn.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO(buf_deinit) struct buf once = BUF_NULL(8 << 20);
	AUTO(buf_deinit) struct buf twice = BUF_NULL(8 << 20);
	AUTO(jsn_freep) struct jsn *v = NULL;
	AUTO(jsn_freep) struct jsn *back = NULL;
	AUTO(jsn_freep) struct jsn *copy = NULL;
	struct err e = ERR_NULL;
	int r = jsn_parse((const char *)data, n, &v, &e);

	if (r) {
		must(r == ERROR_INVALID && e.text[0] && !v);
		return 0;
	}
	jsn_print(v, &once);
	must(buf_check(&once) == 0);
	must(utf8_valid(once.data, once.n));
	must(jsn_parse(once.data, once.n, &back, &e) == 0);
	must(jsn_equal(v, back));
	jsn_print(back, &twice);
	must(slice_eq(buf_slice(&once), buf_slice(&twice)));
	copy = jsn_copy(v);
	must(jsn_equal(copy, v));
	return 0;
}
