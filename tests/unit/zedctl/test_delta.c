#include "zedctl/delta.h"

#include "tests/lib/test.h"

static struct slice json(const char *text)
{
	return text ? slice_of(text) : SLICE_NULL;
}

static void shows(
    const char *before, const char *after, const char *note, const char *want)
{
	const struct delta d = {"/p", json(before), json(after), note};
	struct buf out = BUF_NULL(1 << 20);

	delta_render(&d, false, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_deinit(&out);
}

static void short_values_are_one_under_the_other(void **state)
{
	(void)state;
	shows("\"A\"", "\"B\"", "who", "~ /p\n  - \"A\"\n  + \"B\"\n    who\n");
	shows(NULL, "[1, 2]", "", "+ /p\n  + [1,2]\n");
	shows("{ }", NULL, "", "- /p\n  - {}\n");
	shows("1.50", "1.50", "note", "= /p\n    1.50\n    note\n");
	shows("null", NULL, "", "- /p\n  - null\n");
}

static void long_values_show_where_they_differ(void **state)
{
	static const char before[] =
	    "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\","
	    "\"hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\"]";
	static const char after[] =
	    "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"b\",\"c\",\"X\",\"Y\",\"e\",\"f\","
	    "\"g\",\"hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\"]";

	(void)state;
	shows(before, after, "",
	    "~ /p\n    ... 2 lines\n      \"b\",\n      \"c\",\n  -   \"d\",\n"
	    "  +   \"X\",\n  +   \"Y\",\n      \"e\",\n      \"f\",\n    ... 3 lines\n");
	shows("1",
	    "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbbbbbbbbbbbbb"
	    "bbbbbbbbbbbbbbbbbb\"]",
	    "",
	    "~ /p\n  - 1\n  + [\n  +   \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\n"
	    "  +   \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"\n  + ]\n");
}

static void nothing_from_elsewhere_drives_the_terminal(void **state)
{
	const struct delta d = {"/a\033[2J", json("\"\x7f\xc2\x9b"
						  "1m\""),
	    json("\"\xe2\x80\xae"
		 "txt\""),
	    "b\033ob"};
	struct buf out = BUF_NULL(4096);

	(void)state;
	delta_render(&d, false, &out);
	assert_string_equal(buf_cstr(&out), "~ /a\xef\xbf\xbd[2J\n"
					    "  - \"\\u007f\\u009b1m\"\n"
					    "  + \"\\u202etxt\"\n"
					    "    b\xef\xbf\xbdob\n");
	buf_deinit(&out);
}

static void colours_stand_on_whole_lines(void **state)
{
	const struct delta d = {"/p", json("1"), json("2"), ""};
	struct buf out = BUF_NULL(4096);

	(void)state;
	delta_render(&d, true, &out);
	assert_string_equal(
	    buf_cstr(&out), "~ /p\n\033[31m  - 1\033[0m\n\033[32m  + 2\033[0m\n");
	buf_deinit(&out);
}

static void kinds_have_names(void **state)
{
	static const struct {
		const char *before, *after, *want;
	} cases[] = {{NULL, "1", "added"}, {"1", NULL, "deleted"}, {"1", "2", "changed"},
	    {"1", "1", "same"}, {NULL, NULL, "same"}, {"null", NULL, "deleted"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct delta d = {
		    "/p", json(cases[i].before), json(cases[i].after), ""};

		assert_string_equal(delta_kind(&d), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(short_values_are_one_under_the_other),
	    cmocka_unit_test(long_values_show_where_they_differ),
	    cmocka_unit_test(nothing_from_elsewhere_drives_the_terminal),
	    cmocka_unit_test(colours_stand_on_whole_lines),
	    cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
