#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/file_write.h"
#include "tests/lib/folder.h"

static struct folder dir;
static const char name[] = "settings.json";

static int setup(void **state)
{
	(void)state;
	file_lease_init();
	folder_make(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(&dir);
	return 0;
}

static struct file_write writing(enum file_write_mode m, const char *from, const char *to)
{
	return (struct file_write){.path = folder_at(&dir, name),
	    .mode = m,
	    .missing = from == NULL,
	    .expect = slice_of(from),
	    .text = slice_of(to)};
}

static int write_it(struct file_write *w)
{
	struct err e = ERR_NULL;
	int r = file_write(w, &e);

	if (r < 0)
		fprintf(stderr, "%s\n", e.text);
	return r;
}

static const enum file_write_mode in_place[] = {
    FILE_WRITE_AUTO, FILE_WRITE_LEASE, FILE_WRITE_PAD};

static void in_place_keeps_the_inode(void **state)
{
	static const char *const texts[] = {
	    "{}", "{ \"longer\": true }", "{\"a\":1}", "{}"};

	(void)state;
	folder_put(&dir, name, texts[0]);
	for (size_t m = 0; m < 3; m++) {
		ino_t inode = folder_inode(&dir, name);

		for (size_t i = 1; i < 4; i++) {
			struct file_write w =
			    writing(in_place[m], texts[i - 1], texts[i]);

			assert_int_equal(write_it(&w), FILE_WRITE_DONE);
			assert_true(folder_says(&dir, name, texts[i]));
			assert_int_equal(
			    w.used, m == 2 ? FILE_WRITE_PAD : FILE_WRITE_LEASE);
			assert_int_equal(w.look.ino, inode);
			assert_int_equal(w.look.size, strlen(texts[i]));
		}
		assert_int_equal(folder_inode(&dir, name), inode);
	}
}

static void exchange_gives_a_new_inode_the_old_mode(void **state)
{
	struct file_write w;
	struct stat st;

	(void)state;
	folder_put(&dir, name, "{}");
	assert_int_equal(chmod(folder_at(&dir, name), 0640), 0);
	w = writing(FILE_WRITE_EXCHANGE, "{}", "{\"a\":1}");
	assert_int_equal(write_it(&w), FILE_WRITE_DONE);
	assert_true(folder_says(&dir, name, "{\"a\":1}"));
	assert_int_equal(stat(folder_at(&dir, name), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_ino, w.look.ino);
}

static void what_is_not_expected_is_left_as_it_is(void **state)
{
	static const enum file_write_mode modes[] = {
	    FILE_WRITE_AUTO, FILE_WRITE_PAD, FILE_WRITE_EXCHANGE};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct file_write w = writing(modes[i], "{}", "{\"new\":1}");
		ino_t inode;

		folder_put(&dir, name, "{\"user\":1}");
		inode = folder_inode(&dir, name);
		assert_int_equal(write_it(&w), FILE_WRITE_CHANGED);
		assert_true(folder_says(&dir, name, "{\"user\":1}"));
		assert_int_equal(folder_inode(&dir, name), inode);
		assert_int_equal(unlink(folder_at(&dir, name)), 0);
		assert_int_equal(write_it(&w), FILE_WRITE_CHANGED);
		assert_null(folder_get(&dir, name));
	}
}

static void a_missing_file_appears_whole_and_private(void **state)
{
	struct file_write w = writing(FILE_WRITE_AUTO, NULL, "{\"a\":1}");
	struct stat st;

	(void)state;
	assert_int_equal(write_it(&w), FILE_WRITE_DONE);
	assert_int_equal(w.used, FILE_WRITE_CREATE);
	assert_true(folder_says(&dir, name, "{\"a\":1}"));
	assert_int_equal(stat(folder_at(&dir, name), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* One that is there after all is not replaced. */
	w = writing(FILE_WRITE_AUTO, NULL, "{}");
	assert_int_equal(write_it(&w), FILE_WRITE_CHANGED);
	assert_true(folder_says(&dir, name, "{\"a\":1}"));
}

static void a_file_marked_read_only_is_not_written(void **state)
{
	struct file_write w = writing(FILE_WRITE_AUTO, "{}", "{\"a\":1}");

	(void)state;
	folder_put(&dir, name, "{}");
	assert_int_equal(chmod(folder_at(&dir, name), 0444), 0);
	assert_int_equal(write_it(&w), -EACCES);
	assert_true(folder_says(&dir, name, "{}"));
}

static void a_symlink_in_its_place_is_not_followed(void **state)
{
	struct file_write w = writing(FILE_WRITE_AUTO, "{}", "{\"a\":1}");

	(void)state;
	folder_put(&dir, "other", "{}");
	assert_int_equal(symlink("other", folder_at(&dir, name)), 0);
	assert_int_equal(write_it(&w), FILE_WRITE_CHANGED);
	assert_true(folder_says(&dir, "other", "{}"));
}

/* Somebody who has the file open makes a lease impossible. */
static void a_file_held_open_is_written_in_steps(void **state)
{
	struct file_write w = writing(FILE_WRITE_AUTO, "{}", "{\"a\":1}");
	int fd;

	(void)state;
	folder_put(&dir, name, "{}");
	fd = open(folder_at(&dir, name), O_RDONLY | O_CLOEXEC);
	assert_int_equal(write_it(&w), FILE_WRITE_DONE);
	assert_int_equal(w.used, FILE_WRITE_PAD);
	assert_non_null(strstr(w.why, "open"));
	w = writing(FILE_WRITE_LEASE, "{\"a\":1}", "{}");
	assert_int_equal(write_it(&w), -EAGAIN);
	assert_true(folder_says(&dir, name, "{\"a\":1}"));
	close(fd);
	assert_int_equal(write_it(&w), FILE_WRITE_DONE);
}

/* The editor reads 100 ms after it heard of the change before. */
static void steps_keep_out_of_the_moment_in_which_the_editor_reads(void **state)
{
	static const char *const texts[] = {"{}", "{\"a\":1}"};
	int64_t began_ms, put_ms, age_ms, written_ms;
	int n = 0;

	(void)state;
	do {
		struct file_write w = writing(FILE_WRITE_PAD, texts[0], texts[1]);

		began_ms = clock_mono_ms();
		folder_put(&dir, name, texts[0]);
		put_ms = clock_mono_ms() - began_ms;
		do
			age_ms = clock_mono_ms() - began_ms;
		while (age_ms < 102);
		assert_int_equal(write_it(&w), FILE_WRITE_DONE);
		written_ms = clock_mono_ms() - began_ms;
		/* again if we were not let run just then */
	} while ((put_ms > 3 || age_ms > 110) && ++n < 50);
	assert_true(put_ms <= 3 && age_ms <= 110);
	assert_true(written_ms >= 118); /* 130, less the grain of the file's time */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(in_place_keeps_the_inode), T(exchange_gives_a_new_inode_the_old_mode),
    T(what_is_not_expected_is_left_as_it_is), T(a_missing_file_appears_whole_and_private),
    T(a_file_marked_read_only_is_not_written), T(a_symlink_in_its_place_is_not_followed),
    T(a_file_held_open_is_written_in_steps),
    T(steps_keep_out_of_the_moment_in_which_the_editor_reads))
