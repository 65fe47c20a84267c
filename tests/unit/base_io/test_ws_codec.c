#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/io/ws_codec.h"
#include "base/must.h"

/* One frame, masked with a fixed mask. */
static void add_frame(struct buf *b, uint8_t first, const char *payload, size_t n)
{
	static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t header[WS_HEADER_MAX_BYTES];
	size_t n_header = ws_header(header, WS_OP_TEXT, n, mask), at = b->n;

	header[0] = first;
	buf_add(b, header, n_header);
	buf_add(b, payload, n);
	ws_mask(b->data + at + n_header, n, mask, 0);
}

static enum ws_event decode(struct ws_decoder *d, struct buf *b, struct ws_item *item)
{
	size_t n_used;
	enum ws_event ev = ws_decode(d, b->data, b->n, &n_used, item);

	buf_consume(b, n_used);
	return ev;
}

/* A NUL-terminated view for comparing. */
static const char *text_of(const struct ws_item *item)
{
	static char text[256];

	snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(item->payload));
	return text;
}

static void the_examples_of_the_standard_decode(void **state)
{
	static const uint8_t masked[] = {
	    0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
	static const uint8_t plain[] = {
	    0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
	struct ws_decoder d;
	struct ws_item item;
	char in[16], accept[WS_ACCEPT_MAX];
	size_t n_used;

	(void)state;
	ws_decoder_init(&d, 100, true);
	memcpy(in, masked, sizeof(masked));
	assert_int_equal(
	    ws_decode(&d, in, sizeof(masked), &n_used, &item), WS_EVENT_MESSAGE);
	assert_int_equal(n_used, sizeof(masked));
	assert_true(item.is_text);
	assert_string_equal(text_of(&item), "Hello");
	ws_decoder_deinit(&d);

	ws_decoder_init(&d, 100, false);
	memcpy(in, plain, sizeof(plain));
	assert_int_equal(
	    ws_decode(&d, in, sizeof(plain), &n_used, &item), WS_EVENT_MESSAGE);
	assert_string_equal(text_of(&item), "Hello");
	ws_decoder_deinit(&d);

	ws_accept_value("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void fragments_with_control_frames_between_make_one_message(void **state)
{
	struct buf b = BUF_NULL(1024);
	struct ws_decoder d;
	struct ws_item item;

	(void)state;
	ws_decoder_init(&d, 100, true);
	add_frame(&b, WS_OP_TEXT, "", 0);
	add_frame(&b, WS_OP_CONTINUATION, "a\xC3", 2);
	add_frame(&b, 0x80 | WS_OP_PING, "p", 1);
	add_frame(&b, WS_OP_CONTINUATION, "", 0);
	add_frame(&b, 0x80 | WS_OP_PONG, "", 0);
	add_frame(&b, 0x80 | WS_OP_CONTINUATION, "\xA4z", 2);
	add_frame(&b, 0x80 | WS_OP_BINARY, "\xff", 1);
	add_frame(&b, 0x80 | WS_OP_TEXT, "", 0);
	add_frame(&b, 0x80 | WS_OP_CLOSE, "\x03\xe8gone", 6);
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_PING);
	assert_string_equal(text_of(&item), "p");
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_PONG);
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_MESSAGE);
	assert_string_equal(text_of(&item), "a\xC3\xA4z");
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_MESSAGE);
	assert_false(item.is_text);
	assert_int_equal(item.payload.n, 1);
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_MESSAGE);
	assert_true(item.is_text);
	assert_int_equal(item.payload.n, 0);
	assert_int_equal(decode(&d, &b, &item), WS_EVENT_CLOSE);
	assert_int_equal(item.code, 1000);
	assert_string_equal(text_of(&item), "gone");
	assert_int_equal(b.n, 0);
	ws_decoder_deinit(&d);
	buf_deinit(&b);
}

/* All the same whatever the cuts. */
static void input_may_be_cut_anywhere(void **state)
{
	static char big[70000];
	struct buf whole = BUF_NULL(1 << 20);

	(void)state;
	memset(big, 'x', sizeof(big));
	add_frame(&whole, 0x80 | WS_OP_TEXT, "one", 3);
	add_frame(&whole, WS_OP_TEXT, big, 200);
	add_frame(&whole, 0x80 | WS_OP_CONTINUATION, big, sizeof(big));
	for (size_t cut = 1; cut < 600; cut++) {
		char *copy = malloc(whole.n);
		struct ws_decoder d;
		struct ws_item item;
		size_t n_messages = 0, at = 0;

		must(copy);
		memcpy(copy, whole.data, whole.n);
		ws_decoder_init(&d, sizeof(big) + 200, true);
		while (at < whole.n) {
			size_t n = at < 600 ? cut : whole.n - at, n_used;

			if (n > whole.n - at)
				n = whole.n - at;
			while (n > 0 || at == whole.n) {
				enum ws_event ev =
				    ws_decode(&d, copy + at, n, &n_used, &item);

				assert_true(
				    ev == WS_EVENT_NONE || ev == WS_EVENT_MESSAGE);
				n_messages += ev == WS_EVENT_MESSAGE;
				at += n_used;
				n -= n_used;
				if (at == whole.n)
					break;
			}
		}
		assert_int_equal(n_messages, 2);
		assert_int_equal(item.payload.n, sizeof(big) + 200);
		for (size_t i = 0; i < item.payload.n; i += 97)
			assert_int_equal(item.payload.p[i], 'x');
		ws_decoder_deinit(&d);
		free(copy);
	}
	buf_deinit(&whole);
}

