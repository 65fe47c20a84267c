#include "base/err.h"

#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

static void set_returns_the_code_and_keeps_the_text(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(err_set(&e, ERROR_STALE, "revision %d", 7), ERROR_STALE);
	assert_int_equal(e.code, ERROR_STALE);
	assert_string_equal(e.text, "revision 7");
	assert_int_equal(err_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void prefix_rises_through_layers(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	err_set(&e, -ETIMEDOUT, "timeout after %d ms", 2000);
	assert_int_equal(err_prefix(&e, "kv %s", "get"), -ETIMEDOUT);
	err_prefix(&e, "settings");
	assert_string_equal(e.text, "settings: kv get: timeout after 2000 ms");
}

static void text_is_cut_and_stays_one_line(void **state)
{
	struct err e = ERR_NULL;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	text[3] = '\n';
	text[5] = '\x1b';
	err_set(&e, ERROR_INVALID, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_null(strpbrk(e.text, "\n\x1b"));
	err_prefix(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void every_row_has_all_its_parts_and_a_way_back(void **state)
{
	(void)state;
	for (int i = ERROR_NONE + 1; i < ERROR_N_; i++) {
		assert_int_equal(error_from_name(error_name(i)), i);
		assert_in_range(error_http_status(i), 400, 599);
		assert_true(strlen(error_sentence(i)) > 10);
	}
	assert_int_equal(error_from_name("NONSENSE"), ERROR_NONE);
	assert_int_equal(error_from_name(""), ERROR_NONE);
	assert_int_equal(error_from_name("NONE"), ERROR_NONE);
}

static void codes_outside_the_table_are_internal(void **state)
{
	(void)state;
	assert_string_equal(error_name(-EIO), "INTERNAL");
	assert_string_equal(error_name(ERROR_N_), "INTERNAL");
	assert_string_equal(error_name(100000), "INTERNAL");
	assert_string_equal(error_name(-ENOMEM), "UNAVAILABLE");
	assert_string_equal(error_name(-EAGAIN), "UNAVAILABLE");
	assert_int_equal(error_http_status(-EIO), 500);
	assert_true(error_retryable(-EAGAIN));
	assert_false(error_retryable(ERROR_INVALID));
}

TEST_MAIN(cmocka_unit_test(set_returns_the_code_and_keeps_the_text),
    cmocka_unit_test(prefix_rises_through_layers),
    cmocka_unit_test(text_is_cut_and_stays_one_line),
    cmocka_unit_test(every_row_has_all_its_parts_and_a_way_back),
    cmocka_unit_test(codes_outside_the_table_are_internal))
