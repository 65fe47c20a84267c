/* What a profile admits, and what none can. */
#include "tests/lib/test.h"

#include "lifecycle/core/offer.h"

static struct offer an_offer(
    char **allow, size_t n_allow, struct offer_param *params, size_t n_params)
{
	struct offer o = OFFER_NULL;

	o.name = (struct id){"zed"};
	o.env_allow = allow;
	o.n_env_allow = n_allow;
	o.params = params;
	o.n_params = n_params;
	return o;
}

static int with_env(const char *allow, const char *name)
{
	char pattern[32];
	char *list[] = {pattern};
	struct offer o;
	struct spec s = SPEC_NULL;
	struct err e = ERR_NULL;
	int r;

	snprintf(pattern, sizeof(pattern), "%s", allow);
	o = an_offer(list, 1, NULL, 0);
	strmap_put(&s.env, name, "v");
	r = offer_check(&o, &s, &e);
	spec_deinit(&s);
	return r;
}

static void environment_names_must_be_listed(void **s)
{
	(void)s;
	assert_int_equal(with_env("SPEC_TASK_ID", "SPEC_TASK_ID"), 0);
	assert_int_equal(with_env("SPEC_TASK_ID", "SPEC_TASK_ID2"), ERROR_INVALID);
	assert_int_equal(with_env("SPEC_*", "SPEC_TASK_ID"), 0);
	assert_int_equal(with_env("*", "ANYTHING"), 0);
}

static void some_names_are_never_admitted(void **s)
{
	static const char *const never[] = {"HELIX_SESSION_ID", "HELIX_API_URL",
	    "HELIX_API_TOKEN", "USER_API_TOKEN", "ZED_HELIX_URL", "HOME", "PATH", "SHELL",
	    "USER", "XDG_CONFIG_HOME", "LD_PRELOAD", "GLIBC_TUNABLES", "BASH_ENV", "ENV",
	    "IFS", "PYTHONPATH", "PYTHON", "NODE_OPTIONS", "GIT_SSH_COMMAND",
	    "SSH_AUTH_SOCK"};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		assert_true(env_name_forbidden(never[i]));
		assert_int_equal(with_env("*", never[i]), ERROR_INVALID);
		assert_int_equal(with_env(never[i], never[i]), ERROR_INVALID);
	}
	assert_int_equal(with_env("*", "GIT_REPO_URL"), 0);
	assert_int_equal(with_env("*", "GIT_REPO_ID"), 0);
	assert_false(env_name_forbidden("USERS"));
	assert_false(env_name_forbidden("HELIX_OTHER"));
}

static void names_have_a_form(void **s)
{
	char longest[SPEC_ENV_NAME_MAX + 2];

	(void)s;
	memset(longest, 'A', sizeof(longest));
	assert_true(env_name_valid(SLICE_LIT("_a1")));
	assert_true(env_name_valid((struct slice){longest, SPEC_ENV_NAME_MAX}));
	assert_false(env_name_valid((struct slice){longest, SPEC_ENV_NAME_MAX + 1}));
	assert_false(env_name_valid(SLICE_LIT("1a")));
	assert_false(env_name_valid(SLICE_LIT("")));
	assert_false(env_name_valid(SLICE_LIT("a-b")));
	assert_false(env_name_valid(SLICE_LIT("a=b")));
}

static int with_param(const char *pattern, int64_t max, const char *value)
{
	char name[] = "branch", copy[64];
	struct offer_param p = {.name = name, .pattern = copy, .max = max};
	struct offer o = an_offer(NULL, 0, &p, 1);
	struct spec s = SPEC_NULL;
	struct err e = ERR_NULL;
	int r;

	snprintf(copy, sizeof(copy), "%s", pattern);
	if (value)
		strmap_put(&s.params, "branch", value);
	r = offer_check(&o, &s, &e);
	assert_true(r == 0 || *e.text);
	spec_deinit(&s);
	return r;
}

static void a_parameter_matches_as_a_whole(void **s)
{
	(void)s;
	assert_int_equal(with_param("[a-z]+", -1, "main"), 0);
	assert_int_equal(with_param("[a-z]+", -1, "main;rm"), ERROR_INVALID);
	assert_int_equal(with_param("[a-z]+", -1, " main"), ERROR_INVALID);
	assert_int_equal(with_param("a|ab", -1, "ab"), 0);
	assert_int_equal(with_param("a|b", -1, "ab"), ERROR_INVALID);
	assert_int_equal(with_param(".*", -1, "a\nb"), ERROR_INVALID);
	assert_int_equal(with_param(".*", -1, ""), 0);
	assert_int_equal(with_param(".*", 3, "abcd"), ERROR_INVALID);
	assert_int_equal(with_param("(", -1, "a"), ERROR_INVALID);
}

static void parameters_are_all_there_and_no_others(void **s)
{
	struct offer o = an_offer(NULL, 0, NULL, 0);
	struct spec spec = SPEC_NULL;
	struct err e = ERR_NULL;

	(void)s;
	assert_int_equal(with_param(".*", -1, NULL), ERROR_INVALID);
	assert_int_equal(offer_check(&o, &spec, &e), 0);
	strmap_put(&spec.params, "x", "y");
	assert_int_equal(offer_check(&o, &spec, &e), ERROR_INVALID);
	spec_deinit(&spec);
}

TEST_MAIN(cmocka_unit_test(environment_names_must_be_listed),
    cmocka_unit_test(some_names_are_never_admitted), cmocka_unit_test(names_have_a_form),
    cmocka_unit_test(a_parameter_matches_as_a_whole),
    cmocka_unit_test(parameters_are_all_there_and_no_others))
