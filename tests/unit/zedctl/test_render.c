#include "zedctl/render.h"

#include "base/clock.h"
#include "tests/lib/test.h"

static void safe(const char *text, size_t n, const char *want)
{
	struct buf b = BUF_NULL(256);

	render_safe((struct slice){text, n}, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_deinit(&b);
}

static void text_from_elsewhere_cannot_drive_the_terminal(void **state)
{
	(void)state;
	safe("a\tb\n\xc3\xbc\xf0\x9f\x9a\xa2", 10, "a\tb\n\xc3\xbc\xf0\x9f\x9a\xa2");
	safe("\033[2J", 4, "\xef\xbf\xbd[2J");
	safe("\xc2\x9b"
	     "1m",
	    4,
	    "\xef\xbf\xbd"
	    "1m");
	safe("a\0b\x7f", 4,
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd");
	safe("\xe2\x80\xae\xe2\x81\xa9", 6, "\xef\xbf\xbd\xef\xbf\xbd");
	safe("\xff\xc3", 2, "\xef\xbf\xbd\xef\xbf\xbd");
}

static void value(const char *json, size_t max, const char *want)
{
	struct buf b = BUF_NULL(4096);

	render_value(slice_of(json), max, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_deinit(&b);
}

static void values_fit_into_a_line(void **state)
{
	(void)state;
	value("{ \"a\" : [ 1.0 , \" , \\\" \" ] }", 0, "{\"a\":[1.0,\" , \\\" \"]}");
	value("\"\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\"", 6,
	    "\"\xc3\xbc\xc3\xbc...");
	value("\"abcd\"", 6, "\"abcd\"");
	value("\"\x7f\\u001b\xc2\x9b\xe2\x80\xae\"", 0,
	    "\"\\u007f\\u001b\\u009b\\u202e\"");
}

static void json_is_laid_out(void **state)
{
	struct buf b = BUF_NULL(4096);

	(void)state;
	render_json_add(
	    SLICE_LIT("{\"a\":[],\"b\":{\"c\":[1,{}]},\"d\":\"{,\x7f\"}"), &b);
	assert_string_equal(buf_cstr(&b), "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n"
					  "      1,\n      {}\n    ]\n  },\n"
					  "  \"d\": \"{,\\u007f\"\n}");
	buf_deinit(&b);
}

static void ages_are_short(void **state)
{
	static const struct {
		int64_t ago_ms;
		const char *want;
	} cases[] = {{0, "0s"}, {119 * 1000, "119s"}, {120 * 1000, "2m"},
	    {7200 * 1000, "2h"}, {INT64_C(172800) * 1000, "2d"}, {-5000, "0s"}};
	char age[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		render_age(clock_unix_ms() - cases[i].ago_ms, age);
		assert_string_equal(age, cases[i].want);
	}
	render_age(0, age);
	assert_string_equal(age, "-");
}

static void no_colour_without_a_terminal(void **state)
{
	(void)state;
	assert_string_equal(render_colour(RENDER_BAD, false), "");
	assert_string_equal(render_reset(false), "");
	assert_int_equal(render_state_colour("RUNNING"), RENDER_GOOD);
	assert_int_equal(render_state_colour("FAILED"), RENDER_BAD);
	assert_int_equal(render_state_colour("whatever"), RENDER_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_from_elsewhere_cannot_drive_the_terminal),
	    cmocka_unit_test(values_fit_into_a_line),
	    cmocka_unit_test(json_is_laid_out),
	    cmocka_unit_test(ages_are_short),
	    cmocka_unit_test(no_colour_without_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
