/* What is a settings text and what is not, as Zed decides it; where it goes wrong; and
 * the limits. */
#include "sessiond/core/json_doc.h"

#include "base/buf.h"
#include "sessiond/core/json_number.h"
#include "sessiond/core/jval_print.h"
#include "tests/lib/test.h"

static void texts_that_are_taken(void **state)
{
	static const char *const texts[] = {"{}", " \t\r\n{ } ", "\xef\xbb\xbf{}",
	    "// a\n{}// b", "/* a\n * b */ {\"a\": 1,}", "{\"a\":[1,2,],}",
	    "{\"a\":[],\"b\":{}}", "{\"a\":-0.5e-10,\"b\":1E+2,\"c\":0}",
	    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}", "{\"a\":\"\\ud800\"}",
	    "{\"\":null,\"\":true}", "{\"a\"/**/:/**/1/**/,/**/}", "{//\n}",
	    "{\"a\":\"\x7f\xc3\xa9\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena a = ARENA_NULL;
		struct json_doc d;

		assert_int_equal(
		    json_doc_parse_object(&a, slice_of(texts[i]), &d), JSON_DOC_OK);
		arena_deinit(&a);
	}
}

static void texts_that_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
	} bad[] = {
	    {"[]", 1, 1},
	    {"1", 1, 1},
	    {"{", 1, 2},
	    {"{} x", 1, 4},
	    {"{}{}", 1, 3},
	    {"{'a':1}", 1, 2},
	    {"{a:1}", 1, 2},
	    {"{\"a\":NaN}", 1, 6},
	    {"{\"a\":Infinity}", 1, 6},
	    {"{\"a\":+1}", 1, 6},
	    {"{\"a\":01}", 1, 6},
	    {"{\"a\":1.}", 1, 7},
	    {"{\"a\":.5}", 1, 6},
	    {"{\"a\":1e}", 1, 8},
	    {"{\"a\":-}", 1, 7},
	    {"{,}", 1, 2},
	    {"{\"a\":1,,}", 1, 8},
	    {"{\"a\":[,]}", 1, 7},
	    {"{\"a\" 1}", 1, 6},
	    {"{\"a\":1 \"b\":2}", 1, 8},
	    {"{\n\n  \"\xc3\xa9\": tru\n}", 3, 8},
	    {"{\"a\":\"x\ny\"}", 1, 8},
	    {"{\"a\":\"\t\"}", 1, 7},
	    {"{\"a\":\"\\v\"}", 1, 7},
	    {"{\"a\":\"\\x41\"}", 1, 7},
	    {"{\"a\":\"\\u12g4\"}", 1, 7},
	    {"{\"a\":\"x", 1, 6},
	    {"{/* x", 1, 2},
	    {"{/x}", 1, 2},
	    {"{\v}", 1, 2},
	    {"{\"a\":\"\xff\"}", 1, 7},
	    {"{\"a\":\"\xc0\x80\"}", 1, 7},
	    {"// \xed\xa0\x80\n{}", 1, 4},
	    {"{}\xef\xbb\xbf", 1, 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena a = ARENA_NULL;
		struct json_doc d;

		assert_int_equal(json_doc_parse_object(&a, slice_of(bad[i].text), &d),
		    JSON_DOC_INVALID);
		assert_int_equal(d.error.line, bad[i].line);
		assert_int_equal(d.error.column, bad[i].column);
		assert_true(d.error.message[0] != '\0');
		assert_null(d.root);
		arena_deinit(&a);
	}
}

static void a_nul_byte_is_refused_anywhere(void **state)
{
	struct arena a = ARENA_NULL;
	struct json_doc d;

	(void)state;
	assert_int_equal(
	    json_doc_parse_object(&a, SLICE_LIT("{} // \0"), &d), JSON_DOC_INVALID);
	arena_deinit(&a);
}

static void texts_without_a_document_are_blank(void **state)
{
	static const char *const texts[] = {
	    "", " \n", "\xef\xbb\xbf", "// x", "/* x */\n// y\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena a = ARENA_NULL;
		struct json_doc d;

		assert_int_equal(
		    json_doc_parse_object(&a, slice_of(texts[i]), &d), JSON_DOC_BLANK);
		arena_deinit(&a);
	}
}

static void repeat(struct buf *b, const char *s, size_t n)
{
	while (n-- > 0)
		buf_adds(b, s);
}

static enum json_doc_state state_of(const struct buf *b)
{
	struct arena a = ARENA_NULL;
	struct json_doc d;
	enum json_doc_state st = json_doc_parse_object(&a, buf_slice(b), &d);

	arena_deinit(&a);
	return st;
}

static void limits_are_where_they_are_said_to_be(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(4 << 20);

	(void)state;
	buf_adds(&b, "{}");
	repeat(&b, " ", JSON_DOC_BYTES_MAX - 2);
	assert_int_equal(state_of(&b), JSON_DOC_OK);
	buf_addc(&b, ' ');
	assert_int_equal(state_of(&b), JSON_DOC_TOO_LARGE);

	buf_reset(&b);
	buf_adds(&b, "{\"a\":");
	repeat(&b, "[", JVAL_DEPTH_MAX - 1);
	repeat(&b, "]", JVAL_DEPTH_MAX - 1);
	buf_adds(&b, "}");
	assert_int_equal(state_of(&b), JSON_DOC_OK);
	buf_reset(&b);
	buf_adds(&b, "{\"a\":");
	repeat(&b, "[", JVAL_DEPTH_MAX);
	repeat(&b, "]", JVAL_DEPTH_MAX);
	buf_adds(&b, "}");
	assert_int_equal(state_of(&b), JSON_DOC_TOO_LARGE);

	/* { "a" : [ 1 , 1 , ... 1 ] } */
	buf_reset(&b);
	buf_adds(&b, "{\"a\":[1");
	repeat(&b, ",1", (JSON_DOC_TOKENS_MAX - 8) / 2);
	buf_adds(&b, ",]}");
	assert_int_equal(state_of(&b), JSON_DOC_OK);
	buf_adds(&b, "//");
	assert_int_equal(state_of(&b), JSON_DOC_TOO_LARGE);

	buf_reset(&b);
	buf_adds(&b, "{\"");
	repeat(&b, "k", JSON_DOC_KEY_MAX);
	buf_adds(&b, "\":1}");
	assert_int_equal(state_of(&b), JSON_DOC_OK);
	buf_reset(&b);
	buf_adds(&b, "{\"");
	repeat(&b, "k", JSON_DOC_KEY_MAX + 1);
	buf_adds(&b, "\":1}");
	assert_int_equal(state_of(&b), JSON_DOC_TOO_LARGE);
}

