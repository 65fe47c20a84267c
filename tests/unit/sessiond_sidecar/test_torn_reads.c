/* Readers in a loop, while the file is written over and over, see nothing but whole
 * texts. What counts is the number of reads: the test ends when they were made, not when
 * some time is over. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/file_write.h"
#include "tests/lib/folder.h"

enum {
	READS = 100 * 1000,       /* on each file system */
	READS_LONG = 1000 * 1000, /* ZEDBUS_LONG=1 */
	READERS = 2,
	TEXT_MAX = 256 * 1024,
};

struct texts {
	char *text[2];
	size_t n[2];
};

struct reader {
	const char *path;
	const struct texts *texts;
	pthread_t thread;
	atomic_bool stop;
	atomic_size_t n_reads, n_empty, n_mixed, n_seen[2];
};

static void reader_look(struct reader *r, const char *text, size_t n)
{
	const struct texts *t = r->texts;

	for (size_t i = 0; i < 2; i++) {
		if (n == t->n[i] && memcmp(text, t->text[i], n) == 0) {
			atomic_fetch_add(&r->n_seen[i], 1);
			return;
		}
	}
	atomic_fetch_add(n == 0 ? &r->n_empty : &r->n_mixed, 1);
}

static void *read_on(void *data)
{
	struct reader *r = data;
	char *text = malloc(TEXT_MAX);

	assert_non_null(text);
	while (!atomic_load(&r->stop)) {
		int fd = open(r->path, O_RDONLY | O_CLOEXEC);
		size_t n = 0;
		ssize_t got;

		assert_true(fd >= 0);
		while ((got = read(fd, text + n, TEXT_MAX - n)) > 0)
			n += (size_t)got;
		assert_int_equal(got, 0);
		close(fd);
		reader_look(r, text, n);
		atomic_fetch_add(&r->n_reads, 1);
	}
	free(text);
	return NULL;
}

static void texts_make(struct texts *t, size_t n_first, size_t n_second)
{
	t->n[0] = n_first;
	t->n[1] = n_second;
	for (size_t i = 0; i < 2; i++) {
		t->text[i] = malloc(t->n[i] + 1);
		assert_non_null(t->text[i]);
		memset(t->text[i], (int)('a' + i), t->n[i]);
		t->text[i][t->n[i]] = '\0';
	}
}

static size_t readers_sum(struct reader *r, size_t offset)
{
	size_t sum = 0;

	for (size_t i = 0; i < READERS; i++)
		sum += atomic_load((atomic_size_t *)(void *)((char *)&r[i] + offset));
	return sum;
}

#define SUM(readers, field) readers_sum(readers, offsetof(struct reader, field))

/* As the daemon writes when it is told nothing: by lease. */
static bool write_once(const char *path, const struct texts *t, size_t from)
{
	struct file_write w = {.path = path,
	    .mode = FILE_WRITE_AUTO,
	    .expect = {t->text[from], t->n[from]},
	    .text = {t->text[1 - from], t->n[1 - from]}};
	struct err e = ERR_NULL;

	assert_int_equal(file_write(&w, &e), FILE_WRITE_DONE);
	return w.used == FILE_WRITE_LEASE;
}

/* Until @n_reads were made by all together, each write over the other text. */
static void read_while_writing(
    const struct folder *dir, size_t n_first, size_t n_second, size_t n_reads)
{
	struct texts t;
	struct reader readers[READERS] = {0};
	size_t n_writes = 0, n_leased = 0;
	char path[FOLDER_PATH_MAX * 2];
	ino_t inode;

	texts_make(&t, n_first, n_second);
	folder_put(dir, "f", t.text[0]);
	inode = folder_inode(dir, "f");
	snprintf(path, sizeof(path), "%s", folder_at(dir, "f"));
	for (size_t i = 0; i < READERS; i++) {
		readers[i].path = path;
		readers[i].texts = &t;
		assert_int_equal(
		    pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	while (SUM(readers, n_reads) < n_reads) {
		n_leased += write_once(path, &t, n_writes % 2);
		n_writes++;
	}
	for (size_t i = 0; i < READERS; i++)
		atomic_store(&readers[i].stop, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	printf("%zu reads (%zu of %zu bytes, %zu of %zu) during %zu writes, %zu by lease: "
	       "%zu empty, %zu mixed\n",
	    SUM(readers, n_reads), SUM(readers, n_seen[0]), n_first,
	    SUM(readers, n_seen[1]), n_second, n_writes, n_leased, SUM(readers, n_empty),
	    SUM(readers, n_mixed));
	assert_int_equal(SUM(readers, n_empty) + SUM(readers, n_mixed), 0);
	assert_true(SUM(readers, n_reads) >= n_reads);
	assert_true(SUM(readers, n_seen[0]) > 0 && SUM(readers, n_seen[1]) > 0);
	assert_true(folder_inode(dir, "f") == inode);
	free(t.text[0]);
	free(t.text[1]);
}

static void read_on_all_sizes(const struct folder *dir)
{
	size_t n = getenv("ZEDBUS_LONG") ? READS_LONG : READS;
	struct statfs fs;

	assert_int_equal(statfs(dir->path, &fs), 0);
	printf("%s, file system %#lx\n", dir->path, (unsigned long)fs.f_type);
	read_while_writing(dir, 900, 3500, n - n / 5);
	read_while_writing(dir, 20 * 1000, 200 * 1000, n / 5);
}

static void no_reader_sees_part_of_a_write_where_it_was_built(void **state)
{
	struct folder dir;

	(void)state;
	file_lease_init();
	folder_make_built(&dir);
	read_on_all_sizes(&dir);
	folder_remove(&dir);
}

static void no_reader_sees_part_of_a_write_on_tmpfs(void **state)
{
	struct folder dir;

	(void)state;
	if (!folder_make_tmpfs(&dir))
		skip();
	read_on_all_sizes(&dir);
	folder_remove(&dir);
}

TEST_MAIN(cmocka_unit_test(no_reader_sees_part_of_a_write_where_it_was_built),
    cmocka_unit_test(no_reader_sees_part_of_a_write_on_tmpfs))
