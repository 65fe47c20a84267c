/* Profile files: what is taken, what is refused and how it is named, and how placeholders
 * are filled in. */
#include "lifecycle/core/profile.h"

#include <string.h>

#include "tests/lib/test.h"

static int parse(const char *text, struct profile *p, struct err *e)
{
	struct id name;

	assert_true(id_parse(slice_of("p"), &name));
	*p = PROFILE_NULL;
	*e = ERR_NULL;
	return profile_parse(&name, slice_of(text), p, e);
}

static void refused(const char *text, const char *says)
{
	struct profile p;
	struct err e;

	if (parse(text, &p, &e) != ERROR_INVALID)
		fail_msg("taken: %s", text);
	if (!strstr(e.text, says))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, e.text, says);
	profile_deinit(&p);
}

static void a_full_profile_is_read_whole(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_int_equal(
	    parse("{\"command\":[\"/usr/bin/zed\",\"--foreground\",\"{workspace}\"],"
		  "\"env\":{\"A\":\"{home}/"
		  "x\"},\"env_allow\":[\"SPEC_TASK_ID\",\"MY_*\",\"*\"],"
		  "\"params\":{\"name\":{\"pattern\":\"[a-z]+\",\"max\":64}},"
		  "\"companions\":[{\"name\":\"settings\",\"command\":[\"/bin/"
		  "s\",\"{param.name}\"],"
		  "\"ready_http\":\"http://127.0.0.1:{port}/health\"}],"
		  "\"user\":\"zed\",\"workspace_roots\":[\"/w\"],\"state\":\"wipe\","
		  "\"limits\":{\"memory_max_mb\":512,\"cpu_milli\":1500,\"pids_max\":64},"
		  "\"ready\":{\"kind\":\"file\",\"arg\":\"{home}/ready\"},"
		  "\"restart\":{\"policy\":\"always\",\"max\":3,\"window_ms\":1000},"
		  "\"stop\":{\"signal\":\"INT\",\"grace_ms\":7,\"hook\":[\"/bin/h\"]}}",
		&p, &e),
	    0);
	assert_int_equal(p.command.n, 3);
	assert_string_equal(p.command.args[2], "{workspace}");
	assert_string_equal(strmap_get(&p.env, "A"), "{home}/x");
	assert_int_equal(p.offer.n_env_allow, 3);
	assert_int_equal(p.offer.n_params, 1);
	assert_int_equal(p.offer.params[0].max, 64);
	assert_int_equal(p.n_companions, 1);
	assert_string_equal(p.companions[0].ready_http, "http://127.0.0.1:{port}/health");
	assert_string_equal(p.user, "zed");
	assert_true(p.wipe);
	assert_int_equal(p.memory_max_mb, 512);
	assert_int_equal(p.cpu_milli, 1500);
	assert_int_equal(p.pids_max, 64);
	assert_int_equal(p.ready, READY_FILE);
	assert_int_equal(p.offer.restart.policy, RESTART_ALWAYS);
	assert_int_equal(p.offer.restart.max, 3);
	assert_int_equal(p.offer.stop.signal, 2);
	assert_int_equal(p.offer.stop.grace_ms, 7);
	assert_int_equal(p.hook.n, 1);
	profile_deinit(&p);
	profile_deinit(&p);
}

static void a_command_is_enough_and_the_rest_is_unset(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"command\":[\"/bin/true\"]}", &p, &e), 0);
	assert_string_equal(p.user, "");
	assert_int_equal(p.ready, READY_PROCESS);
	assert_int_equal(p.alive_ms, 0);
	assert_int_equal(p.offer.restart.policy, RESTART_UNSET);
	assert_int_equal(p.offer.stop.grace_ms, -1);
	assert_false(p.wipe);
	profile_deinit(&p);
}

