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
#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/recover.h"
#include "sessiond/sidecar/torn.h"
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

	file_lease_init();
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

/* A state folder that cannot be had: here its name is a file's. */
static void what_cannot_be_remembered_is_written_all_the_same(void **state)
{
	struct bed *b = *state;
	struct state_dir *own = b->state;
	struct state_dir_conf c = {.dir = "/proc/version/state"};
	char path[FOLDER_PATH_MAX * 2];
	struct recovered r = {0};
	struct commit w;

	assert_int_equal(state_dir_open(&c, &b->state, &b->e), 0);
	assert_non_null(strstr(state_dir_problem(b->state), "Not a directory"));
	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	assert_int_equal(recover_write(b->state, path, &r, &b->e), 0);
	assert_int_equal(r.what, RECOVERY_NONE);
	w = commit_of(b, path);
	commit_run(&w);
	assert_int_equal(w.result, FILE_WRITE_DONE);
	assert_true(w.written && !w.remembered);
	assert_non_null(strstr(w.e.text, "Not a directory"));
	assert_true(folder_says(&b->dir, "f", after));
	commit_deinit(&w);
	state_dir_close(b->state);
	b->state = own;
}

static void a_state_folder_that_was_removed_is_made_again(void **state)
{
	struct bed *b = *state;
	struct folder dir;
	AUTO(record_deinit) struct record r = RECORD_NULL;

	snprintf(dir.path, sizeof(dir.path), "%.400s/state", b->dir.path);
	folder_remove(&dir);
	record_of(after, "{}", &r);
	assert_int_equal(state_save(b->state, STATE_LAST, &r, &b->e), 0);
	remembered_is(b, after);
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
	assert_int_equal(recover_write(b->state, path, &r, &b->e), 0);
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

/* The new text's head on the old one's tail, cut anywhere. What reads as a document may
 * be somebody's, and counts as that. */
static void every_torn_write_is_finished(void **state)
{
	struct bed *b = *state;
	char torn[64];

	for (size_t n = 1; n < sizeof(after) - 1; n++) {
		snprintf(torn, sizeof(torn), "%.*s%s", (int)n, after,
		    n < sizeof(before) - 1 ? before + n : "");
		if (strcmp(torn, before) == 0)
			continue;
		leave_note(b, true);
		if (strcmp(torn, "{ \"a\": 2, \"long\": true }") == 0 ||
		    strcmp(torn, "{ \"a\": 2, \"bong\": true }") == 0) {
			recovers_as(b, torn, RECOVERY_EDITED, before);
			continue;
		}
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

/* Killed between exchanging and comparing: what stands beside the file is a save. */
static void a_save_that_was_exchanged_out_goes_back(void **state)
{
	static const char save[] = "{ \"a\": 1, \"mine\": true }";
	struct bed *b = *state;

	leave_note(b, true);
	folder_put(&b->dir, ".helix-aBc123", save);
	recovers_as(b, after, RECOVERY_EDITED, before);
	assert_true(folder_says(&b->dir, "f", save));
	assert_int_equal(folder_inode(&b->dir, ".helix-aBc123"), 0);
	/* unless somebody has saved since: then it is kept among the backups */
	leave_note(b, true);
	folder_put(&b->dir, ".helix-aBc123", save);
	recovers_as(b, "{\"later\":1}", RECOVERY_EDITED, before);
	assert_true(folder_says(&b->dir, "f", "{\"later\":1}"));
	assert_int_equal(folder_inode(&b->dir, ".helix-aBc123"), 0);
	assert_true(folder_says(&b->dir, "state/bak/00", save));
	/* names that are not quite ours are nobody's business */
	folder_put(&b->dir, ".helix-other", "x");
	recovers_as(b, NULL, RECOVERY_NONE, before);
	assert_true(folder_says(&b->dir, ".helix-other", "x"));
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

	leave_note(b, true); /* record.0 is what was last applied */
	folder_put(&b->dir, "state/record.1", "settings-sync-record 1\ntext 99\nhalf");
	recovers_as(b, after, RECOVERY_NONE, before);
	assert_int_not_equal(folder_inode(&b->dir, "state/record.1.bad"), 0);
}

static void torn_is_what_the_two_texts_explain(void **state)
{
	const struct slice old = SLICE_LIT("{\"a\":1}"),
			   new = SLICE_LIT("{\"a\":2,\"b\":3}"),
			   same = SLICE_LIT("{\"a\":25,\"b\":3}"),
			   as_long = SLICE_LIT("{\"a\":10,\"b\":1}");

	(void)state;
	assert_true(torn_is(SLICE_LIT("{\"a\":2,"), old, new));
	assert_true(torn_is(SLICE_LIT("{\"a\":2,\"b\":3}"), old, new));
	assert_true(torn_is(SLICE_LIT("{\"a\":1,\"\0\0\0\0\0"), old, new));
	assert_true(torn_is(SLICE_LIT("{\"a\":1}      "), old, new));
	assert_false(torn_is(SLICE_LIT("{\"a\":3}"), old, new));
	assert_false(torn_is(SLICE_LIT("{\"a\":"), old, new));
	assert_false(torn_is(SLICE_LIT("{\"a\":2,\"b\":3} "), old, new));
	/* each byte is one's or the other's, but nothing tears within a block */
	assert_false(torn_is(SLICE_LIT("{\"a\":15,\"b\":3}"), as_long, same));
	assert_true(torn_is(
	    SLICE_LIT("{\"a\":15,\"b\":[}"), as_long, SLICE_LIT("{\"a\":25,\"b\":[]}")));
}

/* C11: after a power failure any of the pages may be the new text's, the others the old
 * one's or never written, and the length either. */

enum { PAGE = 4096, PAGES_MAX = 6 };

static char *document_of(size_t n, char c)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, c, n);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + n - 2, "\"}", 3);
	return text;
}

