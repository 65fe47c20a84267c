#include "zedctl/answer.h"

#include "tests/lib/test.h"

static struct answer answer;

static int setup(void **state)
{
	(void)state;
	answer_init(&answer, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	answer_deinit(&answer);
	return 0;
}

static void delta(const char *id, int64_t offset, const char *append, int64_t total)
{
	struct jsn *d = jsn_new_object();

	jsn_set_string(d, "message_id", id);
	jsn_set_string(d, "type", "text");
	jsn_set_int(d, "offset_utf16", offset);
	jsn_set_string(d, "append", append);
	jsn_set_int(d, "total_utf16", total);
	answer_delta(&answer, d);
	jsn_free(d);
}

static const char *text_of(size_t i)
{
	assert_true(i < answer.n_entries);
	return buf_cstr(&answer.entries[i].text);
}

static void deltas_count_in_utf16_units(void **state)
{
	static const struct {
		const char *old, *append, *want;
		int64_t offset, total;
	} cases[] = {
	    {"", "Hi", "Hi", 0, 2},
	    {"Hel", "lo", "Hello", 3, 5},
	    {"abcdef", "", "abc", 3, 3},
	    {"\xe2\x9c\x85 Hello", " world", "\xe2\x9c\x85 Hello world", 7, 13},
	    {"\xf0\x9f\x93\xa4 desktop/Status: Pending", "Complete",
		"\xf0\x9f\x93\xa4 desktop/Status: Complete", 19, 27},
	    {"a\xf0\x9f\x98\x80"
	     "b",
		"\xf0\x9f\x98\x81"
		"b",
		"a\xf0\x9f\x98\x81"
		"b",
		1, 4},
	    {"ab", "c", "abc", 9, 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		answer_deinit(&answer);
		delta("1", 0, cases[i].old, INT64_MAX);
		delta("1", cases[i].offset, cases[i].append, cases[i].total);
		assert_string_equal(text_of(0), cases[i].want);
	}
}

static void entries_keep_the_order_they_came_in(void **state)
{
	(void)state;
	delta("7", 0, "first", 5);
	delta("2", 0, "second", 6);
	delta("7", 5, "!", 6);
	assert_int_equal(answer.n_entries, 2);
	assert_string_equal(text_of(0), "first!");
	assert_string_equal(text_of(1), "second");
}

static void a_snapshot_replaces_what_is_known(void **state)
{
	const char *json = "[{\"message_id\":\"1\",\"type\":\"text\",\"content\":\"new\"}"
			   ",{\"message_id\":\"2\","
			   "\"type\":\"tool_call\",\"content\":\"**Tool Call: "
			   "x**\"},{\"content\":\"lost\"}]";
	struct jsn *v = NULL;

	(void)state;
	delta("1", 0, "old text", 8);
	assert_int_equal(jsn_parse(json, strlen(json), &v, NULL), 0);
	answer_snapshot(&answer, v);
	jsn_free(v);
	assert_int_equal(answer.n_entries, 2);
	assert_string_equal(text_of(0), "new");
	assert_true(answer.entries[1].is_tool);
}

static void what_was_printed_is_not_printed_again(void **state)
{
	(void)state;
	delta("1", 0, "Hello", 5);
	answer_show(&answer);
	assert_string_equal(buf_cstr(&answer.entries[0].shown), "Hello");
	delta("1", 4, "", 4); /* trimmed: nothing to print */
	answer_show(&answer);
	assert_string_equal(buf_cstr(&answer.entries[0].shown), "Hello");
	delta("1", 4, "o!", 6);
	answer_show(&answer);
	assert_string_equal(buf_cstr(&answer.entries[0].shown), "Hello!");
}

static void blanks_at_the_end_wait_for_what_follows(void **state)
{
	(void)state;
	delta("1", 0, "One.\n\n", 6);
	answer_show(&answer);
	assert_string_equal(buf_cstr(&answer.entries[0].shown), "One.");
	delta("1", 6, "Two.", 10);
	answer_show(&answer);
	assert_string_equal(buf_cstr(&answer.entries[0].shown), "One.\n\nTwo.");
}

static void damaged_deltas_do_no_harm(void **state)
{
	struct jsn *d = jsn_new_object();

	(void)state;
	answer_delta(&answer, d);
	jsn_set_int(d, "message_id", 5);
	answer_delta(&answer, d);
	assert_int_equal(answer.n_entries, 0);
	jsn_set_string(d, "message_id", "1");
	jsn_set_int(d, "offset_utf16", -3);
	jsn_set_int(d, "total_utf16", -1);
	answer_delta(&answer, d);
	assert_string_equal(text_of(0), "");
	jsn_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(deltas_count_in_utf16_units, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		entries_keep_the_order_they_came_in, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_snapshot_replaces_what_is_known, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_was_printed_is_not_printed_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		blanks_at_the_end_wait_for_what_follows, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_deltas_do_no_harm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
