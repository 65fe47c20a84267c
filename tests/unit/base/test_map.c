#include "base/map.h"

#include "tests/lib/test.h"

#include <stdio.h>

static void values_are_found_replaced_and_removed(void **state)
{
	struct map *m = NULL;
	int a, b;

	(void)state;
	assert_null(map_get(m, slice_of("k")));
	assert_int_equal(map_count(m), 0);
	assert_null(map_del(&m, slice_of("k")));
	assert_null(map_put(&m, slice_of("k"), &a));
	assert_ptr_equal(map_get(m, slice_of("k")), &a);
	assert_ptr_equal(map_put(&m, slice_of("k"), &b), &a);
	assert_int_equal(map_count(m), 1);
	assert_ptr_equal(map_del(&m, slice_of("k")), &b);
	assert_null(m);
	map_clear(&m);
}

static void keys_are_bytes_and_are_copied(void **state)
{
	struct map *m = NULL;
	char key[] = "abc";
	int a, b, c;

	(void)state;
	map_put(&m, slice_of(key), &a);
	key[0] = 'X';
	assert_ptr_equal(map_get(m, slice_of("abc")), &a);
	map_put(&m, SLICE_LIT("abc\0d"), &b);
	map_put(&m, SLICE_NULL, &c);
	assert_ptr_equal(map_get(m, slice_of("abc")), &a);
	assert_ptr_equal(map_get(m, SLICE_LIT("abc\0d")), &b);
	assert_ptr_equal(map_get(m, SLICE_LIT("")), &c);
	assert_int_equal(map_count(m), 3);
	map_clear(&m);
	assert_null(m);
}

static void iteration_follows_insertion_and_survives_removal(void **state)
{
	struct map *m = NULL;
	int v[1000], n = 0;
	char key[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		map_put(&m, slice_of(key), &v[i]);
	}
	map_for_each (it, m) {
		assert_ptr_equal(map_value(it), &v[n]);
		snprintf(key, sizeof(key), "key-%d", n);
		assert_true(slice_is(map_key(it), key));
		if (n++ % 3)
			assert_non_null(map_del(&m, slice_of(key)));
	}
	assert_int_equal(n, 1000);
	assert_int_equal(map_count(m), 334);
	assert_ptr_equal(map_get(m, slice_of("key-999")), &v[999]);
	assert_null(map_get(m, slice_of("key-998")));
	map_for_each (it, m)
		map_del(&m, map_key(it));
	assert_null(m);
}

TEST_MAIN(cmocka_unit_test(values_are_found_replaced_and_removed),
    cmocka_unit_test(keys_are_bytes_and_are_copied),
    cmocka_unit_test(iteration_follows_insertion_and_survives_removal))
