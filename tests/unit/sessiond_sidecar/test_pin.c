/* An editor of these tests is a process that watches the file's inode, and tells how many
 * changes of the text it has heard of. */
#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/pin.h"
#include "tests/lib/folder.h"

struct bed {
	struct folder dir, elsewhere;
	struct state_dir *state;
	struct pin pin;
	struct err e;
	char path[FOLDER_PATH_MAX * 2];
	pid_t editor;
	int heard; /* a byte for each change the editor hears of, '-' when it goes deaf */
};

static void bed_open(struct bed *b, const char *state_path)
{
	struct state_dir_conf c = {.dir = state_path};

	assert_int_equal(state_dir_open(&c, &b->state, &b->e), 0);
	b->pin = (struct pin){.state = b->state};
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	char at[FOLDER_PATH_MAX * 2];

	file_lease_init();
	folder_make(&b->dir);
	folder_put(&b->dir, "f", "{}");
	snprintf(b->path, sizeof(b->path), "%s", folder_at(&b->dir, "f"));
	snprintf(at, sizeof(at), "%s", folder_at(&b->dir, "state"));
	bed_open(b, at);
	b->heard = -1;
	*state = b;
	return 0;
}

static void editor_end(struct bed *b)
{
	if (b->editor) {
		kill(b->editor, SIGKILL);
		assert_int_equal(waitpid(b->editor, NULL, 0), b->editor);
	}
	b->editor = 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	editor_end(b);
	if (b->heard >= 0)
		close(b->heard);
	if (b->pin.has_orphan)
		pin_drop_orphan(&b->pin);
	state_dir_close(b->state);
	folder_remove(&b->dir);
	folder_remove(&b->elsewhere);
	free(b);
	return 0;
}

static void editor_run(const char *path, int out)
{
	_Alignas(struct inotify_event) char events[4096];
	int in = inotify_init1(IN_CLOEXEC);

	if (inotify_add_watch(in, path, IN_MODIFY | IN_DELETE_SELF) < 0 ||
	    write(out, "!", 1) < 0)
		_exit(1);
	for (;;) {
		ssize_t n = read(in, events, sizeof(events));

		for (char *p = events; n > 0 && p < events + n;) {
			const struct inotify_event *ev = (const void *)p;

			if (write(out, ev->mask & IN_MODIFY ? "+" : "-", 1) < 0)
				_exit(1);
			p += sizeof(*ev) + ev->len;
		}
	}
}

static char next_heard(struct bed *b)
{
	char c = 0;

	assert_int_equal(read(b->heard, &c, 1), 1);
	return c;
}

static void editor_begin(struct bed *b)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	b->editor = fork();
	assert_true(b->editor >= 0);
	if (b->editor == 0) {
		alarm(60);
		editor_run(b->path, ends[1]);
	}
	close(ends[1]);
	if (b->heard >= 0)
		close(b->heard);
	b->heard = ends[0];
	assert_int_equal(next_heard(b), '!');
}

static void settle(struct bed *b, enum pin_state is, enum pin_hearing hearing)
{
	assert_int_equal(pin_settle(&b->pin, b->path, &b->e), 0);
	assert_int_equal(b->pin.is, is);
	assert_string_equal(
	    pin_hearing_name(b->pin.hearing), pin_hearing_name(hearing));
}

static void C08_the_watched_inode_goes_back_into_its_place(void **state)
{
	struct bed *b = *state;
	ino_t inode = folder_inode(&b->dir, "f");
	char text[32];

	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
	assert_int_equal(chmod(b->path, 0640), 0);
	editor_begin(b);
	for (int i = 0; i < 20; i++) {
		struct stat st;

		snprintf(text, sizeof(text), "{\"a\":%d}", i);
		folder_put_by_rename(&b->dir, "f", text);
		assert_int_not_equal(folder_inode(&b->dir, "f"), inode);
		settle(b, PIN_IN_PLACE, PIN_HEARING_ALIVE);
		assert_int_equal(folder_inode(&b->dir, "f"), inode);
		assert_true(folder_says(&b->dir, "f", text));
		assert_int_equal(next_heard(b), '+');
		assert_int_equal(stat(b->path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0640);
	}
	settle(b, PIN_IN_PLACE, PIN_HEARING_ALIVE);
}

static void where_nobody_watches_the_new_inode_is_held(void **state)
{
	struct bed *b = *state;
	ino_t inode;

	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
	folder_put_by_rename(&b->dir, "f", "{\"a\":1}");
	inode = folder_inode(&b->dir, "f");
	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
	assert_int_equal(folder_inode(&b->dir, "f"), inode);
	editor_begin(b);
	settle(b, PIN_IN_PLACE, PIN_HEARING_ALIVE);
	editor_end(b);
	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
}

static void C09_who_writes_into_the_inode_put_aside_is_heard(void **state)
{
	struct bed *b = *state;
	AUTO(buf_deinit) struct buf text = BUF_NULL(4096);

	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
	editor_begin(b);
	folder_put_by_rename(&b->dir, "f", "{\"a\":1}");
	settle(b, PIN_IN_PLACE, PIN_HEARING_ALIVE);
	assert_true(b->pin.has_orphan);
	assert_false(pin_orphan_written(&b->pin, &text));
	folder_put(&b->dir, "state/orphan", "{\"a\":2222}");
	assert_true(pin_orphan_written(&b->pin, &text));
	assert_string_equal(buf_cstr(&text), "{\"a\":2222}");
	assert_false(pin_orphan_written(&b->pin, &text));
	pin_drop_orphan(&b->pin);
	assert_false(b->pin.has_orphan);
	assert_int_equal(folder_inode(&b->dir, "state/orphan"), 0);
}

static void somebody_who_is_writing_is_let_finish(void **state)
{
	struct bed *b = *state;
	FILE *f;

	settle(b, PIN_IN_PLACE, PIN_HEARING_UNKNOWN);
	editor_begin(b);
	folder_put_by_rename(&b->dir, "f", "{\"a\":1}");
	f = fopen(b->path, "r+e");
	assert_non_null(f);
	assert_int_equal(pin_settle(&b->pin, b->path, &b->e), -EAGAIN);
	assert_int_equal(b->pin.is, PIN_APART);
	fclose(f);
	settle(b, PIN_IN_PLACE, PIN_HEARING_ALIVE);
}

static void without_links_a_deaf_editor_is_told_from_none(void **state)
{
	struct bed *b = *state;

	if (!folder_make_tmpfs(&b->elsewhere))
		skip();
	state_dir_close(b->state);
	bed_open(b, folder_at(&b->elsewhere, "state"));
	settle(b, PIN_NONE, PIN_HEARING_UNKNOWN);
	assert_non_null(strstr(b->pin.why, "no hard link"));
	editor_begin(b);
	settle(b, PIN_NONE, PIN_HEARING_ALIVE);
	folder_put_by_rename(&b->dir, "f", "{\"a\":1}");
	assert_int_equal(next_heard(b), '-');
	settle(b, PIN_NONE, PIN_HEARING_DEAD);
	settle(b, PIN_NONE, PIN_HEARING_DEAD);
	editor_end(b);
	settle(b, PIN_NONE, PIN_HEARING_UNKNOWN);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(C08_the_watched_inode_goes_back_into_its_place),
    T(where_nobody_watches_the_new_inode_is_held),
    T(C09_who_writes_into_the_inode_put_aside_is_heard),
    T(somebody_who_is_writing_is_let_finish),
    T(without_links_a_deaf_editor_is_told_from_none))
