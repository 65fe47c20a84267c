#include "base/clock.h"

#include "tests/lib/test.h"

static void clocks_go_forward_in_their_units(void **state)
{
	int64_t us = clock_mono_us(), ms = clock_mono_ms(), boot = clock_boot_ms();

	(void)state;
	assert_in_range(ms - us / 1000, 0, 1000);
	assert_true(boot >= us / 1000);
	assert_true(clock_mono_us() >= us);
	assert_true(clock_unix_ms() > INT64_C(1700000000000));
}

static void assert_prints(int64_t unix_ms, const char *wanted)
{
	char text[CLOCK_RFC3339_LEN + 1];

	clock_rfc3339(unix_ms, text);
	assert_string_equal(text, wanted);
}

static void times_print_as_utc_with_milliseconds(void **state)
{
	(void)state;
	assert_prints(0, "1970-01-01T00:00:00.000Z");
	assert_prints(INT64_C(1767323045678), "2026-01-02T03:04:05.678Z");
	assert_prints(-1, "1969-12-31T23:59:59.999Z");
	assert_prints(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
	assert_prints(INT64_MAX, "9999-12-31T23:59:59.999Z");
	assert_prints(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void assert_parses(const char *text, int64_t wanted)
{
	int64_t got = 42;

	assert_true(clock_parse_rfc3339(text, &got));
	assert_int_equal(got, wanted);
}

static void parsing_is_the_inverse(void **state)
{
	(void)state;
	for (int64_t ms = CLOCK_UNIX_MS_MIN; ms < CLOCK_UNIX_MS_MAX;
	     ms += INT64_C(98765432109)) {
		char text[CLOCK_RFC3339_LEN + 1];

		clock_rfc3339(ms, text);
		assert_parses(text, ms);
	}
	assert_parses("1970-01-01T00:00:01Z", 1000);
	assert_parses("1970-01-01T00:00:01.5Z", 1500);
	assert_parses("1970-01-01T00:00:01.123456789Z", 1123);
	assert_parses("1970-01-01T02:00:00+02:00", 0);
	assert_parses("1969-12-31T22:30:00.000-01:30", 0);
}

static void malformed_times_are_refused(void **state)
{
	static const char *const bad[] = {"", "2026", "2026-01-02", "2026-01-02T03:04:05",
	    "2026-01-02T03:04:05z", "2026-01-02 03:04:05Z", "2026-1-02T03:04:05Z",
	    "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-02-29T03:04:05Z",
	    "2026-02-00T03:04:05Z", "2026-01-32T03:04:05Z", "2026-01-02T24:04:05Z",
	    "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
	    "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+2:00",
	    "2026-01-02T03:04:05+02:60", "2026-01-02T03:04:05+24:00",
	    "2026-01-02T03:04:05+0200", "+026-01-02T03:04:05Z", "2026-01-02T03:04:-5Z",
	    " 2026-01-02T03:04:05Z"};
	int64_t got = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse_rfc3339(bad[i], &got))
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(got, 42);
}

TEST_MAIN(cmocka_unit_test(clocks_go_forward_in_their_units),
    cmocka_unit_test(times_print_as_utc_with_milliseconds),
    cmocka_unit_test(parsing_is_the_inverse),
    cmocka_unit_test(malformed_times_are_refused))
