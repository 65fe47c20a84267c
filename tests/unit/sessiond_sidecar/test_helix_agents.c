#include "tests/lib/test.h"

#include <string.h>

#include "sessiond/core/json_doc.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_agents.h"
#include "sessiond/sidecar/helix_url.h"

static struct helix_base_conf conf;

static int setup(void **state)
{
	(void)state;
	conf = (struct helix_base_conf){
	    .api_url = "https://u:p@api:8443/helix", .user_token = "t0", .home = "/h"};
	return 0;
}

/* @servers NULL: Zed needs none. */
static void servers_are(const char *config, const char *servers)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	AUTO(buf_deinit) struct buf answer = BUF_NULL(4096), text = BUF_NULL(4096);
	struct helix_agent agent;
	struct json_doc doc;
	struct jval *v;
	struct err e = ERR_NULL;

	buf_addf(&answer, "{\"code_agent_config\":%s}", config);
	assert_int_equal(
	    json_doc_parse_object(&a, buf_slice(&answer), &doc), JSON_DOC_OK);
	assert_int_equal(helix_answer_check(&a, doc.root, &e), 0);
	assert_true(helix_answer_agent(&a, doc.root, &agent));
	v = helix_agent_servers(&a, &agent, &conf);
	if (!servers) {
		assert_null(v);
		return;
	}
	assert_non_null(v);
	jval_print(&text, v);
	assert_string_equal(buf_cstr(&text), servers);
}

static void zed_knows_its_own_agents(void **state)
{
	(void)state;
	servers_are("{\"runtime\":\"zed_agent\",\"model\":\"m\"}", NULL);
	servers_are("{\"runtime\":\"gemini_cli\",\"model\":\"m\"}", NULL);
	servers_are("{\"runtime\":\"\"}", NULL);
	servers_are("{\"runtime\":\"of tomorrow\"}", NULL);
	servers_are("{}", NULL);
}

#define QWEN_ARGS                                                                        \
	"{\"qwen\":{\"name\":\"qwen\",\"type\":\"custom\",\"command\":\"qwen\",\"args\":" \
	"[\"--yolo\",\"--acp\",\"--no-telemetry\",\"--include-directories\",\"/h/work\"],"
#define QWEN_STATE                                                                       \
	"\"QWEN_HOME\":\"/h/work/.qwen-state\","                                         \
	"\"QWEN_RUNTIME_DIR\":\"/h/work/.qwen-state\","                                  \
	"\"QWEN_TELEMETRY_ENABLED\":\"false\","                                          \
	"\"QWEN_USAGE_STATISTICS_ENABLED\":\"false\""

static void qwen_is_a_program_of_its_own(void **state)
{
	(void)state;
	servers_are("{\"runtime\":\"qwen_code\",\"model\":\"m\",\"reasoning_effort\":"
		    "\"high\",\"base_url\":\"http://localhost:8080/v1\"}",
	    QWEN_ARGS "\"env\":{\"OPENAI_BASE_URL\":\"http://api:8443/v1\"," QWEN_STATE
		      ",\"OPENAI_API_KEY\":\"t0\",\"OPENAI_MODEL\":\"m\"},"
		      "\"default_mode\":\"yolo\","
		      "\"default_config_options\":{\"reasoning_effort\":\"high\"}}}");
	conf.user_token = NULL;
	servers_are("{\"runtime\":\"qwen_code\",\"base_url\":\"https://x/v1\"}",
	    QWEN_ARGS "\"env\":{\"OPENAI_BASE_URL\":\"https://x/v1\"," QWEN_STATE
		      "},\"default_mode\":\"yolo\"}}");
}

#define CLAUDE(env, more)                                                                \
	"{\"claude-acp\":{\"type\":\"registry\",\"default_mode\":"                       \
	"\"bypassPermissions\",\"env\":{" env "}" more "}}"

