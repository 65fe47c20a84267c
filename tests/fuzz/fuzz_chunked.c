/* base/io/http_chunked.c: the same data and the same verdict however the input is cut;
 * never more data than input. */
#include "base/buf.h"
#include "base/io/http_chunked.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Decode in pieces of @step; returns the bytes taken, or -1. */
static int64_t decode(const char *p, size_t n, size_t step, struct buf *out)
{
	struct http_chunked c = {0};
	size_t at = 0;

	while (at < n && c.state != HTTP_CHUNKED_DONE) {
		struct slice in = {p + at, n - at < step ? n - at : step}, piece;
		size_t n_before = in.n;

		while (in.n > 0 && c.state != HTTP_CHUNKED_DONE) {
			if (!http_chunked_next(&c, &in, &piece))
				return -1;
			buf_add_slice(out, piece);
		}
		at += n_before - in.n;
	}
	return (int64_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO(buf_deinit) struct buf whole = BUF_NULL(n);
	AUTO(buf_deinit) struct buf cut = BUF_NULL(n);
	int64_t n_taken = decode((const char *)data, n, n ? n : 1, &whole);

	must(buf_check(&whole) == 0);
	for (size_t step = 1; step <= 3; step++) {
		buf_reset(&cut);
		must(decode((const char *)data, n, step, &cut) == n_taken);
		must(slice_eq(buf_slice(&cut), buf_slice(&whole)));
	}
	return 0;
}
