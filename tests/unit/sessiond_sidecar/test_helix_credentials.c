#include "tests/lib/test.h"

#include <string.h>

#include "sessiond/sidecar/helix_credentials.h"

#define CLAUDE(at)                                                                       \
	"{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":" at                \
	",\"scopes\":[\"s\"],\"later\":1}"
#define CODEX(at)                                                                        \
	"{\"auth_mode\":\"chatgpt\",\"OPENAI_API_KEY\":null,\"tokens\":{\"id_token\":"   \
	"\"i\",\"access_token\":\"a\",\"refresh_token\":\"r\",\"account_id\":\"c\"},"    \
	"\"last_refresh\":\"" at "\"}"

static struct arena a;

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&a);
	return 0;
}

static struct helix_credential answer(enum helix_credential_kind k, const char *body)
{
	struct helix_credential c;
	struct err e = ERR_NULL;

	assert_int_equal(helix_credential_answer(&a, k, slice_of(body), &c, &e), 0);
	return c;
}

static struct helix_credential file(enum helix_credential_kind k, const char *text)
{
	struct helix_credential c;

	helix_credential_file(&a, k, slice_of(text), &c);
	return c;
}

static void claude_s_file_wraps_what_the_api_says(void **state)
{
	struct helix_credential c = answer(HELIX_CLAUDE,
	    "{\"credential_type\":\"oauth\",\"oauth_credentials\":" CLAUDE("170") "}");
	struct helix_credential again;

	(void)state;
	assert_true(c.usable);
	assert_int_equal(c.stamp, 170);
	assert_true(slice_is(c.told, CLAUDE("170")));
	assert_true(slice_starts(c.filed, SLICE_LIT("{\n  \"claudeAiOauth\": {\n")));
	again = file(HELIX_CLAUDE, c.filed.p);
	assert_true(again.usable && slice_eq(again.told, c.told));
	assert_int_equal(again.stamp, 170);
}

static void a_setup_token_is_no_file(void **state)
{
	struct helix_credential c = answer(HELIX_CLAUDE,
	    "{\"credential_type\":\"setup_token\",\"setup_token\":\"sk-ant-oat01-x\"}");

	(void)state;
	assert_true(slice_is(c.setup_token, "sk-ant-oat01-x"));
	assert_false(c.usable);
	c = answer(HELIX_CLAUDE, "{\"credential_type\":\"oauth\",\"setup_token\":\"x\"}");
	assert_false(c.usable || c.setup_token.n);
}

static void codex_s_known_fields_are_told(void **state)
{
	struct helix_credential c =
	    file(HELIX_CODEX, "{\"mine\":1,\"last_refresh\":\"2026-01-02T03:04:05.5+01:00\","
			      "\"auth_mode\":\"chatgpt\",\"tokens\":{\"refresh_token\":\"r\"}}");

	(void)state;
	assert_true(c.usable);
	assert_int_equal(c.stamp, INT64_C(1767319445500));
	assert_true(slice_is(c.told,
	    "{\"auth_mode\":\"chatgpt\",\"OPENAI_API_KEY\":null,\"tokens\":{\"id_token\":"
	    "null,\"access_token\":null,\"refresh_token\":\"r\",\"account_id\":null},"
	    "\"last_refresh\":\"2026-01-02T03:04:05.5+01:00\"}"));
	c = answer(HELIX_CODEX, CODEX("2026-01-02T03:04:05Z"));
	assert_true(slice_is(c.told, CODEX("2026-01-02T03:04:05Z")));
}

static void what_is_no_sign_in_is_none(void **state)
{
	static const char *const answers[][2] = {{"<html>", "<html>"}, {"[]", "[]"},
	    {"{\"oauth_credentials\":{}}", "{}"},
	    {"{\"oauth_credentials\":" CLAUDE("\"1\"") "}", CODEX("yesterday")},
	    {"{\"oauth_credentials\":5}", CODEX("0001-01-01T00:00:00Z")}};
	static const char *const files[][2] = {{"", ""}, {"{", "{"}, {CLAUDE("1"), "{}"},
	    {"{\"claudeAiOauth\":{\"expiresAt\":1}}", CODEX("")},
	    {"{\"claudeAiOauth\":" CLAUDE("1.5") "}", "{\"auth_mode\":\"apikey\"}"}};

	(void)state;
	for (enum helix_credential_kind k = 0; k < HELIX_CREDENTIAL_N_; k++) {
		for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
			struct helix_credential c;
			struct err e = ERR_NULL;

			assert_int_equal(helix_credential_answer(
					     &a, k, slice_of(answers[i][k]), &c, &e),
			    ERROR_INVALID);
		}
		for (size_t i = 0; i < ARRAY_LEN(files); i++)
			assert_false(file(k, files[i][k]).usable);
	}
}

static void the_newer_one_counts(void **state)
{
	struct helix_credential api = {.usable = true, .stamp = 5, .told = {"a", 1}};
	struct helix_credential mine = api, other = api, none = {0};

	(void)state;
	other.told = SLICE_LIT("b");
	assert_int_equal(helix_credential_decide(&api, &mine), HELIX_CREDENTIAL_KEEP);
	assert_int_equal(helix_credential_decide(&api, &other), HELIX_CREDENTIAL_WRITE);
	mine.stamp = 4;
	assert_int_equal(helix_credential_decide(&api, &mine), HELIX_CREDENTIAL_WRITE);
	mine.stamp = 6;
	assert_int_equal(helix_credential_decide(&api, &mine), HELIX_CREDENTIAL_TELL);
	assert_int_equal(helix_credential_decide(&api, &none), HELIX_CREDENTIAL_WRITE);
	assert_int_equal(helix_credential_decide(&none, &mine), HELIX_CREDENTIAL_KEEP);
}

static void stale_is_stale(void **state)
{
	(void)state;
	assert_true(helix_credential_is_stale(SLICE_LIT("{\"status\":\"stale\"}")));
	assert_false(helix_credential_is_stale(SLICE_LIT("{\"status\":\"ok\"}")));
	assert_false(helix_credential_is_stale(SLICE_LIT("stale")));
}

#define T(f) cmocka_unit_test_teardown(f, teardown)
TEST_MAIN(T(claude_s_file_wraps_what_the_api_says), T(a_setup_token_is_no_file),
    T(codex_s_known_fields_are_told), T(what_is_no_sign_in_is_none),
    T(the_newer_one_counts), T(stale_is_stale))
