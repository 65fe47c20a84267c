#include "zedctl/given.h"

#include "tests/lib/test.h"

static void pointer(const char *given, const char *want)
{
	const char *p = NULL;
	struct err e = ERR_NULL;
	int r = given_pointer(given, &p, &e);

	if (!want) {
		assert_int_equal(r, ERROR_INVALID);
		assert_non_null(strstr(e.text, given));
	} else {
		assert_int_equal(r, 0);
		assert_string_equal(p, want);
	}
}

static void pointers_are_those_of_rfc_6901(void **state)
{
	(void)state;
	pointer("", "");
	pointer("/", "");
	pointer("/a/b~1c~0", "/a/b~1c~0");
	pointer("/a//b", "/a//b");
	pointer("theme", NULL);
	pointer("a/b", NULL);
	pointer("/a~", NULL);
	pointer("/a~2b", NULL);
}

static void below_ends_at_a_token(void **state)
{
	(void)state;
	assert_true(given_is_below("/a/b", "/a"));
	assert_true(given_is_below("/a", "/a"));
	assert_true(given_is_below("/a", ""));
	assert_false(given_is_below("/ab", "/a"));
	assert_false(given_is_below("/a", "/a/b"));
}

/* @want NULL: refused, and nothing of the value is in the message. */
static void value(const char *given, enum given_form form, const char *want)
{
	struct buf out = BUF_NULL(4096);
	struct err e = ERR_NULL;
	int r = given_value(slice_of(given), form, &out, &e);

	if (want) {
		assert_int_equal(r, 0);
		assert_string_equal(buf_cstr(&out), want);
	} else {
		assert_int_equal(r, ERROR_INVALID);
		assert_null(strstr(e.text, "hush"));
	}
	buf_deinit(&out);
}

static void a_value_is_json_or_a_word(void **state)
{
	(void)state;
	value("1.50", GIVEN_AUTO, "1.50");
	value("12345678901234567890", GIVEN_AUTO, "12345678901234567890");
	value("{\"a\": [1]}", GIVEN_AUTO, "{\"a\": [1]}");
	value("null", GIVEN_AUTO, "null");
	value("\"x\"", GIVEN_AUTO, "\"x\"");
	value("One Dark", GIVEN_AUTO, "\"One Dark\"");
	value("1.2.3", GIVEN_AUTO, "\"1.2.3\"");
	value("", GIVEN_AUTO, "\"\"");
	value("a\"\n\\", GIVEN_AUTO, "\"a\\\"\\n\\\\\"");
	value("{\"hush\":", GIVEN_AUTO, NULL);
	value(" [hush", GIVEN_AUTO, NULL);
	value("\"hush", GIVEN_AUTO, NULL);
	value("hush\xff", GIVEN_AUTO, NULL);
}

static void the_form_can_be_said(void **state)
{
	(void)state;
	value("17", GIVEN_STRING, "\"17\"");
	value("{\"a\":1}", GIVEN_STRING, "\"{\\\"a\\\":1}\"");
	value("17", GIVEN_JSON, "17");
	value("hush", GIVEN_JSON, NULL);
	value("", GIVEN_JSON, NULL);
}

static void types_have_names(void **state)
{
	(void)state;
	assert_string_equal(given_type(slice_of(" {}")), "object");
	assert_string_equal(given_type(slice_of("[1]")), "array");
	assert_string_equal(given_type(slice_of("\"\"")), "string");
	assert_string_equal(given_type(slice_of("false")), "boolean");
	assert_string_equal(given_type(slice_of("null")), "null");
	assert_string_equal(given_type(slice_of("-1e3")), "number");
}

static void range(const char *given, int want, int64_t from, int64_t to)
{
	int64_t f = -2, t = -2;
	struct err e = ERR_NULL;

	assert_int_equal(given_range(given, &f, &t, &e), want);
	if (want)
		return;
	assert_int_equal(f, from);
	assert_int_equal(t, to);
}

static void revisions_and_ranges(void **state)
{
	(void)state;
	range("7", 0, 7, GIVEN_NOW);
	range("0..3", 0, 0, 3);
	range("3..", 0, 3, GIVEN_NOW);
	range("3..3", 0, 3, 3);
	range("..3", ERROR_INVALID, 0, 0);
	range("7..3", ERROR_INVALID, 0, 0);
	range("7...", ERROR_INVALID, 0, 0);
	range("-1", ERROR_INVALID, 0, 0);
	range("x", ERROR_INVALID, 0, 0);
	range("99999999999999999999", ERROR_INVALID, 0, 0);
	range("", ERROR_INVALID, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pointers_are_those_of_rfc_6901),
	    cmocka_unit_test(below_ends_at_a_token),
	    cmocka_unit_test(a_value_is_json_or_a_word),
	    cmocka_unit_test(the_form_can_be_said),
	    cmocka_unit_test(types_have_names),
	    cmocka_unit_test(revisions_and_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
