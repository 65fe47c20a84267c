#include "zedctl/sse.h"

#include "tests/lib/test.h"

static struct buf seen;

static void on_event(void *data, const char *name, struct slice json)
{
	(void)data;
	buf_addf(&seen, "<%s " SLICE_FMT ">", name, SLICE_ARG(json));
}

static const char stream[] =
    ": hello\n\nid: e.1\nevent: delta\ndata: {\"a\":1}\n\n"
    "data:one\ndata: two\r\nid: e.2\r\n\r\n"
    "event: nothing\n\nid: e.3\n\nretry: 5\nevent: x\ndata: 3\n\ndata: half";
static const char events[] = "<delta {\"a\":1}><message one\ntwo><x 3>";

static void events_come_out_whatever_the_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= sizeof stream; piece++) {
		struct sse s;

		seen = BUF_NULL(4096);
		sse_init(&s, on_event, NULL);
		for (size_t i = 0; i < sizeof stream - 1; i += piece) {
			size_t left = sizeof stream - 1 - i;

			assert_true(sse_feed(
			    &s, (struct slice){stream + i, left < piece ? left : piece}));
		}
		assert_string_equal(buf_cstr(&seen), events);
		assert_string_equal(s.last_id, "e.3");
		sse_deinit(&s);
		buf_deinit(&seen);
	}
}

static void a_cut_stream_leaves_no_half_event(void **state)
{
	struct sse s;

	(void)state;
	seen = BUF_NULL(4096);
	sse_init(&s, on_event, NULL);
	assert_true(sse_feed(&s, SLICE_LIT("id: a\nevent: delta\ndata: 1\n")));
	sse_reset(&s);
	assert_true(sse_feed(&s, SLICE_LIT("data: 2\n\n")));
	assert_string_equal(buf_cstr(&seen), "<message 2>");
	assert_string_equal(s.last_id, "");
	sse_deinit(&s);
	buf_deinit(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_come_out_whatever_the_pieces),
	    cmocka_unit_test(a_cut_stream_leaves_no_half_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
