#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "sessiond/core/json_doc.h"
#include "sessiond/sidecar/helix_files.h"

static void goose_is(const char *recipes, const char *name, const char *list)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	AUTO(buf_deinit) struct buf out = BUF_NULL(4096);
	struct helix_agent g = {
	    .baked_name = slice_of(name), .baked_content = SLICE_LIT("c")};
	struct json_doc doc;

	assert_int_equal(json_doc_parse(&a, slice_of(recipes), &doc), JSON_DOC_OK);
	g.recipes = doc.root;
	helix_goose_config(&g, name[0] ? "/b/x.yaml" : "", &out);
	assert_string_equal(strchr(buf_cstr(&out), '\n') + 1, list);
}

static void recipes_are_slash_commands(void **state)
{
	(void)state;
	goose_is("[]", "", "slash_commands: []\n");
	goose_is("null", "", "slash_commands: []\n");
	goose_is("[{\"name\":\"a\\\"b\",\"path\":\"/p\"},{\"name\":\"\"},{\"path\":\"/q\"}]",
	    "baked",
	    "slash_commands:\n  - command: \"a\\\"b\"\n    recipe_path: \"/p\"\n"
	    "  - command: \"baked\"\n    recipe_path: \"/b/x.yaml\"\n");
}

static void a_recipe_s_name_leads_nowhere_else(void **state)
{
	static const char *const bad[] = {"", "../../.bashrc", "a/b", ".", "..", ".x"};
	struct helix_agent g = {.baked_content = SLICE_LIT("c")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		g.baked_name = slice_of(bad[i]);
		assert_false(helix_goose_bakes(&g));
	}
	g.baked_name = SLICE_LIT("spec task");
	assert_true(helix_goose_bakes(&g));
}

typedef int edit_fn(
    struct slice now, const struct helix_agent *g, struct buf *out, struct err *e);

/* @shall NULL: it is left alone. What is made once stays as it is. */
static void edit_is(edit_fn *edit, const char *now, const char *value, const char *shall)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(4096), again = BUF_NULL(4096);
	struct helix_agent g = {
	    .model = slice_of(value), .reasoning_effort = slice_of(value)};
	struct err e = ERR_NULL;
	int r = edit(slice_of(now), &g, &out, &e);

	if (!shall) {
		assert_int_equal(r, ERROR_INVALID);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(buf_cstr(&out), shall);
	assert_int_equal(edit(buf_slice(&out), &g, &again, &e), 0);
	assert_string_equal(buf_cstr(&again), buf_cstr(&out));
}

static void claude_is_told_its_model(void **state)
{
	(void)state;
	edit_is(helix_claude_settings, "", "opus", "{\n  \"model\": \"opus\"\n}\n");
	edit_is(helix_claude_settings, "{\"model\":\"x\",\"mine\":1}", "",
	    "{\n  \"mine\": 1\n}\n");
	edit_is(helix_claude_settings, "no", "opus", NULL);
}

static void qwen_tells_nobody(void **state)
{
	(void)state;
	edit_is(helix_qwen_settings,
	    "{\"mine\":1.50,\"telemetry\":{\"enabled\":true,\"x\":2}}", "high",
	    "{\n  \"mine\": 1.50,\n  \"telemetry\": {\n    \"enabled\": false,\n"
	    "    \"x\": 2\n  },\n  \"privacy\": {\n    \"usageStatisticsEnabled\": false\n"
	    "  },\n  \"general\": {\n    \"enableAutoUpdate\": false\n  },\n"
	    "  \"model\": {\n    \"generationConfig\": {\n      \"extra_body\": {\n"
	    "        \"reasoning_effort\": \"high\"\n      }\n    }\n  }\n}\n");
	edit_is(helix_qwen_settings, "{\"telemetry\":5}", "", NULL);
	edit_is(helix_qwen_settings, "{\"model\":{\"generationConfig\":[]}}", "", NULL);
	edit_is(helix_qwen_settings, "[]", "", NULL);
}

#define CODEX_HEAD "approval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\n"
#define CODEX_TAIL                                                                       \
	"[model_providers.helix]\nname = \"Helix\"\nbase_url = \"http://x/v1\"\n"        \
	"env_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\n"                       \
	"supports_websockets = false\n"

