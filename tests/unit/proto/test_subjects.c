/* Subjects from ids, and the promise that the planes share none. */
#include "tests/lib/test.h"

#include "base/must.h"
#include "proto/subjects.h"

static void a_pattern_is_filled_in_order(void **s)
{
	(void)s;
	assert_string_equal(SUBJECT_OF(cmd, "default", "start", "zi_1").s,
	    "lifecycle.v1.cmd.default.start.zi_1");
	assert_string_equal(KEY_OF("r1", "t", "i").s, "r1.t.i");
}

static void a_subject_is_cut_at_its_dots(void **s)
{
	struct slice t[3];

	(void)s;
	assert_int_equal(subject_split("a.b.c", t, 3), 3);
	assert_true(slice_is(t[2], "c"));
	assert_int_equal(subject_split("a.b.c.d", t, 3), 0);
	assert_int_equal(subject_split("a..", t, 3), 3);
	assert_int_equal(t[1].n, 0);
	assert_int_equal(subject_split("", t, 3), 1);
}

struct row {
	const char *plane, *name;
};

static const struct row subjects[] = {
#define SUBJECT(id, plane, pattern, kind, sentence) {#plane, pattern},
#include "proto/subjects.tbl.h"
};
static const struct row stores[] = {
#define STREAM(id, plane, name, sentence) {#plane, name},
#define BUCKET(id, plane, name, sentence) {#plane, name},
#include "proto/subjects.tbl.h"
};

static bool is_plane(const char *plane)
{
	return strcmp(plane, "lifecycle") == 0 || strcmp(plane, "session") == 0;
}

static void every_row_bears_the_name_of_its_plane(void **s)
{
	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
		assert_true(is_plane(subjects[i].plane));
		assert_int_equal(strncmp(subjects[i].name, subjects[i].plane,
				     strlen(subjects[i].plane)),
		    0);
	}
	for (size_t i = 0; i < ARRAY_LEN(stores); i++)
		assert_int_equal(
		    strncasecmp(stores[i].name, stores[i].plane, strlen(stores[i].plane)),
		    0);
}

TEST_MAIN(cmocka_unit_test(a_pattern_is_filled_in_order),
    cmocka_unit_test(a_subject_is_cut_at_its_dots),
    cmocka_unit_test(every_row_bears_the_name_of_its_plane))
