#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sessiond/sidecar/slots.h"
#include "tests/lib/folder.h"

struct bed {
	struct folder dir;
	int fd;
	struct slots slots;
	struct err e;
};

static void bed_open(struct bed *b)
{
	assert_int_equal(slots_open(&b->slots, b->fd, b->dir.path, &b->e), 0);
}

static void bed_reopen(struct bed *b)
{
	slots_close(&b->slots);
	bed_open(b);
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	folder_make(&b->dir);
	b->fd = open(b->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(b->fd >= 0);
	bed_open(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	slots_close(&b->slots);
	close(b->fd);
	folder_remove(&b->dir);
	free(b);
	return 0;
}

static void save(struct bed *b, enum slot_word word, const char *text)
{
	AUTO(record_deinit) struct record r = RECORD_NULL;

	record_set(&r, RECORD_TEXT, slice_of(text));
	assert_int_equal(slots_save(&b->slots, word, &r, &b->e), 0);
}

/* @text NULL: there is none. */
static void holds(struct bed *b, enum slot_word word, const char *text)
{
	AUTO(record_deinit) struct record r = RECORD_NULL;
	int rc = slots_load(&b->slots, word, &r, &b->e);

	assert_int_equal(rc, text ? 0 : -ENOENT);
	if (text)
		assert_string_equal(record_str(&r, RECORD_TEXT), text);
}

static void what_was_saved_last_is_what_counts(void **state)
{
	struct bed *b = *state;
	char text[16];

	holds(b, SLOT_LAST, NULL);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		save(b, SLOT_LAST, text);
		if (i % 3 == 0)
			bed_reopen(b);
		holds(b, SLOT_LAST, text);
	}
	holds(b, SLOT_NEXT, NULL);
}

static void a_note_leaves_what_was_last_applied_alone(void **state)
{
	struct bed *b = *state;

	save(b, SLOT_LAST, "a");
	save(b, SLOT_NEXT, "b");
	bed_reopen(b);
	holds(b, SLOT_LAST, "a");
	holds(b, SLOT_NEXT, "b");
	/* and the other way round */
	save(b, SLOT_LAST, "c");
	bed_reopen(b);
	holds(b, SLOT_LAST, "c");
	holds(b, SLOT_NEXT, "b");
}

static void a_note_becomes_what_was_last_applied(void **state)
{
	struct bed *b = *state;

	save(b, SLOT_LAST, "a");
	save(b, SLOT_NEXT, "b");
	save(b, SLOT_LAST, "c");
	assert_int_equal(slots_turn(&b->slots, SLOT_NEXT, SLOT_LAST, &b->e), 0);
	bed_reopen(b);
	holds(b, SLOT_LAST, "b");
	holds(b, SLOT_NEXT, NULL);
}

static void a_note_can_be_taken_back(void **state)
{
	struct bed *b = *state;

	save(b, SLOT_LAST, "a");
	save(b, SLOT_NEXT, "b");
	assert_int_equal(slots_turn(&b->slots, SLOT_NEXT, SLOT_FREE, &b->e), 0);
	assert_int_equal(slots_turn(&b->slots, SLOT_NEXT, SLOT_FREE, &b->e), 0);
	bed_reopen(b);
	holds(b, SLOT_LAST, "a");
	holds(b, SLOT_NEXT, NULL);
}

static void a_shorter_record_hides_what_is_left_of_a_longer_one(void **state)
{
	struct bed *b = *state;
	char *longer = malloc(100 * 1000 + 1);

	memset(longer, 'x', 100 * 1000);
	longer[100 * 1000] = '\0';
	for (int i = 0; i < SLOTS_N; i++)
		save(b, SLOT_LAST, longer);
	for (int i = 0; i < SLOTS_N; i++)
		save(b, SLOT_LAST, "short");
	bed_reopen(b);
	holds(b, SLOT_LAST, "short");
	free(longer);
}

static void flip(const struct bed *b, const char *name, off_t at)
{
	int fd = open(folder_at(&b->dir, name), O_RDWR | O_CLOEXEC);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* A power cut in the middle of a save: the one before is what was last applied. */
static void a_torn_record_does_not_hide_the_one_before(void **state)
{
	struct bed *b = *state;

	save(b, SLOT_LAST, "first");
	save(b, SLOT_LAST, "second"); /* record.1 */
	flip(b, "record.1", 128 + 60);
	bed_reopen(b);
	holds(b, SLOT_LAST, "first");
	assert_int_not_equal(folder_inode(&b->dir, "record.1.bad"), 0);
	save(b, SLOT_LAST, "third");
	bed_reopen(b);
	holds(b, SLOT_LAST, "third");
}

/* The line of the older record still stands in front of the newer one's bytes, or the
 * other way round: neither was ever durable. */
static void a_line_in_front_of_another_record_is_none(void **state)
{
	struct bed *b = *state;
	char line[128];
	int fd;

	save(b, SLOT_LAST, "aaaa"); /* record.0 */
	save(b, SLOT_LAST, "bbbb");
	fd = open(folder_at(&b->dir, "record.0"), O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, line, sizeof(line), 0), sizeof(line));
	save(b, SLOT_LAST, "cccc"); /* over it */
	assert_int_equal(pwrite(fd, line, sizeof(line), 0), sizeof(line));
	close(fd);
	bed_reopen(b);
	holds(b, SLOT_LAST, "bbbb");
}

static void when_none_is_whole_it_is_said(void **state)
{
	struct bed *b = *state;
	AUTO(record_deinit) struct record r = RECORD_NULL;

	save(b, SLOT_LAST, "only");
	flip(b, "record.0", 128 + 60);
	assert_int_equal(slots_load(&b->slots, SLOT_LAST, &r, &b->e), ERROR_INVALID);
	assert_non_null(strstr(b->e.text, "record.0"));
	holds(b, SLOT_LAST, NULL);
}

static void an_empty_file_is_a_free_one(void **state)
{
	struct bed *b = *state;

	assert_int_equal(ftruncate(b->slots.s[0].fd, 4096), 0);
	bed_reopen(b);
	holds(b, SLOT_LAST, NULL);
	assert_int_equal(folder_inode(&b->dir, "record.0.bad"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(what_was_saved_last_is_what_counts),
    T(a_note_leaves_what_was_last_applied_alone),
    T(a_note_becomes_what_was_last_applied), T(a_note_can_be_taken_back),
    T(a_shorter_record_hides_what_is_left_of_a_longer_one),
    T(a_torn_record_does_not_hide_the_one_before),
    T(a_line_in_front_of_another_record_is_none), T(when_none_is_whole_it_is_said),
    T(an_empty_file_is_a_free_one))
