#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessiond/sidecar/file_write.h"
#include "tests/lib/folder.h"

static struct folder dir;
static const char name[] = "settings.json";

static int setup(void **state)
{
	(void)state;
	file_write_init();
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

/* A reader in a loop never sees anything but one of the whole texts. */

struct reader {
	atomic_bool stop;
	size_t n_reads, n_bad;
	char *texts[2];
	size_t n_bytes[2];
	const char *path;
};

static void *read_on(void *data)
{
	static _Thread_local char text[256 * 1024];
	struct reader *r = data;

	while (!atomic_load(&r->stop)) {
		int fd = open(r->path, O_RDONLY | O_CLOEXEC);
		size_t n = 0;
		ssize_t got;

		assert_true(fd >= 0);
		while ((got = read(fd, text + n, sizeof(text) - n)) > 0)
			n += (size_t)got;
		close(fd);
		r->n_reads++;
		r->n_bad += !((n == r->n_bytes[0] && !memcmp(text, r->texts[0], n)) ||
			      (n == r->n_bytes[1] && !memcmp(text, r->texts[1], n)));
	}
	return NULL;
}

static char *text_of(size_t n, char c)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static size_t read_while_writing(size_t n_short, size_t n_long, int64_t for_ms)
{
	struct reader r = {.texts = {text_of(n_short, 'a'), text_of(n_long, 'b')},
	    .n_bytes = {n_short, n_long}};
	int64_t until_ms = clock_mono_ms() + for_ms;
	pthread_t thread;
	size_t n = 0;
	char *path = strdup(folder_at(&dir, name));

	folder_put(&dir, name, r.texts[0]);
	r.path = path;
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	while (clock_mono_ms() < until_ms) {
		struct file_write w =
		    writing(FILE_WRITE_LEASE, r.texts[n % 2], r.texts[(n + 1) % 2]);
		struct err e = ERR_NULL;
		int rc;

		w.path = path;
		rc = file_write(&w, &e);
		assert_true(rc == FILE_WRITE_DONE || rc == -EAGAIN);
		n += rc == FILE_WRITE_DONE;
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	assert_true(n > 0 && r.n_reads > 0);
	assert_int_equal(r.n_bad, 0);
	printf("%zu reads during %zu writes\n", r.n_reads, n);
	free(r.texts[0]);
	free(r.texts[1]);
	free(path);
	return r.n_reads;
}

/* ZEDBUS_LONG=1: the number of reads an issue would ask for. */
static void no_reader_sees_part_of_a_write(void **state)
{
	size_t want = getenv("ZEDBUS_LONG") ? 1000 * 1000 : 100 * 1000, n = 0;
	int64_t limit_ms = clock_mono_ms() + (getenv("ZEDBUS_LONG") ? 600 : 20) * 1000;

	(void)state;
	while (n < want && clock_mono_ms() < limit_ms) {
		n += read_while_writing(900, 3500, 500);
		n += read_while_writing(20 * 1000, 200 * 1000, 300);
	}
	if (!folder_make_tmpfs(&dir))
		return;
	read_while_writing(900, 3500, 500);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(in_place_keeps_the_inode), T(exchange_gives_a_new_inode_the_old_mode),
    T(what_is_not_expected_is_left_as_it_is), T(a_missing_file_appears_whole_and_private),
    T(a_file_marked_read_only_is_not_written), T(a_symlink_in_its_place_is_not_followed),
    T(a_file_held_open_is_written_in_steps), T(no_reader_sees_part_of_a_write))
