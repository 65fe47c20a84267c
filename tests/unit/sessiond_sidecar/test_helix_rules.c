#include "tests/lib/test.h"

#include <string.h>

#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/decide.h"
#include "sessiond/sidecar/helix_rules.h"

/* Steps against Helix itself, one after the other. */
static struct record last;

static int setup(void **state)
{
	(void)state;
	last = RECORD_NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	record_deinit(&last);
	return 0;
}

/* @file NULL: as last written. The file afterwards. */
static const char *step(const char *file, const char *base)
{
	struct slice text = file ? slice_of(file) : record_get(&last, RECORD_TEXT);
	struct decide_input in = {.last = &last,
	    .file = text.p ? &text : NULL,
	    .base = slice_of(base),
	    .policy = {"", 0},
	    .plain = true,
	    .op_id = "op_1",
	    .wait_id = "w_1"};
	struct decide_output out;
	struct err e = ERR_NULL;

	assert_int_equal(decide(&in, &out, &e), 0);
	assert_int_equal(out.plan.state, SETTINGS_OK);
	record_copy(&last, &out.next);
	decide_output_deinit(&out);
	return record_str(&last, RECORD_TEXT);
}

/* What goes up; "" if nothing does. */
static const char *upload(void)
{
	static char body[512];

	snprintf(body, sizeof(body), "%s", record_str(&last, RECORD_POST));
	if (record_get(&last, RECORD_POST).p)
		decide_posted(&last, SLICE_LIT(""));
	return body;
}

static void a_theme_of_choice_stays(void **state)
{
	(void)state;
	assert_string_equal(step("{\"theme\": \"Solarized\"}", "{\"theme\":\"Ayu Dark\"}"),
	    "{\"theme\": \"Solarized\"}");
	assert_string_equal(
	    step(NULL, "{\"theme\":\"One Light\"}"), "{\"theme\": \"Solarized\"}");
	assert_string_equal(upload(), "");
}

static void any_other_goes_with_the_colours(void **state)
{
	static const char *const theirs[] = {"{\"theme\": \"One Light\"}",
	    "{\"theme\": \"\"}", "{\"theme\": {\"mode\":\"system\"}}", "{\"telemetry\": {}}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
		record_deinit(&last);
		step("{\"theme\": \"One Light\"}", "{\"theme\":\"Ayu Dark\"}");
		assert_string_equal(
		    record_str(&last, RECORD_TEXT), "{\"theme\": \"Ayu Dark\"}");
		step(theirs[i], "{\"theme\":\"Ayu Dark\"}");
		assert_string_equal(record_str(&last, RECORD_TEXT), theirs[i]);
		assert_string_equal(upload(), "");
		assert_non_null(
		    strstr(step(NULL, "{\"theme\":\"One Light\"}"), "\"One Light\""));
		assert_non_null(
		    strstr(step(NULL, "{\"theme\":\"Ayu Dark\"}"), "\"Ayu Dark\""));
	}
}

static void saved_while_the_colours_change_it_is_one_or_the_other(void **state)
{
	(void)state;
	step("{\"theme\": \"One Light\"}", "{\"theme\":\"Ayu Dark\"}");
	assert_string_equal(step("{\"theme\": {\"mode\":\"dark\"}}", "{\"theme\":\"One Light\"}"),
	    "{\"theme\": \"One Light\"}");
	assert_string_equal(step("{\"theme\": \"Mine\"}", "{\"theme\":\"Ayu Dark\"}"),
	    "{\"theme\": \"Mine\"}");
	assert_string_equal(step(NULL, "{\"theme\":\"One Light\"}"), "{\"theme\": \"Mine\"}");
}

static void no_theme_of_helix_changes_nothing(void **state)
{
	(void)state;
	step("{\"theme\": \"One Light\"}", "{}");
	assert_string_equal(record_str(&last, RECORD_TEXT), "{\"theme\": \"One Light\"}");
	assert_string_equal(step(NULL, "{\"a\":1}"), "{\"theme\": \"One Light\", \"a\": 1}");
}

