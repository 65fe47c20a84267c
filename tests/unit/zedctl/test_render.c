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
	safe("\xff\xc3", 2, "\xef\xbf\xbd\xef\xbf\xbd");
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
	    cmocka_unit_test(ages_are_short),
	    cmocka_unit_test(no_colour_without_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
