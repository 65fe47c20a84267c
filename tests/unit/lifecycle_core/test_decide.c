/* Commands by what is there, as golden traces. */
#include "tests/lib/test.h"

#include <signal.h>

#include "tests/unit/lifecycle_core/life.h"

#define TRACE(l, text) assert_string_equal(life_trace(l), text)

static void a_start_of_nothing_is_accepted(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	assert_int_equal(life_start(&l, 'a', "c1"), 0);
	TRACE(&l, "1 accepted -> PENDING g1\n");
	assert_true(l.verdict.store_spec);
	assert_true(l.rec.known);
	assert_int_equal(l.rec.desired, DESIRED_RUN);
	assert_int_equal(l.rec.start_deadline_unix_ms, l.now_ms + 300000);
	life_deinit(&l);
}

static void the_same_start_again_is_a_duplicate_and_changes_nothing(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	assert_int_equal(life_start(&l, 'a', ""), 0);
	assert_true(l.verdict.duplicate);
	assert_false(l.verdict.store_spec);
	TRACE(&l, "");
	assert_int_equal(l.rec.state, STATE_RUNNING);
	assert_int_equal(l.rec.generation, 1);
	assert_int_equal(l.rec.cmd_order, l.seq);
	life_deinit(&l);
}

static void another_start_is_a_conflict(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	assert_int_equal(life_start(&l, 'b', ""), ERROR_CONFLICT);
	TRACE(&l, "5 rejected RUNNING -> RUNNING g1 r1 CONFLICT\n");
	assert_int_equal(l.rec.state, STATE_RUNNING);
	assert_string_equal(l.rec.spec_hash.hex, "a");
	life_deinit(&l);
}

static void a_start_while_stopping_runs_when_the_tree_is_empty(void **s)
{
	struct life l;
	struct assignment a;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_stop(&l, false);
	life_trace(&l);
	assert_int_equal(life_start(&l, 'b', ""), 0);
	assert_true(l.verdict.store_spec);
	assert_true(instance_assignment(&l.rec, &a));
	assert_int_equal(a.desired, DESIRED_STOP); /* it still is to go first */
	assert_int_equal(life_start(&l, 'b', ""), 0);
	assert_true(l.verdict.duplicate);
	assert_int_equal(life_start(&l, 'c', ""), ERROR_CONFLICT);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "6 accepted STOPPING -> STOPPING g1 r1 STOP [starts when what is being "
		  "stopped is gone]\n"
		  "7 rejected STOPPING -> STOPPING g1 r1 CONFLICT\n"
		  "8 stopped STOPPING -> STOPPED g1 r1 STOP\n"
		  "9 accepted STOPPED -> PENDING g2\n");
	assert_int_equal(l.rec.desired, DESIRED_RUN);
	life_deinit(&l);
}

static void an_ended_instance_starts_as_a_new_generation(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "c1");
	life_place(&l, "r1");
	life_report(&l, STATE_RUNNING);
	life_report_why(&l, STATE_EXITED, REASON_NONE, "exit 0");
	life_trace(&l);
	assert_int_equal(life_start(&l, 'b', "c2"), 0);
	TRACE(&l, "5 accepted EXITED -> PENDING g2\n");
	life_deinit(&l);
}

static void a_start_repeated_after_the_end_with_its_id_is_a_duplicate(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "c1");
	life_stop(&l, false);
	life_trace(&l);
	assert_int_equal(life_start(&l, 'a', "c1"), 0);
	assert_true(l.verdict.duplicate);
	TRACE(&l, "");
	assert_int_equal(l.rec.state, STATE_STOPPED);
	life_deinit(&l);
}

static void eight_commands_are_remembered(void **s)
{
	struct life l;
	struct verdict v;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "c1");
	life_stop(&l, false);
	for (int n = 0; n < 7; n++)
		life_stop(&l, false);
	assert_false(decided_answer(&l.rec, 0, 1, &v));
	assert_true(decided_answer(&l.rec, 0, 2, &v));
	assert_int_equal(life_start(&l, 'a', "c1"), 0);
	assert_false(l.verdict.duplicate); /* forgotten */
	life_deinit(&l);
}

static void a_stop_of_what_waits_stops_it_at_once(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	life_stop(&l, false);
	TRACE(&l, "1 accepted -> PENDING g1\n2 stopped PENDING -> STOPPED g1 STOP\n");
	assert_int_equal(l.rec.desired, DESIRED_STOP);
	life_deinit(&l);
}

