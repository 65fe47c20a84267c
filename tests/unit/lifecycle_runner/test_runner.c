/* zed-runner on a real broker: starting, ending, stopping, refusing. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/subjects.h"

static bool was_in(
    struct runner_fixture *f, const char *instance, enum instance_state state)
{
	for (size_t i = 0; i < f->n_seen; i++) {
		if (strcmp(f->seen[i].instance, instance) == 0)
			return f->seen[i].states & (1U << state);
	}
	return false;
}

static void an_instance_is_started_reported_stopped_and_forgotten(void **state)
{
	struct runner_fixture *f = *state;
	const struct report *r;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	r = rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_equal(r->reason, REASON_NONE);
	assert_true(r->pid > 0 && kill((pid_t)r->pid, 0) == 0);
	assert_true(was_in(f, "zi1", STATE_STARTING));
	assert_int_equal(rf_processes(f, "zi1"), 1);
	rf_stop(f, "zi1", -1, false);
	r = rf_wait(f, "zi1", STATE_STOPPED);
	assert_int_equal(r->reason, REASON_STOP);
	assert_int_equal(r->signal, SIGTERM);
	assert_string_equal(
	    r->detail, "ended within its grace; asked for: the test says so");
	assert_int_equal(rf_processes(f, "zi1"), 0);
	assert_true(was_in(f, "zi1", STATE_STOPPING));
	rf_unassign(f, "zi1");
	rf_wait_gone(f, "zi1");
}

static void the_whole_tree_is_gone_before_stopped_is_said(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(
	    f, "tree", "\"--stray\",\"--stray\",\"--ignore-term\",\"--stray\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "tree");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_processes(f, "zi1", 4);
	rf_stop(f, "zi1", 100, false);
	assert_string_equal(rf_wait(f, "zi1", STATE_STOPPED)->detail,
	    "killed; asked for: the test says so");
	assert_int_equal(rf_processes(f, "zi1"), 0);
}

static void a_stop_with_force_kills_at_once(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];

	snprintf(args, sizeof args, "\"--ignore-term\",\"--touch\",\"%s\"",
	    rf_path(f, "t/ignores"));
	rf_profile(f, "stubborn", args, "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "stubborn");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_file(f, rf_path(f, "t/ignores"));
	rf_stop(f, "zi1", 600000, false);
	rf_wait(f, "zi1", STATE_STOPPING);
	rf_stop(f, "zi1", 600000, true);
	assert_int_equal(rf_wait(f, "zi1", STATE_STOPPED)->signal, SIGKILL);
}

static void nothing_is_started_that_the_record_does_not_want(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];
	struct spec s;

	snprintf(args, sizeof args, "\"--touch\",\"%s\"", rf_path(f, "t/started"));
	rf_profile(f, "plain", args, "");
	rf_profile(f, "other", "", "");
	rf_runner_start(f);
	s = rf_spec("zi1", "plain");
	rf_start_fenced(f, &s, 1);
	/* A second instance goes all the way: the first had the time to be started
	 * wrongly. */
	rf_start_simple(f, "zi2", "other");
	rf_wait(f, "zi2", STATE_RUNNING);
	run_for(f->store.bus.loop, 300);
	assert_int_equal(access(rf_path(f, "t/started"), F_OK), -1);
	assert_null(rf_report(f, "zi1"));
	rf_stop(f, "zi2", 0, true);
	rf_wait(f, "zi2", STATE_STOPPED);
}

static void a_missing_program_is_failed_with_its_errno(void **state)
{
	struct runner_fixture *f = *state;
	const struct report *r;

	rf_profile_text(f, "none", "{\"command\":[\"/no/such/program\"]}");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "none");
	r = rf_wait(f, "zi1", STATE_FAILED);
	assert_int_equal(r->reason, REASON_EXEC);
	assert_non_null(strstr(r->detail, "ENOENT"));
}

