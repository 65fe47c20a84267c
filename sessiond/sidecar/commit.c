/* happy path: note, write, backup, note becomes last
 * failure modes: cannot note (written in steps, and what is older forgotten), file
 * differs by now (note removed), write refused (note removed), write broken off (finished
 * from the note, now or at the next start), written but the note cannot become last (done
 * at the next start) */
#include "sessiond/sidecar/commit.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/recover.h"

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
	if (recover_write(c->state, c->path, &r, &e) == 0)
		c->written = r.what == RECOVERY_TORN || r.what == RECOVERY_NEW;
	c->remembered = c->written && r.remembered;
	recovered_deinit(&r);
	if (c->written)
		c->result = FILE_WRITE_DONE;
}

/* True: the next start will know both texts. */
static bool commit_note(struct commit *c)
{
	int r;

	if (!c->missing)
		record_set(&c->next, RECORD_BEFORE, buf_slice(&c->before));
	r = state_save(c->state, STATE_NEXT, &c->next, &c->e);
	record_set(&c->next, RECORD_BEFORE, SLICE_NULL);
	return r == 0;
}

/* As long as the note is one it has the older text. A backup that cannot be kept is no
 * reason not to go on. */
static void commit_keep_before(struct commit *c)
{
	struct err ignored = ERR_NULL;

	if (c->before.n && state_backup(c->state, buf_slice(&c->before), &ignored))
		ignored = ERR_NULL;
}

static void commit_write(struct commit *c)
{
	bool noted = commit_note(c);
	struct err e = ERR_NULL;

	c->how = commit_write_of(c);
	c->how.in_steps = !noted;
	c->visible_at_us = clock_mono_us();
	c->result = file_write(&c->how, &e);
	c->visible_at_us += c->how.visible_us;
	c->written = c->result == FILE_WRITE_DONE;
	if (c->written)
		commit_keep_before(c);
	if (c->written && noted)
		c->remembered = state_commit(c->state, &c->e) == 0;
	else if (c->written)
		state_forget(c->state);
	if (c->written)
		return;
	c->e = e;
	if (noted)
		commit_undo(c);
}

/* A note that could not become last is older than this, unless the write it is of broke
 * off: then it is what repairs. */
static void commit_remember(struct commit *c)
{
	c->remembered = state_save(c->state, STATE_LAST, &c->next, &c->e) == 0 &&
			(c->keep_note || state_abort(c->state, &c->e) == 0);
}

void commit_run(struct commit *c)
{
	c->e = ERR_NULL;
	c->result = FILE_WRITE_DONE;
	c->written = c->remembered = false;
	if (c->write)
		commit_write(c);
	else
		commit_remember(c);
}

void commit_deinit(struct commit *c)
{
	record_deinit(&c->next);
	buf_deinit(&c->before);
}
