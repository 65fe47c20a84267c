#include "tests/lib/test.h"

#include <string.h>

#include "sessiond/sidecar/server_base.h"

static const struct helix_base_conf helix = {
    .api_url = "http://api:8080/helix", .user_token = "t0"};

static void base_is(const char *body, bool plain, const char *base)
{
	struct server_base b;
	struct err e = ERR_NULL;

	assert_int_equal(server_base_parse(slice_of(body), &helix, &b, &e), 0);
	assert_int_equal(b.plain, plain);
	assert_string_equal(buf_cstr(&b.base), base);
	server_base_deinit(&b);
}

static void settings_are_taken_as_they_are_written(void **state)
{
	(void)state;
	base_is("{\"version\":3,\"theme\":\"A\",\"settings\":{\"n\": 1.0e2, \"big\": "
		"12345678901234567890}}",
	    false, "{\"n\": 1.0e2, \"big\": 12345678901234567890}");
}

static void policy_and_version_come_along(void **state)
{
	struct server_base b;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(server_base_parse(SLICE_LIT("{\"settings\":{},\"version\":7,"
						     "\"policy\":{\"rules\":[]}}"),
			     &helix, &b, &e),
	    0);
	assert_string_equal(buf_cstr(&b.policy), "{\"rules\":[]}");
	assert_int_equal(b.version, 7);
	server_base_deinit(&b);
	assert_int_equal(
	    server_base_parse(SLICE_LIT("{\"settings\":{}}"), &helix, &b, &e), 0);
	assert_int_equal(b.policy.n, 0);
	server_base_deinit(&b);
}

#define ALWAYS                                                                           \
	"{\"text_rendering_mode\":\"grayscale\",\"suggest_dev_container\":false,"        \
	"\"format_on_save\":\"off\",\"context_server_timeout\":180,"                     \
	"\"languages\":{\"Go\":{\"format_on_save\":\"on\"}},"
#define ALLOW                                                                            \
	"\"tool_permissions\":{\"default\":\"allow\"},"                                  \
	"\"sandbox_permissions\":{\"allow_unsandboxed\":true}"

static void flat_fields_make_the_base_helix_means(void **state)
{
	(void)state;
	base_is("{\"context_servers\":null,\"external_sync\":{\"enabled\":true},"
		"\"theme\":\"\",\"version\":-62135596800}",
	    true, ALWAYS "\"agent\":{" ALLOW "}}");
	base_is("{\"context_servers\":{\"x\":{\"url\":\"u\"}},\"theme\":\"Ayu Dark\","
		"\"agent\":{\"show_onboarding\":false,"
		"\"tool_permissions\":{\"default\":\"ask\"}}}",
	    true,
	    ALWAYS "\"context_servers\":{\"x\":{\"url\":\"u\"}},"
		   "\"agent\":{\"show_onboarding\":false," ALLOW "},"
		   "\"theme\":\"Ayu Dark\"}");
}

static void a_model_of_the_agent_is_offered_once(void **state)
{
	static const char config[] =
	    "\"code_agent_config\":{\"model\":\"m\",\"api_type\":\"\",\"runtime\":\"%s\","
	    "\"max_tokens\":0,\"max_output_tokens\":32000,\"reasoning_effort\":\"high\"}";
	char body[512], conf[256];

	(void)state;
	snprintf(conf, sizeof(conf), config, "zed_agent");
	snprintf(body, sizeof(body), "{\"language_models\":{\"openai\":{}},%s}", conf);
	base_is(body, true,
	    ALWAYS
	    "\"language_models\":{\"openai\":{\"available_models\":[{\"name\":\"m\","
	    "\"display_name\":\"m\",\"max_tokens\":200000,\"max_output_tokens\":32000,"
	    "\"reasoning_effort\":\"high\"}]}},\"agent\":{" ALLOW "}}");
	snprintf(body, sizeof(body),
	    "{\"language_models\":{\"openai\":{\"available_models\":[{\"name\":\"m\"}]}},"
	    "%s}",
	    conf);
	base_is(body, true,
	    ALWAYS "\"language_models\":{\"openai\":{\"available_models\":[{\"name\":"
		   "\"m\"}]}},\"agent\":{" ALLOW "}}");
	snprintf(conf, sizeof(conf), config, "claude_code");
	snprintf(body, sizeof(body), "{\"language_models\":{},%s}", conf);
	base_is(body, true, ALWAYS "\"language_models\":{},\"agent\":{" ALLOW "}}");
}

