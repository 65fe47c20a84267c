/* Format rules of commands and specs. */
#include "tests/lib/test.h"

#include <signal.h>

#include "lifecycle/core/command.h"

static const struct id tenant = {"default"}, instance = {"i1"};

static struct command a_start(void)
{
	struct command c = COMMAND_NULL;

	c.verb = VERB_START;
	c.spec.profile = (struct id){"zed"};
	return c;
}

static int check(struct command *c, struct err *e)
{
	return command_check(c, &tenant, &instance, e);
}

static void the_subject_fills_in_what_the_body_leaves_out(void **s)
{
	struct command c = a_start();
	struct err e = ERR_NULL;

	(void)s;
	assert_int_equal(check(&c, &e), 0);
	assert_string_equal(c.tenant.s, "default");
	assert_string_equal(c.spec.instance_id.s, "i1");
	assert_int_equal(c.start_deadline_ms, 300000);
	assert_int_equal(c.spec.ready_timeout_ms, 60000);
	assert_int_equal(c.spec.lost_after_ms, 300000);
	assert_int_equal(c.spec.on_lost, ON_LOST_KEEP);
	assert_int_equal(c.spec.restart.policy, RESTART_UNSET); /* the profile may say */
	command_deinit(&c);
}

static void a_body_that_contradicts_the_subject_is_refused(void **s)
{
	struct command c = a_start();
	struct err e = ERR_NULL;

	(void)s;
	c.instance_id = (struct id){"other"};
	assert_int_equal(check(&c, &e), ERROR_INVALID);
	assert_non_null(strstr(e.text, "instance_id"));
	command_deinit(&c);
	c = a_start();
	c.tenant = (struct id){"other"};
	assert_int_equal(check(&c, &e), ERROR_INVALID);
	assert_non_null(strstr(e.text, "tenant"));
	command_deinit(&c);
}

static void a_tenant_left_out_is_default(void **s)
{
	struct command c = a_start();
	struct id none = ID_NULL;
	struct err e = ERR_NULL;

	(void)s;
	c.instance_id = instance;
	assert_int_equal(command_check(&c, &none, &none, &e), 0);
	assert_string_equal(c.tenant.s, "default");
	command_deinit(&c);
	c = a_start();
	assert_int_equal(command_check(&c, &none, &none, &e), ERROR_INVALID);
	command_deinit(&c);
}

#define REFUSED(field, change)                                                           \
	do {                                                                             \
		struct command c = a_start();                                            \
		struct err e = ERR_NULL;                                                 \
		change;                                                                  \
		assert_int_equal(check(&c, &e), ERROR_INVALID);                          \
		assert_non_null(strstr(e.text, field));                                  \
		command_deinit(&c);                                                      \
	} while (0)

static void every_limit_is_kept(void **s)
{
	char *big = malloc(SPEC_ENV_VALUE_MAX + 2);

	(void)s;
	memset(big, 'x', SPEC_ENV_VALUE_MAX + 1);
	big[SPEC_ENV_VALUE_MAX + 1] = '\0';
	REFUSED("profile", c.spec.profile = ID_NULL);
	REFUSED("env", strmap_put(&c.spec.env, "1X", "v"));
	REFUSED("env", strmap_put(&c.spec.env, "PATH", "v"));
	REFUSED("env", strmap_put(&c.spec.env, "A", big));
	REFUSED("workspace", c.spec.workspace = strdup("/w\n"));
	REFUSED("labels", strmap_put(&c.spec.labels, "", "v"));
	REFUSED("restart.max", c.spec.restart.max = RESTART_MAX_MAX + 1);
	REFUSED("stop.grace_ms", c.spec.stop.grace_ms = GRACE_MS_MAX + 1);
	REFUSED("start_deadline_ms", c.start_deadline_ms = INT64_MAX);
	REFUSED("lost_after_ms", c.spec.lost_after_ms = INT64_MAX);
	free(big);
}

static void at_most_64_names_of_environment(void **s)
{
	struct command c = a_start();
	struct err e = ERR_NULL;
	char name[16];

	(void)s;
	for (int n = 0; n < SPEC_ENV_MAX; n++) {
		snprintf(name, sizeof(name), "N%d", n);
		strmap_put(&c.spec.env, name, "v");
	}
	assert_int_equal(check(&c, &e), 0);
	strmap_put(&c.spec.env, "ONE_MORE", "v");
	assert_int_equal(check(&c, &e), ERROR_INVALID);
	command_deinit(&c);
}

static void the_other_verbs_have_their_rules(void **s)
{
	struct command c = COMMAND_NULL;
	struct err e = ERR_NULL;

	(void)s;
	c.verb = VERB_SIGNAL;
	assert_int_equal(check(&c, &e), ERROR_INVALID);
	c.signal = SIGHUP;
	assert_int_equal(check(&c, &e), 0);
	c.verb = VERB_STOP;
	c.stop.grace_ms = GRACE_MS_MAX;
	assert_int_equal(check(&c, &e), 0);
	c.stop.grace_ms++;
	assert_int_equal(check(&c, &e), ERROR_INVALID);
}

static void start_then_profile_then_default(void **s)
{
	struct restart_rule r = RESTART_RULE_NULL, profile = {RESTART_ALWAYS, 7, -1};
	struct stop_rule stop = {0, 5}, none = STOP_RULE_NULL;

	(void)s;
	r.max = 1;
	restart_rule_complete(&r, &profile);
	assert_int_equal(r.policy, RESTART_ALWAYS);
	assert_int_equal(r.max, 1);
	assert_int_equal(r.window_ms, 600000);
	stop_rule_complete(&stop, &none);
	assert_int_equal(stop.signal, SIGTERM);
	assert_int_equal(stop.grace_ms, 5);
}

TEST_MAIN(cmocka_unit_test(the_subject_fills_in_what_the_body_leaves_out),
    cmocka_unit_test(a_body_that_contradicts_the_subject_is_refused),
    cmocka_unit_test(a_tenant_left_out_is_default), cmocka_unit_test(every_limit_is_kept),
    cmocka_unit_test(at_most_64_names_of_environment),
    cmocka_unit_test(the_other_verbs_have_their_rules),
    cmocka_unit_test(start_then_profile_then_default))
