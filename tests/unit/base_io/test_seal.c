/* Sealed values open with their key in their place, and nothing else does. */
#include "base/io/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct seal_key key = {{1, 2, 3}}, other = {{1, 2, 4}};

static void a_sealed_value_opens_in_its_place(void **state)
{
	AUTO(buf_deinit)
	struct buf sealed = BUF_NULL(1000),
		   again = BUF_NULL(1000), plain = BUF_NULL(1000);

	(void)state;
	seal(&key, SLICE_LIT("here"), SLICE_LIT("secret"), &sealed);
	seal(&key, SLICE_LIT("here"), SLICE_LIT("secret"), &again);
	assert_int_equal(sealed.n, 6 + SEAL_OVERHEAD);
	assert_memory_not_equal(sealed.data, again.data, sealed.n);
	assert_null(memmem(sealed.data, sealed.n, "secret", 6));
	assert_true(unseal(&key, SLICE_LIT("here"), buf_slice(&sealed), &plain));
	assert_string_equal(buf_cstr(&plain), "secret");
}

static void an_empty_value_can_be_sealed(void **state)
{
	AUTO(buf_deinit) struct buf sealed = BUF_NULL(1000), plain = BUF_NULL(1000);

	(void)state;
	seal(&key, SLICE_NULL, SLICE_NULL, &sealed);
	assert_true(unseal(&key, SLICE_NULL, buf_slice(&sealed), &plain));
	assert_int_equal(plain.n, 0);
}

static void nothing_else_opens_it(void **state)
{
	AUTO(buf_deinit) struct buf sealed = BUF_NULL(1000), plain = BUF_NULL(1000);

	(void)state;
	seal(&key, SLICE_LIT("here"), SLICE_LIT("secret"), &sealed);
	assert_false(unseal(&other, SLICE_LIT("here"), buf_slice(&sealed), &plain));
	assert_false(unseal(&key, SLICE_LIT("there"), buf_slice(&sealed), &plain));
	for (size_t n = 0; n < sealed.n; n++)
		assert_false(unseal(
		    &key, SLICE_LIT("here"), (struct slice){sealed.data, n}, &plain));
	for (size_t i = 0; i < sealed.n; i++) {
		sealed.data[i] = (char)(sealed.data[i] ^ 1);
		assert_false(unseal(&key, SLICE_LIT("here"), buf_slice(&sealed), &plain));
		sealed.data[i] = (char)(sealed.data[i] ^ 1);
	}
	assert_int_equal(plain.n, 0);
}

static void hashes_tell_equal_values(void **state)
{
	char a[SEAL_HASH_LEN + 1], b[SEAL_HASH_LEN + 1], c[SEAL_HASH_LEN + 1],
	    d[SEAL_HASH_LEN + 1];

	(void)state;
	seal_hash(&key, SLICE_LIT("x"), a);
	seal_hash(&key, SLICE_LIT("x"), b);
	seal_hash(&key, SLICE_LIT("y"), c);
	seal_hash(&other, SLICE_LIT("x"), d);
	assert_int_equal(strlen(a), SEAL_HASH_LEN);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_string_not_equal(a, d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sealed_value_opens_in_its_place),
	    cmocka_unit_test(an_empty_value_can_be_sealed),
	    cmocka_unit_test(nothing_else_opens_it),
	    cmocka_unit_test(hashes_tell_equal_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
