#include "zedctl/span.h"

#include "base/jsn.h"
#include "tests/lib/test.h"

static void found(const char *json, const char *pointer, const char *want)
{
	struct slice s = span_find(slice_of(json), pointer);

	if (!want ? s.p != NULL : !slice_is(s, want))
		fail_msg("%s of %s is " SLICE_FMT ", not %s", pointer, json, SLICE_ARG(s),
		    want ? want : "nothing");
}

static void values_are_found_by_pointer(void **state)
{
	const char *doc = " {\"a\": 1.0, \"b\" : [10, {\"c\":\"x,}\"} ], \"a/b~c\":null, "
			  "\"\\u0065\": {\"\": true}, \"q\\\"\": -1e400 } ";

	(void)state;
	found("5", "", "5");
	found("{}", "/", "{}");
	found(doc, "/a", "1.0");
	found(doc, "/b", "[10, {\"c\":\"x,}\"} ]");
	found(doc, "/b/0", "10");
	found(doc, "/b/1/c", "\"x,}\"");
	found(doc, "/b/2", NULL);
	found(doc, "/b/x", NULL);
	found(doc, "/a~1b~0c", "null");
	found(doc, "/e/", "true");
	found(doc, "/q\"", "-1e400");
	found(doc, "/nothing/below", NULL);
	found("{\"a\":1,\"a\":2}", "/a", "2");
}

static void changed(
    const char *json, const char *pointer, const char *value, const char *want)
{
	struct buf out = BUF_NULL(4096);
	struct err e = ERR_NULL;
	int r;

	if (value)
		r = span_set(slice_of(json), pointer, slice_of(value), &out, &e);
	else
		r = span_unset(slice_of(json), pointer, &out, &e);
	if (!want)
		assert_int_equal(r, ERROR_INVALID);
	else if (r != 0 || strcmp(buf_cstr(&out), want) != 0)
		fail_msg("%s at %s in %s: %d %s, not %s", value, pointer, json, r,
		    buf_cstr(&out), want);
	buf_deinit(&out);
}

static void only_the_value_meant_is_touched(void **state)
{
	(void)state;
	changed("{\"a\": 1.0, \"b\": 2}", "/b", "3", "{\"a\": 1.0, \"b\": 3}");
	changed(
	    "{\"a\": {\"x\": 1e3}}", "/a/y", "[1]", "{\"a\": {\"x\": 1e3,\"y\":[1]}}");
	changed("{}", "/a/b~1c", "true", "{\"a\":{\"b/c\":true}}");
	changed("{ }", "/a", "1", "{\"a\":1 }");
	changed("{\"a\":5}", "/a/b", "1", "{\"a\":{\"b\":1}}");
	changed("{\"a\":[1,2]}", "/a/1", "9", "{\"a\":[1,9]}");
	changed("{\"a\":[1,2]}", "/a/2", "9", NULL);
	changed("{\"a\":1}", "", "{\"b\":2}", "{\"b\":2}");
	changed("{\"a\":1}", "a", "2", NULL);
}

static void a_removed_member_takes_one_comma_with_it(void **state)
{
	(void)state;
	changed("{\"a\":1,\"b\":2,\"c\":3}", "/a", NULL, "{\"b\":2,\"c\":3}");
	changed("{\"a\":1,\"b\":2,\"c\":3}", "/b", NULL, "{\"a\":1,\"c\":3}");
	changed("{\"a\":1, \"b\":2 , \"c\":3 }", "/c", NULL, "{\"a\":1, \"b\":2  }");
	changed("{\"a\":{\"b\":1}}", "/a/b", NULL, "{\"a\":{}}");
	changed("{\"a\":1}", "/x", NULL, "{\"a\":1}");
	changed("{\"a\":1}", "", NULL, NULL);
}

static void each(const char *json, const char *want)
{
	struct buf out = BUF_NULL(4096);
	struct slice key, value;
	size_t at = 0;

	while (span_each(slice_of(json), &at, &key, &value)) {
		span_string(key, &out);
		buf_addf(&out, "=" SLICE_FMT ";", SLICE_ARG(value));
	}
	assert_string_equal(buf_cstr(&out), want);
	buf_deinit(&out);
}

static void members_come_one_by_one(void **state)
{
	(void)state;
	each("{ \"a\" : 1.0 , \"\\u0062\":[2,{\"c\":3}]}", "a=1.0;b=[2,{\"c\":3}];");
	each("[1, \"]\" ,{}]", "=1;=\"]\";={};");
	each("{}", "");
	each("5", "");
	each("", "");
}

/* What the shapes above cannot show: the result is always JSON, and says what was asked
 * for. */
static void what_comes_out_parses(void **state)
{
	static const char *const docs[] = {"{}", "{\"a\":{\"b\":{\"c\":1}}}",
	    "{\"a\":[{\"b\":1}],\"z\":\"\\\\\"}",
	    "{\n  \"a\" : \"}\\\"\" ,\n  \"b\" : [ ]\n}"};
	static const char *const pointers[] = {
	    "/a", "/b", "/a/b", "/a/b/c", "/z", "/a/0/b", "/new/x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(docs) * ARRAY_LEN(pointers); i++) {
		const char *doc = docs[i % ARRAY_LEN(docs)],
			   *p = pointers[i / ARRAY_LEN(docs)];
		struct buf set = BUF_NULL(4096), unset = BUF_NULL(4096);
		struct jsn *v = NULL;
		struct err e = ERR_NULL;

		if (span_set(slice_of(doc), p, slice_of("[\"v\"]"), &set, &e) == 0) {
			assert_int_equal(jsn_parse(set.data, set.n, &v, &e), 0);
			jsn_free(v);
			assert_true(slice_is(span_find(buf_slice(&set), p), "[\"v\"]"));
			assert_int_equal(span_unset(buf_slice(&set), p, &unset, &e), 0);
			assert_int_equal(jsn_parse(unset.data, unset.n, &v, &e), 0);
			jsn_free(v);
		}
		buf_deinit(&set);
		buf_deinit(&unset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_found_by_pointer),
	    cmocka_unit_test(only_the_value_meant_is_touched),
	    cmocka_unit_test(a_removed_member_takes_one_comma_with_it),
	    cmocka_unit_test(members_come_one_by_one),
	    cmocka_unit_test(what_comes_out_parses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
