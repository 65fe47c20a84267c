#include "base/jsn.h"

#include "tests/lib/test.h"

#include <stdio.h>

static struct jsn *parse_n(const char *text, size_t n)
{
	struct err e = ERR_NULL;
	struct jsn *v = NULL;

	if (jsn_parse(text, n, &v, &e))
		fail_msg("'%.*s' was refused: %s", n < 100 ? (int)n : 100, text, e.text);
	return v;
}

static struct jsn *parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static void assert_prints(const struct jsn *v, const char *wanted)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	jsn_print(v, &b);
	assert_int_equal(buf_check(&b), 0);
	assert_string_equal(buf_cstr(&b), wanted);
}

static void assert_round_trip(const char *in, const char *wanted)
{
	AUTO(jsn_freep) struct jsn *v = parse(in);

	assert_prints(v, wanted);
}

static void assert_refused(const char *text, size_t n, const char *wanted)
{
	struct err e = ERR_NULL;
	struct jsn *v = NULL;
	/* An exact copy, so that a sanitizer sees any read beyond the end. */
	AUTO_FREE char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, text, n);
	if (jsn_parse(copy, n, &v, &e) != ERROR_INVALID)
		fail_msg("'%s' was taken", text);
	assert_null(v);
	if (!strstr(e.text, wanted))
		fail_msg("'%s': '%s' lacks '%s'", text, e.text, wanted);
}

static void values_are_read_by_type(void **state)
{
	AUTO(jsn_freep)
	struct jsn *v = parse(" {\"s\":\"x\\u00e9\\n\",\"i\":-12,\"d\":1.5,\"t\":true,"
			      "\"n\":null,\"a\":[1,[2],{}]}\n");
	double d = 0;
	int64_t i = 0;
	bool b = false;

	(void)state;
	assert_int_equal(jsn_type(v), JSN_OBJECT);
	assert_int_equal(jsn_count(v), 6);
	assert_string_equal(jsn_get_string(v, "s"), "x\xC3\xA9\n");
	assert_true(jsn_int(jsn_get(v, "i"), &i) && i == -12);
	assert_true(jsn_number(jsn_get(v, "d"), &d) && d > 1.4 && d < 1.6);
	assert_false(jsn_int(jsn_get(v, "d"), &i));
	assert_true(jsn_bool(jsn_get(v, "t"), &b) && b);
	assert_non_null(jsn_get(v, "n"));
	assert_int_equal(jsn_type(jsn_get(v, "n")), JSN_NULL);
	assert_null(jsn_get(v, "S")); /* keys differ by case */
	assert_int_equal(jsn_count(jsn_get(v, "a")), 3);
	assert_string_equal(jsn_key(jsn_first(v)), "s");
	assert_string_equal(jsn_key(jsn_first(jsn_get(v, "a"))), "");
	assert_int_equal(jsn_get_int(v, "i", 7), -12);
	assert_int_equal(jsn_get_int(v, "s", 7), 7);
	assert_true(jsn_get_bool(v, "t", false));
	assert_true(jsn_get_bool(v, "i", true));
	assert_null(jsn_get_string(v, "i"));
}

static void nothing_is_found_in_nothing(void **state)
{
	AUTO(jsn_freep) struct jsn *array = parse("[1]");
	int64_t i;
	double d;
	bool b;

	(void)state;
	assert_int_equal(jsn_type(NULL), JSN_NULL);
	assert_null(jsn_get(NULL, "x"));
	assert_null(jsn_get(array, "x"));
	assert_null(jsn_first(NULL));
	assert_null(jsn_next(NULL));
	assert_string_equal(jsn_key(NULL), "");
	assert_int_equal(jsn_count(NULL), 0);
	assert_null(jsn_string(NULL));
	assert_false(jsn_int(NULL, &i) || jsn_number(NULL, &d) || jsn_bool(NULL, &b));
	assert_null(jsn_copy(NULL));
	jsn_free(NULL);
}

