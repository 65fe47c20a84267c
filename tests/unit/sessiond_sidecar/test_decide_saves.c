#include "tests/unit/sessiond_sidecar/decide_bed.h"

#include "tests/lib/test.h"

static void a_save_that_takes_all_of_a_write_back_is_told(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":\"B\",\"n\":2,\"m\":3}";
	bed_step(b);
	b->before = "{\"theme\":\"A\",\"n\":1}";
	b->after = "{\"theme\":\"B\",\"n\":2,\"m\":3}";
	assert_string_equal(b->file, b->after);
	b->since_write_us = 500 * 1000;
	bed_put(b, "{\"theme\":\"A\",\"n\":2,\"m\":3}");
	bed_step(b);
	assert_false(bed_told(b, "stale_buffer"));
	bed_put(b, "{\"theme\":\"A\",\"n\":1,\"mine\":true}");
	bed_step(b);
	assert_true(bed_told(b, "stale_buffer"));
	bed_is(b, RECORD_OVERRIDES,
	    "{\"set\":{\"/theme\":\"A\",\"/n\":1,\"/mine\":true},\"del\":[\"/m\"]}");
	/* once */
	bed_put(b, "{\"theme\":\"A\",\"n\":1,\"mine\":false}");
	bed_step(b);
	assert_false(bed_told(b, "stale_buffer"));
}

/* @saved, @us after theme and n were written; then it says @both. */
static void saved_soon_after(struct bed *b, int64_t us, const char *saved, const char *both)
{
	b->before = "{\"theme\":\"A\",\"n\":1}";
	b->after = b->base;
	b->since_write_us = INT64_MAX;
	bed_step(b);
	b->since_write_us = us;
	bed_put(b, saved);
	bed_step(b);
	assert_string_equal(b->file, both);
}

static void a_save_that_cannot_have_seen_a_write_keeps_both(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":\"B\",\"n\":2}";
	saved_soon_after(b, -1, "{\"n\":1,\"theme\":\"A\",\"mine\":1}",
	    "{\"n\":2,\"theme\":\"B\",\"mine\":1}");
	assert_true(bed_told(b, "stale_buffer"));
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/mine\":1},\"del\":[]}");
}

static void a_save_in_a_hurry_keeps_both(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":\"B\",\"n\":2}";
	saved_soon_after(b, 3000, "{\"theme\":\"A\", /* c */ \"n\":1,\"mine\":1}",
	    "{\"theme\":\"B\", /* c */ \"n\":2,\"mine\":1}");
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/mine\":1},\"del\":[]}");
}

static void to_take_a_write_back_and_nothing_else_is_meant(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":\"B\",\"n\":2}";
	saved_soon_after(
	    b, 3000, "{\"n\":1,\"theme\":\"A\"}", "{\"n\":1,\"theme\":\"A\"}");
	assert_true(bed_told(b, "stale_buffer"));
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/n\":1,\"/theme\":\"A\"},\"del\":[]}");
}

/* However long the server's entry cannot stand, the last good one is the server's, not
 * what the user made of it. */
static void last_good_values_outlast_the_users_edits(void **state)
{
	static const char bad[] = "{\"context_servers\":{\"x\":{\"command\":\"c\",\"args\":null}}}";
	static const char good[] = "{\"context_servers\":{\"x\":{\"url\":\"u\"}}}";
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = good;
	bed_step(b);
	b->base = bad;
	bed_step(b);
	assert_true(bed_told(b, "base_invalid"));
	bed_put(b, "{\"context_servers\":{\"x\":{\"url\":\"u\",\"enabled\":false}}}");
	bed_step(b);
	bed_is(b, RECORD_OVERRIDES,
	    "{\"set\":{\"/context_servers/x/enabled\":false},\"del\":[]}");
	bed_put(b, good);
	bed_step(b);
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{},\"del\":[]}");
	bed_is(b, RECORD_SOUND, good);
	b->base = good;
	bed_step(b);
	assert_string_equal(b->file, good);
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{},\"del\":[]}");
	bed_is(b, RECORD_SOUND, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_save_that_takes_all_of_a_write_back_is_told),
	    T(a_save_that_cannot_have_seen_a_write_keeps_both),
	    T(a_save_in_a_hurry_keeps_both),
	    T(to_take_a_write_back_and_nothing_else_is_meant),
	    T(last_good_values_outlast_the_users_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
