/* Words and the table of states. */
#include "tests/lib/test.h"

#include <signal.h>

#include "base/must.h"
#include "lifecycle/core/strmap.h"
#include "lifecycle/core/vocab.h"

static void every_state_but_none_has_a_way_on(void **s)
{
	(void)s;
	for (unsigned i = STATE_NONE + 1; i < STATE_N_; i++) {
		enum instance_state x = (enum instance_state)i;

		assert_true(state_successors(x) != 0);
		assert_int_equal(state_parse(slice_of(state_name(x))), x);
		assert_true(*state_sentence(x) && *state_event(x));
		assert_int_equal(
		    state_is_terminal(x), state_successors(x) == 1u << STATE_PENDING);
	}
	assert_int_equal(state_parse(SLICE_LIT("NONSENSE")), STATE_NONE);
}

static void a_terminal_state_can_be_reached_from_every_state(void **s)
{
	uint32_t reach = 1u << STATE_STOPPED | 1u << STATE_EXITED | 1u << STATE_FAILED;

	(void)s;
	for (int round = 0; round < STATE_N_; round++)
		for (unsigned i = STATE_NONE + 1; i < STATE_N_; i++)
			if (state_successors((enum instance_state)i) & reach)
				reach |= 1u << i;
	assert_int_equal(reach, (1u << STATE_N_) - 2);
}

static void names_parse_to_what_they_name(void **s)
{
	(void)s;
	for (unsigned v = VERB_NONE + 1; v < VERB_N_; v++)
		assert_int_equal(verb_parse(slice_of(verb_name((enum verb)v))), v);
	assert_int_equal(verb_parse(SLICE_LIT("")), VERB_NONE);
	assert_int_equal(signal_parse(SLICE_LIT("USR1")), SIGUSR1);
	assert_int_equal(signal_parse(SLICE_LIT("SEGV")), 0);
	assert_string_equal(signal_name(SIGTERM), "TERM");
	assert_null(signal_name(SIGSEGV));
	assert_string_equal(reason_name(REASON_OOM), "OOM");
}

static void a_map_stays_sorted_and_replaces(void **s)
{
	struct strmap m = STRMAP_NULL, copy;

	(void)s;
	strmap_put(&m, "b", "2");
	strmap_put(&m, "a", "1");
	strmap_put(&m, "c", "3");
	strmap_put(&m, "b", "4");
	assert_int_equal(m.n, 3);
	assert_string_equal(m.items[0].key, "a");
	assert_string_equal(strmap_get(&m, "b"), "4");
	assert_null(strmap_get(&m, "d"));
	strmap_copy(&copy, &m);
	assert_true(strmap_eq(&m, &copy));
	strmap_put(&copy, "d", "5");
	assert_true(strmap_covers(&copy, &m));
	assert_false(strmap_covers(&m, &copy));
	strmap_deinit(&m);
	strmap_deinit(&copy);
	strmap_deinit(&copy);
}

TEST_MAIN(cmocka_unit_test(every_state_but_none_has_a_way_on),
    cmocka_unit_test(a_terminal_state_can_be_reached_from_every_state),
    cmocka_unit_test(names_parse_to_what_they_name),
    cmocka_unit_test(a_map_stays_sorted_and_replaces))
