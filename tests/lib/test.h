/* What every unit test begins with: cmocka and the headers it forgets to include. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* TEST_MAIN(cmocka_unit_test(a_sentence), ...): main() of a test file without fixtures.
 */
#define TEST_MAIN(...)                                                                   \
	int main(void)                                                                   \
	{                                                                                \
		const struct CMUnitTest tests[] = {__VA_ARGS__};                         \
		return cmocka_run_group_tests(tests, NULL, NULL);                        \
	}