static void ready_arg_of_a_process_is_milliseconds_as_number_or_text(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_int_equal(
	    parse(
		"{\"command\":[\"/x\"],\"ready\":{\"arg\":\"250\",\"kind\":\"process\"}}",
		&p, &e),
	    0);
	assert_int_equal(p.alive_ms, 250);
	profile_deinit(&p);
	assert_int_equal(
	    parse("{\"command\":[\"/x\"],\"ready\":{\"arg\":250}}", &p, &e), 0);
	assert_int_equal(p.alive_ms, 250);
	profile_deinit(&p);
}

static void what_is_wrong_is_named(void **state)
{
	static const char *const cases[][2] = {
	    {"{}", "command"},
	    {"[]", "object"},
	    {"{\"command\":[]}", "must name a program"},
	    {"{\"command\":\"/bin/x\"}", "command"},
	    {"{\"command\":[\"/x\",1]}", "command"},
	    {"{\"command\":[\"/x\"],\"comand\":[]}", "comand: is no field"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"sort\":1}}", "ready.sort"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"kind\":\"soon\"}}", "ready.kind"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"kind\":\"file\",\"arg\":\"rel\"}}",
		"ready.arg"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"kind\":\"http\",\"arg\":\"/x\"}}",
		"ready.arg"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"kind\":\"process\",\"arg\":\"soon\"}}",
		"ready.arg"},
	    {"{\"command\":[\"/x\"],\"ready\":{\"kind\":\"file\",\"arg\":\"/{what}\"}}",
		"{what}"},
	    {"{\"command\":[\"/x\",\"{nothing}\"]}", "unknown placeholder {nothing}"},
	    {"{\"command\":[\"/x\",\"{param.a}\"]}", "not declared"},
	    {"{\"command\":[\"{home}/x\"]}", "cannot be a placeholder"},
	    {"{\"command\":[\"/bin/sh\",\"-c\",\"ls {workspace}\"]}", "after -c"},
	    {"{\"command\":[\"/bin/sh\",\"-ec\",\"ls {workspace}\"]}", "after -ec"},
	    {"{\"command\":[\"/x\"],\"env\":{\"1A\":\"x\"}}", "env.1A"},
	    {"{\"command\":[\"/x\"],\"env\":{\"A\":1}}", "env.A"},
	    {"{\"command\":[\"/x\"],\"env\":{\"A\":\"{what}\"}}", "{what}"},
	    {"{\"command\":[\"/x\"],\"env_allow\":[\"A-B\"]}", "env_allow"},
	    {"{\"command\":[\"/x\"],\"params\":{\"a\":{\"pattern\":\"(\"}}}", "params.a"},
	    {"{\"command\":[\"/x\"],\"params\":{\"a\":{\"max\":3}}}", "params.a"},
	    {"{\"command\":[\"/x\"],\"params\":{\"a\":{\"pattern\":\"a\",\"min\":3}}}",
		"params.a"},
	    {"{\"command\":[\"/x\"],\"params\":{\"a b\":{\"pattern\":\"a\"}}}",
		"params.a b"},
	    {"{\"command\":[\"/x\"],\"limits\":{\"pids_max\":-1}}", "limits.pids_max"},
	    {"{\"command\":[\"/x\"],\"limits\":{\"pids_max\":1.5}}", "limits.pids_max"},
	    {"{\"command\":[\"/x\"],\"restart\":{\"policy\":\"often\"}}",
		"restart.policy"},
	    {"{\"command\":[\"/x\"],\"restart\":{\"max\":101}}", "restart.max"},
	    {"{\"command\":[\"/x\"],\"stop\":{\"signal\":\"STOP\"}}", "stop.signal"},
	    {"{\"command\":[\"/x\"],\"stop\":{\"grace_ms\":600001}}", "stop.grace_ms"},
	    {"{\"command\":[\"/x\"],\"stop\":{\"hook\":[\"/bin/sh\",\"-c\",\"{home}\"]}}",
		"stop.hook"},
	    {"{\"command\":[\"/x\"],\"state\":\"burn\"}", "state"},
	    {"{\"command\":[\"/x\"],\"workspace_roots\":[\"w\"]}", "workspace_roots"},
	    {"{\"command\":[\"/x\"],\"companions\":[{\"name\":\"a\"}]}",
		"name and a command"},
	    {"{\"command\":[\"/x\"],\"companions\":[{\"name\":\"main\",\"command\":[\"/"
	     "x\"]}]}",
		"main"},
	    {"{\"command\":[\"/x\"],\"companions\":[{\"name\":\"a\",\"command\":[\"/"
	     "x\"]},"
	     "{\"name\":\"a\",\"command\":[\"/x\"]}]}",
		"two companions"},
	    {"{\"command\":[\"/x\"],\"companions\":[{\"name\":\"a\",\"command\":[\"/"
	     "x\"],\"ready_http\":\"x\"}]}",
		"ready_http"},
	    {"{\"command\":[\"/x\\n\\u0001\"]}", "control"},
	    {"{\"command\":[\"/x\"]} x", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refused(cases[i][0], cases[i][1]);
}

static void shell_text_without_placeholders_is_fine(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"command\":[\"/bin/sh\",\"-c\",\"exec \\\"$0\\\" "
			       "{}\",\"{workspace}\"]}",
			     &p, &e),
	    0);
	profile_deinit(&p);
}

