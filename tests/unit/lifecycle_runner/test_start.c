/* What an instance is started with, and what is refused: profiles, environment,
 * parameters, workspaces, companions, readiness, hooks, limits, tokens. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

static void stop_and_check(struct runner_fixture *f, const char *instance)
{
	rf_stop(f, instance, 500, false);
	rf_wait(f, instance, STATE_STOPPED);
	assert_int_equal(rf_processes(f, instance), 0);
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, line, n) == 0 && (p[n] == '\n' || p[n] == '\0'))
			return true;
	}
	return false;
}

static void assert_line(const char *text, const char *line)
{
	if (!has_line(text, line))
		fail_msg("no line \"%s\" in\n%s", line, text);
}

/* ---- environment and arguments */

static void the_environment_is_the_profiles_the_starts_and_the_runners_own(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "env");
	char args[200], line[300], *env;

	snprintf(args, sizeof args, "\"--env\",\"%s\",\"--touch\",\"%s\"",
	    rf_path(f, "t/env"), rf_path(f, "t/done"));
	rf_profile(f, "env", args,
	    ",\"env\":{\"A\":\"{instance}-{session}\",\"B\":\"profile\",\"HELIX_SESSION_"
	    "ID\":\"no\"}"
	    ",\"env_allow\":[\"B\",\"MY_*\"]");
	f->flags[0] = "--session-url";
	f->flags[1] = "http://127.0.0.1:9/";
	rf_runner_start(f);
	strmap_put(&s.env, "B", "start");
	strmap_put(&s.env, "MY_NAME", "a b=c");
	assert_true(id_parse(slice_of("ses_1"), &s.session_id));
	s.workspace = strdup(rf_path(f, "w/one/two"));
	rf_start(f, &s);
	rf_wait_file(f, rf_path(f, "t/done"));
	env = rf_read(rf_path(f, "t/env"));
	assert_line(env, "A=zi1-ses_1");
	assert_line(env, "B=start");
	assert_line(env, "MY_NAME=a b=c");
	assert_line(env, "HELIX_SESSION_ID=ses_1");
	assert_line(env, "ZED_EXTERNAL_SYNC_ENABLED=true");
	assert_line(env, "ZED_WEBSOCKET_SYNC_ENABLED=true");
	assert_line(env, "ZED_HELIX_URL=127.0.0.1:9");
	assert_line(env, "ZED_HELIX_TLS=false");
	assert_line(env, "ZED_HELIX_TOKEN=none");
	snprintf(line, sizeof line, "ZED_WORK_DIR=%s", rf_path(f, "w/one/two"));
	assert_line(env, line);
	snprintf(line, sizeof line, "HOME=%s/home", rf_instance_dir(f, "zi1"));
	assert_line(env, line);
	snprintf(line, sizeof line, "XDG_DATA_HOME=%s/home/.local/share",
	    rf_instance_dir(f, "zi1"));
	assert_line(env, line);
	snprintf(line, sizeof line, "XDG_RUNTIME_DIR=%s/run", rf_instance_dir(f, "zi1"));
	assert_line(env, line);
	assert_null(strstr(env, "ZEDBUS_"));
	free(env);
	rf_wait(f, "zi1", STATE_RUNNING);
	stop_and_check(f, "zi1");
}

static void an_environment_name_the_profile_does_not_admit_runs_nothing(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "env");
	char args[200];
	const struct report *r;

	snprintf(args, sizeof args, "\"--touch\",\"%s\"", rf_path(f, "t/started"));
	rf_profile(f, "env", args, ",\"env_allow\":[\"*\"]");
	rf_runner_start(f);
	strmap_put(&s.env, "LD_PRELOAD", "/x.so");
	rf_start(f, &s);
	r = rf_wait(f, "zi1", STATE_ASSIGNED);
	assert_true(r->refused);
	assert_non_null(strstr(r->detail, "LD_PRELOAD"));
	assert_int_equal(access(rf_path(f, "t/started"), F_OK), -1);
}

