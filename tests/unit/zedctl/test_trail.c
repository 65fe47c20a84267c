#include "zedctl/trail.h"

#include <stdlib.h>

#include "tests/lib/test.h"

static void add(struct trail *t, const char *json, int64_t after, const char *pointer)
{
	struct buf page = BUF_NULL(1 << 20);

	buf_adds(&page, json);
	trail_add_page(t, &page, after, pointer);
	assert_null(page.data);
}

/* "path old->new path old->new", "." for absent */
static void nets(const struct trail *t, int64_t to, const char *pointer, const char *want)
{
	struct buf out = BUF_NULL(4096);
	size_t n;
	struct trail_step *steps = trail_net(t, to, pointer, &n);

	for (size_t i = 0; i < n; i++) {
		struct slice old = steps[i].first->old, fresh = steps[i].last->fresh;

		buf_addf(&out, "%s%s%s " SLICE_FMT "->" SLICE_FMT, i ? " " : "",
		    steps[i].last->part, steps[i].last->path,
		    SLICE_ARG(old.p ? old : SLICE_LIT(".")),
		    SLICE_ARG(fresh.p ? fresh : SLICE_LIT(".")));
	}
	assert_string_equal(buf_cstr(&out), want);
	free(steps);
	buf_deinit(&out);
}

#define ENTRY(revision, kind, changes)                                                   \
	"{\"revision\":" #revision ",\"kind\":\"" kind "\",\"actor\":\"al\\u0069ce\","     \
	"\"at\":\"2026-01-02T03:04:05.678Z\",\"changes\":[" changes "]}"
#define CHANGE(path, old, fresh)                                                         \
	"{\"path\":\"" path "\",\"old\":" old ",\"new\":" fresh "}"
#define PAGE(entries) "{\"history\":[" entries "],\"next_cursor\":null}"

static void entries_keep_their_text(void **state)
{
	struct trail t = TRAIL_NULL;

	(void)state;
	add(&t,
	    PAGE("{\"revision\":9,\"kind\":\"rollback\",\"actor\":\"bob\",\"at\":\"x\","
		 "\"restored\":0,\"changes\":[{\"path\":\"/a~1\\u0062\","
		 "\"old\":null,\"new\":1.50}]}"),
	    0, "");
	assert_int_equal(t.n_entries, 1);
	assert_int_equal(t.entries[0].revision, 9);
	assert_int_equal(t.entries[0].restored, 0);
	assert_string_equal(t.entries[0].actor, "bob");
	assert_string_equal(t.entries[0].changes[0].path, "/a~1b");
	assert_null(t.entries[0].changes[0].old.p);
	assert_true(slice_is(t.entries[0].changes[0].fresh, "1.50"));
	trail_deinit(&t);
}

static void pages_are_sieved(void **state)
{
	struct trail t = TRAIL_NULL;

	(void)state;
	add(&t,
	    PAGE(ENTRY(5, "user", CHANGE("/a/b", "1", "2")) ","
		ENTRY(4, "user", CHANGE("/ab", "1", "2"))),
	    0, "/a");
	assert_int_equal(t.n_entries, 1);
	add(&t,
	    PAGE(ENTRY(3, "user", CHANGE("/a", "0", "{}")) ","
		ENTRY(2, "user", CHANGE("/a", "0", "1"))),
	    2, "/a/b/c");
	assert_int_equal(t.n_entries, 2);
	assert_int_equal(t.entries[1].revision, 3);
	assert_int_equal(t.entries[1].restored, -1);
	add(&t, PAGE(ENTRY(1, "user", CHANGE("/x", "0", "1"))), 0, "/a");
	assert_int_equal(t.n_entries, 2);
	assert_int_equal(t.n_pages, 2);
	trail_deinit(&t);
}

static void changes_that_follow_are_one(void **state)
{
	struct trail t = TRAIL_NULL;

	(void)state;
	add(&t,
	    PAGE(ENTRY(4, "user", CHANGE("/t", "\"B\"", "\"C\"") "," CHANGE("/u", "2", "1"))
		"," ENTRY(3, "user", "{\"path\":\"/d\",\"old\":null,"
					       "\"new\":null,\"nulls\":[\"old\"]}") ","
		ENTRY(2, "base", CHANGE("/t", "\"A\"", "\"B\"") ","
					     CHANGE("/u", "1", "2"))),
	    0, "");
	nets(&t, -1, "", "/d null->. /t \"A\"->\"C\"");
	nets(&t, 2, "", "/t \"A\"->\"B\" /u 1->2");
	nets(&t, -1, "/t", "/t \"A\"->\"C\"");
	trail_deinit(&t);
}

/* The user's A -> X shows through; the base's A -> B beside it is another story, and one
 * rollback of both ends both. */
static void sides_are_not_mixed(void **state)
{
	struct trail t = TRAIL_NULL, back = TRAIL_NULL;

	(void)state;
	add(&t,
	    PAGE(ENTRY(3, "base", CHANGE("/t", "\"A\"", "\"B\"")) ","
		ENTRY(2, "user", CHANGE("/t", "\"A\"", "\"X\""))),
	    0, "");
	nets(&t, -1, "", "/t \"A\"->\"X\" /t \"A\"->\"B\"");
	add(&back,
	    PAGE(ENTRY(4, "rollback",
		     CHANGE("/t", "\"B\"", "\"A\"") "," CHANGE("/t", "\"X\"", "\"A\""))
		"," ENTRY(3, "base", CHANGE("/t", "\"A\"", "\"B\"")) ","
		ENTRY(2, "user", CHANGE("/t", "\"A\"", "\"X\""))),
	    0, "");
	nets(&back, -1, "", "");
	trail_deinit(&t);
	trail_deinit(&back);
}

static void policy_is_no_setting(void **state)
{
	struct trail t = TRAIL_NULL;

	(void)state;
	add(&t,
	    PAGE(ENTRY(1, "base",
		"{\"path\":\"/a\",\"part\":\"policy\",\"old\":null,\"new\":1},"
		CHANGE("/a", "1", "2"))),
	    0, "");
	nets(&t, -1, "", "/a 1->2 policy/a .->1");
	nets(&t, -1, "/a", "/a 1->2");
	trail_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries_keep_their_text),
	    cmocka_unit_test(pages_are_sieved),
	    cmocka_unit_test(changes_that_follow_are_one),
	    cmocka_unit_test(sides_are_not_mixed),
	    cmocka_unit_test(policy_is_no_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
