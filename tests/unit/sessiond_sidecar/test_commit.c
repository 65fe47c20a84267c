#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sessiond/sidecar/commit.h"
#include "tests/lib/folder.h"

static const char before[] = "{ \"a\": 1, \"long\": true }",
		  after[] = "{ \"a\": 2, \"b\": 3 }";

struct bed {
	struct folder dir;
	struct state_dir *state;
	struct err e;
};

static void bed_open(struct bed *b)
{
	char path[FOLDER_PATH_MAX * 2];
	struct state_dir_conf c = {.dir = path};

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "state"));
	assert_int_equal(state_dir_open(&c, &b->state, &b->e), 0);
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	file_write_init();
	folder_make(&b->dir);
	folder_put(&b->dir, "f", before);
	bed_open(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	state_dir_close(b->state);
	folder_remove(&b->dir);
	free(b);
	return 0;
}

static void record_of(const char *text, const char *base, struct record *r)
{
	record_set(r, RECORD_TEXT, slice_of(text));
	record_set(r, RECORD_BASE, slice_of(base));
}

static struct commit commit_of(struct bed *b, const char *path)
{
	struct commit c = {.state = b->state,
	    .path = path,
	    .mode = FILE_WRITE_AUTO,
	    .write = true,
	    .before = BUF_NULL(4096)};

	record_of(after, "{\"a\":2,\"b\":3}", &c.next);
	buf_adds(&c.before, before);
	return c;
}

static void remembered_is(struct bed *b, const char *text)
{
	AUTO(record_deinit) struct record r = RECORD_NULL;

	assert_int_equal(state_load(b->state, STATE_LAST, &r, &b->e), 0);
	assert_string_equal(record_str(&r, RECORD_TEXT), text);
	assert_int_equal(state_load(b->state, STATE_NEXT, &r, &b->e), -ENOENT);
}

static void a_commit_writes_and_remembers(void **state)
{
	struct bed *b = *state;
	char path[FOLDER_PATH_MAX * 2];
	struct commit c;

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	c = commit_of(b, path);
	commit_run(&c);
	assert_int_equal(c.result, 0);
	assert_true(c.written);
	assert_true(folder_says(&b->dir, "f", after));
	assert_true(folder_says(&b->dir, "state/bak/00", before));
	remembered_is(b, after);
	commit_deinit(&c);
}

static void a_commit_that_is_overtaken_leaves_no_note(void **state)
{
	struct bed *b = *state;
	char path[FOLDER_PATH_MAX * 2];
	AUTO(record_deinit) struct record r = RECORD_NULL;
	struct commit c;

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	c = commit_of(b, path);
	folder_put(&b->dir, "f", "{\"user\":1}");
	commit_run(&c);
	assert_int_equal(c.result, FILE_WRITE_CHANGED);
	assert_true(folder_says(&b->dir, "f", "{\"user\":1}"));
	assert_int_equal(state_load(b->state, STATE_NEXT, &r, &b->e), -ENOENT);
	assert_int_equal(state_load(b->state, STATE_LAST, &r, &b->e), -ENOENT);
	commit_deinit(&c);
}

/* What an interrupted commit leaves: the note, and the file in some state. */

static void leave_note(struct bed *b, bool with_last)
{
	AUTO(record_deinit) struct record r = RECORD_NULL;

	record_of(before, "{\"a\":1}", &r);
	if (with_last)
		assert_int_equal(state_save(b->state, STATE_LAST, &r, &b->e), 0);
	record_of(after, "{\"a\":2,\"b\":3}", &r);
	record_set(&r, RECORD_OVERRIDES, SLICE_LIT("{\"set\":{},\"del\":[]}"));
	record_set(&r, RECORD_BEFORE, slice_of(before));
	assert_int_equal(state_save(b->state, STATE_NEXT, &r, &b->e), 0);
}

static void recovers_as(
    struct bed *b, const char *file, enum recovery what, const char *text)
{
	struct recovered r = {0};
	char path[FOLDER_PATH_MAX * 2];

	if (file)
		folder_put(&b->dir, "f", file);
	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	assert_int_equal(commit_recover(b->state, path, &r, &b->e), 0);
	assert_string_equal(recovery_name(r.what), recovery_name(what));
	assert_string_equal(record_str(&r.last, RECORD_TEXT), text);
	assert_null(record_get(&r.last, RECORD_BEFORE).p);
	recovered_deinit(&r);
}