static void of_equal_keys_the_last_counts(void **state)
{
	struct arena a = ARENA_NULL;
	struct json_doc d;
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	(void)state;
	json_doc_parse_object(&a, SLICE_LIT("{\"a\":1,\"b\":2,\"\\u0061\":3}"), &d);
	assert_true(d.duplicate_keys);
	assert_int_equal(d.root->n, 2);
	assert_true(slice_is(jval_get_str(&a, d.root, "a")->text, "3"));
	/* likewise where an index is used */
	buf_addc(&b, '{');
	for (int i = 0; i < 500; i++)
		buf_addf(&b, "\"k%d\":%d,", i % 100, i);
	buf_addc(&b, '}');
	json_doc_parse_object(&a, buf_slice(&b), &d);
	assert_int_equal(d.root->n, 100);
	assert_true(slice_is(jval_get_str(&a, d.root, "k7")->text, "407"));
	arena_deinit(&a);
}

static void numbers_are_compared_as_decimals(void **state)
{
	static const struct {
		const char *x, *y;
		bool equal;
	} v[] = {
	    {"1", "1.0", true},
	    {"1", "10e-1", true},
	    {"-0", "0", true},
	    {"0e99999999999999999999", "0", true},
	    {"100", "1e2", true},
	    {"1.50", "15E-1", true},
	    {"9007199254740993", "9007199254740992", false},
	    {"1", "-1", false},
	    {"1e400", "1e401", false},
	    {"1e400", "10e399", true},
	    {"0.1", "1", false},
	    {"12", "1.2", false},
	    {"123456789012345678901234567890.5", "123456789012345678901234567890.50",
		true},
	    {"1e99999999999999999999", "1e99999999999999999999", true},
	    {"1e99999999999999999999", "1e99999999999999999998", false},
	    {"1e-5", "0.00001", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		assert_int_equal(
		    json_number_equal(slice_of(v[i].x), slice_of(v[i].y)), v[i].equal);
		assert_int_equal(
		    json_number_equal(slice_of(v[i].y), slice_of(v[i].x)), v[i].equal);
	}
}

static void strings_are_compared_by_what_they_say(void **state)
{
	static const struct {
		const char *x, *y;
		bool equal;
	} v[] = {
	    {"{\"s\":\"\\u00e9\"}", "{\"s\":\"\xc3\xa9\"}", true},
	    {"{\"s\":\"\\ud83d\\ude00\"}", "{\"s\":\"\xf0\x9f\x98\x80\"}", true},
	    {"{\"s\":\"\\ud83d\"}", "{\"s\":\"\\uD83D\"}", true},
	    {"{\"s\":\"\\ud83d\"}", "{\"s\":\"\\ud83e\"}", false},
	    {"{\"s\":\"\\u0000\"}", "{\"s\":\"\"}", false},
	    {"{\"a\":1,\"b\":[{\"x\":1,\"y\":2}]}",
		"{\"b\":[{\"y\":2,\"x\":1.0}],\"a\":1}", true},
	    {"{\"a\":[1,2]}", "{\"a\":[2,1]}", false},
	    {"{\"a\":null}", "{}", false},
	    {"{\"a\":{}}", "{\"a\":[]}", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct arena a = ARENA_NULL;
		struct json_doc x, y;

		assert_int_equal(
		    json_doc_parse_object(&a, slice_of(v[i].x), &x), JSON_DOC_OK);
		assert_int_equal(
		    json_doc_parse_object(&a, slice_of(v[i].y), &y), JSON_DOC_OK);
		assert_int_equal(jval_equal(&a, x.root, y.root), v[i].equal);
		arena_deinit(&a);
	}
}

static void printing_keeps_the_text_of_scalars(void **state)
{
	static const char text[] =
	    "{\"n\":[1.50,-0E+3,9007199254740993],\"s\":\"\\u0041\\/\",\"k\\n\":{}}";
	struct arena a = ARENA_NULL;
	struct json_doc d;
	AUTO(buf_deinit) struct buf b = BUF_NULL(1000);

	(void)state;
	json_doc_parse_object(&a, slice_of(text), &d);
	jval_print(&b, d.root);
	assert_string_equal(buf_cstr(&b), text);
	arena_deinit(&a);
}

TEST_MAIN(cmocka_unit_test(texts_that_are_taken),
    cmocka_unit_test(texts_that_are_refused_with_their_place),
    cmocka_unit_test(a_nul_byte_is_refused_anywhere),
    cmocka_unit_test(texts_without_a_document_are_blank),
    cmocka_unit_test(limits_are_where_they_are_said_to_be),
    cmocka_unit_test(of_equal_keys_the_last_counts),
    cmocka_unit_test(numbers_are_compared_as_decimals),
    cmocka_unit_test(strings_are_compared_by_what_they_say),
    cmocka_unit_test(printing_keeps_the_text_of_scalars))
