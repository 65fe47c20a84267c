#include "base/io/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void address_and_port_are_cut_apart(void **state)
{
	struct addr a;

	(void)state;
	assert_int_equal(addr_parse("127.0.0.1:8080", &a, NULL), 0);
	assert_string_equal(a.host, "127.0.0.1");
	assert_int_equal(a.port, 8080);
	assert_int_equal(addr_parse("[::1]:0", &a, NULL), 0);
	assert_string_equal(a.host, "::1");
	assert_int_equal(a.port, 0);
}

static void malformed_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"", ":", "8080", "host", "host:", ":8080",
	    "h:65536", "h:-1", "h:1x", "::1:80", "[]:80", "[::1]", "h:123456"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct addr a;
		struct err e = ERR_NULL;

		assert_int_equal(addr_parse(bad[i], &a, &e), ERROR_INVALID);
		assert_non_null(strstr(e.text, "ADDR:PORT"));
	}
}

static void only_numeric_loopback_is_loopback(void **state)
{
	(void)state;
	assert_true(addr_is_loopback("127.0.0.1"));
	assert_true(addr_is_loopback("127.255.0.9"));
	assert_true(addr_is_loopback("::1"));
	assert_false(addr_is_loopback("0.0.0.0"));
	assert_false(addr_is_loopback("::"));
	assert_false(addr_is_loopback("localhost"));
	assert_false(addr_is_loopback("127.0.0.1.example.org"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(address_and_port_are_cut_apart),
	    cmocka_unit_test(malformed_addresses_are_refused),
	    cmocka_unit_test(only_numeric_loopback_is_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
