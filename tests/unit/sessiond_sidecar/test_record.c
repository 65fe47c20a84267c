#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "sessiond/sidecar/record.h"

static struct record sample(void)
{
	struct record r = RECORD_NULL;

	record_set(&r, RECORD_TEXT, SLICE_LIT("{\n}\nsum 12\0x"));
	record_set(&r, RECORD_BASE, SLICE_LIT("{}"));
	record_set(&r, RECORD_POLICY, SLICE_LIT(""));
	return r;
}

static void what_is_encoded_is_decoded(void **state)
{
	AUTO(record_deinit) struct record r = sample();
	AUTO(record_deinit) struct record back = RECORD_NULL;
	AUTO(buf_deinit) struct buf b = BUF_NULL(RECORD_BYTES_MAX);
	struct err e = ERR_NULL;

	(void)state;
	record_encode(&r, &b);
	assert_int_equal(buf_check(&b), 0);
	assert_int_equal(record_decode(buf_slice(&b), &back, &e), 0);
	assert_true(record_equal(&r, &back));
	assert_non_null(record_get(&back, RECORD_POLICY).p);
	assert_null(record_get(&back, RECORD_HELD).p);
}

static void absent_and_empty_are_not_equal(void **state)
{
	AUTO(record_deinit) struct record r = sample();
	AUTO(record_deinit) struct record other = RECORD_NULL;

	(void)state;
	record_copy(&other, &r);
	assert_true(record_equal(&r, &other));
	record_set(&other, RECORD_POLICY, SLICE_NULL);
	assert_false(record_equal(&r, &other));
	assert_string_equal(record_str(&other, RECORD_POLICY), "");
}

/* A record that was not written whole, or that anything touched, is seen to be. */
static void every_cut_and_every_changed_byte_is_noticed(void **state)
{
	AUTO(record_deinit) struct record r = sample();
	AUTO(record_deinit) struct record back = RECORD_NULL;
	AUTO(buf_deinit) struct buf b = BUF_NULL(RECORD_BYTES_MAX);
	struct err e = ERR_NULL;

	(void)state;
	record_encode(&r, &b);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(
		    record_decode((struct slice){b.data, n}, &back, &e), ERROR_INVALID);
	for (size_t i = 0; i < b.n; i++) {
		b.data[i] = (char)(b.data[i] ^ 1);
		assert_int_equal(record_decode(buf_slice(&b), &back, &e), ERROR_INVALID);
		b.data[i] = (char)(b.data[i] ^ 1);
	}
	assert_null(record_get(&back, RECORD_TEXT).p);
}

TEST_MAIN(cmocka_unit_test(what_is_encoded_is_decoded),
    cmocka_unit_test(absent_and_empty_are_not_equal),
    cmocka_unit_test(every_cut_and_every_changed_byte_is_noticed))