static void keys_of_the_past_go_away(void **state)
{
	(void)state;
	assert_string_equal(
	    step("{\"default_agent\": \"qwen\", \"x\": 1, \"external_sync\": {\"a\": {}}}",
		"{}"),
	    "{\"x\": 1}");
	assert_string_equal(upload(), "{\"x\":1}");
	assert_string_equal(step("{\"x\": 1, \"default_agent\": 5}", "{}"), "{\"x\": 1}");
	assert_string_equal(upload(), "");
}

static void some_keys_are_never_told(void **state)
{
	(void)state;
	step("{}", "{\"context_servers\":{}}");
	step("{\"telemetry\": {\"metrics\": true}, \"agent_servers\": {\"mine\": {\"type\":"
	     "\"custom\",\"command\":\"c\",\"args\":[],\"env\":{}}}, \"theme\": \"Mine\"}",
	    "{\"context_servers\":{}}");
	assert_string_equal(upload(), "");
	assert_non_null(strstr(record_str(&last, RECORD_TEXT), "telemetry"));
	assert_non_null(strstr(record_str(&last, RECORD_TEXT), "mine"));
	step("{\"telemetry\": {\"metrics\": true}, \"vim_mode\": true}",
	    "{\"context_servers\":{}}");
	assert_string_equal(upload(), "{\"vim_mode\":true}");
	step("{\"telemetry\": {\"metrics\": true}}", "{\"context_servers\":{}}");
	assert_string_equal(upload(), "{}");
}

static void undone(const char *body, const char *host, const char *is)
{
	static const struct helix_base_conf conf = {
	    .api_url = "http://api:8080/helix", .user_token = "t0"};
	AUTO(buf_deinit) struct buf out = BUF_NULL(4096);

	helix_upload_undo(slice_of(body), &conf, slice_of(host), &out);
	assert_string_equal(buf_cstr(&out), is);
}

#define KODIT(members) "{\"context_servers\":{\"kodit\":{" members "}}}"

static void what_was_put_in_here_goes_out_as_it_came_in(void **state)
{
	(void)state;
	undone(KODIT("\"url\":\"http://api:8080/k?x\",\"enabled\":false"), "localhost:80",
	    KODIT("\"url\":\"http://localhost:80/k?x\",\"enabled\":false"));
	undone(KODIT("\"url\":\"http://api:8080/k\""), "",
	    KODIT("\"url\":\"http://api:8080/k\""));
	undone(KODIT("\"url\":\"http://mine/k\""), "localhost:80",
	    KODIT("\"url\":\"http://mine/k\""));
	undone("{\"n\":1.50,\"context_servers\":{\"kodit\":{\"headers\":{"
	       "\"Authorization\":\"Bearer t0\"}}}}",
	    "", "{\"n\":1.50}");
	undone(KODIT("\"headers\":{\"Authorization\":\"Bearer mine\"}"), "",
	    KODIT("\"headers\":{\"Authorization\":\"Bearer mine\"}"));
	undone("{\"kodit\":1.50}", "localhost", "{\"kodit\":1.50}");
	undone("{}", "localhost", "{}");
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_theme_of_choice_stays, setup, teardown),
    cmocka_unit_test_setup_teardown(any_other_goes_with_the_colours, setup, teardown),
    cmocka_unit_test_setup_teardown(
	saved_while_the_colours_change_it_is_one_or_the_other, setup, teardown),
    cmocka_unit_test_setup_teardown(no_theme_of_helix_changes_nothing, setup, teardown),
    cmocka_unit_test_setup_teardown(keys_of_the_past_go_away, setup, teardown),
    cmocka_unit_test_setup_teardown(some_keys_are_never_told, setup, teardown),
    cmocka_unit_test(what_was_put_in_here_goes_out_as_it_came_in))
