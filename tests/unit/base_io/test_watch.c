#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io/watch.h"
#include "tests/lib/run.h"

enum {
	LIMIT_MS = 3000,
	ALL = 255,
};

struct bed {
	struct loop *loop;
	struct watcher *watcher;
	struct watch *watch, *second;
	char dir[64];
	char text[512]; /* "W:a G:b " as told */
	size_t n;
	bool lost, free_watch, free_watcher;
};

static void bed_path(const struct bed *b, const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s", b->dir, name);
}

static void on_event(void *data, unsigned events, const char *name)
{
	static const char letters[] = "WICGMORA!";
	struct bed *b = data;
	size_t at = strlen(b->text);

	for (unsigned i = 0; letters[i]; i++) {
		if (events & (1U << i) && at + 1 < sizeof(b->text))
			b->text[at++] = letters[i];
	}
	snprintf(b->text + at, sizeof(b->text) - at, ":%s ", name);
	b->n++;
	b->lost = b->lost || events & WATCH_LOST;
	if (b->free_watch)
		b->watch = watch_free(b->watch);
	if (b->free_watcher)
		b->watcher = watcher_free(b->watcher);
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct err e = ERR_NULL;

	assert_non_null(b);
	snprintf(b->dir, sizeof(b->dir), "/tmp/zed-watch-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->loop = loop_new();
	assert_int_equal(watcher_new(b->loop, &b->watcher, &e), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	char cmd[256];

	watcher_free(b->watcher);
	run_for(b->loop, 1);
	loop_free(b->loop);
	snprintf(cmd, sizeof(cmd), "rm -rf %s %s-moved", b->dir, b->dir);
	assert_int_equal(system(cmd), 0);
	free(b);
	return 0;
}

static void watch_dir(struct bed *b, unsigned events)
{
	struct err e = ERR_NULL;

	assert_int_equal(
	    watch_new(b->watcher, b->dir, events, on_event, b, &b->watch, &e), 0);
}

static void put(const struct bed *b, const char *name, const char *text)
{
	char path[256];
	int fd;

	bed_path(b, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void put_by_rename(const struct bed *b, const char *name)
{
	char from[256], to[256];

	put(b, ".tmp", "x");
	bed_path(b, ".tmp", from);
	bed_path(b, name, to);
	assert_int_equal(rename(from, to), 0);
}

static void a_write_is_told_when_the_file_is_closed(void **state)
{
	struct bed *b = *state;
	char path[256];
	int fd;

	put(b, "a", "1");
	watch_dir(b, WATCH_WRITTEN);
	bed_path(b, "a", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "2", 1), 1);
	run_for(b->loop, 30);
	assert_string_equal(b->text, "");
	close(fd);
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	assert_string_equal(b->text, "W:a ");
}

static void an_unfinished_write_is_told_to_those_who_ask(void **state)
{
	struct bed *b = *state;
	char path[256];
	int fd;

	put(b, "a", "1");
	watch_dir(b, WATCH_MODIFIED);
	bed_path(b, "a", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "2", 1), 1);
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	assert_string_equal(b->text, "M:a ");
	close(fd);
}

static void a_rename_over_a_file_is_a_move_in_and_the_watch_lives(void **state)
{
	struct bed *b = *state;

	watch_dir(b, WATCH_MOVED_IN);
	for (size_t i = 1; i <= 3; i++) {
		put_by_rename(b, "settings.json");
		assert_true(run_until_n(b->loop, &b->n, i, LIMIT_MS));
	}
	assert_string_equal(b->text, "I:settings.json I:settings.json I:settings.json ");
}

static void making_and_removing_are_told(void **state)
{
	struct bed *b = *state;
	char path[256], away[256];

	watch_dir(b, WATCH_CREATED | WATCH_GONE);
	put(b, "a", "1");
	bed_path(b, "a", path);
	bed_path(b, "b", away);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(unlink(away), 0);
	assert_true(run_until_n(b->loop, &b->n, 3, LIMIT_MS));
	assert_string_equal(b->text, "C:a G:a G:b ");
}

static void reading_is_told_by_open_and_close(void **state)
{
	struct bed *b = *state;
	char path[256];
	int fd;

	put(b, "a", "1");
	watch_dir(b, WATCH_OPENED | WATCH_READ_CLOSED);
	bed_path(b, "a", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	assert_true(run_until_n(b->loop, &b->n, 2, LIMIT_MS));
	assert_string_equal(b->text, "O:a R:a ");
}

static void a_change_of_mode_is_told(void **state)
{
	struct bed *b = *state;
	char path[256];

	put(b, "a", "1");
	watch_dir(b, WATCH_ATTRIB);
	bed_path(b, "a", path);
	assert_int_equal(chmod(path, 0400), 0);
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	assert_string_equal(b->text, "A:a ");
}

static void a_removed_directory_is_lost(void **state)
{
	struct bed *b = *state;

	watch_dir(b, WATCH_WRITTEN);
	assert_int_equal(rmdir(b->dir), 0);
	assert_true(run_until(b->loop, &b->lost, LIMIT_MS));
	assert_int_equal(strncmp(b->text, "!: ", 3), 0);
	b->watch = watch_free(b->watch);
}

static void a_moved_directory_is_lost(void **state)
{
	struct bed *b = *state;
	char moved[80];

	watch_dir(b, WATCH_WRITTEN);
	snprintf(moved, sizeof(moved), "%s-moved", b->dir);
	assert_int_equal(rename(b->dir, moved), 0);
	assert_true(run_until(b->loop, &b->lost, LIMIT_MS));
}

/* More events than the kernel queues for one descriptor. */
static void an_overflow_is_lost_for_every_watch(void **state)
{
	struct bed *b = *state;
	char a[256], c[256];

	watch_dir(b, WATCH_MOVED_IN);
	put(b, "a", "1");
	bed_path(b, "a", a);
	bed_path(b, "c", c);
	for (int i = 0; i < 40000; i++)
		assert_int_equal(i % 2 ? rename(c, a) : rename(a, c), 0);
	b->text[0] = 0;
	assert_true(run_until(b->loop, &b->lost, LIMIT_MS));
	/* It is still watched. */
	b->n = 0;
	b->text[0] = 0;
	put_by_rename(b, "z");
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	assert_string_equal(b->text, "I:z ");
}

static void two_watches_of_one_directory_get_each_their_own(void **state)
{
	struct bed *b = *state, other = {.loop = b->loop};
	struct err e = ERR_NULL;

	watch_dir(b, WATCH_MOVED_IN);
	assert_int_equal(watch_new(b->watcher, b->dir, WATCH_WRITTEN, on_event, &other,
			     &b->second, &e),
	    0);
	put(b, "w", "1");
	put_by_rename(b, "m");
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	assert_string_equal(b->text, "I:m ");
	assert_string_equal(other.text, "W:w W:.tmp ");
	/* Freeing one leaves the other. */
	b->watch = watch_free(b->watch);
	put(b, "again", "1");
	assert_true(run_until_n(b->loop, &other.n, 3, LIMIT_MS));
	assert_string_equal(b->text, "I:m ");
}

static void a_freed_watch_is_silent(void **state)
{
	struct bed *b = *state;

	watch_dir(b, ALL);
	put(b, "a", "1");
	b->watch = watch_free(b->watch);
	put(b, "b", "1");
	run_for(b->loop, 50);
	assert_string_equal(b->text, "");
	assert_null(watch_free(NULL));
}

static void a_watch_may_be_freed_in_its_callback(void **state)
{
	struct bed *b = *state;

	watch_dir(b, ALL);
	b->free_watch = true;
	put(b, "a", "1");
	put(b, "b", "1");
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	run_for(b->loop, 30);
	assert_int_equal(b->n, 1);
}

static void a_watcher_may_be_freed_in_a_callback(void **state)
{
	struct bed *b = *state;

	watch_dir(b, ALL);
	b->free_watcher = true;
	put(b, "a", "1");
	put(b, "b", "1");
	assert_true(run_until_n(b->loop, &b->n, 1, LIMIT_MS));
	run_for(b->loop, 30);
	assert_int_equal(b->n, 1);
	assert_null(b->watcher);
}

static void what_cannot_be_watched_says_why(void **state)
{
	struct bed *b = *state;
	struct watch *w = NULL;
	struct err e = ERR_NULL;
	char path[256];

	bed_path(b, "none", path);
	assert_int_equal(watch_new(b->watcher, path, ALL, on_event, b, &w, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	put(b, "file", "1");
	bed_path(b, "file", path);
	assert_int_equal(watch_new(b->watcher, path, ALL, on_event, b, &w, &e), -ENOTDIR);
	assert_null(w);
}

static void no_descriptor_is_an_error_not_an_abort(void **state)
{
	struct bed *b = *state;
	struct watcher *wr = NULL;
	struct err e = ERR_NULL;
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(watcher_new(b->loop, &wr, &e), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_null(wr);
	assert_non_null(strstr(e.text, "inotify"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(a_write_is_told_when_the_file_is_closed),
    T(an_unfinished_write_is_told_to_those_who_ask),
    T(a_rename_over_a_file_is_a_move_in_and_the_watch_lives),
    T(making_and_removing_are_told), T(reading_is_told_by_open_and_close),
    T(a_change_of_mode_is_told), T(a_removed_directory_is_lost),
    T(a_moved_directory_is_lost), T(an_overflow_is_lost_for_every_watch),
    T(two_watches_of_one_directory_get_each_their_own), T(a_freed_watch_is_silent),
    T(a_watch_may_be_freed_in_its_callback), T(a_watcher_may_be_freed_in_a_callback),
    T(what_cannot_be_watched_says_why), T(no_descriptor_is_an_error_not_an_abort))
