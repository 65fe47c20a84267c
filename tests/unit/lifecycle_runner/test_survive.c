/* Instances outlive their runner, and the runner outlives its shims and its broker. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "lifecycle/core/supervise.h"

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

static void stop_and_check(struct runner_fixture *f, const char *instance)
{
	rf_stop(f, instance, 200, false);
	rf_wait(f, instance, STATE_STOPPED);
	assert_int_equal(rf_processes(f, instance), 0);
}

/* Until the report is of a later life of the runner than @epoch. */
static const struct report *wait_epoch_after(struct runner_fixture *f,
    const char *instance, uint64_t epoch, enum instance_state state)
{
	for (int i = 0; i < 1000 && rf_report(f, instance)->runner_epoch <= epoch; i++)
		run_for(f->store.bus.loop, 10);
	assert_true(rf_report(f, instance)->runner_epoch > epoch);
	return rf_wait(f, instance, state);
}

static void a_killed_runner_finds_its_instances_again(void **state)
{
	struct runner_fixture *f = *state;
	struct report before;
	const struct report *r;

	rf_profile(f, "tree", "\"--stray\",\"--ignore-term\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "tree");
	before = *rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_processes(f, "zi1", 2);
	assert_int_equal(rf_runner_end(f, SIGKILL), -SIGKILL);
	assert_int_equal(rf_processes(f, "zi1"), 2);
	rf_runner_start(f);
	r = wait_epoch_after(f, "zi1", before.runner_epoch, STATE_RUNNING);
	assert_int_equal(r->pid, before.pid);
	assert_int_equal(r->restarts, 0);
	stop_and_check(f, "zi1");
}

static void sigterm_leaves_instances_running(void **state)
{
	struct runner_fixture *f = *state;
	struct report before;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	before = *rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_equal(rf_runner_end(f, SIGTERM), 0);
	assert_int_equal(rf_processes(f, "zi1"), 1);
	rf_runner_start(f);
	assert_int_equal(
	    wait_epoch_after(f, "zi1", before.runner_epoch, STATE_RUNNING)->pid,
	    before.pid);
	stop_and_check(f, "zi1");
}

static void an_exit_while_the_runner_was_away_is_known(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "waits");
	const struct report *r;
	char args[200];

	snprintf(args, sizeof args, "\"--wait-file\",\"%s\",\"--exit\",\"7\"",
	    rf_path(f, "t/go"));
	rf_profile(f, "waits", args, "");
	rf_runner_start(f);
	s.restart.policy = RESTART_NEVER;
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_runner_end(f, SIGKILL);
	touch(rf_path(f, "t/go"));
	rf_wait_processes(f, "zi1", 0);
	rf_runner_start(f);
	r = rf_wait(f, "zi1", STATE_EXITED);
	assert_true(r->has_exit_code);
	assert_int_equal(r->exit_code, 7);
}

static void an_exit_code_outlives_the_shim_too(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "waits");
	char args[200], exit_file[200];
	pid_t shim;

	snprintf(exit_file, sizeof exit_file, "%s/exit.0", rf_instance_dir(f, "zi1"));
	snprintf(args, sizeof args, "\"--wait-file\",\"%s\",\"--exit\",\"7\"",
	    rf_path(f, "t/go"));
	rf_profile(f, "waits", args, "");
	rf_runner_start(f);
	s.restart.policy = RESTART_NEVER;
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_RUNNING);
	shim = rf_shim("zi1");
	assert_true(shim > 0);
	rf_runner_end(f, SIGKILL);
	touch(rf_path(f, "t/go"));
	rf_wait_file(f, exit_file);
	kill(shim, SIGKILL);
	rf_runner_start(f);
	assert_int_equal(rf_wait(f, "zi1", STATE_EXITED)->exit_code, 7);
}

