#include "base/buf.h"

#include "tests/lib/test.h"

#include <errno.h>

static void appends_grow_and_stay_terminated(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%d,", i);
	buf_add_slice(&b, SLICE_LIT("end"));
	buf_addc(&b, '!');
	assert_int_equal(buf_check(&b), 0);
	assert_int_equal(strlen(buf_cstr(&b)), b.n);
	assert_string_equal(buf_cstr(&b) + b.n - 8, "999,end!");
	assert_true(slice_starts(buf_slice(&b), SLICE_LIT("0,1,2,")));
}

static void the_maximum_is_exact_and_failure_sticks(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(100);
	char fill[100];

	(void)state;
	memset(fill, 'x', sizeof(fill));
	buf_add(&b, fill, 100);
	assert_int_equal(buf_check(&b), 0);
	assert_int_equal(b.n, 100);
	buf_addc(&b, 'y');
	assert_int_equal(buf_check(&b), -ENOBUFS);
	assert_string_equal(buf_cstr(&b), "");
	buf_consume(&b, 50);
	buf_addc(&b, 'y');
	assert_int_equal(buf_check(&b), -ENOBUFS);
	assert_null(buf_steal(&b, NULL));
	assert_int_equal(buf_check(&b), 0);
}

static void a_failed_append_leaves_what_was_there(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(5);

	(void)state;
	buf_adds(&b, "abc");
	buf_addf(&b, "%d", 123);
	assert_int_equal(b.n, 3);
	assert_true(b.failed);
	buf_reset(&b);
	buf_adds(&b, "abcde");
	assert_int_equal(buf_check(&b), 0);
	assert_string_equal(buf_cstr(&b), "abcde");
}

static void formatting_over_the_maximum_fails_whole(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(10);

	(void)state;
	buf_addf(&b, "%s", "0123456789");
	assert_int_equal(buf_check(&b), 0);
	buf_addf(&b, "%s", "");
	assert_int_equal(buf_check(&b), 0);
	buf_addf(&b, "%c", 'x');
	assert_int_equal(buf_check(&b), -ENOBUFS);
}

/* As without a sanitizer: an allocation that cannot be is NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void an_absurd_maximum_fails_as_no_memory(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	(void)state;
	buf_adds(&b, "abc");
	/* More than any address space has: never read, since the room comes first. */
	buf_add(&b, "", SIZE_MAX / 2);
	assert_int_equal(buf_check(&b), -ENOMEM);
}

static void consume_moves_the_rest_to_the_front(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(100);

	(void)state;
	buf_adds(&b, "first\nsecond");
	buf_consume(&b, 6);
	assert_string_equal(buf_cstr(&b), "second");
	buf_consume(&b, 6);
	assert_int_equal(b.n, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_consume(&b, 0);
}

static void steal_gives_the_bytes_away(void **state)
{
	struct buf b = BUF_NULL(100);
	size_t n = 99;
	char *p;

	(void)state;
	p = buf_steal(&b, &n);
	assert_string_equal(p, "");
	assert_int_equal(n, 0);
	free(p);
	buf_add(&b, "a\0b", 3);
	p = buf_steal(&b, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "a\0b", 4);
	assert_null(b.data);
	assert_int_equal(b.max, 100);
	free(p);
	buf_deinit(&b);
	buf_deinit(&b);
}

static void assert_json_string(const char *in, size_t n, const char *wanted)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1000);

	buf_add_json_string(&b, in, n);
	assert_string_equal(buf_cstr(&b), wanted);
}

static void json_strings_are_escaped(void **state)
{
	(void)state;
	assert_json_string("", 0, "\"\"");
	assert_json_string(
	    "plain \xC3\xA9 \xF0\x9F\x98\x80", 13, "\"plain \xC3\xA9 \xF0\x9F\x98\x80\"");
	assert_json_string("q\"b\\n\nr\rt\te\x1b z\0", 15,
	    "\"q\\\"b\\\\n\\nr\\rt\\te\\u001b z\\u0000\"");
	assert_json_string("\xFFx\xC3", 3, "\"\xEF\xBF\xBDx\xEF\xBF\xBD\"");
	assert_json_string("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void assert_masked(const char *in, const char *wanted)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1000);

	buf_add_masked(&b, in);
	assert_string_equal(buf_cstr(&b), wanted);
}

static void userinfo_of_urls_is_masked(void **state)
{
	(void)state;
	assert_masked("nats://127.0.0.1:4222", "nats://127.0.0.1:4222");
	assert_masked("nats://u:p@h:4222", "nats://***@h:4222");
	assert_masked("nats://token@h", "nats://***@h");
	assert_masked("x nats://u:p/@,q@h/a", "x nats://***@h/a");
	assert_masked("nats://u:a@h1,nats://u:b@h2", "nats://***@h2");
	assert_masked("someone@example.org", "someone@example.org");
	assert_masked("", "");
}

TEST_MAIN(cmocka_unit_test(appends_grow_and_stay_terminated),
    cmocka_unit_test(the_maximum_is_exact_and_failure_sticks),
    cmocka_unit_test(a_failed_append_leaves_what_was_there),
    cmocka_unit_test(formatting_over_the_maximum_fails_whole),
    cmocka_unit_test(an_absurd_maximum_fails_as_no_memory),
    cmocka_unit_test(consume_moves_the_rest_to_the_front),
    cmocka_unit_test(steal_gives_the_bytes_away),
    cmocka_unit_test(json_strings_are_escaped),
    cmocka_unit_test(userinfo_of_urls_is_masked))
