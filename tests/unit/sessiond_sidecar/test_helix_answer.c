#include "tests/lib/test.h"

#include <string.h>

#include "sessiond/core/json_doc.h"
#include "sessiond/sidecar/helix_answer.h"

static int check(const char *answer, struct err *e)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct json_doc doc;

	assert_int_equal(
	    json_doc_parse_object(&a, slice_of(answer), &doc), JSON_DOC_OK);
	return helix_answer_check(&a, doc.root, e);
}

static void what_helix_says_is_taken(void **state)
{
	static const char *const good[] = {"{\"context_servers\":{}}",
	    "{\"context_servers\":null,\"agent\":null,\"theme\":null,\"version\":null,"
	    "\"code_agent_config\":null,\"claude_subscription_available\":null}",
	    "{\"version\":-62135596800}", "{\"color_scheme\":\"\",\"later\":[1]}",
	    "{\"code_agent_config\":{\"max_tokens\":200000,\"uses_subscription\":1,"
	    "\"goose_recipes\":[{\"name\":\"n\",\"path\":\"/p\"},null],"
	    "\"goose_baked_recipe\":{\"name\":\"n\",\"content\":\"c\"}}}"};
	struct err e = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(check(good[i], &e), 0);
}

static void one_wrong_type_makes_it_none(void **state)
{
	static const struct {
		const char *answer, *field;
	} bad[] = {{"{\"context_servers\":[]}", "context_servers is not an object"},
	    {"{\"agent\":\"x\"}", "agent is not"}, {"{\"theme\":5}", "theme is not a string"},
	    {"{\"color_scheme\":{}}", "color_scheme"}, {"{\"version\":\"1\"}", "version"},
	    {"{\"version\":1.5}", "version is not a whole number"},
	    {"{\"version\":1e3}", "version"},
	    {"{\"version\":9999999999999999999}", "version"},
	    {"{\"claude_subscription_available\":1}", "a boolean"},
	    {"{\"code_agent_config\":[]}", "code_agent_config"},
	    {"{\"code_agent_config\":{\"max_tokens\":\"1\"}}",
		"code_agent_config/max_tokens"},
	    {"{\"code_agent_config\":{\"runtime\":true}}", "code_agent_config/runtime"},
	    {"{\"code_agent_config\":{\"goose_recipes\":{}}}", "a list of objects"},
	    {"{\"code_agent_config\":{\"goose_recipes\":[1]}}", "a list of objects"},
	    {"{\"code_agent_config\":{\"goose_recipes\":[{\"name\":1}]}}",
		"goose_recipes/name"},
	    {"{\"code_agent_config\":{\"goose_baked_recipe\":{\"content\":1}}}",
		"goose_baked_recipe/content"},
	    {"{}", "nothing of a configuration"},
	    {"{\"error\":{\"code\":\"NOT_FOUND\"}}", "nothing of a configuration"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_NULL;

		assert_int_equal(check(bad[i].answer, &e), ERROR_INVALID);
		assert_non_null(strstr(e.text, bad[i].field));
	}
}

TEST_MAIN(cmocka_unit_test(what_helix_says_is_taken),
    cmocka_unit_test(one_wrong_type_makes_it_none))