static void lose_pages(struct bed *b, const char *from, const char *to, unsigned kept,
    size_t n, const char *path)
{
	AUTO(record_deinit) struct record note = RECORD_NULL;
	struct recovered r = {0};
	char *is = calloc(1, PAGE * PAGES_MAX + 1), *got;
	size_t n_from = strlen(from), n_to = strlen(to);
	FILE *f = fopen(path, "we");

	assert_non_null(is);
	assert_non_null(f);
	memcpy(is, from, n_from);
	for (size_t at = 0, page = 0; at < n_to; at += PAGE, page++) {
		if (kept & 1u << page)
			memcpy(is + at, to + at, n_to - at < PAGE ? n_to - at : PAGE);
	}
	assert_int_equal(fwrite(is, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	record_of(to, "{}", &note);
	record_set(&note, RECORD_BEFORE, slice_of(from));
	assert_int_equal(state_save(b->state, STATE_NEXT, &note, &b->e), 0);
	assert_int_equal(recover_write(b->state, path, &r, &b->e), 0);
	assert_int_not_equal(r.what, RECOVERY_EDITED);
	got = folder_get(&b->dir, "f");
	assert_string_equal(got, r.what == RECOVERY_OLD ? from : to);
	recovered_deinit(&r);
	free(got);
	free(is);
}

static void lose_any_pages(struct bed *b, size_t n_from, size_t n_to)
{
	char *from = document_of(n_from, 'x'), *to = document_of(n_to, 'y');
	size_t n_pages = (n_to + PAGE - 1) / PAGE;
	char path[FOLDER_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s", folder_at(&b->dir, "f"));
	for (unsigned kept = 0; kept < 1u << n_pages; kept++) {
		lose_pages(b, from, to, kept, n_from, path);
		if (n_from != n_to)
			lose_pages(b, from, to, kept, n_to, path);
	}
	free(from);
	free(to);
}

static void C11_any_pages_lost_with_the_power_are_written_again(void **state)
{
	lose_any_pages(*state, 4 * PAGE + 100, 4 * PAGE + 100);
	lose_any_pages(*state, 2 * PAGE + 7, 4 * PAGE + 1500);
	lose_any_pages(*state, 4 * PAGE + 1500, 2 * PAGE + 7);
	lose_any_pages(*state, 300, 2 * PAGE);
}

/* A child that commits, killed at its @n-th stop: each system call has one before it and
 * one after it. False: it ended before. */
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
		if (++calls == n + 1) {
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
		assert_int_equal(recover_write(b->state, path, &r, &b->e), 0);
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

	/* No child is quite like the one before (memory is had from the kernel now and
	 * then): the one moment of a torn file may be missed. */
	for (int i = 0; i < 10 && !seen[RECOVERY_TORN]; i++)
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

TEST_MAIN(T(a_commit_writes_and_remembers),
    T(what_cannot_be_remembered_is_written_all_the_same),
    T(a_state_folder_that_was_removed_is_made_again),
    T(C11_any_pages_lost_with_the_power_are_written_again),
    T(a_commit_that_is_overtaken_leaves_no_note),
    T(a_write_that_was_done_is_taken_as_done), T(a_write_that_was_not_begun_is_forgotten),
    T(every_torn_write_is_finished), T(a_save_after_the_interruption_is_the_users),
    T(an_unreadable_note_counts_as_none), T(torn_is_what_the_two_texts_explain),
    T(so_is_a_save_into_a_file_that_was_being_met),
    T(a_save_that_was_exchanged_out_goes_back),
    T(killed_at_any_system_call_it_is_old_or_new), T(a_save_after_any_crash_is_kept),
    T(a_state_folder_has_one_owner), T(backups_make_room_for_newer_ones),
    T(a_chosen_state_folder_is_on_the_files_own_file_system))
