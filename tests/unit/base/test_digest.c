/* Against values anybody can check with sha256sum. */
#include "base/digest.h"
#include "base/hex.h"

#include "tests/lib/test.h"

static void test_known_digests(void **state)
{
	char hex[DIGEST_HEX_LEN + 1];

	(void)state;
	digest_hex(SLICE_LIT("abc"), hex);
	assert_string_equal(
	    hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_hex(SLICE_NULL, hex);
	assert_string_equal(
	    hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hex_both_ways(void **state)
{
	const unsigned char bytes[] = {0x00, 0x0f, 0xa5, 0xff};
	char hex[2 * sizeof(bytes) + 1];

	(void)state;
	hex_print(bytes, sizeof(bytes), hex);
	assert_string_equal(hex, "000fa5ff");
	assert_int_equal(hex_value('0'), 0);
	assert_int_equal(hex_value('9'), 9);
	assert_int_equal(hex_value('a'), 10);
	assert_int_equal(hex_value('F'), 15);
	for (const char *p = "/:@G`g \xff"; *p; p++)
		assert_int_equal(hex_value(*p), -1);
	assert_int_equal(hex_value('\0'), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_digests),
	    cmocka_unit_test(test_hex_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