static void exit_0_after_ready_is_exited(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];
	const struct report *r;

	snprintf(args, sizeof args, "\"--wait-file\",\"%s\",\"--exit\",\"0\"",
	    rf_path(f, "t/go"));
	rf_profile(f, "brief", args, "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "brief");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_profile_text(f, "../t/go", "");
	rename(rf_path(f, "t/go.json"), rf_path(f, "t/go"));
	r = rf_wait(f, "zi1", STATE_EXITED);
	assert_int_equal(r->exit_code, 0);
	assert_true(r->has_exit_code && !r->has_signal);
}

static void an_exit_before_ready_counts_as_a_failure_and_ends_in_a_crash_loop(
    void **state)
{
	struct runner_fixture *f = *state;
	const struct report *r;
	struct spec s = rf_spec("zi1", "early");

	rf_profile(f, "early", "\"--exit\",\"0\"",
	    ",\"ready\":{\"kind\":\"process\",\"arg\":5000}");
	rf_runner_start(f);
	s.restart = (struct restart_rule){RESTART_ON_FAILURE, 1, 600000};
	rf_start(f, &s);
	r = rf_wait(f, "zi1", STATE_BACKOFF);
	assert_int_equal(r->reason, REASON_EARLY_EXIT);
	r = rf_wait(f, "zi1", STATE_FAILED);
	assert_int_equal(r->reason, REASON_CRASH_LOOP);
	assert_int_equal(r->restarts, 1);
	assert_int_equal(r->exit_code, 0);
}

static void never_is_exited_whatever_the_exit(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "dies");
	const struct report *r;

	rf_profile(f, "dies", "\"--die\",\"11\"", "");
	rf_runner_start(f);
	s.restart.policy = RESTART_NEVER;
	rf_start(f, &s);
	r = rf_wait(f, "zi1", STATE_EXITED);
	assert_int_equal(r->signal, 11);
	assert_false(r->has_exit_code);
}

static void what_a_crash_left_is_ended_before_the_next_run(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];

	snprintf(args, sizeof args,
	    "\"--stray\",\"--stamp\",\"%s\",\"--wait-file\",\"%s\",\"--exit\",\"3\"",
	    rf_path(f, "t/stamps"), rf_path(f, "t/go"));
	rf_profile(f, "leaky", args, "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "leaky");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_processes(f, "zi1", 2);
	rf_profile_text(f, "../t/go", "");
	rename(rf_path(f, "t/go.json"), rf_path(f, "t/go"));
	assert_int_equal(rf_wait(f, "zi1", STATE_BACKOFF)->exit_code, 3);
	rf_wait_processes(f, "zi1", 0);
	unlink(rf_path(f, "t/go"));
	assert_int_equal(rf_wait(f, "zi1", STATE_RUNNING)->restarts, 1);
	rf_wait_processes(f, "zi1", 2);
	rf_stop(f, "zi1", 100, false);
	rf_wait(f, "zi1", STATE_STOPPED);
}

static void a_signal_is_carried_out_once(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "plain");

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	s.restart.policy = RESTART_NEVER;
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_signal(f, "zi1", 1, SIGUSR1);
	assert_int_equal(rf_wait(f, "zi1", STATE_EXITED)->signal, SIGUSR1);
	assert_int_equal(rf_report(f, "zi1")->signal_no, 1);
}

static void a_stop_of_what_was_never_started_is_stopped(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "plain");

	rf_profile(f, "plain", "", "");
	/* Placed and stopped before the runner came. */
	rf_start(f, &s);
	rf_stop(f, "zi1", -1, false);
	rf_runner_start(f);
	assert_string_equal(
	    rf_wait(f, "zi1", STATE_STOPPED)->detail, "it was not running");
}

static void a_removed_assignment_ends_the_instance_if_the_record_agrees(void **state)
{
	struct runner_fixture *f = *state;
	struct subject key = KEY_OF(rf_tenant, "zi1");

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	rf_wait(f, "zi1", STATE_RUNNING);
	/* The record still wants it here: the assignment alone stops nothing. */
	rf_unassign(f, "zi1");
	run_for(f->store.bus.loop, 500);
	assert_int_equal(rf_processes(f, "zi1"), 1);
	assert_int_equal(store_fixture_delete(
			     &f->store, "lifecycle_instance", key.s, STORE_ANY_REVISION),
	    0);
	rf_unassign(f, "zi1");
	rf_wait_gone(f, "zi1");
	assert_int_equal(rf_processes(f, "zi1"), 0);
}