static void parameters_fill_arguments_without_being_split(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "param");
	char expect[200];

	rf_profile(f, "param", "\"--touch\",\"{param.file}\"",
	    ",\"params\":{\"file\":{\"pattern\":\"/[a-zA-Z0-9 /.-]+\",\"max\":100}}");
	rf_runner_start(f);
	snprintf(expect, sizeof expect, "%s", rf_path(f, "t/two words"));
	strmap_put(&s.params, "file", expect);
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_file(f, expect);
	stop_and_check(f, "zi1");
}

static void a_parameter_that_would_be_an_option_is_refused(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "param");
	const struct report *r;

	rf_profile(
	    f, "param", "\"{param.x}\"", ",\"params\":{\"x\":{\"pattern\":\".*\"}}");
	rf_runner_start(f);
	strmap_put(&s.params, "x", "--exit");
	rf_start(f, &s);
	r = rf_wait(f, "zi1", STATE_ASSIGNED);
	assert_true(r->refused);
	assert_non_null(strstr(r->detail, "must not start with '-'"));
}

/* ---- profiles */

static bool offers(const struct runner_fixture *f, const char *name)
{
	struct id id;

	assert_true(id_parse(slice_of(name), &id));
	return runner_info_offer(&f->info, &id) != NULL;
}

static bool says(const struct runner_fixture *f, const char *a, const char *b)
{
	for (size_t i = 0; i < f->info.n_degraded; i++) {
		if (strstr(f->info.degraded[i], a) && strstr(f->info.degraded[i], b))
			return true;
	}
	return false;
}

static void unusable_profiles_are_not_offered_and_named(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "good", "", "");
	rf_profile(f, "open", "", "");
	chmod(rf_path(f, "p/open.json"), 0666);
	rf_profile_text(f, "broken", "{\"command\":");
	rf_profile(f, "unknown", "", ",\"comand\":1");
	rf_profile(f, "shell", "\"-c\",\"echo {workspace}\"", "");
	rf_profile(f, "placeholder", "\"{nothing}\"", "");
	rf_profile(f, "nobody", "", ",\"user\":\"no-such-user\"");
	assert_int_equal(symlink("good.json", rf_path(f, "p/linked.json")), 0);
	assert_int_equal(mkdir(rf_path(f, "p/folder.json"), 0700), 0);
	rf_runner_start(f);
	assert_true(run_until_n(f->store.bus.loop, &f->n_info, 1, RF_LIMIT_MS));
	assert_int_equal(f->info.n_offers, 2);
	assert_true(offers(f, "good") && offers(f, "linked"));
	assert_true(says(f, "profile open", "written by others"));
	assert_true(says(f, "profile broken", "byte"));
	assert_true(says(f, "profile unknown", "comand"));
	assert_true(says(f, "profile shell", "-c"));
	assert_true(says(f, "profile placeholder", "{nothing}"));
	assert_true(says(f, "profile nobody", "no-such-user"));
	assert_true(says(f, "profile folder", "regular"));
}

static void a_profile_folder_others_may_write_offers_nothing(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "good", "", "");
	chmod(rf_path(f, "p"), 0777);
	rf_runner_start(f);
	assert_true(run_until_n(f->store.bus.loop, &f->n_info, 1, RF_LIMIT_MS));
	assert_int_equal(f->info.n_offers, 0);
	assert_true(says(f, "profile good", "its folder"));
}

static void profiles_are_read_again_at_each_start_and_at_sighup(void **state)
{
	struct runner_fixture *f = *state;
	char args[200];

	rf_profile(f, "late", "\"--exit\",\"1\"", "");
	rf_runner_start(f);
	assert_true(run_until_n(f->store.bus.loop, &f->n_info, 1, RF_LIMIT_MS));
	snprintf(args, sizeof args, "\"--touch\",\"%s\"", rf_path(f, "t/new"));
	rf_profile(f, "late", args, "");
	rf_profile(f, "added", "", "");
	rf_start_simple(f, "zi1", "late");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_file(f, rf_path(f, "t/new"));
	assert_false(offers(f, "added"));
	kill(f->pid, SIGHUP);
	for (int i = 0; i < 500 && !offers(f, "added"); i++)
		run_for(f->store.bus.loop, 10);
	assert_true(offers(f, "added"));
	stop_and_check(f, "zi1");
}

