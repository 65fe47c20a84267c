#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/lookout.h"
#include "tests/lib/folder.h"
#include "tests/lib/run.h"

enum {
	LIMIT_MS = 5000,
	QUIET_MS = 30,
};

struct bed {
	struct folder dir;
	struct loop *loop;
	struct lookout *lookout;
	char path[FOLDER_PATH_MAX * 2];
	size_t n_looks, n_reads;
};

static void on_look(void *data, int64_t since_us)
{
	struct bed *b = data;

	assert_true(since_us > 0);
	b->n_looks++;
}

static void on_was_read(void *data)
{
	struct bed *b = data;

	b->n_reads++;
}

/* As the sync loop does before each reading. */
static void look(struct bed *b, const char *says)
{
	const struct path_route *route;
	AUTO(buf_deinit) struct buf text = BUF_NULL(4096);
	struct file_look at;
	struct err e = ERR_NULL;

	assert_int_equal(lookout_route(b->lookout, &route, &e), 0);
	assert_int_equal(lookout_read(b->lookout, 4096, &text, &at), 0);
	assert_string_equal(at.exists ? buf_cstr(&text) : "", says);
}

/* All that is still to be told of what was done so far is told. */
static void settle(struct bed *b)
{
	run_for(b->loop, QUIET_MS);
	b->n_looks = b->n_reads = 0;
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct lookout_conf c = {.look = on_look, .was_read = on_was_read, .data = b};

	folder_make(&b->dir);
	assert_int_equal(mkdir(folder_at(&b->dir, "zed"), 0700), 0);
	folder_put(&b->dir, "zed/s.json", "1");
	snprintf(b->path, sizeof(b->path), "%s", folder_at(&b->dir, "zed/s.json"));
	b->loop = loop_new();
	c.loop = b->loop;
	c.path = b->path;
	b->lookout = lookout_new(&c);
	assert_string_equal(lookout_how(b->lookout), "inotify");
	look(b, "1");
	settle(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	lookout_free(b->lookout);
	run_for(b->loop, 1);
	loop_free(b->loop);
	folder_remove(&b->dir);
	free(b);
	return 0;
}

static void is_told(struct bed *b, const char *says)
{
	assert_true(run_until_n(b->loop, &b->n_looks, 1, LIMIT_MS));
	look(b, says);
	settle(b);
}

static void saves_are_told_in_place_and_by_rename(void **state)
{
	struct bed *b = *state;

	folder_put(&b->dir, "zed/s.json", "2");
	is_told(b, "2");
	folder_put_by_rename(&b->dir, "zed/s.json", "3");
	is_told(b, "3");
	assert_int_equal(unlink(b->path), 0);
	is_told(b, "");
	folder_put(&b->dir, "zed/s.json", "4");
	is_told(b, "4");
}

static void other_names_are_nobodys_business(void **state)
{
	struct bed *b = *state;

	folder_put(&b->dir, "zed/other.json", "x");
	folder_put_by_rename(&b->dir, "zed/other.json", "y");
	run_for(b->loop, QUIET_MS);
	assert_int_equal(b->n_looks, 0);
}

static void a_writer_that_does_not_close_is_told_when_it_is_quiet(void **state)
{
	struct bed *b = *state;
	int fd = open(b->path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "5", 1), 1);
	is_told(b, "5");
	close(fd);
}

static void others_reading_is_told_ours_is_not(void **state)
{
	struct bed *b = *state;
	char *text;

	for (int i = 0; i < 3; i++) {
		look(b, "1");
		run_for(b->loop, QUIET_MS); /* the kernel joins equal events */
	}
	assert_int_equal(b->n_reads, 0);
	text = folder_get(&b->dir, "zed/s.json");
	free(text);
	assert_true(run_until_n(b->loop, &b->n_reads, 1, LIMIT_MS));
}

static void a_link_on_the_way_is_watched_where_it_stands(void **state)
{
	struct bed *b = *state;

	assert_int_equal(mkdir(folder_at(&b->dir, "dot"), 0700), 0);
	folder_put(&b->dir, "dot/a", "a");
	folder_put(&b->dir, "dot/b", "b");
	assert_int_equal(unlink(b->path), 0);
	assert_int_equal(symlink("../dot/a", b->path), 0);
	is_told(b, "a");
	folder_put(&b->dir, "dot/a", "A");
	is_told(b, "A");
	assert_int_equal(symlink("../dot/b", folder_at(&b->dir, "zed/new")), 0);
	assert_int_equal(rename(folder_at(&b->dir, "zed/new"), b->path), 0);
	is_told(b, "b");
	folder_put(&b->dir, "dot/b", "B");
	is_told(b, "B");
}

static void a_folder_that_is_replaced_is_watched_anew(void **state)
{
	struct bed *b = *state;

	assert_int_equal(
	    rename(folder_at(&b->dir, "zed"), folder_at(&b->dir, "away")), 0);
	assert_int_equal(symlink("away", folder_at(&b->dir, "zed")), 0);
	is_told(b, "1");
	folder_put(&b->dir, "away/s.json", "2");
	is_told(b, "2");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(saves_are_told_in_place_and_by_rename), T(other_names_are_nobodys_business),
    T(a_writer_that_does_not_close_is_told_when_it_is_quiet),
    T(others_reading_is_told_ours_is_not),
    T(a_link_on_the_way_is_watched_where_it_stands),
    T(a_folder_that_is_replaced_is_watched_anew))