static void what_the_grammar_does_not_allow_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "x", "tru", "truex", "nul", "01", "-",
	    "+1", "1.", ".5", "1e", "1e+", "-01", "0x1", "1 2", "NaN", "Infinity", "[",
	    "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", "{1:2}", "{\"a\"}",
	    "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{,}", "[1}", "{\"a\":1]",
	    "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "'a'", "// x\n1",
	    "/**/1", "[1]]", "{}{}", "\"a\"\"b\"", "\f1", "\xEF\xBB\xBF[]", "{\"a\" 1}",
	    "{\"a\"::1}", "[1,,2]", "\"\\u00", "t", "f", "n", "[t]", "-a"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], strlen(bad[i]), "at byte");
	assert_refused("[1]\0", 4, "text after the value");
	assert_refused("\0", 1, "value expected");
	assert_refused("[1,\0]", 5, "value expected");
	assert_refused("\"a\0b\"", 5, "control character");
}

static void the_place_of_a_mistake_is_told(void **state)
{
	(void)state;
	assert_refused("[1,2,x]", 7, "at byte 5: value expected");
	assert_refused("{\"a\":1,\"b\":\"\x01\"}", 15, "at byte 12: raw control");
	assert_refused("[\"abc", 5, "at byte 1: string without an end");
	assert_refused("[1,", 3, "at byte 3: the text ends too early");
}

static void strings_must_be_utf8(void **state)
{
	static const char *const bad[] = {"\"\xFF\"", "\"\xC3\"", "\"\xC0\x80\"",
	    "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "{\"\xFF\":1}", "\"\x80\""};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], strlen(bad[i]), "invalid UTF-8");
	assert_refused("\"\xC3", 2, "invalid UTF-8");
	assert_round_trip("\"\xF0\x9F\x98\x80\xC3\xA9\"", "\"\xF0\x9F\x98\x80\xC3\xA9\"");
	for (char c = 1; c < 0x20; c++) {
		char text[4] = {'"', c, '"', 0};

		assert_refused(text, 3, "control character");
	}
	assert_round_trip("\"\x7f\"", "\"\x7f\"");
}

static void escapes_without_a_character_become_replacements(void **state)
{
	(void)state;
	assert_round_trip("\"a\\u0000b\"", "\"a\xEF\xBF\xBD"
					   "b\"");
	assert_round_trip("\"\\ud800\"", "\"\xEF\xBF\xBD\"");
	assert_round_trip("\"\\uDC00x\"", "\"\xEF\xBF\xBDx\"");
	assert_round_trip(
	    "\"\\ud800\\ud83d\\ude00\"", "\"\xEF\xBF\xBD\xF0\x9F\x98\x80\"");
	assert_round_trip("\"\\ud800\\u0041\"", "\"\xEF\xBF\xBD"
						"A\"");
	assert_round_trip("\"\\ud83d\\uDE00\"", "\"\xF0\x9F\x98\x80\"");
	/* an escaped backslash before u0000 is no escape of NUL */
	assert_round_trip(
	    "[\"\\\\u0000\",\"\\u0000\"]", "[\"\\\\u0000\",\"\xEF\xBF\xBD\"]");
	assert_round_trip("{\"\\u0000\":1}", "{\"\xEF\xBF\xBD\":1}");
	assert_round_trip("\"\\/\\b\\f\\u001F\"", "\"/\\u0008\\u000c\\u001f\"");
}