static void a_write_that_was_done_is_taken_as_done(void **state)
{
	struct bed *b = *state;

	leave_note(b, true);
	recovers_as(b, after, RECOVERY_NEW, after);
	remembered_is(b, after);
	recovers_as(b, NULL, RECOVERY_NONE, after);
}

static void a_write_that_was_not_begun_is_forgotten(void **state)
{
	struct bed *b = *state;

	leave_note(b, true);
	recovers_as(b, before, RECOVERY_OLD, before);
	remembered_is(b, before);
}

static void every_torn_write_is_finished(void **state)
{
	struct bed *b = *state;
	char torn[64];

	/* cut anywhere: the new text's head on the old one's tail */
	for (size_t n = 1; n < sizeof(after) - 1; n++) {
		snprintf(torn, sizeof(torn), "%.*s%s", (int)n, after,
		    n < sizeof(before) - 1 ? before + n : "");
		if (strcmp(torn, before) == 0)
			continue;
		leave_note(b, true);
		recovers_as(b, torn, RECOVERY_TORN, after);
		assert_true(folder_says(&b->dir, "f", after));
		remembered_is(b, after);
	}
}

static void a_save_after_the_interruption_is_the_users(void **state)
{
	struct bed *b = *state;

	leave_note(b, true);
	recovers_as(b, "{ \"a\": 2, \"b\": 3, \"mine\": true }", RECOVERY_EDITED, before);
	assert_true(folder_says(&b->dir, "f", "{ \"a\": 2, \"b\": 3, \"mine\": true }"));
}

static void so_is_a_save_into_a_file_that_was_being_met(void **state)
{
	struct bed *b = *state;

	leave_note(b, false);
	recovers_as(b, "{}", RECOVERY_EDITED, "");
}

static void an_unreadable_note_counts_as_none(void **state)
{
	struct bed *b = *state;

	leave_note(b, true);
	folder_put(&b->dir, "state/next", "settings-sync-record 1\ntext 99\nhalf");
	recovers_as(b, after, RECOVERY_NONE, before);
	assert_non_null(strstr(folder_at(&b->dir, "state/next.bad"), "bad"));
	assert_int_not_equal(folder_inode(&b->dir, "state/next.bad"), 0);
}

static void torn_is_what_the_two_texts_explain(void **state)
{
	const struct slice old = SLICE_LIT("{\"a\":1}"),
			   new = SLICE_LIT("{\"a\":2,\"b\":3}");

	(void)state;
	assert_true(commit_is_torn(SLICE_LIT("{\"a\":2}"), old, new));
	assert_true(commit_is_torn(SLICE_LIT("{\"a\":2,\"b\":3}"), old, new));
	assert_true(commit_is_torn(SLICE_LIT("{\"a\":1,\"\0\0\0\0\0"), old, new));
	assert_true(commit_is_torn(SLICE_LIT("{\"a\":1}      "), old, new));
	assert_false(commit_is_torn(SLICE_LIT("{\"a\":3}"), old, new));
	assert_false(commit_is_torn(SLICE_LIT("{\"a\":"), old, new));
	assert_false(commit_is_torn(SLICE_LIT("{\"a\":2,\"b\":3} "), old, new));
}

/* A child that commits, stopped before its @n-th system call and killed there. False: it
 * ended before. */
static bool kill_at_call(struct bed *b, const char *path, int n)
{
	int status, calls = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct commit c = commit_of(b, path);

		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		commit_run(&c);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) {
		/* stops come in pairs: before a call and after it */
		if (++calls == 2 * n + 1) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			return true;
		}
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	return false;
}

/* @edit: somebody saves between the crash and the next start. */
static void kill_everywhere(struct bed *b, const char *edit, int seen[static 5])
{
	char path[FOLDER_PATH_MAX * 2];
	AUTO(record_deinit) struct record last = RECORD_NULL;

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	record_of(before, "{\"a\":1}", &last);
	/* the slot is looked for once, not in each child */
	assert_int_equal(state_backup(b->state, slice_of(before), &b->e), 0);
	for (int n = 1;; n++) {
		struct recovered r = {0};
		bool killed;

		folder_put(&b->dir, "f", before);
		assert_int_equal(state_save(b->state, STATE_LAST, &last, &b->e), 0);
		killed = kill_at_call(b, path, n);
		if (edit)
			folder_put(&b->dir, "f", edit);
		assert_int_equal(commit_recover(b->state, path, &r, &b->e), 0);
		seen[r.what]++;
		/* What is remembered and what the file says are the same, and whole. */
		if (edit)
			assert_true(folder_says(&b->dir, "f", edit));
		else
			assert_true(
			    folder_says(&b->dir, "f", record_str(&r.last, RECORD_TEXT)));
		recovered_deinit(&r);
		if (!killed)
			return;
	}
}