static void codex_is(
    const char *now, const char *model, const char *base_url, const char *shall)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(4096), again = BUF_NULL(4096);
	struct err e = ERR_NULL;
	int r = helix_codex_config(
	    slice_of(now), slice_of(model), slice_of(base_url), &out, &e);

	if (!shall) {
		assert_int_equal(r, ERROR_INVALID);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(buf_cstr(&out), shall);
	assert_int_equal(helix_codex_config(buf_slice(&out), slice_of(model),
			     slice_of(base_url), &again, &e),
	    0);
	assert_string_equal(buf_cstr(&again), buf_cstr(&out));
}

static void codex_asks_nobody_and_finds_its_models(void **state)
{
	(void)state;
	codex_is("", "", "", CODEX_HEAD);
	codex_is("", "m\"1", "http://x/v1",
	    CODEX_HEAD "model = \"m\\\"1\"\nmodel_provider = \"helix\"\n" CODEX_TAIL);
	codex_is(CODEX_HEAD "model_provider = \"helix\"\nmine = 1\n" CODEX_TAIL, "", "",
	    CODEX_HEAD "mine = 1\n");
	codex_is("model_provider = \"other\"\n", "", "",
	    CODEX_HEAD "model_provider = \"other\"\n");
}

static void the_rest_of_codex_s_file_stays(void **state)
{
	static const char rest[] = "# mine\nnotify = [\n  \"a\", # model = \"x\"\n  \"b\",\n]\n"
				   "text = \"\"\"\nmodel = 1\n[x]\n\"\"\"\nlit = '''\n'''\n"
				   "[profiles.a]\nmodel = \"kept\"\n"
				   "[model_providers.mine]\nbase_url = \"y\"\n";
	AUTO(buf_deinit) struct buf now = BUF_NULL(4096), shall = BUF_NULL(4096);

	(void)state;
	buf_addf(&now, "model = \"old\"\n\"sandbox_mode\" = 'x'\n%s", rest);
	buf_addf(&now, "[model_providers.helix.more]\nx = 1\n[tail]\ny = 2");
	buf_addf(&shall, CODEX_HEAD "model = \"m\"\nmodel_provider = \"helix\"\n%s", rest);
	buf_addf(&shall, "[tail]\ny = 2\n" CODEX_TAIL);
	codex_is(buf_cstr(&now), "m", "http://x/v1", buf_cstr(&shall));
}

static void a_broken_file_of_codex_is_left(void **state)
{
	static const char *const bad[] = {
	    "a = \"x\n", "a = [1,\n", "a = ]\n", "a = '''x", "a = \"\\"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		codex_is(bad[i], "", "", NULL);
}

/* Pieces of TOML in any order: what is taken is a file that stays as it is. */
static void whatever_codex_s_file_is_it_is_left_or_settles(void **state)
{
	static const char *const pieces[] = {"[", "]", "{", "}", "\"", "'", "\"\"\"", "'''",
	    "=", "#", "\n", "\\", ".", ",", " ", "model", "model_provider", "helix",
	    "model_providers", "sandbox_mode", "1", "\r", "\xff"};
	unsigned seed = 1;
	size_t n_taken = 0;

	(void)state;
	for (size_t i = 0; i < 50000; i++) {
		AUTO(buf_deinit) struct buf now = BUF_NULL(4096), once = BUF_NULL(8192);
		AUTO(buf_deinit) struct buf twice = BUF_NULL(8192);
		struct err e = ERR_NULL;

		for (int n = rand_r(&seed) % 24; n > 0; n--)
			buf_adds(&now, pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
		if (helix_codex_config(
			buf_slice(&now), SLICE_LIT("m"), SLICE_LIT("u"), &once, &e))
			continue;
		n_taken++;
		assert_int_equal(helix_codex_config(buf_slice(&once), SLICE_LIT("m"),
				     SLICE_LIT("u"), &twice, &e),
		    0);
		assert_string_equal(buf_cstr(&twice), buf_cstr(&once));
	}
	assert_in_range(n_taken, 1000, 49000);
}

TEST_MAIN(cmocka_unit_test(recipes_are_slash_commands),
    cmocka_unit_test(a_recipe_s_name_leads_nowhere_else),
    cmocka_unit_test(claude_is_told_its_model), cmocka_unit_test(qwen_tells_nobody),
    cmocka_unit_test(codex_asks_nobody_and_finds_its_models),
    cmocka_unit_test(the_rest_of_codex_s_file_stays),
    cmocka_unit_test(a_broken_file_of_codex_is_left),
    cmocka_unit_test(whatever_codex_s_file_is_it_is_left_or_settles))