static void a_stop_during_the_start_wins(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_start(&l, 'a', "");
	life_place(&l, "r1");
	life_trace(&l);
	life_stop(&l, false);
	life_report(&l, STATE_STARTING);
	life_report(&l, STATE_RUNNING);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "3 stopping ASSIGNED -> STOPPING g1 r1 STOP\n"
		  "4 stopped STOPPING -> STOPPED g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_stop_of_the_unknown_is_stopped_and_not_known(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	assert_int_equal(life_stop(&l, false), 0);
	TRACE(&l, "");
	assert_int_equal(l.rec.state, STATE_STOPPED);
	assert_false(l.rec.known);
	assert_int_equal(life_start(&l, 'a', ""), 0);
	TRACE(&l, "1 accepted STOPPED -> PENDING g1\n");
	life_deinit(&l);
}

static void a_second_stop_changes_nothing_but_a_forced_one_does(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_stop(&l, false);
	life_trace(&l);
	life_stop(&l, false);
	assert_true(l.verdict.duplicate);
	life_stop(&l, true);
	assert_false(l.verdict.duplicate);
	assert_true(l.rec.stop.force);
	TRACE(&l, "6 accepted STOPPING -> STOPPING g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_stop_cancels_a_restart_under_way(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_restart(&l);
	life_stop(&l, false);
	life_trace(&l);
	life_report(&l, STATE_STOPPED);
	TRACE(&l, "7 stopped STOPPING -> STOPPED g1 r1 STOP\n");
	life_deinit(&l);
}

static void a_restart_is_a_stop_and_a_start_of_the_next_generation(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_trace(&l);
	assert_int_equal(life_restart(&l), 0);
	assert_int_equal(l.rec.desired, DESIRED_RUN);
	life_report(&l, STATE_STOPPED);
	life_place(&l, "r2");
	TRACE(&l, "5 stopping RUNNING -> STOPPING g1 r1 STOP [restart]\n"
		  "6 stopped STOPPING -> STOPPED g1 r1 STOP [restart]\n"
		  "7 accepted STOPPED -> PENDING g2\n"
		  "8 assigned PENDING -> ASSIGNED g2 r2\n");
	assert_int_equal(l.rec.fence, 2);
	life_deinit(&l);
}

static void a_restart_needs_something_that_lives(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	assert_int_equal(life_restart(&l), ERROR_NOT_FOUND);
	life_start(&l, 'a', "");
	life_stop(&l, false);
	assert_int_equal(life_restart(&l), ERROR_CONFLICT);
	TRACE(&l, "1 rejected g0 NOT_FOUND\n"
		  "2 accepted STOPPED -> PENDING g1\n"
		  "3 stopped PENDING -> STOPPED g1 STOP\n"
		  "4 rejected STOPPED -> STOPPED g1 CONFLICT\n");
	life_deinit(&l);
}

static void signals_are_numbered_and_forgotten_once_carried_out(void **s)
{
	struct life l;
	struct assignment a;
	struct report r = {.state = STATE_RUNNING, .runner_epoch = 1, .signal_no = 1};

	(void)s;
	life_init(&l);
	assert_int_equal(life_signal(&l, SIGHUP), ERROR_NOT_FOUND);
	life_run(&l);
	assert_int_equal(life_signal(&l, SIGHUP), 0);
	assert_int_equal(life_signal(&l, SIGUSR1), 0);
	assert_true(instance_assignment(&l.rec, &a));
	assert_int_equal(a.n_signals, 2);
	assert_int_equal(a.signals[0].signal, SIGHUP);
	r.runner = l.rec.runner;
	r.generation = r.fence = 1;
	r.report_no = ++l.report_no;
	step_report(&l.rec, &r, l.now_ms);
	assert_true(instance_assignment(&l.rec, &a));
	assert_int_equal(a.n_signals, 1);
	assert_int_equal(a.signals[0].no, 2);
	life_deinit(&l);
}

static void more_signals_than_can_wait_are_refused(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	for (int n = 0; n < SIGNALS_MAX; n++)
		assert_int_equal(life_signal(&l, SIGUSR1), 0);
	assert_int_equal(life_signal(&l, SIGUSR1), ERROR_UNAVAILABLE);
	life_deinit(&l);
}

static void purge_forgets_all_but_the_numbers(void **s)
{
	struct life l;

	(void)s;
	life_init(&l);
	life_run(&l);
	assert_int_equal(life_purge(&l), ERROR_CONFLICT);
	life_stop(&l, false);
	life_report(&l, STATE_STOPPED);
	life_trace(&l);
	assert_int_equal(life_purge(&l), 0);
	assert_false(l.rec.known);
	assert_int_equal(life_purge(&l), ERROR_NOT_FOUND);
	assert_int_equal(life_start(&l, 'z', ""), 0);
	TRACE(&l, "8 accepted STOPPED -> STOPPED g1 r1 STOP [purged]\n"
		  "9 rejected g1 r1 NOT_FOUND\n"
		  "10 accepted STOPPED -> PENDING g2\n");
	assert_int_equal(l.rec.fence, 1);
	life_deinit(&l);
}

static void what_cannot_be_understood_is_told_as_rejected(void **s)
{
	struct life l;
	struct verdict v;

	(void)s;
	life_init(&l);
	assert_int_equal(life_malformed(&l), ERROR_INVALID);
	TRACE(&l, "1 rejected g0 INVALID\n");
	assert_false(l.rec.known);
	assert_true(decided_answer(&l.rec, 0, 1, &v));
	assert_int_equal(v.code, ERROR_INVALID);
	life_deinit(&l);
}

static void another_stream_counts_anew(void **s)
{
	struct life l;
	struct command c = COMMAND_NULL;
	struct decide_in in = {.cmd = &c, .command_id = "", .stream_ms = 5, .seq = 1};
	struct verdict v;

	(void)s;
	life_init(&l);
	life_run(&l);
	life_stop(&l, false);
	assert_int_equal(instance_cmd_order(&l.rec, 0), 2);
	assert_int_equal(instance_cmd_order(&l.rec, 5), 0);
	c.verb = VERB_STOP;
	decide(&l.rec, &in, &l.verdict);
	assert_int_equal(l.verdict.code, 0);
	assert_int_equal(instance_cmd_order(&l.rec, 5), 1);
	assert_int_equal(instance_cmd_order(&l.rec, 0), 0);
	assert_false(decided_answer(&l.rec, 5, 2, &v)); /* of the other one */
	assert_true(decided_answer(&l.rec, 5, 1, &v));
	life_deinit(&l);
}

static void a_start_decided_after_its_deadline_fails_expired(void **s)
{
	struct life l;
	struct command c = COMMAND_NULL;
	struct decide_in in = {.cmd = &c, .command_id = "", .seq = 1};

	(void)s;
	life_init(&l);
	c.verb = VERB_START;
	c.start_deadline_ms = 1000;
	in.published_unix_ms = l.now_ms - 1000;
	in.now_unix_ms = l.now_ms;
	decide(&l.rec, &in, &l.verdict);
	assert_int_equal(l.verdict.code, 0);
	assert_int_equal(l.rec.state, STATE_FAILED);
	assert_int_equal(l.rec.reason, REASON_EXPIRED);
	assert_int_equal(l.rec.n_outbox, 2);
	command_deinit(&c);
	life_deinit(&l);
}

static void a_profile_that_nobody_offers_refuses_only_a_new_start(void **s)
{
	struct life l;
	struct command c = COMMAND_NULL;
	struct decide_in in = {.cmd = &c,
	    .command_id = "",
	    .seq = 1,
	    .profile_code = ERROR_UNKNOWN_PROFILE,
	    .profile_text = "no such profile"};

	(void)s;
	life_init(&l);
	c.verb = VERB_START;
	decide(&l.rec, &in, &l.verdict);
	assert_int_equal(l.verdict.code, ERROR_UNKNOWN_PROFILE);
	assert_false(l.rec.known);
	life_deinit(&l);
	life_init(&l);
	life_run(&l);
	in.seq = l.seq + 1;
	in.spec_hash.hex[0] = 'a';
	decide(&l.rec, &in, &l.verdict);
	assert_int_equal(l.verdict.code, 0);
	assert_true(l.verdict.duplicate);
	command_deinit(&c);
	life_deinit(&l);
}

TEST_MAIN(cmocka_unit_test(a_start_of_nothing_is_accepted),
    cmocka_unit_test(the_same_start_again_is_a_duplicate_and_changes_nothing),
    cmocka_unit_test(another_start_is_a_conflict),
    cmocka_unit_test(a_start_while_stopping_runs_when_the_tree_is_empty),
    cmocka_unit_test(an_ended_instance_starts_as_a_new_generation),
    cmocka_unit_test(a_start_repeated_after_the_end_with_its_id_is_a_duplicate),
    cmocka_unit_test(eight_commands_are_remembered),
    cmocka_unit_test(a_stop_of_what_waits_stops_it_at_once),
    cmocka_unit_test(a_stop_during_the_start_wins),
    cmocka_unit_test(a_stop_of_the_unknown_is_stopped_and_not_known),
    cmocka_unit_test(a_second_stop_changes_nothing_but_a_forced_one_does),
    cmocka_unit_test(a_stop_cancels_a_restart_under_way),
    cmocka_unit_test(a_restart_is_a_stop_and_a_start_of_the_next_generation),
    cmocka_unit_test(a_restart_needs_something_that_lives),
    cmocka_unit_test(signals_are_numbered_and_forgotten_once_carried_out),
    cmocka_unit_test(more_signals_than_can_wait_are_refused),
    cmocka_unit_test(purge_forgets_all_but_the_numbers),
    cmocka_unit_test(what_cannot_be_understood_is_told_as_rejected),
    cmocka_unit_test(another_stream_counts_anew),
    cmocka_unit_test(a_start_decided_after_its_deadline_fails_expired),
    cmocka_unit_test(a_profile_that_nobody_offers_refuses_only_a_new_start))