static void killed_at_any_system_call_it_is_old_or_new(void **state)
{
	int seen[5] = {0};

	kill_everywhere(*state, NULL, seen);
	assert_int_equal(seen[RECOVERY_EDITED], 0);
	assert_true(seen[RECOVERY_NONE] > 0 && seen[RECOVERY_OLD] > 0);
	assert_true(seen[RECOVERY_TORN] > 0 && seen[RECOVERY_NEW] > 0);
}

static void a_save_after_any_crash_is_kept(void **state)
{
	int seen[5] = {0};

	kill_everywhere(*state, "{ \"a\": 1, \"mine\": true }", seen);
	assert_true(seen[RECOVERY_EDITED] > 0);
	assert_int_equal(seen[RECOVERY_TORN], 0);
}

static void a_state_folder_has_one_owner(void **state)
{
	struct bed *b = *state;
	char path[FOLDER_PATH_MAX * 2];
	struct state_dir_conf c = {.dir = path};
	struct state_dir *second = NULL;

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "state"));
	assert_int_equal(state_dir_open(&c, &second, &b->e), ERROR_CONFLICT);
	assert_non_null(strstr(b->e.text, "state-dir"));
	b->state = state_dir_close(b->state);
	bed_open(b);
}

static void backups_make_room_for_newer_ones(void **state)
{
	struct bed *b = *state;
	char text[16], name[16];

	for (int i = 0; i < STATE_BACKUPS + 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(state_backup(b->state, slice_of(text), &b->e), 0);
	}
	for (int i = 0; i < STATE_BACKUPS; i++) {
		snprintf(name, sizeof(name), "state/bak/%02d", i);
		snprintf(text, sizeof(text), "%d", i < 5 ? STATE_BACKUPS + i : i);
		assert_true(folder_says(&b->dir, name, text));
	}
}

static void a_chosen_state_folder_is_on_the_files_own_file_system(void **state)
{
	struct bed *b = *state;
	char settings[FOLDER_PATH_MAX * 2];
	struct state_dir_conf c = {.settings = settings};
	struct state_dir *s = NULL;
	struct folder shm;

	snprintf(settings, sizeof(settings), "%s", folder_at(&b->dir, "f"));
	assert_int_equal(setenv("HOME", b->dir.path, 1), 0);
	unsetenv("XDG_STATE_HOME");
	assert_int_equal(state_dir_open(&c, &s, &b->e), 0);
	assert_string_equal(
	    state_dir_path(s), folder_at(&b->dir, ".local/state/helix-settings"));
	state_dir_close(s);
	if (!folder_make_tmpfs(&shm))
		return;
	assert_int_equal(setenv("XDG_STATE_HOME", shm.path, 1), 0);
	assert_int_equal(state_dir_open(&c, &s, &b->e), 0);
	assert_string_equal(
	    state_dir_path(s), folder_at(&b->dir, ".config/.helix-settings"));
	state_dir_close(s);
	folder_remove(&shm);
	unsetenv("XDG_STATE_HOME");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(a_commit_writes_and_remembers), T(a_commit_that_is_overtaken_leaves_no_note),
    T(a_write_that_was_done_is_taken_as_done), T(a_write_that_was_not_begun_is_forgotten),
    T(every_torn_write_is_finished), T(a_save_after_the_interruption_is_the_users),
    T(an_unreadable_note_counts_as_none), T(torn_is_what_the_two_texts_explain),
    T(so_is_a_save_into_a_file_that_was_being_met),
    T(killed_at_any_system_call_it_is_old_or_new), T(a_save_after_any_crash_is_kept),
    T(a_state_folder_has_one_owner), T(backups_make_room_for_newer_ones),
    T(a_chosen_state_folder_is_on_the_files_own_file_system))
