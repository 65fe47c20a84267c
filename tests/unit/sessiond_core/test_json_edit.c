/* Edits, byte for byte: what was there stays as it was written, what comes looks like
 * what is around it. */
#include "sessiond/core/json_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct vector {
	const char *before, *target, *after;
};

static void check(const struct vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct arena a = ARENA_NULL;
		struct json_doc d, t;
		struct slice text;

		json_doc_parse_object(&a, slice_of(v[i].before), &d);
		assert_int_equal(
		    json_doc_parse_object(&a, slice_of(v[i].target), &t), JSON_DOC_OK);
		assert_int_not_equal(
		    json_edit_to(&a, &d, t.root, &text, NULL), JSON_EDIT_FAILED);
		assert_string_equal(arena_copy(&a, text).p, v[i].after);
		arena_deinit(&a);
	}
}

static void values_are_replaced_in_place(void **state)
{
	static const struct vector v[] = {
	    {"{\n  // my theme\n  \"theme\": \"A\", // dark\n}\n", "{\"theme\":\"B\"}",
		"{\n  // my theme\n  \"theme\": \"B\", // dark\n}\n"},
	    {"{\"\\u0074heme\":\"A\"}", "{\"theme\":\"B\"}", "{\"\\u0074heme\":\"B\"}"},
	    {"{\"a\"/*k*/:/*v*/1/*w*/}", "{\"a\":2}", "{\"a\"/*k*/:/*v*/2/*w*/}"},
	    {"{\"a\":1,\"a\":2}", "{\"a\":3}", "{\"a\":1,\"a\":3}"},
	    {"{\"x\": 1.0, \"y\": 1e2}", "{\"x\":1,\"y\":101}",
		"{\"x\": 1.0, \"y\": 101}"},
	    {"{\"s\":\"\\u0041\\/\"}", "{\"s\":\"A/\"}", "{\"s\":\"\\u0041\\/\"}"},
	    {"{\n  \"a\": [1, 2]\n}", "{\"a\":[1,2,3]}", "{\n  \"a\": [1, 2, 3]\n}"},
	    {"{\n  \"a\": {\n    // in\n    \"x\": 1\n  },\n  \"b\": 2\n}",
		"{\"a\":5,\"b\":2}", "{\n  // in\n  \"a\": 5,\n  \"b\": 2\n}"},
	    {"{\"big\":9007199254740993}", "{\"big\":9007199254740992}",
		"{\"big\":9007199254740992}"},
	    {"{\"s\":1}", "{\"s\":\"<&>\\u00e9\\n\\ud800\"}",
		"{\"s\":\"<&>\xc3\xa9\\n\\ud800\"}"},
	};

	(void)state;
	check(v, ARRAY_LEN(v));
}

static void new_members_go_last_and_look_like_the_rest(void **state)
{
	static const struct vector v[] = {
	    {"{\n  \"a\": 1 // c\n}", "{\"a\":1,\"b\":2}",
		"{\n  \"a\": 1, // c\n  \"b\": 2\n}"},
	    {"{\n  \"a\": 1, // c\n}", "{\"a\":1,\"b\":2}",
		"{\n  \"a\": 1, // c\n  \"b\": 2,\n}"},
	    {"{\n\t\"a\": 1\n}", "{\"a\":1,\"o\":{\"x\":1}}",
		"{\n\t\"a\": 1,\n\t\"o\": {\n\t\t\"x\": 1\n\t}\n}"},
	    {"{\r\n    \"a\": 1\r\n}\r\n", "{\"a\":1,\"b\":2}",
		"{\r\n    \"a\": 1,\r\n    \"b\": 2\r\n}\r\n"},
	    {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2,\"c\":3}",
		"{\"a\":1,\"b\":2,\"c\":3}"},
	    {"{ \"a\": 1, \"b\": 2 }", "{\"a\":1,\"b\":2,\"c\":3}",
		"{ \"a\": 1, \"b\": 2, \"c\": 3 }"},
	    {"{}", "{\"a\":1}", "{\n  \"a\": 1\n}"},
	    {"", "{\"a\":1}", "{\n  \"a\": 1\n}\n"},
	    {"// hi\n", "{\"a\":1}", "// hi\n{\n  \"a\": 1\n}\n"},
	    {"/* hi */", "{\"a\":1}", "/* hi */\n{\n  \"a\": 1\n}\n"},
	    {"\xef\xbb\xbf", "{}", "\xef\xbb\xbf{}\n"},
	    {"{\n  // only\n}", "{\"a\":1}", "{\n  // only\n  \"a\": 1\n}"},
	    {"{ /* only */ }", "{\"a\":1}", "{ /* only */ \"a\": 1 }"},
	    {"{\"u\":\"http://x,}//y\"}", "{\"u\":\"http://x,}//y\",\"a\":1}",
		"{\"u\":\"http://x,}//y\",\"a\":1}"},
	    {"{\n  // 27\" display\n  \"glob\": \"*.{ts,}\"\n}",
		"{\"glob\":\"*.{ts,}\",\"a\":1}",
		"{\n  // 27\" display\n  \"glob\": \"*.{ts,}\",\n  \"a\": 1\n}"},
	    {"{\"o\":{}}", "{\"o\":{\"x\":[1,{\"y\":2}],\"z\":3}}",
		"{\"o\":{\"x\":[1,{\"y\":2}],\"z\":3}}"},
	    {"{ }", "{\"a\":{}}", "{\n  \"a\": {}\n}"},
	    {"{\n    \"s\": {\n        \"x\": 1\n    }\n}",
		"{\"s\":{\"x\":1},\"n\":{\"l\":[\"a\",\"b\"],\"m\":{},\"o\":[{\"k\":1}]}"
		"}",
		"{\n    \"s\": {\n        \"x\": 1\n    },\n    \"n\": {\n        \"l\": "
		"[\"a\", "
		"\"b\"],\n        \"m\": {},\n        \"o\": [\n            {\n          "
		"      \"k\": "
		"1\n            }\n        ]\n    }\n}"},
	};

	(void)state;
	check(v, ARRAY_LEN(v));
}