/* ---- workspaces */

static void a_workspace_is_made_beneath_its_root_and_held_by_one(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "plain"), t = rf_spec("zi2", "plain");
	const struct report *r;

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	s.workspace = strdup(rf_path(f, "w/a/b"));
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_RUNNING);
	assert_int_equal(access(rf_path(f, "w/a/b"), F_OK), 0);
	assert_int_equal(symlink("a", rf_path(f, "w/link")), 0);
	t.workspace = strdup(rf_path(f, "w/link/b"));
	rf_start(f, &t);
	r = rf_wait(f, "zi2", STATE_ASSIGNED);
	assert_true(r->refused);
	assert_int_equal(r->reason, REASON_WORKSPACE_BUSY);
	assert_non_null(strstr(r->detail, "zi1"));
	/* Across a killed runner it stays held. */
	rf_runner_end(f, SIGKILL);
	rf_runner_start(f);
	t = rf_spec("zi3", "plain");
	t.workspace = strdup(rf_path(f, "w/a/b"));
	rf_start(f, &t);
	assert_int_equal(
	    rf_wait(f, "zi3", STATE_ASSIGNED)->reason, REASON_WORKSPACE_BUSY);
	stop_and_check(f, "zi1");
	t = rf_spec("zi3", "plain");
	t.workspace = strdup(rf_path(f, "w/a/b"));
	rf_start(f, &t);
	rf_wait(f, "zi3", STATE_RUNNING);
	stop_and_check(f, "zi3");
}

static void a_workspace_that_leads_out_of_its_root_is_refused(void **state)
{
	struct runner_fixture *f = *state;
	const char *paths[] = {rf_path(f, "t/elsewhere"), rf_path(f, "w/../t/x"),
	    rf_path(f, "w/out/x"), rf_path(f, "w"), rf_path(f, "w/abs/x")};
	char name[16];

	rf_profile(f, "plain", "", "");
	rf_runner_start(f);
	assert_int_equal(symlink("../t", rf_path(f, "w/out")), 0);
	assert_int_equal(symlink(rf_path(f, "t"), rf_path(f, "w/abs")), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct spec s;

		snprintf(name, sizeof name, "zi%zu", i);
		s = rf_spec(name, "plain");
		s.workspace = strdup(paths[i]);
		rf_start(f, &s);
		if (!rf_wait(f, name, STATE_ASSIGNED)->refused)
			fail_msg("%s was not refused", paths[i]);
	}
	assert_int_equal(access(rf_path(f, "t/x"), F_OK), -1);
}

/* ---- readiness */

static void it_is_ready_when_its_file_is_there_and_not_before(void **state)
{
	struct runner_fixture *f = *state;
	char args[300];

	snprintf(args, sizeof args, "\"--wait-file\",\"%s\",\"--touch\",\"{home}/ready\"",
	    rf_path(f, "t/go"));
	rf_profile(
	    f, "file", args, ",\"ready\":{\"kind\":\"file\",\"arg\":\"{home}/ready\"}");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "file");
	rf_wait_processes(f, "zi1", 1);
	run_for(f->store.bus.loop, 300);
	assert_int_equal(rf_report(f, "zi1")->state, STATE_STARTING);
	touch(rf_path(f, "t/go"));
	rf_wait(f, "zi1", STATE_RUNNING);
	stop_and_check(f, "zi1");
}

static void not_ready_in_time_is_ended_and_tried_again(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "file");

	rf_profile(f, "file", "\"--ignore-term\"",
	    ",\"ready\":{\"kind\":\"file\",\"arg\":\"{home}/"
	    "never\"},\"stop\":{\"grace_ms\":100}");
	rf_runner_start(f);
	s.ready_timeout_ms = 300;
	s.restart = (struct restart_rule){RESTART_ON_FAILURE, 1, 600000};
	rf_start(f, &s);
	assert_int_equal(rf_wait(f, "zi1", STATE_BACKOFF)->reason, REASON_READY_TIMEOUT);
	assert_int_equal(rf_processes(f, "zi1"), 0);
	assert_int_equal(rf_wait(f, "zi1", STATE_FAILED)->reason, REASON_CRASH_LOOP);
}