static void helix_s_own_server_is_reached_from_here(void **state)
{
	(void)state;
	base_is("{\"context_servers\":{\"kodit\":{\"url\":"
		"\"http://localhost:8080/api/v1/mcp/kodit\"},"
		"\"mine\":{\"url\":\"http://localhost:1/x\"}}}",
	    true,
	    ALWAYS "\"context_servers\":{\"kodit\":{\"url\":"
		   "\"http://api:8080/api/v1/mcp/kodit\","
		   "\"headers\":{\"Authorization\":\"Bearer t0\"}},"
		   "\"mine\":{\"url\":\"http://localhost:1/x\"}},\"agent\":{" ALLOW "}}");
}

static void what_is_no_answer_is_said_to_be_none(void **state)
{
	static const char *const bad[] = {"", "<html>", "{", "[]", "{\"a\":1}x", "null"};
	struct server_base b;
	struct server_overrides o;
	struct err e = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(server_base_parse(slice_of(bad[i]), &helix, &b, &e),
		    ERROR_INVALID);
		assert_int_equal(
		    server_overrides_parse(slice_of(bad[i]), &o, &e), ERROR_INVALID);
		assert_non_null(strstr(e.text, "the answer"));
	}
	assert_int_equal(server_overrides_parse(SLICE_LIT("{\"set\":{\"a\":1}}"), &o, &e),
	    ERROR_INVALID);
}

static void overrides_are_read_with_their_revision(void **state)
{
	struct server_overrides o;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(
	    server_overrides_parse(SLICE_LIT("{\"overrides\":{\"a\":1.0},\"set\":{\"/a\":"
					     "1.0},\"del\":[\"/b\"],\"revision\":9,"
					     "\"updated_at\":\"2026\"}"),
		&o, &e),
	    0);
	assert_string_equal(buf_cstr(&o.text), "{\"set\":{\"/a\":1.0},\"del\":[\"/b\"]}");
	assert_int_equal(o.revision, 9);
	server_overrides_deinit(&o);
}

static void an_uploads_answer_tells_what_was_left_out(void **state)
{
	struct server_posted p;

	(void)state;
	server_posted_parse(
	    SLICE_LIT("{\"status\":\"ok\",\"revision\":4,\"rejected\":[{\"path\":\"/a\","
		      "\"rule\":\"helix-owned\"}],\"invalid\":[]}"),
	    &p);
	assert_int_equal(p.revision, 4);
	assert_int_equal(p.n_rejected, 1);
	assert_string_equal(p.first, "/a: helix-owned");
	server_posted_parse(SLICE_LIT("{\"status\":\"ok\"}"), &p);
	assert_int_equal(p.revision, -1);
	assert_int_equal(p.n_rejected + p.n_invalid, 0);
	server_posted_parse(SLICE_LIT(""), &p);
	assert_int_equal(p.revision, -1);
}

TEST_MAIN(cmocka_unit_test(settings_are_taken_as_they_are_written),
    cmocka_unit_test(policy_and_version_come_along),
    cmocka_unit_test(flat_fields_make_the_base_helix_means),
    cmocka_unit_test(a_model_of_the_agent_is_offered_once),
    cmocka_unit_test(helix_s_own_server_is_reached_from_here),
    cmocka_unit_test(what_is_no_answer_is_said_to_be_none),
    cmocka_unit_test(overrides_are_read_with_their_revision),
    cmocka_unit_test(an_uploads_answer_tells_what_was_left_out))
