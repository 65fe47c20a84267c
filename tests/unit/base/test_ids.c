#include "base/ids.h"

#include "tests/lib/test.h"

#include "base/clock.h"

static void tokens_are_checked_byte_by_byte(void **state)
{
	char longest[ID_MAX + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(id_token_valid(slice_of("zi_demo-1")));
	assert_true(id_token_valid(slice_of("-")));
	assert_true(id_token_valid((struct slice){longest, ID_MAX}));
	assert_false(id_token_valid((struct slice){longest, ID_MAX + 1}));
	assert_false(id_token_valid(SLICE_NULL));
	for (int c = 0; c < 256; c++) {
		char s[3] = {'a', (char)c, 'b'};
		bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z') || c == '_' || c == '-';

		assert_int_equal(id_token_valid((struct slice){s, 3}), good);
	}
}

static void a_refused_token_leaves_nothing(void **state)
{
	struct id id = {"old"};

	(void)state;
	assert_false(id_parse(slice_of("../x"), &id));
	assert_true(id_empty(&id));
	assert_true(id_parse(slice_of("ses_1"), &id));
	assert_string_equal(id.s, "ses_1");
	assert_true(id_eq(&id, &(struct id){"ses_1"}));
	assert_false(id_eq(&id, &ID_NULL));
}

static void made_ids_are_valid_sorted_and_distinct(void **state)
{
	struct id last = id_make("ses_");

	(void)state;
	assert_int_equal(strlen(last.s), 30);
	for (int i = 0; i < 20000; i++) {
		struct id id = id_make("ses_");

		assert_true(id_token_valid(slice_of(id.s)));
		assert_true(strcmp(last.s, id.s) < 0);
		last = id;
	}
}

static void an_id_begins_with_the_time_it_was_made(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t before = clock_unix_ms(), after, made = 0;
	struct id id = id_make("x");

	(void)state;
	after = clock_unix_ms();
	for (int i = 1; i <= 10; i++)
		made = made * 32 + (strchr(alphabet, id.s[i]) - alphabet);
	assert_in_range(made, before, after + 1000); /* + what earlier ids ran ahead */
}

static void random_bytes_differ(void **state)
{
	unsigned char a[32] = {0}, b[32] = {0};

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(a, 0);
}

TEST_MAIN(cmocka_unit_test(tokens_are_checked_byte_by_byte),
    cmocka_unit_test(a_refused_token_leaves_nothing),
    cmocka_unit_test(made_ids_are_valid_sorted_and_distinct),
    cmocka_unit_test(an_id_begins_with_the_time_it_was_made),
    cmocka_unit_test(random_bytes_differ))