/* ---- hook, limits, state, output */

static void the_hook_runs_before_the_signal(void **state)
{
	struct runner_fixture *f = *state;
	char args[400], more[400];

	snprintf(args, sizeof args, "\"--note-term\",\"%s\",\"--touch\",\"%s\"",
	    rf_path(f, "t/termed"), rf_path(f, "t/notes"));
	snprintf(more, sizeof more,
	    ",\"stop\":{\"grace_ms\":5000,\"hook\":[\"%s/../tests/"
	    "runner_child\",\"--wait-file\",\"%s\",\"--exit\",\"0\"]}",
	    getenv("ZEDBUS_BIN_DIR"), rf_path(f, "t/go"));
	rf_profile(f, "hooked", args, more);
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "hooked");
	rf_wait(f, "zi1", STATE_RUNNING);
	rf_wait_file(f, rf_path(f, "t/notes"));
	rf_stop(f, "zi1", -1, false);
	rf_wait_processes(f, "zi1", 2);
	run_for(f->store.bus.loop, 200);
	assert_int_equal(access(rf_path(f, "t/termed"), F_OK), -1);
	touch(rf_path(f, "t/go"));
	rf_wait(f, "zi1", STATE_STOPPED);
	assert_int_equal(access(rf_path(f, "t/termed"), F_OK), 0);
}

static void a_limit_of_processes_holds_or_is_said_to_be_missing(void **state)
{
	struct runner_fixture *f = *state;

	rf_profile(f, "few",
	    "\"--stray\",\"--stray\",\"--stray\",\"--stray\",\"--stray\"",
	    ",\"limits\":{\"pids_max\":3}");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "few");
	rf_wait(f, "zi1", STATE_RUNNING);
	run_for(f->store.bus.loop, 300);
	if (says(f, "limits", "pids"))
		assert_int_equal(rf_processes(f, "zi1"), 6);
	else
		assert_true(rf_processes(f, "zi1") <= 3);
	stop_and_check(f, "zi1");
}

static void state_wipe_removes_the_home_and_keep_keeps_it(void **state)
{
	struct runner_fixture *f = *state;
	char file[2][200];

	for (int i = 0; i < 2; i++)
		snprintf(file[i], sizeof file[i], "%s/home/file",
		    rf_instance_dir(f, i ? "zi1" : "zi0"));
	rf_profile(f, "keep", "\"--touch\",\"{home}/file\"", "");
	rf_profile(f, "wipe", "\"--touch\",\"{home}/file\"", ",\"state\":\"wipe\"");
	rf_runner_start(f);
	rf_start_simple(f, "zi0", "keep");
	rf_start_simple(f, "zi1", "wipe");
	for (int i = 0; i < 2; i++) {
		rf_wait(f, i ? "zi1" : "zi0", STATE_RUNNING);
		rf_wait_file(f, file[i]);
		stop_and_check(f, i ? "zi1" : "zi0");
	}
	for (int i = 0; i < 500 && access(file[1], F_OK) == 0; i++)
		run_for(f->store.bus.loop, 10);
	assert_int_equal(access(file[1], F_OK), -1);
	assert_int_equal(access(file[0], F_OK), 0);
}

static void output_is_kept_in_the_instances_folder_and_told_on_the_bus(void **state)
{
	struct runner_fixture *f = *state;
	char path[200], subject[200], *text;

	bus_fixture_subscribe(&f->store.bus, "lifecycle.v1.log.>", NULL);
	snprintf(subject, sizeof subject, "lifecycle.v1.log.%s.zi1.out.r1", rf_tenant);

	snprintf(path, sizeof path, "%s/log/main.out", rf_instance_dir(f, "zi1"));
	rf_profile(f, "talks", "\"--print\",\"hello there\"", "");
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "talks");
	rf_wait(f, "zi1", STATE_RUNNING);
	for (int i = 0; i < 500 && (!(text = rf_read(path)) || !*text); i++) {
		free(text);
		run_for(f->store.bus.loop, 10);
	}
	assert_string_equal(text, "hello there\n");
	free(text);
	assert_true(
	    run_until_n(f->store.bus.loop, &f->store.bus.n_messages, 1, RF_LIMIT_MS));
	assert_string_equal(f->store.bus.last_subject, subject);
	assert_string_equal(f->store.bus.last_data, "hello there\n");
	stop_and_check(f, "zi1");
}