static void nesting_is_limited_before_anything_recurses(void **state)
{
	enum { HUGE = 1 << 20 };
	static char text[2 * HUGE];
	struct jsn *v;

	(void)state;
	memset(text, '[', JSN_DEPTH_MAX);
	memset(text + JSN_DEPTH_MAX, ']', JSN_DEPTH_MAX);
	v = parse_n(text, 2 * JSN_DEPTH_MAX);
	jsn_free(v);
	memset(text, '[', HUGE);
	memset(text + HUGE, ']', HUGE);
	assert_refused(text, 2 * HUGE, "at byte 64: nested too deeply");
	for (size_t i = 0; i + 5 <= HUGE; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	assert_refused(text, HUGE - HUGE % 5, "nested too deeply");
	/* depth is what is open at once, not what was opened */
	v = parse("[[[]],[[]],{\"a\":[]},[{}]]");
	jsn_free(v);
}

static void the_number_of_values_is_limited(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(4 * JSN_VALUES_MAX);

	(void)state;
	buf_addc(&b, '[');
	for (int i = 1; i < JSN_VALUES_MAX; i++) /* the array is a value itself */
		buf_adds(&b, i > 1 ? ",0" : "0");
	buf_addc(&b, ']');
	jsn_free(parse_n(buf_cstr(&b), b.n));
	b.n--;
	buf_adds(&b, ",0]");
	assert_refused(buf_cstr(&b), b.n, "too many values");
}

static void of_duplicate_keys_the_last_one_wins(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 22);
	struct jsn *v;

	(void)state;
	assert_round_trip("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
	assert_round_trip("{\"a\":1,\"a\":2,\"a\":3}", "{\"a\":3}");
	assert_round_trip("[{\"x\":{\"a\":1,\"\\u0061\":2}}]", "[{\"x\":{\"a\":2}}]");
	assert_round_trip("{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}");
	buf_addc(&b, '{');
	for (int i = 0; i < 50000; i++)
		buf_addf(&b, "%s\"k%d\":%d", i ? "," : "", i % 10000, i);
	buf_addc(&b, '}');
	v = parse_n(buf_cstr(&b), b.n);
	assert_int_equal(jsn_count(v), 10000);
	assert_int_equal(jsn_get_int(v, "k0", -1), 40000);
	assert_int_equal(jsn_get_int(v, "k9999", -1), 49999);
	jsn_set_int(v, "new", 1); /* the list is still whole at both ends */
	assert_int_equal(jsn_count(v), 10001);
	jsn_free(v);
}

static void numbers_are_kept_as_far_as_doubles_go(void **state)
{
	char text[80];

	(void)state;
	assert_round_trip(
	    "[0,-0,1,-1,10,1e2,1.0,123456789012]", "[0,0,1,-1,10,100,1,123456789012]");
	assert_round_trip("9007199254740991", "9007199254740991");
	assert_round_trip("-9007199254740992", "-9007199254740992");
	assert_round_trip("1e20", "100000000000000000000");
	assert_round_trip(
	    "[0.1,1.5,-2.25,0.30000000000000004]", "[0.1,1.5,-2.25,0.30000000000000004]");
	assert_round_trip("[1e-7,1e300,5e-324]", "[1e-07,1e+300,4.94065645841247e-324]");
	assert_refused("1e999", 5, "out of range");
	assert_refused("[-1e309]", 8, "at byte 1: number out of range");
	memset(text, '1', sizeof(text));
	assert_refused(text, 64, "more than 63");
	memcpy(text, "0.", 2);
	jsn_free(parse_n(text, 63));
}

static void whole_numbers_are_told_from_others(void **state)
{
	AUTO(jsn_freep)
	struct jsn *v = parse("[\"123\",\"-9223372036854775808\",\"9223372036854775808\","
			      "\" 1\",\"1 \",\"\",\"-\",\"1.0\",\"0x1\",9007199254740991,"
			      "9007199254740993,1e3,true]");
	static const bool good[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0};
	size_t n = 0;

	(void)state;
	jsn_for_each (it, v) {
		int64_t i = 77;

		assert_int_equal(jsn_int(it, &i), good[n]);
		if (!good[n])
			assert_int_equal(i, 77);
		n++;
	}
	assert_int_equal(n, sizeof(good) / sizeof(good[0]));
}

static void values_are_built_and_printed(void **state)
{
	AUTO(jsn_freep) struct jsn *v = jsn_new_object();
	struct jsn *a = jsn_new_array();
	AUTO(jsn_freep) struct jsn *copy = NULL;
	int64_t i = 0;

	(void)state;
	jsn_push(a, jsn_new_string_n("abcdef", 3));
	jsn_push(a, jsn_new_string(NULL));
	jsn_push(a, jsn_new_int(INT64_MIN));
	jsn_push(a, jsn_new_int(INT64_MAX));
	jsn_push(a, jsn_new_number(0.5));
	jsn_push(a, jsn_new_number(1.0 / 0.0));
	jsn_push(a, jsn_new_null());
	jsn_push(a, jsn_new_bool(false));
	jsn_push(a, jsn_new_raw("{\"x\": [1]}zzz", 10));
	jsn_push(a, jsn_new_array());
	jsn_push(a, jsn_new_object());
	jsn_set(v, "a", a);
	jsn_set_string(v, "s", "old");
	jsn_set_int(v, "i", 42);
	jsn_set_string(v, "s", "q\"\n");
	jsn_set_bool(v, "b", true);
	jsn_set_null(v, "n");
	jsn_set_time(v, "t", 1);
	jsn_set_time(v, "t0", 0);
	jsn_set_int(v, "gone", 1);
	jsn_del(v, "gone");
	jsn_del(v, "never");
	copy = jsn_copy(v);
	assert_prints(copy,
	    "{\"a\":[\"abc\",null,-9223372036854775808,9223372036854775807,0.5,null,null,"
	    "false,{\"x\": [1]},[],{}],\"s\":\"q\\\"\\n\",\"i\":42,\"b\":true,\"n\":null,"
	    "\"t\":\"1970-01-01T00:00:00.001Z\",\"t0\":null}");
	assert_prints(NULL, "null");
	jsn_for_each (it, a)
		if (jsn_raw(it) && jsn_type(it) == JSN_NUMBER)
			assert_true(jsn_int(it, &i));
	assert_true(i == INT64_MAX);
}

static void printing_stops_at_the_limit_of_the_buffer(void **state)
{
	AUTO(jsn_freep) struct jsn *v = parse("[1,2,3,[4,5],{\"a\":\"b\"}]");
	AUTO(buf_deinit) struct buf b = BUF_NULL(10);

	(void)state;
	jsn_print(v, &b);
	assert_int_not_equal(buf_check(&b), 0);
}

static bool equal(const char *a, const char *b)
{
	AUTO(jsn_freep) struct jsn *x = parse(a);
	AUTO(jsn_freep) struct jsn *y = parse(b);
	bool r = jsn_equal(x, y);

	assert_int_equal(jsn_equal(y, x), r);
	return r;
}

static void equality_looks_at_values(void **state)
{
	(void)state;
	assert_true(equal(
	    "{\"a\":1,\"b\":[1,{\"c\":null}]}", "{\"b\":[1,{\"c\":null}],\"a\":1}"));
	assert_true(equal("[1.0,\"x\"]", "[1,\"x\"]"));
	assert_false(equal("[1,2]", "[2,1]"));
	assert_false(equal("[1]", "[1,1]"));
	assert_false(equal("{\"a\":1}", "{\"a\":1,\"b\":1}"));
	assert_false(equal("{\"a\":1,\"b\":1}", "{\"a\":1,\"c\":1}"));
	assert_false(equal("{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}"));
	assert_false(equal("1", "1.0000000000000002"));
	assert_false(equal("true", "false"));
	assert_false(equal("null", "false"));
	assert_false(equal("\"a\"", "\"A\""));
	assert_false(equal("[]", "{}"));
	assert_true(jsn_equal(NULL, NULL));
	assert_false(jsn_equal(NULL, jsn_get(NULL, "x")) == false);
}

static void large_objects_in_any_order_compare_quickly(void **state)
{
	AUTO(buf_deinit) struct buf x = BUF_NULL(1 << 22), y = BUF_NULL(1 << 22);
	enum { N = 50000 };

	(void)state;
	for (int i = 0; i < N; i++) {
		buf_addf(&x, "%c\"k%d\":%d", i ? ',' : '{', i, i);
		buf_addf(&y, "%c\"k%d\":%d", i ? ',' : '{', N - 1 - i, N - 1 - i);
	}
	buf_addc(&x, '}');
	buf_addc(&y, '}');
	assert_true(equal(buf_cstr(&x), buf_cstr(&y)));
}

TEST_MAIN(cmocka_unit_test(values_are_read_by_type),
    cmocka_unit_test(nothing_is_found_in_nothing),
    cmocka_unit_test(what_the_grammar_does_not_allow_is_refused),
    cmocka_unit_test(the_place_of_a_mistake_is_told),
    cmocka_unit_test(strings_must_be_utf8),
    cmocka_unit_test(escapes_without_a_character_become_replacements),
    cmocka_unit_test(nesting_is_limited_before_anything_recurses),
    cmocka_unit_test(the_number_of_values_is_limited),
    cmocka_unit_test(of_duplicate_keys_the_last_one_wins),
    cmocka_unit_test(numbers_are_kept_as_far_as_doubles_go),
    cmocka_unit_test(whole_numbers_are_told_from_others),
    cmocka_unit_test(values_are_built_and_printed),
    cmocka_unit_test(printing_stops_at_the_limit_of_the_buffer),
    cmocka_unit_test(equality_looks_at_values),
    cmocka_unit_test(large_objects_in_any_order_compare_quickly))