static struct profile_vars vars(const struct strmap *params)
{
	return (struct profile_vars){.instance = "zi",
	    .session = "",
	    .workspace = "/w/1",
	    .home = "/h",
	    .data = "/d",
	    .port = 8123,
	    .params = params};
}

static void expands(const char *text, const char *expect, const struct strmap *params)
{
	struct profile_vars v = vars(params);
	struct buf b = BUF_NULL(1000);
	struct err e = ERR_NULL;

	assert_int_equal(profile_expand(text, &v, &b, &e), 0);
	assert_string_equal(buf_cstr(&b), expect);
	buf_deinit(&b);
}

static void placeholders_are_filled_in_once_and_braces_are_text(void **state)
{
	struct strmap params = STRMAP_NULL;

	(void)state;
	strmap_put(&params, "x", "{home} {param.x}");
	expands("{instance}:{session}:{workspace}:{home}:{data}:{port}",
	    "zi::/w/1:/h:/d:8123", &params);
	expands("a{param.x}b", "a{home} {param.x}b", &params);
	expands("{}{ {a b} {\"k\":1} }", "{}{ {a b} {\"k\":1} }", &params);
	expands("", "", &params);
	strmap_deinit(&params);
}

static void a_dash_is_refused_only_where_it_would_begin_an_argument(void **state)
{
	struct strmap params = STRMAP_NULL;
	struct profile_vars v = vars(&params);
	struct buf b = BUF_NULL(1000);
	struct err e = ERR_NULL;

	(void)state;
	strmap_put(&params, "x", "-rf");
	expands("--name={param.x}", "--name=-rf", &params);
	assert_int_equal(profile_expand("{param.x}", &v, &b, &e), ERROR_INVALID);
	assert_int_equal(profile_expand("{param.missing}", &v, &b, &e), ERROR_INVALID);
	buf_deinit(&b);
	strmap_deinit(&params);
}

static void an_argument_over_the_kernels_limit_is_refused(void **state)
{
	struct profile_vars v = vars(NULL);
	struct buf b = BUF_NULL(4);
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(profile_expand("{workspace}xyz", &v, &b, &e), ERROR_TOO_LARGE);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(a_full_profile_is_read_whole),
    cmocka_unit_test(a_command_is_enough_and_the_rest_is_unset),
    cmocka_unit_test(ready_arg_of_a_process_is_milliseconds_as_number_or_text),
    cmocka_unit_test(what_is_wrong_is_named),
    cmocka_unit_test(shell_text_without_placeholders_is_fine),
    cmocka_unit_test(placeholders_are_filled_in_once_and_braces_are_text),
    cmocka_unit_test(a_dash_is_refused_only_where_it_would_begin_an_argument),
    cmocka_unit_test(an_argument_over_the_kernels_limit_is_refused))