static void claude_goes_through_helix_or_is_signed_in(void **state)
{
	static const char through[] =
	    "{\"runtime\":\"claude_code\",\"model\":\"m\","
	    "\"base_url\":\"http://localhost:8080\",\"reasoning_effort\":\"max\"}";
	static const char direct[] = "{\"runtime\":\"claude_code\",\"base_url\":\"\"}";

	(void)state;
	servers_are(through,
	    CLAUDE("\"ANTHROPIC_BASE_URL\":\"http://api:8443\","
		   "\"ANTHROPIC_API_KEY\":\"t0\",\"CLAUDE_CODE_EFFORT_LEVEL\":\"max\"",
		",\"default_model\":\"m\""));
	servers_are(direct, NULL);
	conf.claude_signed_in = true;
	servers_are(
	    direct, CLAUDE("\"ANTHROPIC_BASE_URL\":\"https://api.anthropic.com\"", ""));
	conf.setup_token = "sk-ant-oat01-x";
	servers_are(direct,
	    CLAUDE("\"CLAUDE_CODE_OAUTH_TOKEN\":\"sk-ant-oat01-x\","
		   "\"ANTHROPIC_BASE_URL\":\"https://api.anthropic.com\"", ""));
}

#define CODEX(env, more)                                                                 \
	"{\"codex-acp\":{\"type\":\"registry\",\"default_mode\":"                        \
	"\"agent-full-access\",\"env\":{\"CODEX_HOME\":\"/h/.codex\","                   \
	"\"INITIAL_AGENT_MODE\":\"agent-full-access\"," env "}" more "}}"

static void codex_goes_through_helix_or_is_signed_in(void **state)
{
	static const char direct[] = "{\"runtime\":\"codex_cli\",\"service_tier\":\"fast\"}";

	(void)state;
	servers_are("{\"runtime\":\"codex_cli\",\"model\":\"m\",\"base_url\":\"http://x\"}",
	    CODEX("\"OPENAI_API_KEY\":\"t0\"", ",\"default_model\":\"m\""));
	servers_are(direct, NULL);
	conf.codex_signed_in = true;
	servers_are(direct,
	    CODEX("\"OPENAI_API_KEY\":\"\",\"OPENAI_BASE_URL\":\"\","
		  "\"CODEX_CONFIG\":\"{\\\"service_tier\\\":\\\"fast\\\"}\"", ""));
}

#define GOOSE(env)                                                                       \
	"{\"goose\":{\"name\":\"goose\",\"type\":\"custom\",\"command\":\"goose\","      \
	"\"args\":[\"acp\"],\"env\":{" env                                               \
	"\"XDG_CONFIG_HOME\":\"/h/.config/helix-goose\"}}}"

static void goose_is_told_its_provider_and_recipes(void **state)
{
	(void)state;
	servers_are("{\"runtime\":\"goose_code\",\"api_type\":\"anthropic\","
		    "\"model\":\"m\",\"base_url\":\"http://localhost\","
		    "\"goose_recipe_root_dir\":\"/r\"}",
	    GOOSE("\"ANTHROPIC_BASE_URL\":\"http://api:8443\","
		  "\"ANTHROPIC_API_KEY\":\"t0\",\"GOOSE_PROVIDER\":\"anthropic\","
		  "\"GOOSE_MODEL\":\"m\",\"GOOSE_RECIPE_PATH\":\"/r\","));
	servers_are("{\"runtime\":\"goose_code\",\"api_type\":\"azure_openai\"}",
	    GOOSE("\"OPENAI_API_KEY\":\"t0\",\"GOOSE_PROVIDER\":\"openai\","));
}

static void url_is(const char *url, const char *api, const char *is)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct slice s = helix_url_localise(&a, slice_of(url), api);

	assert_true(slice_is(s, is));
}

static void localhost_is_where_the_api_is(void **state)
{
	(void)state;
	url_is("http://localhost:8080/a?b#c", "http://api", "http://api/a?b#c");
	url_is("http://u@localhost/x", "https://api:1/p", "http://u@api:1/x");
	url_is("http://localhost", "http://user:p%40@h:9", "http://h:9");
	url_is("http://other/localhost", "http://api", "http://other/localhost");
	url_is("localhost:1", "http://api", "localhost:1");
	url_is("", "http://api", "");
	url_is("http://localhost/", "nothing", "http://localhost/");
}

TEST_MAIN(cmocka_unit_test_setup(zed_knows_its_own_agents, setup),
    cmocka_unit_test_setup(qwen_is_a_program_of_its_own, setup),
    cmocka_unit_test_setup(claude_goes_through_helix_or_is_signed_in, setup),
    cmocka_unit_test_setup(codex_goes_through_helix_or_is_signed_in, setup),
    cmocka_unit_test_setup(goose_is_told_its_provider_and_recipes, setup),
    cmocka_unit_test(localhost_is_where_the_api_is))
