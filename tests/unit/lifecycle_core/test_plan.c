/* Desired against observed: every combination that matters. */
#include "lifecycle/core/plan.h"

#include "tests/lib/test.h"

static const struct plan_local none = {.exists = false};

static struct plan_local running(uint64_t fence)
{
	return (struct plan_local){.exists = true, .fence = fence, .stop_grace_ms = -1};
}

static struct plan_local stopping(uint64_t fence)
{
	struct plan_local l = running(fence);

	l.stopping = true;
	return l;
}

static struct plan_local ended(uint64_t fence)
{
	struct plan_local l = stopping(fence);

	l.ended = true;
	return l;
}

static struct assignment wants(enum desired d, uint64_t fence)
{
	return (struct assignment){
	    .desired = d, .fence = fence, .stop = {.grace_ms = -1}};
}

static void expect(
    struct plan_local l, const struct assignment *a, enum plan_action action)
{
	assert_int_equal(plan_decide(&l, a), action);
	assert_int_equal(
	    plan_decide(&l, a), action); /* level-triggered: asked again, the same */
}

static void nothing_held(void **state)
{
	struct assignment run = wants(DESIRED_RUN, 3), stop = wants(DESIRED_STOP, 3);

	(void)state;
	expect(none, NULL, PLAN_NOTHING);
	expect(none, &run, PLAN_START);
	expect(none, &stop, PLAN_REPORT_STOPPED);
}

static void the_same_placement(void **state)
{
	struct assignment run = wants(DESIRED_RUN, 3), stop = wants(DESIRED_STOP, 3);

	(void)state;
	expect(running(3), &run, PLAN_NOTHING);
	expect(running(3), &stop, PLAN_STOP);
	expect(stopping(3), &stop, PLAN_NOTHING);
	expect(stopping(3), &run,
	    PLAN_NOTHING); /* a stop that was begun is not taken back */
	expect(ended(3), &run, PLAN_NOTHING);
	expect(ended(3), &stop, PLAN_REPORT);
}

static void a_stop_is_acted_on_again_when_it_changed(void **state)
{
	struct assignment stop = wants(DESIRED_STOP, 3);

	(void)state;
	stop.stop.grace_ms = 5;
	expect(stopping(3), &stop, PLAN_STOP);
	stop.stop = (struct stop_request){.grace_ms = -1, .force = true};
	expect(stopping(3), &stop, PLAN_STOP);
}

static void another_placement(void **state)
{
	struct assignment older = wants(DESIRED_RUN, 2), run = wants(DESIRED_RUN, 4),
			  stop = wants(DESIRED_STOP, 4);

	(void)state;
	expect(running(3), &older, PLAN_NOTHING);
	expect(ended(3), &older, PLAN_NOTHING);
	expect(running(3), &run, PLAN_STOP_OLD);
	expect(running(3), &stop, PLAN_STOP_OLD);
	expect(stopping(3), &run, PLAN_NOTHING);
	expect(ended(3), &run, PLAN_START);
	expect(ended(3), &stop, PLAN_REPORT_STOPPED);
}

static void no_assignment(void **state)
{
	(void)state;
	expect(running(3), NULL, PLAN_ASK_RECORD);
	expect(stopping(3), NULL, PLAN_ASK_RECORD);
	expect(ended(3), NULL, PLAN_FORGET);
}

static void signals_are_carried_out_once(void **state)
{
	struct assignment run = wants(DESIRED_RUN, 3);
	struct plan_local l = running(3);

	(void)state;
	run.signals[0] = (struct signal_request){.no = 7, .signal = 1};
	run.n_signals = 1;
	expect(l, &run, PLAN_SIGNAL);
	l.signal_no = 7;
	expect(l, &run, PLAN_NOTHING);
}

static void only_the_record_ends_what_lost_its_assignment(void **state)
{
	struct instance rec = INSTANCE_NULL;
	struct plan_local l = running(3);
	struct id me, other;

	(void)state;
	assert_true(id_parse(slice_of("me"), &me) && id_parse(slice_of("other"), &other));
	assert_int_equal(plan_decide_unassigned(&l, NULL, &me), PLAN_STOP_OLD);
	rec.runner = me;
	rec.fence = 3;
	rec.desired = DESIRED_RUN;
	rec.state = STATE_RUNNING;
	assert_int_equal(plan_decide_unassigned(&l, &rec, &me), PLAN_NOTHING);
	rec.desired = DESIRED_STOP;
	rec.stop.grace_ms = 9;
	assert_int_equal(plan_decide_unassigned(&l, &rec, &me), PLAN_STOP);
	rec.desired = DESIRED_RUN;
	rec.fence = 4;
	assert_int_equal(plan_decide_unassigned(&l, &rec, &me), PLAN_STOP_OLD);
	rec.fence = 3;
	rec.runner = other;
	assert_int_equal(plan_decide_unassigned(&l, &rec, &me), PLAN_STOP_OLD);
	l = stopping(3);
	assert_int_equal(plan_decide_unassigned(&l, &rec, &me), PLAN_NOTHING);
}

TEST_MAIN(cmocka_unit_test(nothing_held), cmocka_unit_test(the_same_placement),
    cmocka_unit_test(a_stop_is_acted_on_again_when_it_changed),
    cmocka_unit_test(another_placement), cmocka_unit_test(no_assignment),
    cmocka_unit_test(signals_are_carried_out_once),
    cmocka_unit_test(only_the_record_ends_what_lost_its_assignment))