static const struct {
	int code;
	const char *bytes;
	size_t n;
} wrong[] = {
#define BYTES(s) "" s, sizeof(s) - 1
    {1002, BYTES("\x81\x01z")},    /* not masked */
    {1002, BYTES("\xc1\x80....")}, /* reserved bit */
    {1002, BYTES("\x83\x80....")}, /* opcodes nobody has defined */
    {1002, BYTES("\x8b\x80....")},
    {1002, BYTES("\x09\x80....")},                   /* a ping in fragments */
    {1002, BYTES("\x89\xfe")},                       /* a ping too long */
    {1002, BYTES("\x80\x80....")},                   /* continues nothing */
    {1002, BYTES("\x01\x80....\x81\x80....")},       /* one message in another */
    {1002, BYTES("\x82\xff\xff\0\0\0\0\0\0\0....")}, /* a negative length */
    {1009, BYTES("\x82\xe5....")},                   /* over the limit of 100 */
    {1009, BYTES("\x82\xff\x7f\0\0\0\0\0\0\0....")},
    {1009, BYTES("\x02\xc0\0\0\0\0"
		 "0123456789012345678901234567890123456789012345678901234567890123"
		 "\x80\xa5....")},                     /* 64 and 37 */
    {1007, BYTES("\x81\x81\0\0\0\0\xff")},             /* text that is none */
    {1007, BYTES("\x01\x81\0\0\0\0\xc3\x80\x80....")}, /* half a character */
    {1002, BYTES("\x88\x81\0\0\0\0\x03")},             /* half a code */
    {1002, BYTES("\x88\x82\0\0\0\0\x03\xed")},         /* 1005 */
    {1002, BYTES("\x88\x82\0\0\0\0\x03\xee")},         /* 1006 */
    {1002, BYTES("\x88\x82\0\0\0\0\x03\xe7")},         /* 999 */
    {1002, BYTES("\x88\x82\0\0\0\0\x13\x88")},         /* 5000 */
    {1007, BYTES("\x88\x83\0\0\0\0\x03\xe8\xff")},
#undef BYTES
};

static void what_is_wrong_is_told_with_the_code_to_close_with(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct buf b = BUF_NULL(1024);
		struct ws_decoder d;
		struct ws_item item;
		enum ws_event ev;

		ws_decoder_init(&d, 100, true);
		buf_add(&b, wrong[i].bytes, wrong[i].n);
		ev = decode(&d, &b, &item);
		if (ev != WS_EVENT_ERROR || item.code != wrong[i].code)
			fail_msg("row %zu: event %d, code %d", i, (int)ev, item.code);
		assert_true(item.why && *item.why);
		ws_decoder_deinit(&d);
		buf_deinit(&b);
	}
}

static void codes_of_restarting_servers_and_of_applications_are_taken(void **state)
{
	static const int codes[] = {
	    1000, 1001, 1003, 1007, 1012, 1013, 1014, 3000, 4404, 4999};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct buf b = BUF_NULL(256);
		struct ws_decoder d;
		struct ws_item item;
		char payload[WS_CONTROL_MAX_BYTES];
		size_t n = ws_close_payload(payload, codes[i], "why");

		ws_decoder_init(&d, 100, true);
		add_frame(&b, 0x80 | WS_OP_CLOSE, payload, n);
		assert_int_equal(decode(&d, &b, &item), WS_EVENT_CLOSE);
		assert_int_equal(item.code, codes[i]);
		assert_string_equal(text_of(&item), "why");
		buf_reset(&b);
		add_frame(&b, 0x80 | WS_OP_CLOSE, "", 0);
		assert_int_equal(decode(&d, &b, &item), WS_EVENT_CLOSE);
		assert_int_equal(item.code, WS_NO_CODE);
		ws_decoder_deinit(&d);
		buf_deinit(&b);
	}
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	char reason[200], payload[WS_CONTROL_MAX_BYTES];
	size_t n;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xC3\xA4", 2);
	reason[sizeof(reason) - 2] = '\0';
	n = ws_close_payload(payload, 1000, reason);
	assert_int_equal(n, 2 + 122);
	assert_int_equal(ws_close_payload(payload, 1000, NULL), 2);
	assert_int_equal(ws_close_payload(payload, WS_NO_CODE, "x"), 0);
}

static void lengths_are_written_in_their_shortest_form(void **state)
{
	uint8_t h[WS_HEADER_MAX_BYTES];

	(void)state;
	assert_int_equal(ws_header(h, WS_OP_TEXT, 125, NULL), 2);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 126, NULL), 4);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 65535, NULL), 4);
	assert_int_equal(h[1], 126);
	assert_int_equal(h[2] << 8 | h[3], 65535);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 65536, NULL), 10);
	assert_int_equal(h[1], 127);
	assert_int_equal(h[7], 1);
	assert_int_equal(ws_header(h, WS_OP_PING, 0, h), 6);
}

TEST_MAIN(cmocka_unit_test(the_examples_of_the_standard_decode),
    cmocka_unit_test(fragments_with_control_frames_between_make_one_message),
    cmocka_unit_test(input_may_be_cut_anywhere),
    cmocka_unit_test(what_is_wrong_is_told_with_the_code_to_close_with),
    cmocka_unit_test(codes_of_restarting_servers_and_of_applications_are_taken),
    cmocka_unit_test(a_long_reason_is_cut_between_characters),
    cmocka_unit_test(lengths_are_written_in_their_shortest_form))
