#include "base/io/auth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static const char *file_of(const char *text)
{
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "/tmp/zedbus-test-auth.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int load(const char *text, struct auth_table **t, struct err *e)
{
	int r = auth_table_load(file_of(text), t, e);

	unlink(path);
	return r;
}

#define HASH_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void the_hash_is_sha256(void **state)
{
	char hash[AUTH_HASH_LEN + 1];

	(void)state;
	auth_hash("abc", 3, hash);
	assert_string_equal(hash, HASH_OF_ABC);
}

static void secrets_are_long_and_never_the_same(void **state)
{
	char a[AUTH_SECRET_LEN + 1], b[AUTH_SECRET_LEN + 1];

	(void)state;
	auth_make_secret(a);
	auth_make_secret(b);
	assert_int_equal(strlen(a), AUTH_SECRET_LEN);
	assert_string_not_equal(a, b);
	assert_null(strpbrk(a, "+/= "));
}

static void a_secret_finds_its_identity(void **state)
{
	struct auth_table *t;
	const struct auth_identity *id;

	(void)state;
	assert_int_equal(
	    load("# people\n\n{\"sha256\":\"" HASH_OF_ABC "\",\"role\":\"agent\","
		 "\"sub\":\"alice\",\"sessions\":[\"ses_1\",\"ses_2\"]}\n",
		&t, NULL),
	    0);
	assert_true(auth_table_enabled(t));
	id = auth_table_find(t, "abc", 1);
	assert_non_null(id);
	assert_int_equal(id->role, AUTH_AGENT);
	assert_string_equal(id->sub, "alice");
	assert_int_equal(id->n_sessions, 2);
	assert_string_equal(id->sessions[1], "ses_2");
	assert_null(auth_table_find(t, "abd", 1));
	assert_null(auth_table_find(t, "", 1));
	assert_null(auth_table_find(t, NULL, 1));
	auth_table_free(t);
}

static void an_expired_secret_finds_nothing(void **state)
{
	struct auth_table *t;

	(void)state;
	assert_int_equal(
	    load("{\"sha256\":\"" HASH_OF_ABC "\",\"role\":\"user\",\"sub\":\"a\","
		 "\"expires_at\":\"1970-01-01T00:00:10Z\"}\n",
		&t, NULL),
	    0);
	assert_non_null(auth_table_find(t, "abc", 9999));
	assert_null(auth_table_find(t, "abc", 10000));
	auth_table_free(t);
}

static void malformed_lines_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"\n{]\n", "line 2"},
	    {"[]\n", "not a JSON object"},
	    {"{\"sha256\":\"" HASH_OF_ABC "\",\"role\":\"root\",\"sub\":\"a\"}\n",
		"\"role\""},
	    {"{\"sha256\":\"abc\",\"role\":\"user\",\"sub\":\"a\"}\n", "\"sha256\""},
	    {"{\"sha256\":\"" HASH_OF_ABC "\",\"role\":\"user\"}\n", "\"sub\""},
	    {"{\"sha256\":\"" HASH_OF_ABC "\",\"role\":\"user\",\"sub\":\"a\",\"x\":1}\n",
		"\"x\""},
	    {"{\"sha256\":\"" HASH_OF_ABC
	     "\",\"role\":\"agent\",\"sub\":\"a\",\"sessions\":[\"a b\"]}\n",
		"sessions"},
	    {"{\"sha256\":\"" HASH_OF_ABC
	     "\",\"role\":\"user\",\"sub\":\"a\",\"expires_at\":\"soon\"}\n",
		"expires_at"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct auth_table *t = NULL;
		struct err e = ERR_NULL;

		assert_int_equal(load(bad[i].text, &t, &e), ERROR_INVALID);
		assert_null(t);
		if (!strstr(e.text, bad[i].says))
			fail_msg("'%s' does not name %s", e.text, bad[i].says);
	}
}

static void a_missing_file_is_an_error_and_no_file_means_open(void **state)
{
	struct auth_table *t = NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(auth_table_load("/nonexistent/tokens", &t, &e), -ENOENT);
	assert_int_equal(auth_table_load(NULL, &t, &e), 0);
	assert_false(auth_table_enabled(t));
	auth_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hash_is_sha256),
	    cmocka_unit_test(secrets_are_long_and_never_the_same),
	    cmocka_unit_test(a_secret_finds_its_identity),
	    cmocka_unit_test(an_expired_secret_finds_nothing),
	    cmocka_unit_test(malformed_lines_are_named),
	    cmocka_unit_test(a_missing_file_is_an_error_and_no_file_means_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
