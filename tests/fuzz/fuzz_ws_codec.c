/* base/io/ws_codec.c: the same messages and the same verdict however the input is cut; no
 * message over its limit; text is UTF-8. */
#include "base/io/ws_codec.h"

#include "base/must.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	MESSAGE_MAX = 300,
	TRACE_MAX = 1 << 20,
};

static void trace_add(struct buf *trace, enum ws_event ev, const struct ws_item *item)
{
	if (ev == WS_EVENT_MESSAGE) {
		must(item->payload.n <= MESSAGE_MAX);
		must(!item->is_text || utf8_valid(item->payload.p, item->payload.n));
	} else if (ev == WS_EVENT_ERROR) {
		must(item->code == 1002 || item->code == 1007 || item->code == 1009);
		must(item->why);
	} else {
		must(item->payload.n <= WS_CONTROL_MAX_BYTES);
	}
	buf_addf(
	    trace, "%d %d %d %zu ", (int)ev, item->is_text, item->code, item->payload.n);
	if (ev != WS_EVENT_ERROR)
		buf_add_slice(trace, item->payload);
}

static void run(
    const uint8_t *data, size_t n, size_t step, bool masked, struct buf *trace)
{
	AUTO_FREE char *copy = malloc(n + 1);
	struct ws_decoder d;
	enum ws_event ev = WS_EVENT_NONE;
	size_t at = 0;

	must(copy);
	memcpy(copy, data, n);
	ws_decoder_init(&d, MESSAGE_MAX, masked);
	while (at < n && ev != WS_EVENT_ERROR) {
		size_t n_here = n - at < step ? n - at : step, n_used;

		do {
			struct ws_item item;

			ev = ws_decode(&d, copy + at, n_here, &n_used, &item);
			must(n_used <= n_here);
			at += n_used;
			n_here -= n_used;
			if (ev != WS_EVENT_NONE)
				trace_add(trace, ev, &item);
		} while (ev != WS_EVENT_NONE && ev != WS_EVENT_ERROR);
		must(ev == WS_EVENT_ERROR || n_here == 0);
	}
	ws_decoder_deinit(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (int masked = 0; masked < 2; masked++) {
		AUTO(buf_deinit) struct buf whole = BUF_NULL(TRACE_MAX);
		AUTO(buf_deinit) struct buf cut = BUF_NULL(TRACE_MAX);

		run(data, n, n, masked, &whole);
		for (size_t step = 1; step <= 5; step += 2) {
			buf_reset(&cut);
			run(data, n, step, masked, &cut);
			must(slice_eq(buf_slice(&cut), buf_slice(&whole)));
		}
	}
	return 0;
}