static void a_lost_shim_does_not_end_the_instance(void **state)
{
	struct runner_fixture *f = *state;
	int64_t pid;

	rf_profile(f, "tree", "\"--stray\",\"--stray\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "tree");
	pid = rf_wait(f, "zi1", STATE_RUNNING)->pid;
	rf_wait_processes(f, "zi1", 3);
	kill(rf_shim("zi1"), SIGKILL);
	run_for(f->store.bus.loop, 300);
	assert_int_equal(rf_report(f, "zi1")->state, STATE_RUNNING);
	assert_int_equal(rf_processes(f, "zi1"), 3);
	assert_int_equal(kill((pid_t)pid, 0), 0);
	stop_and_check(f, "zi1");
}

/* zi1, a program and what it left behind, runs; its runner and its shim are killed.
 * Returns what was told of it last. */
static struct report lose_runner_and_shim(struct runner_fixture *f)
{
	struct report before;
	pid_t shim;

	rf_profile(f, "tree", "\"--stray\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "tree");
	before = *rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_processes(f, "zi1", 2);
	shim = rf_shim("zi1");
	rf_runner_end(f, SIGKILL);
	kill(shim, SIGKILL);
	return before;
}

static void runner_and_shim_both_lost_the_instance_is_held_by_itself(void **state)
{
	struct runner_fixture *f = *state;
	struct report before = lose_runner_and_shim(f);

	rf_runner_start(f);
	assert_int_equal(
	    wait_epoch_after(f, "zi1", before.runner_epoch, STATE_RUNNING)->pid,
	    before.pid);
	assert_int_equal(rf_processes(f, "zi1"), 2);
	stop_and_check(f, "zi1");
}

static void without_a_shim_an_end_is_unknown_and_it_is_started_again(void **state)
{
	struct runner_fixture *f = *state;
	const struct report *r;
	int64_t pid;

	rf_profile(f, "tree", "\"--stray\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "tree");
	pid = rf_wait(f, "zi1", STATE_RUNNING)->pid;
	rf_wait_processes(f, "zi1", 2);
	kill(rf_shim("zi1"), SIGKILL);
	run_for(f->store.bus.loop, 100);
	kill((pid_t)pid, SIGKILL);
	assert_int_equal(rf_wait(f, "zi1", STATE_BACKOFF)->reason, REASON_UNKNOWN_EXIT);
	r = rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_not_equal(r->pid, pid);
	assert_int_equal(r->restarts, 1);
	rf_wait_processes(f, "zi1", 2); /* the first run's stray is gone */
	stop_and_check(f, "zi1");
}

/* Its state as it stands on disk; the caller frees. */
static char *state_read(struct runner_fixture *f, const char *instance)
{
	char path[200], *text;

	snprintf(path, sizeof path, "%s/state.json", rf_instance_dir(f, instance));
	text = rf_read(path);
	assert_non_null(text);
	return text;
}

/* Takes @text. */
static void state_write(struct runner_fixture *f, const char *instance, char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof path, "%s/state.json", rf_instance_dir(f, instance));
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	free(text);
}

/* @text with the number after the first @key behind @after replaced; takes @text. */
static char *with_number(char *text, const char *after, const char *key, int64_t v)
{
	struct buf out = BUF_NULL(1 << 20);
	char *at = strstr(text, after);

	at = at ? strstr(at, key) : NULL;
	assert_non_null(at);
	at += strlen(key);
	buf_add(&out, text, (size_t)(at - text));
	buf_addf(&out, "%lld", (long long)v);
	buf_adds(&out, at + strspn(at, "-0123456789"));
	free(text);
	text = buf_steal(&out, NULL);
	assert_non_null(text);
	return text;
}

/* As it stood between the exec of main and the word that it runs. */
static void state_before_spawned(struct runner_fixture *f, const char *instance)
{
	char *text = state_read(f, instance);

	text = with_number(text, "\"tasks\":[{\"name\":\"main\"", "\"pid\":", 0);
	text = with_number(text, "\"tasks\":[", "\"start_ticks\":", 0);
	text = with_number(text, "\"tasks\":[", "\"state\":", SUP_TASK_SPAWNING);
	text = with_number(text, "\"sup\":{", "\"phase\":", SUP_STARTING);
	text = with_number(text, "\"sup\":{", "\"state\":", STATE_STARTING);
	state_write(f, instance, text);
}

static void what_runs_is_on_disk_before_it_is_told(void **state)
{
	struct runner_fixture *f = *state;
	char name[16], pid[40], *text;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_start_simple(f, name, "plain");
		snprintf(pid, sizeof pid, "\"pid\":%lld,",
		    (long long)rf_wait(f, name, STATE_RUNNING)->pid);
		text = state_read(f, name);
		assert_non_null(strstr(text, pid));
		free(text);
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		stop_and_check(f, name);
	}
}

static void what_was_started_but_never_said_so_is_found(void **state)
{
	struct runner_fixture *f = *state;
	struct report before = lose_runner_and_shim(f);

	state_before_spawned(f, "zi1");
	rf_runner_start(f);
	assert_int_equal(
	    wait_epoch_after(f, "zi1", before.runner_epoch, STATE_RUNNING)->pid,
	    before.pid);
	assert_int_equal(rf_processes(f, "zi1"), 2);
	stop_and_check(f, "zi1");
}

static void what_was_never_started_is_started_now(void **state)
{
	struct runner_fixture *f = *state;
	struct report before = lose_runner_and_shim(f);

	(void)rf_signal_all("zi1", SIGKILL);
	rf_wait_processes(f, "zi1", 0);
	state_before_spawned(f, "zi1");
	rf_runner_start(f);
	assert_int_not_equal(
	    wait_epoch_after(f, "zi1", before.runner_epoch, STATE_RUNNING)->pid,
	    before.pid);
	rf_wait_processes(f, "zi1", 2);
	stop_and_check(f, "zi1");
}

static void a_reboot_is_told_and_policy_decides(void **state)
{
	struct runner_fixture *f = *state;
	char *text, *at;
	const struct report *r;
	pid_t shim;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	shim = (rf_wait(f, "zi1", STATE_RUNNING), rf_shim("zi1"));
	rf_runner_end(f, SIGKILL);
	kill((pid_t)rf_report(f, "zi1")->pid, SIGKILL);
	kill(shim, SIGKILL);
	/* As it would stand there had the host rebooted: the state of another boot. */
	text = state_read(f, "zi1");
	at = strstr(text, "\"boot_id\":\"");
	assert_non_null(at);
	at[11] = at[11] == '0' ? '1' : '0';
	state_write(f, "zi1", text);
	rf_runner_start(f);
	assert_int_equal(rf_wait(f, "zi1", STATE_BACKOFF)->reason, REASON_HOST_REBOOT);
	r = rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_equal(r->restarts, 1);
	stop_and_check(f, "zi1");
}

static void a_stop_goes_on_where_a_killed_runner_left_it(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "stubborn", "\"--stray\",\"--ignore-term\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "stubborn");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_stop(f, "zi1", 800, false);
	rf_wait(f, "zi1", STATE_STOPPING);
	rf_runner_end(f, SIGKILL);
	rf_runner_start(f);
	rf_wait(f, "zi1", STATE_STOPPED);
	assert_int_equal(rf_processes(f, "zi1"), 0);
}

static void without_a_broker_what_runs_goes_on_and_nothing_new_is_started(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];
	int64_t pid;

	snprintf(args, sizeof args,
	    "\"--stamp\",\"%s\",\"--wait-file\",\"%s\",\"--exit\",\"3\"",
	    rf_path(f, "t/stamps"), rf_path(f, "t/go"));
	rf_profile(f, "waits", args, "");
	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "waits");
	rf_start_simple(f, "zi2", "plain");
	rf_wait(f, "zi1", STATE_RUNNING);
	pid = rf_wait(f, "zi2", STATE_RUNNING)->pid;
	nats_fixture_kill(&f->store.bus.broker);
	touch(rf_path(f, "t/go"));
	rf_wait_processes(f, "zi1", 0);
	unlink(rf_path(f, "t/go"));
	/* Longer than its delay: it would be running again. */
	run_for(f->store.bus.loop, 2500);
	assert_int_equal(rf_processes(f, "zi1"), 0);
	assert_int_equal(rf_processes(f, "zi2"), 1);
	assert_int_equal(kill((pid_t)pid, 0), 0);
	nats_fixture_start(&f->store.bus.broker);
	rf_wait_processes(f, "zi1", 1);
	for (int i = 0; i < 1000 && rf_report(f, "zi1")->restarts == 0; i++)
		run_for(f->store.bus.loop, 10);
	assert_int_equal(rf_wait(f, "zi1", STATE_RUNNING)->restarts, 1);
	assert_int_equal(rf_report(f, "zi2")->pid, pid);
	stop_and_check(f, "zi1");
	stop_and_check(f, "zi2");
}