static void each_instance_has_a_user_of_its_own_if_the_profile_says_so(void **state)
{
	struct runner_fixture *f = *state;
	struct stat st[2];
	char home[200];

	if (geteuid() != 0) {
		skip();
		return;
	}
	chmod(f->dir, 0755);
	f->flags[0] = "--uid-range";
	f->flags[1] = "81000-81001";
	rf_profile(f, "each", "\"--touch\",\"{home}/mine\"", ",\"user\":\"@each\"");
	rf_runner_start(f);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "zi1" : "zi0";

		rf_start_simple(f, name, "each");
		rf_wait(f, name, STATE_RUNNING);
		snprintf(home, sizeof home, "%s/home/mine", rf_instance_dir(f, name));
		rf_wait_file(f, home);
		assert_int_equal(stat(home, &st[i]), 0);
	}
	assert_int_equal(st[0].st_uid, 81000);
	assert_int_equal(st[1].st_uid, 81001);
	assert_int_equal(st[1].st_gid, 81001);
	rf_start_simple(f, "zi2", "each");
	assert_true(rf_wait(f, "zi2", STATE_ASSIGNED)->refused);
	stop_and_check(f, "zi0");
	stop_and_check(f, "zi1");
}

static void wrong_flags_are_one_line_and_exit_2(void **state)
{
	static const char *const wrong[][2] = {{"--id", "a.b"}, {"--slots", "0"},
	    {"--label", "nothing"}, {"--session-url", "ftp://x"}, {"--uid-range", "9-3"},
	    {"--workspace-root", "relative"}, {"--on-term", "maybe"},
	    {"--shim", "/no/such"}, {"--nonsense", "1"}};
	struct runner_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char *log;

		f->flags[0] = wrong[i][0];
		f->flags[1] = wrong[i][1];
		unlink(rf_path(f, "runner.log"));
		if (rf_runner_second(f) != 2)
			fail_msg("%s %s was taken", wrong[i][0], wrong[i][1]);
		log = rf_read(rf_path(f, "runner.log"));
		if (!strstr(log, wrong[i][0]))
			fail_msg("%s: %s", wrong[i][0], log);
		free(log);
	}
	f->flags[0] = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNNER_TEST(the_environment_is_the_profiles_the_starts_and_the_runners_own),
	    RUNNER_TEST(an_environment_name_the_profile_does_not_admit_runs_nothing),
	    RUNNER_TEST(parameters_fill_arguments_without_being_split),
	    RUNNER_TEST(a_parameter_that_would_be_an_option_is_refused),
	    RUNNER_TEST(unusable_profiles_are_not_offered_and_named),
	    RUNNER_TEST(a_profile_folder_others_may_write_offers_nothing),
	    RUNNER_TEST(profiles_are_read_again_at_each_start_and_at_sighup),
	    RUNNER_TEST(a_workspace_is_made_beneath_its_root_and_held_by_one),
	    RUNNER_TEST(a_workspace_that_leads_out_of_its_root_is_refused),
	    RUNNER_TEST(it_is_ready_when_its_file_is_there_and_not_before),
	    RUNNER_TEST(not_ready_in_time_is_ended_and_tried_again),
	    RUNNER_TEST(the_hook_runs_before_the_signal),
	    RUNNER_TEST(a_limit_of_processes_holds_or_is_said_to_be_missing),
	    RUNNER_TEST(state_wipe_removes_the_home_and_keep_keeps_it),
	    RUNNER_TEST(output_is_kept_in_the_instances_folder_and_told_on_the_bus),
	    RUNNER_TEST(each_instance_has_a_user_of_its_own_if_the_profile_says_so),
	    RUNNER_TEST(wrong_flags_are_one_line_and_exit_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
