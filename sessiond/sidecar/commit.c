/* happy path: note, backup, write, note becomes last
 * failure modes: cannot note (nothing written), file differs by now (note removed), write
 * refused (note removed), write broken off (finished from the note, now or at the next
 * start), written but the note cannot become last (done at the next start) */
#include "sessiond/sidecar/commit.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static struct file_write commit_write_of(const struct commit *c)
{
	return (struct file_write){.path = c->path,
	    .mode = c->mode,
	    .missing = c->missing,
	    .expect = buf_slice(&c->before),
	    .text = record_get(&c->next, RECORD_TEXT)};
}

/* The note goes, unless the write broke off in the middle: then it is what repairs. */
static void commit_undo(struct commit *c)
{
	struct err e = ERR_NULL;
	struct recovered r = {0};

	if (c->result >= 0) {
		if (state_abort(c->state, &e))
			c->e = e;
		return;
	}
	if (commit_recover(c->state, c->path, &r, &e) == 0)
		c->written = r.what == RECOVERY_TORN || r.what == RECOVERY_NEW;
	recovered_deinit(&r);
	if (c->written)
		c->result = FILE_WRITE_DONE;
}

static void commit_write(struct commit *c)
{
	struct err ignored = ERR_NULL;

	if (!c->missing)
		record_set(&c->next, RECORD_BEFORE, buf_slice(&c->before));
	c->result = state_save(c->state, STATE_NEXT, &c->next, &c->e);
	record_set(&c->next, RECORD_BEFORE, SLICE_NULL);
	if (c->result)
		return;
	/* A backup that cannot be kept is no reason not to go on. */
	if (c->before.n && state_backup(c->state, buf_slice(&c->before), &ignored))
		ignored = ERR_NULL;
	c->how = commit_write_of(c);
	c->visible_at_us = clock_mono_us();
	c->result = file_write(&c->how, &c->e);
	c->visible_at_us += c->how.visible_us;
	if (c->result) {
		commit_undo(c);
		return;
	}
	c->written = true;
	c->result = state_commit(c->state, &c->e);
}

void commit_run(struct commit *c)
{
	c->e = ERR_NULL;
	c->written = false;
	if (c->write)
		commit_write(c);
	else
		c->result = state_save(c->state, STATE_LAST, &c->next, &c->e);
}

void commit_deinit(struct commit *c)
{
	record_deinit(&c->next);
	buf_deinit(&c->before);
}

/* recovery */

const char *recovery_name(enum recovery r)
{
	static const char *const names[] = {"none", "new", "old", "torn", "edited"};

	return names[r];
}

static bool torn_byte(size_t i, char c, struct slice from, struct slice to)
{
	if ((i < from.n && c == from.p[i]) || (i < to.n && c == to.p[i]))
		return true;
	/* room made for what was not written yet, or padding */
	return (i >= from.n && c == '\0') || ((i >= from.n || i >= to.n) && c == ' ');
}

bool commit_is_torn(struct slice is, struct slice from, struct slice to)
{
	size_t n_min = from.n < to.n ? from.n : to.n;
	size_t n_max = from.n < to.n ? to.n : from.n;

	if (is.n < n_min || is.n > n_max)
		return false;
	for (size_t i = 0; i < is.n; i++) {
		if (!torn_byte(i, is.p[i], from, to))
			return false;
	}
	return true;
}

/* LAST as it stands, or none. */
static int recover_last(struct state_dir *s, struct record *out, struct err *e)
{
	int r = state_load(s, STATE_LAST, out, e);

	record_set(out, RECORD_BEFORE, SLICE_NULL);
	return r == -ENOENT || r == ERROR_INVALID ? 0 : r;
}

/* Somebody saved after we were interrupted: their text is compared with the one before;
 * what was being applied comes from the server once more. */
static int recover_edited(struct state_dir *s, struct recovered *out, struct err *e)
{
	struct record *next = &out->under_way, *last = &out->last;
	struct slice before;
	int r = recover_last(s, last, e);

	if (r)
		return r;
	before = record_get(next, RECORD_BEFORE);
	for (enum record_field f = RECORD_OVERRIDES; f < RECORD_BEFORE; f++)
		record_set(last, f, record_get(next, f));
	record_set(last, RECORD_SESSION, record_get(next, RECORD_SESSION));
	if (before.p && record_get(last, RECORD_TEXT).p)
		record_set(last, RECORD_TEXT, before);
	r = state_save(s, STATE_LAST, last, e);
	return r ? r : state_abort(s, e);
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

static void recover_classify(
    struct recovered *out, const struct buf *is, const struct file_look *look)
{
	struct slice text = record_get(&out->under_way, RECORD_TEXT);
	struct slice before = record_get(&out->under_way, RECORD_BEFORE);

	if (look->exists && slice_eq(buf_slice(is), text))
		out->what = RECOVERY_NEW;
	else if (look->exists == (before.p != NULL) && slice_eq(buf_slice(is), before))
		out->what = RECOVERY_OLD;
	else if (look->exists && before.p && commit_is_torn(buf_slice(is), before, text))
		out->what = RECOVERY_TORN;
	else
		out->what = RECOVERY_EDITED;
}

static int recover_take_new(struct state_dir *s, struct recovered *out, struct err *e)
{
	record_copy(&out->last, &out->under_way);
	record_set(&out->last, RECORD_BEFORE, SLICE_NULL);
	return state_commit(s, e);
}

int commit_recover(
    struct state_dir *s, const char *path, struct recovered *out, struct err *e)
{
	AUTO(buf_deinit) struct buf is = BUF_NULL(RECORD_FIELD_MAX);
	struct file_look look;
	int r = state_load(s, STATE_NEXT, &out->under_way, e);

	out->what = RECOVERY_NONE;
	if (r == -ENOENT || r == ERROR_INVALID)
		return recover_last(s, &out->last, e);
	if (r)
		return r;
	r = file_read_look(path, RECORD_FIELD_MAX, &is, &look);
	if (r)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	recover_classify(out, &is, &look);
	if (out->what == RECOVERY_EDITED)
		return recover_edited(s, out, e);
	if (out->what == RECOVERY_TORN)
		r = recover_rewrite(out, path, &is, e);
	if (r)
		return r;
	if (out->what != RECOVERY_OLD)
		return recover_take_new(s, out, e);
	r = state_abort(s, e);
	return r ? r : recover_last(s, &out->last, e);
}

void recovered_deinit(struct recovered *r)
{
	record_deinit(&r->last);
	record_deinit(&r->under_way);
}
