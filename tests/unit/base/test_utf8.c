#include "base/utf8.h"

#include "tests/lib/test.h"

/* UTF-8 by the arithmetic of its definition, to hold the table against. */
static size_t encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

static void every_code_point_goes_there_and_back(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x110000; c++) {
		bool good = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
		char s[4];
		size_t n = encode(c, s), len = 0;

		if (utf8_valid(s, n) != good)
			fail_msg("U+%04X", c);
		if (!good)
			continue;
		assert_int_equal(utf8_decode(s, n, &len), c);
		assert_int_equal(len, n);
		assert_int_equal(utf8_seq_len(s, n - 1), 0);
		assert_int_equal(utf8_utf16_len(s, n), c >= 0x10000 ? 2 : 1);
	}
}

static void overlong_and_broken_forms_are_refused(void **state)
{
	static const char *const bad[] = {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF",
	    "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
	    "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xC3(", "\xE2\x82",
	    "\xE2(\xA1", "\xE2\x82(", "\xF0\x9F\x98(", "ok\xED\xB0\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\0b", 3));
}

static void plain_runs_end_at_every_special_byte(void **state)
{
	char text[40];

	(void)state;
	for (int c = 0; c < 256; c++) {
		bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, at % 2 ? 'a' : '\x7f', sizeof(text));
			text[at] = (char)c;
			assert_int_equal(utf8_plain_len(text, sizeof(text)),
			    plain ? sizeof(text) : at);
			assert_int_equal(utf8_plain_len(text, at), at);
		}
	}
}

static void lengths_count_utf16_units(void **state)
{
	const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";

	(void)state;
	assert_int_equal(utf8_utf16_len(text, strlen(text)), 6);
	assert_int_equal(utf8_utf16_len("", 0), 0);
}

static void assert_clean(const char *in, size_t n, const char *wanted)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1000);

	utf8_add_clean(&b, in, n);
	assert_string_equal(buf_cstr(&b), wanted);
}

static void stored_texts_are_cleaned(void **state)
{
	(void)state;
	assert_clean("", 0, "");
	assert_clean("plain\t\r\n text", 13, "plain\t\r\n text");
	assert_clean("a\0b\x01"
		     "c\x1b"
		     "d\x7f",
	    8, "abcd\x7f");
	assert_clean("x\xC2\x80y\xC2\x9Fz\xC2\xA0", 9, "xyz\xC2\xA0");
	assert_clean("\xEF\xB7\x90\xEF\xBF\xBE\xEF\xBF\xBFq\xF4\x8F\xBF\xBF", 14, "q");
	assert_clean("a\xFF\xC3", 3, "a\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_clean("\xEF\xBF\xBD\xF0\x9F\x98\x80", 7, "\xEF\xBF\xBD\xF0\x9F\x98\x80");
}

TEST_MAIN(cmocka_unit_test(every_code_point_goes_there_and_back),
    cmocka_unit_test(overlong_and_broken_forms_are_refused),
    cmocka_unit_test(plain_runs_end_at_every_special_byte),
    cmocka_unit_test(lengths_count_utf16_units),
    cmocka_unit_test(stored_texts_are_cleaned))
