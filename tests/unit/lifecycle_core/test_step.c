/* What happens to a record by itself, as golden traces. */
#include "tests/lib/test.h"

#include "tests/unit/lifecycle_core/life.h"

#define TRACE(l, text) assert_string_equal(life_trace(l), text)

static void collect_into_trace(struct life *l)
{
	life_report(l, STATE_NONE); /* ignored, but the events so far are traced */
}

static void the_way_up_and_down(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_stop(&l, false);
	life_report(&l, STATE_STOPPING);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "1 accepted -> PENDING g1\n"
		  "2 assigned PENDING -> ASSIGNED g1 r1\n"
		  "3 starting ASSIGNED -> STARTING g1 r1\n"
		  "4 running STARTING -> RUNNING g1 r1\n"
		  "5 stopping RUNNING -> STOPPING g1 r1 STOP\n"
		  "6 stopped STOPPING -> STOPPED g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_crash_loop_ends_in_failed(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	life_report_why(&l, STATE_BACKOFF, REASON_OOM, "killed");
	life_report(&l, STATE_STARTING);
	life_report_why(&l, STATE_FAILED, REASON_CRASH_LOOP, "5 in 10 min");
	TRACE(&l, "5 backoff RUNNING -> BACKOFF g1 r1 OOM [killed]\n"
		  "6 starting BACKOFF -> STARTING g1 r1\n"
		  "7 failed STARTING -> FAILED g1 r1 CRASH_LOOP [5 in 10 min]\n");
	assert_int_equal(l.rec.desired, DESIRED_STOP);
	life_deinit(&l);
}

static void an_old_report_is_ignored(void **s)
{
	struct life l;
	struct report r = {
	    .state = STATE_STARTING, .generation = 1, .fence = 1, .runner_epoch = 1};

	(void)s;
	life_init(&l);
	life_run(&l);
	r.runner = l.rec.runner;
	r.report_no = 1;
	assert_false(step_report(&l.rec, &r, l.now_ms));
	r.report_no = 100;
	r.fence = 2;
	assert_false(step_report(&l.rec, &r, l.now_ms));
	r.fence = 1;
	r.runner = (struct id){"r9"};
	assert_false(step_report(&l.rec, &r, l.now_ms));
	r.runner = l.rec.runner;
	r.runner_epoch = 0;
	assert_false(step_report(&l.rec, &r, l.now_ms));
	assert_int_equal(l.rec.state, STATE_RUNNING);
	life_deinit(&l);
}

static void a_restarted_runner_counts_its_reports_anew(void **s)
{
	struct life l;
	struct report r = {.state = STATE_BACKOFF,
	    .generation = 1,
	    .fence = 1,
	    .runner_epoch = 2,
	    .report_no = 1};

	(void)s;
	life_init(&l);
	life_run(&l);
	r.runner = l.rec.runner;
	assert_true(step_report(&l.rec, &r, l.now_ms));
	assert_int_equal(l.rec.state, STATE_BACKOFF);
	life_deinit(&l);
}

static void a_refusal_tries_another_runner_three_times(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	life_place(&l, "r1");
	life_refuse(&l, REASON_WORKSPACE_BUSY);
	assert_true(instance_is_excluded(&l.rec, &(struct id){"r1"}));
	life_place(&l, "r2");
	life_refuse(&l, REASON_DISK);
	life_place(&l, "r3");
	life_refuse(&l, REASON_DISK);
	TRACE(&l, "1 accepted -> PENDING g1\n"
		  "2 assigned PENDING -> ASSIGNED g1 r1\n"
		  "3 accepted ASSIGNED -> PENDING g1 WORKSPACE_BUSY\n"
		  "4 assigned PENDING -> ASSIGNED g1 r2\n"
		  "5 accepted ASSIGNED -> PENDING g1 DISK\n"
		  "6 assigned PENDING -> ASSIGNED g1 r3\n"
		  "7 failed ASSIGNED -> FAILED g1 r3 DISK\n");
	assert_int_equal(l.rec.fence, 3);
	life_deinit(&l);
}

