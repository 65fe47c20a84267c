#include "base/backoff.h"

#include "tests/lib/test.h"

static void delays_double_up_to_the_cap(void **state)
{
	struct backoff b = BACKOFF_INIT(1000, 30000);
	const int64_t wanted[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int64_t d = backoff_next_ms(&b, UINT32_MAX / 2);

		assert_in_range(d, wanted[i] - 2, wanted[i] + 2);
	}
	backoff_reset(&b);
	assert_in_range(backoff_next_ms(&b, UINT32_MAX / 2), 998, 1002);
}

static void jitter_is_a_fifth_either_way(void **state)
{
	struct backoff low = BACKOFF_INIT(1000, 30000), high = low;

	(void)state;
	assert_int_equal(backoff_next_ms(&low, 0), 800);
	assert_int_equal(backoff_next_ms(&high, UINT32_MAX), 1200);
}

static void it_never_overflows(void **state)
{
	struct backoff b = BACKOFF_INIT(INT64_C(1) << 40, INT64_C(1) << 41);

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_in_range(backoff_next_ms(&b, (uint32_t)i), 1, INT64_C(1) << 42);
}

TEST_MAIN(cmocka_unit_test(delays_double_up_to_the_cap),
    cmocka_unit_test(jitter_is_a_fifth_either_way), cmocka_unit_test(it_never_overflows))
