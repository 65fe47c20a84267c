/* happy path: nothing was under way; what was last applied is read
 * failure modes: a write was interrupted (taken as done or not begun, or finished, or left
 * to who saved since), records that cannot be read (count as none), a file that cannot be
 * read or repaired (later) */
#include "sessiond/sidecar/recover.h"

#include <errno.h>
#include <string.h>

#include "sessiond/sidecar/file_place.h"
#include "sessiond/sidecar/file_write.h"
#include "sessiond/sidecar/torn.h"

const char *recovery_name(enum recovery r)
{
	static const char *const names[] = {"none", "new", "old", "torn", "edited"};

	return names[r];
}

/* False: there is none, or none that can be read. */
static bool recover_load(struct state_dir *s, enum state_slot slot, struct record *to,
    struct recovered *out)
{
	struct err e = ERR_NULL;
	int r;

	if (state_dir_fd(s) < 0)
		return false;
	r = state_load(s, slot, to, &e);
	if (r != 0 && r != -ENOENT)
		snprintf(out->problem, sizeof(out->problem), "%s", e.text);
	return r == 0;
}

/* LAST as it stands, or none. */
static void recover_last(struct state_dir *s, struct recovered *out)
{
	(void)recover_load(s, STATE_LAST, &out->last, out);
	record_set(&out->last, RECORD_BEFORE, SLICE_NULL);
}

void recover_take_edited(struct record *last, const struct record *note)
{
	struct slice before = record_get(note, RECORD_BEFORE);

	for (enum record_field f = RECORD_OVERRIDES; f < RECORD_BEFORE; f++)
		record_set(last, f, record_get(note, f));
	record_set(last, RECORD_SESSION, record_get(note, RECORD_SESSION));
	if (before.p && record_get(last, RECORD_TEXT).p)
		record_set(last, RECORD_TEXT, before);
}

/* Somebody saved after we were interrupted: their text is compared with the one before;
 * what was being applied comes from the server once more. */
static void recover_edited(struct state_dir *s, struct recovered *out)
{
	struct record *last = &out->last;
	struct err e = ERR_NULL;

	recover_last(s, out);
	recover_take_edited(last, &out->under_way);
	out->remembered = state_save(s, STATE_LAST, last, &e) == 0 &&
			  state_abort(s, &e) == 0;
}

static int recover_rewrite(
    struct recovered *out, const char *path, const struct buf *is, struct err *e)
{
	struct file_write w = {.path = path,
	    .mode = FILE_WRITE_AUTO,
	    .expect = buf_slice(is),
	    .text = record_get(&out->under_way, RECORD_TEXT)};
	int r = file_write(&w, e);

	return r == FILE_WRITE_CHANGED
		   ? err_set(e, -EAGAIN, "%s: changes while it is being repaired", path)
		   : r;
}

enum recovery recover_classify(bool exists, struct slice is, const struct record *note)
{
	struct slice text = record_get(note, RECORD_TEXT);
	struct slice before = record_get(note, RECORD_BEFORE);

	if (exists && slice_eq(is, text))
		return RECOVERY_NEW;
	if (exists == (before.p != NULL) && slice_eq(is, before))
		return RECOVERY_OLD;
	if (exists && before.p && torn_is(is, before, text))
		return RECOVERY_TORN;
	return RECOVERY_EDITED;
}

static void recover_take_new(struct state_dir *s, struct recovered *out)
{
	struct err e = ERR_NULL;

	record_copy(&out->last, &out->under_way);
	record_set(&out->last, RECORD_BEFORE, SLICE_NULL);
	out->remembered = state_commit(s, &e) == 0;
}

static void recover_take_old(struct state_dir *s, struct recovered *out)
{
	struct err e = ERR_NULL;

	recover_last(s, out);
	out->remembered = state_abort(s, &e) == 0;
}

struct leftovers {
	struct state_dir *state;
	const struct record *note; /* of the write that was broken off */
};

/* Had we known it, it would not have been exchanged out. */
static bool leftover_is_save(void *data, struct slice text)
{
	const struct leftovers *l = data;

	return record_get(l->note, RECORD_BEFORE).p &&
	       !slice_eq(text, record_get(l->note, RECORD_BEFORE)) &&
	       !slice_eq(text, record_get(l->note, RECORD_TEXT)) &&
	       torn_is_document(text);
}

static void leftover_drop(void *data, struct slice text)
{
	const struct leftovers *l = data;
	struct err e = ERR_NULL;

	if (text.n && !slice_eq(text, record_get(l->note, RECORD_TEXT)) &&
	    state_backup(l->state, text, &e))
		e = ERR_NULL; /* not ours to keep at any price */
}

static void recover_leftovers(
    struct state_dir *s, const char *path, const struct record *note)
{
	struct leftovers l = {.state = s, .note = note};
	const struct file_place_sweep sweep = {.path = path,
	    .is_save = leftover_is_save,
	    .drop = leftover_drop,
	    .data = &l};

	file_place_sweep(&sweep);
}

int recover_write(
    struct state_dir *s, const char *path, struct recovered *out, struct err *e)
{
	AUTO(buf_deinit) struct buf is = BUF_NULL(RECORD_FIELD_MAX);
	struct file_look look;
	int r;

	out->what = RECOVERY_NONE;
	out->remembered = true;
	if (!recover_load(s, STATE_NEXT, &out->under_way, out)) {
		recover_leftovers(s, path, &out->under_way);
		recover_last(s, out);
		return 0;
	}
	recover_leftovers(s, path, &out->under_way);
	r = file_read_look(path, RECORD_FIELD_MAX, &is, &look);
	if (r)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	out->what = recover_classify(look.exists, buf_slice(&is), &out->under_way);
	if (out->what == RECOVERY_TORN)
		r = recover_rewrite(out, path, &is, e);
	if (r)
		return r;
	if (out->what == RECOVERY_EDITED)
		recover_edited(s, out);
	else if (out->what == RECOVERY_OLD)
		recover_take_old(s, out);
	else
		recover_take_new(s, out);
	return 0;
}

void recovered_deinit(struct recovered *r)
{
	record_deinit(&r->last);
	record_deinit(&r->under_way);
}