static void removed_members_take_their_line_and_leave_comments(void **state)
{
	static const struct vector v[] = {
	    {"{\n  \"a\": 1,\n  // about b\n  \"b\": 2, // tb\n  \"c\": 3\n}",
		"{\"a\":1,\"c\":3}",
		"{\n  \"a\": 1,\n  // about b\n  // tb\n  \"c\": 3\n}"},
	    {"{\n  \"a\": 1,\n  \"b\": 2\n}", "{\"a\":1}", "{\n  \"a\": 1\n}"},
	    {"{\n  \"a\": 1,\n  \"b\": 2,\n}", "{\"a\":1}", "{\n  \"a\": 1,\n}"},
	    {"{\n  \"b\": 2\n}", "{}", "{}"},
	    {"{\n  \"a\": 1, // x, y\n  \"b\": 2\n}", "{\"a\":1}",
		"{\n  \"a\": 1 // x, y\n}"},
	    {"{\"we\\\"ird\": 1, \"b\": 2}", "{\"b\":2}", "{\"b\": 2}"},
	    {"{\"a\":1,\"a\":2}", "{}", "{}"},
	    {"{ \"a\": 1, \"b\": 2 }", "{\"a\":1}", "{ \"a\": 1 }"},
	    {"{ \"a\": 1, \"b\": 2 }", "{\"b\":2}", "{ \"b\": 2 }"},
	    {"{\n  \"a\": 1, \"b\": 2,\n  \"c\": 3\n}", "{\"a\":1,\"c\":3}",
		"{\n  \"a\": 1,\n  \"c\": 3\n}"},
	    {"{ \"a\": 1, /* b */ \"b\": 2 /* t */ }", "{\"a\":1}",
		"{ \"a\": 1 /* b */ /* t */ }"},
	    {"{\n  \"a\": {\n    // in\n    \"x\": 1\n  }, // t\n  \"b\": 2\n}",
		"{\"b\":2}", "{\n  // in\n  // t\n  \"b\": 2\n}"},
	    {"{\n  // keep\n  \"b\": 2\n}", "{}", "{\n  // keep\n}"},
	};

	(void)state;
	check(v, ARRAY_LEN(v));
}

static void members_come_and_go_together(void **state)
{
	static const struct vector v[] = {
	    {"{\n  \"a\": 1,\n  \"b\": 2\n}", "{\"c\":3}", "{\n  \"c\": 3\n}"},
	    {"{ \"a\": 1, \"b\": 2 }", "{\"a\":1,\"c\":3}", "{ \"a\": 1, \"c\": 3 }"},
	    {"{\n  \"a\": 1, // one\n  \"b\": 2 // two\n}", "{\"a\":1,\"c\":3}",
		"{\n  \"a\": 1, // one\n  \"c\": 3\n  // two\n}"},
	    {"{\"a\":1,\"b\":{\"x\":1,\"y\":2}}", "{\"b\":{\"y\":3,\"z\":4}}",
		"{\"b\":{\"y\":3,\"z\":4}}"},
	    {"{\n  \"a\": 1,\n  \"b\": 2,\n}", "{\"c\":3,\"d\":4}",
		"{\n  \"c\": 3,\n  \"d\": 4,\n}"},
	};

	(void)state;
	check(v, ARRAY_LEN(v));
}

static void what_says_it_already_is_not_touched(void **state)
{
	struct arena a = ARENA_NULL;
	struct json_doc d, t;
	struct slice text;

	(void)state;
	json_doc_parse_object(
	    &a, SLICE_LIT("{\"b\":[{\"y\":1,\"x\":2}],\"a\":1.50}"), &d);
	json_doc_parse_object(
	    &a, SLICE_LIT("{\"a\":15e-1,\"b\":[{\"x\":2,\"y\":1.0}]}"), &t);
	assert_int_equal(json_edit_to(&a, &d, t.root, &text, NULL), JSON_EDIT_NONE);
	arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_replaced_in_place),
	    cmocka_unit_test(new_members_go_last_and_look_like_the_rest),
	    cmocka_unit_test(removed_members_take_their_line_and_leave_comments),
	    cmocka_unit_test(members_come_and_go_together),
	    cmocka_unit_test(what_says_it_already_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