static void a_full_runner_never_makes_it_fail(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	for (int n = 0; n < 10; n++) {
		life_place(&l, "r1");
		life_refuse(&l, REASON_NO_CAPACITY);
		assert_int_equal(l.rec.state, STATE_PENDING);
	}
	life_deinit(&l);
}

static void a_refusal_of_what_is_to_stop_is_its_end(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	life_place(&l, "r1");
	life_stop(&l, false);
	life_trace(&l);
	life_refuse(&l, REASON_WORKSPACE_BUSY);
	TRACE(&l, "4 stopped STOPPING -> STOPPED g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_silent_runner_makes_it_unknown_and_back(void **s)
{
	struct life l;
	struct report again = {
	    .state = STATE_RUNNING, .generation = 1, .fence = 1, .runner_epoch = 1};

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	assert_true(step_runner_silent(&l.rec, l.now_ms));
	assert_false(step_runner_silent(&l.rec, l.now_ms));
	again.runner = l.rec.runner;
	again.report_no = l.rec.report_no; /* the very report that counted before */
	assert_true(step_report(&l.rec, &again, l.now_ms));
	collect_into_trace(&l);
	TRACE(&l, "5 unknown RUNNING -> UNKNOWN g1 r1 RUNNER_LOST\n"
		  "6 running UNKNOWN -> RUNNING g1 r1\n");
	life_deinit(&l);
}

static void a_lost_runner_keeps_its_instance_by_default(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	assert_false(step_lost(&l.rec, l.now_ms)); /* not before it was UNKNOWN */
	step_runner_silent(&l.rec, l.now_ms);
	assert_true(step_lost(&l.rec, l.now_ms));
	assert_int_equal(life_start(&l, 'a', ""), ERROR_CONFLICT);
	assert_int_equal(life_restart(&l), ERROR_CONFLICT);
	life_report(&l, STATE_RUNNING);
	TRACE(&l, "5 unknown RUNNING -> UNKNOWN g1 r1 RUNNER_LOST\n"
		  "6 lost UNKNOWN -> LOST g1 r1 RUNNER_LOST\n"
		  "7 rejected LOST -> LOST g1 r1 CONFLICT\n"
		  "8 rejected LOST -> LOST g1 r1 CONFLICT\n"
		  "9 running LOST -> RUNNING g1 r1\n");
	life_deinit(&l);
}

static void a_lost_runner_s_instance_is_replaced_on_demand(void **s)
{
	struct life l;
	struct report late = {.state = STATE_RUNNING,
	    .generation = 1,
	    .fence = 1,
	    .runner_epoch = 1,
	    .report_no = 99};

	(void)s;
	life_init(&l);
	life_start_with(&l, 'a', 300000, ON_LOST_REPLACE);
	life_place(&l, "r1");
	life_report(&l, STATE_RUNNING);
	life_trace(&l);
	step_runner_silent(&l.rec, l.now_ms);
	step_lost(&l.rec, l.now_ms);
	assert_true(instance_is_excluded(&l.rec, &(struct id){"r1"}));
	collect_into_trace(&l);
	life_place(&l, "r2");
	TRACE(&l, "4 unknown RUNNING -> UNKNOWN g1 r1 RUNNER_LOST\n"
		  "5 lost UNKNOWN -> LOST g1 r1 RUNNER_LOST\n"
		  "6 accepted LOST -> PENDING g1 RUNNER_LOST\n"
		  "7 assigned PENDING -> ASSIGNED g1 r2\n");
	late.runner = (struct id){"r1"};
	assert_false(step_report(&l.rec, &late, l.now_ms)); /* the old life has no say */
	assert_false(instance_may_exec(&l.rec, &late.runner, 1, 1));
	assert_true(instance_may_exec(&l.rec, &l.rec.runner, 1, 2));
	life_deinit(&l);
}

static void an_operator_may_declare_it_lost(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	assert_false(step_force_lost(&l.rec, l.now_ms));
	step_runner_silent(&l.rec, l.now_ms);
	life_trace(&l);
	assert_true(step_force_lost(&l.rec, l.now_ms));
	collect_into_trace(&l);
	TRACE(&l,
	    "5 unknown RUNNING -> UNKNOWN g1 r1 RUNNER_LOST\n"
	    "6 failed UNKNOWN -> FAILED g1 r1 RUNNER_LOST [forced by an operator]\n");
	assert_int_equal(life_start(&l, 'b', ""), 0);
	life_deinit(&l);
}

static void a_stop_while_unknown_holds_when_the_runner_returns(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	step_runner_silent(&l.rec, l.now_ms);
	life_stop(&l, false);
	life_trace(&l);
	life_report(&l, STATE_RUNNING);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "7 stopping UNKNOWN -> STOPPING g1 r1 STOP\n"
		  "8 stopped STOPPING -> STOPPED g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_runner_back_without_a_report_is_asked_again(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	life_place(&l, "r1");
	step_runner_silent(&l.rec, l.now_ms);
	assert_true(step_runner_back(&l.rec, l.now_ms));
	assert_int_equal(l.rec.state, STATE_ASSIGNED);
	assert_false(step_runner_back(&l.rec, l.now_ms));
	life_deinit(&l);
}

static void what_waits_too_long_fails_expired(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	assert_true(step_wait(&l.rec, REASON_NO_CAPACITY));
	assert_false(step_wait(&l.rec, REASON_NO_CAPACITY));
	l.now_ms += 299999;
	assert_false(step_expire(&l.rec, l.now_ms));
	l.now_ms += 1;
	assert_true(step_expire(&l.rec, l.now_ms));
	collect_into_trace(&l);
	TRACE(&l, "1 accepted -> PENDING g1\n2 failed PENDING -> FAILED g1 EXPIRED\n");
	life_deinit(&l);
}

static void without_a_deadline_it_waits_for_ever(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start_with(&l, 'a', 0, ON_LOST_KEEP);
	assert_false(step_expire(&l.rec, INT64_MAX));
	life_deinit(&l);
}

static void processes_that_survive_are_told_and_still_go(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_stop(&l, false);
	life_trace(&l);
	life_report_why(&l, STATE_STOP_STUCK, REASON_STOP, "42 D");
	assert_int_equal(life_restart(&l), 0);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "6 stopping STOPPING -> STOP_STUCK g1 r1 STOP [42 D]\n"
		  "7 accepted STOP_STUCK -> STOP_STUCK g1 r1 STOP [starts again when it "
		  "is gone]\n"
		  "8 stopped STOP_STUCK -> STOPPED g1 r1 STOP\n"
		  "9 accepted STOPPED -> PENDING g2\n");
	life_deinit(&l);
}

static void what_no_runner_can_see_is_ignored(void **s)
{
	static const enum instance_state odd[] = {
	    STATE_NONE, STATE_PENDING, STATE_ASSIGNED, STATE_UNKNOWN, STATE_LOST};
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	for (size_t n = 0; n < ARRAY_LEN(odd); n++)
		assert_false(life_report(&l, odd[n]));
	assert_int_equal(l.rec.state, STATE_RUNNING);
	life_deinit(&l);
}

TEST_MAIN(cmocka_unit_test(the_way_up_and_down),
    cmocka_unit_test(a_crash_loop_ends_in_failed),
    cmocka_unit_test(an_old_report_is_ignored),
    cmocka_unit_test(a_restarted_runner_counts_its_reports_anew),
    cmocka_unit_test(a_refusal_tries_another_runner_three_times),
    cmocka_unit_test(a_full_runner_never_makes_it_fail),
    cmocka_unit_test(a_refusal_of_what_is_to_stop_is_its_end),
    cmocka_unit_test(a_silent_runner_makes_it_unknown_and_back),
    cmocka_unit_test(a_lost_runner_keeps_its_instance_by_default),
    cmocka_unit_test(a_lost_runner_s_instance_is_replaced_on_demand),
    cmocka_unit_test(an_operator_may_declare_it_lost),
    cmocka_unit_test(a_stop_while_unknown_holds_when_the_runner_returns),
    cmocka_unit_test(a_runner_back_without_a_report_is_asked_again),
    cmocka_unit_test(what_waits_too_long_fails_expired),
    cmocka_unit_test(without_a_deadline_it_waits_for_ever),
    cmocka_unit_test(processes_that_survive_are_told_and_still_go),
    cmocka_unit_test(what_no_runner_can_see_is_ignored))
