#include "tests/lib/test.h"

#include <stdio.h>

#include "sessiond/sidecar/insist.h"

static bool note(struct insist *i, const char *path, int64_t at_ms)
{
	return insist_note(i, slice_of(path), at_ms);
}

static void the_third_time_within_a_minute_is_noticed(void **state)
{
	struct insist i = {0};

	(void)state;
	assert_false(note(&i, "/a", 0));
	assert_false(note(&i, "/b", 1));
	assert_false(note(&i, "/a", 30000));
	assert_true(note(&i, "/a", 60000));
}

static void counting_begins_anew_afterwards(void **state)
{
	struct insist i = {0};

	(void)state;
	for (int64_t round = 0; round < 3; round++) {
		assert_false(note(&i, "/a", round * 100));
		assert_false(note(&i, "/a", round * 100 + 1));
		assert_true(note(&i, "/a", round * 100 + 2));
	}
}

static void who_takes_their_time_does_not_insist(void **state)
{
	struct insist i = {0};

	(void)state;
	for (int64_t n = 0; n < 20; n++)
		assert_false(note(&i, "/a", n * 30001));
}

static void the_path_longest_quiet_makes_room(void **state)
{
	struct insist i = {0};
	char path[16];

	(void)state;
	assert_false(note(&i, "/kept", 0));
	assert_false(note(&i, "/gone", 1));
	assert_false(note(&i, "/kept", 2));
	for (int n = 0; n < INSIST_PATHS - 1; n++) {
		snprintf(path, sizeof(path), "/%d", n);
		assert_false(note(&i, path, 10 + n));
	}
	assert_true(note(&i, "/kept", 50));
	assert_false(note(&i, "/gone", 51));
	assert_false(note(&i, "/gone", 52));
	assert_true(note(&i, "/gone", 53));
}

TEST_MAIN(cmocka_unit_test(the_third_time_within_a_minute_is_noticed),
    cmocka_unit_test(counting_begins_anew_afterwards),
    cmocka_unit_test(who_takes_their_time_does_not_insist),
    cmocka_unit_test(the_path_longest_quiet_makes_room))