static void a_new_placement_ends_the_old_one_first(void **state)
{
	struct runner_fixture *f = *state;
	int64_t pid;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	pid = rf_wait(f, "zi1", STATE_RUNNING)->pid;
	rf_start_simple(f, "zi1", "plain");
	assert_int_not_equal(rf_wait(f, "zi1", STATE_RUNNING)->pid, pid);
	assert_int_equal(rf_processes(f, "zi1"), 1);
	rf_stop(f, "zi1", 100, false);
	rf_wait(f, "zi1", STATE_STOPPED);
}

static void a_full_runner_refuses(void **state)
{
	struct runner_fixture *f = *state;
	const struct report *r;

	f->flags[0] = "--slots";
	f->flags[1] = "1";
	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_start_simple(f, "zi2", "plain");
	r = rf_wait(f, "zi2", STATE_ASSIGNED);
	assert_true(r->refused);
	assert_int_equal(r->reason, REASON_NO_CAPACITY);
	rf_stop(f, "zi1", 100, false);
	rf_wait(f, "zi1", STATE_STOPPED);
}

static void sigterm_with_drain_stops_everything_and_says_so(void **state)
{
	struct runner_fixture *f = *state;

	f->flags[0] = "--on-term";
	f->flags[1] = "drain";
	rf_profile(f, "plain", "", "");
	rf_profile(f, "stubborn", "\"--ignore-term\",\"--stray\"",
	    ",\"stop\":{\"grace_ms\":100}");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	rf_start_simple(f, "zi2", "stubborn");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait(f, "zi2", STATE_RUNNING);
	assert_int_equal(rf_runner_end(f, SIGTERM), 0);
	assert_int_equal(rf_wait(f, "zi1", STATE_STOPPED)->reason, REASON_DRAIN);
	assert_int_equal(rf_wait(f, "zi2", STATE_STOPPED)->reason, REASON_DRAIN);
	assert_int_equal(rf_processes(f, "zi1") + rf_processes(f, "zi2"), 0);
}

static void many_instances_come_and_go(void **state)
{
	struct runner_fixture *f = *state;
	char name[16];

	rf_profile(f, "plain", "\"--stray\"", ",\"stop\":{\"grace_ms\":1000}");
	rf_runner_start(f);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_start_simple(f, name, "plain");
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_wait(f, name, STATE_RUNNING);
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_stop(f, name, -1, false);
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_wait(f, name, STATE_STOPPED);
		assert_int_equal(rf_processes(f, name), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNNER_TEST(an_instance_is_started_reported_stopped_and_forgotten),
	    RUNNER_TEST(the_whole_tree_is_gone_before_stopped_is_said),
	    RUNNER_TEST(a_stop_with_force_kills_at_once),
	    RUNNER_TEST(nothing_is_started_that_the_record_does_not_want),
	    RUNNER_TEST(a_missing_program_is_failed_with_its_errno),
	    RUNNER_TEST(exit_0_after_ready_is_exited),
	    RUNNER_TEST(
		an_exit_before_ready_counts_as_a_failure_and_ends_in_a_crash_loop),
	    RUNNER_TEST(never_is_exited_whatever_the_exit),
	    RUNNER_TEST(what_a_crash_left_is_ended_before_the_next_run),
	    RUNNER_TEST(a_signal_is_carried_out_once),
	    RUNNER_TEST(a_stop_of_what_was_never_started_is_stopped),
	    RUNNER_TEST(a_removed_assignment_ends_the_instance_if_the_record_agrees),
	    RUNNER_TEST(a_new_placement_ends_the_old_one_first),
	    RUNNER_TEST(a_full_runner_refuses),
	    RUNNER_TEST(sigterm_with_drain_stops_everything_and_says_so),
	    RUNNER_TEST(many_instances_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