static void a_runner_that_starts_before_its_broker_waits_for_it(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "plain", "", "");
	nats_fixture_kill(&f->store.bus.broker);
	rf_runner_start(f);
	run_for(f->store.bus.loop, 300);
	nats_fixture_start(&f->store.bus.broker);
	assert_true(run_until(f->store.bus.loop, &f->store.bus.connected, RF_LIMIT_MS));
	rf_start_simple(f, "zi1", "plain");
	rf_wait(f, "zi1", STATE_RUNNING);
	stop_and_check(f, "zi1");
}

static void runners_killed_again_and_again_lose_and_double_nothing(void **state)
{
	struct runner_fixture *f = *state;
	char name[16];

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	for (int round = 0; round < 12; round++) {
		snprintf(name, sizeof name, "zi%d", round);
		rf_start_simple(f, name, "plain");
		/* At another point of the start each time: before, in the middle of, and
		 * after it. */
		run_for(f->store.bus.loop, 20 + round * 23);
		rf_runner_end(f, SIGKILL);
		rf_runner_start(f);
	}
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		rf_wait(f, name, STATE_RUNNING);
		assert_int_equal(rf_processes(f, name), 1);
	}
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof name, "zi%d", i);
		stop_and_check(f, name);
	}
}

static void a_second_runner_on_the_same_folder_is_refused(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "plain");
	rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_equal(rf_runner_second(f), 2);
	stop_and_check(f, "zi1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNNER_TEST(a_killed_runner_finds_its_instances_again),
	    RUNNER_TEST(sigterm_leaves_instances_running),
	    RUNNER_TEST(an_exit_while_the_runner_was_away_is_known),
	    RUNNER_TEST(an_exit_code_outlives_the_shim_too),
	    RUNNER_TEST(a_lost_shim_does_not_end_the_instance),
	    RUNNER_TEST(runner_and_shim_both_lost_the_instance_is_held_by_itself),
	    RUNNER_TEST(without_a_shim_an_end_is_unknown_and_it_is_started_again),
	    RUNNER_TEST(what_runs_is_on_disk_before_it_is_told),
	    RUNNER_TEST(what_was_started_but_never_said_so_is_found),
	    RUNNER_TEST(what_was_never_started_is_started_now),
	    RUNNER_TEST(a_reboot_is_told_and_policy_decides),
	    RUNNER_TEST(a_stop_goes_on_where_a_killed_runner_left_it),
	    RUNNER_TEST(without_a_broker_what_runs_goes_on_and_nothing_new_is_started),
	    RUNNER_TEST(a_runner_that_starts_before_its_broker_waits_for_it),
	    RUNNER_TEST(runners_killed_again_and_again_lose_and_double_nothing),
	    RUNNER_TEST(a_second_runner_on_the_same_folder_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
