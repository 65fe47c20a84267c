/* Carrying out what was decided, on a worker thread, and what is known afterwards. */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"
#include "sessiond/sidecar/torn.h"

enum {
	SYNC_OVERTAKEN_MAX = 8, /* in a row; then a pause */
	SYNC_PAUSE_MS = 50,
	SYNC_REWRITE_MS = 10 * 1000, /* a file that could not be written is tried again */
};

/* afterwards */

static void sync_note_write(struct sync *s, const struct commit *c)
{
	static struct metric *const *const counters[FILE_WRITE_MODE_N_] = {
	    [FILE_WRITE_LEASE] = &M_writes_lease,
	    [FILE_WRITE_PAD] = &M_writes_pad,
	    [FILE_WRITE_EXCHANGE] = &M_writes_exchange,
	    [FILE_WRITE_CREATE] = &M_writes_create};

	if (counters[c->how.used])
		metric_inc(*counters[c->how.used]);
	if (c->missing)
		log_event(EV_settings_created, LF("path", c->path));
	else
		s->write_mode = c->how.used;
	snprintf(s->write_why, sizeof(s->write_why), "%s", c->how.why);
	metric_observe_us(M_planned_to_visible, c->visible_at_us - s->planned_us);
	metric_observe_us(M_visible_to_synced, c->how.synced_us - c->how.visible_us);
	if (s->server_since_us)
		metric_observe_us(
		    M_server_to_visible, c->visible_at_us - s->server_since_us);
	log_event(EV_settings_written, LF("mode", file_write_mode_name(c->how.used)),
	    LF_I("bytes", record_get(&c->next, RECORD_TEXT).n));
	lookout_seen(s->lookout, &c->how.look);
	s->made = true;
	s->look = c->how.look;
	s->visible_us = c->visible_at_us;
	s->written_mtime_ns = c->how.look.mtime_ns;
	buf_reset(&s->before);
	buf_reset(&s->after);
	if (!c->missing) {
		buf_add_slice(&s->before, buf_slice(&c->before));
		buf_add_slice(&s->after, record_get(&c->next, RECORD_TEXT));
	}
}

static void sync_adopt(struct sync *s, struct record *next)
{
	record_deinit(&s->last);
	s->last = *next;
	*next = RECORD_NULL;
	s->unsaved = false;
	if (s->used_server)
		s->have_server = s->used_server = false;
	if (s->file_since_us && record_get(&s->last, RECORD_POST).p)
		s->upload_since_us = s->file_since_us;
	sync_arm_held(s);
}

/* Known here, but not to the next start: tried again, now and then. */
static void sync_on_forgetful(struct sync *s, const struct commit *c)
{
	if (strcmp(s->problem, c->e.text) != 0)
		log_event(EV_record_not_kept, LF("detail", c->e.text));
	s->unsaved = true;
	loop_timer_start(s->retry, SYNC_REWRITE_MS, 0);
}

static void sync_on_done(struct sync *s, struct commit *c)
{
	s->n_overtaken = 0;
	if (c->written)
		sync_note_write(s, c);
	sync_adopt(s, &c->next);
	if (!c->remembered)
		sync_on_forgetful(s, c);
	sync_set_file(s, SYNC_FILE_OK, c->remembered ? "" : c->e.text);
}

static void sync_on_overtaken(struct sync *s)
{
	metric_inc(M_writes_overtaken);
	if (++s->n_overtaken < SYNC_OVERTAKEN_MAX)
		s->again = true;
	else
		loop_timer_start(s->retry, SYNC_PAUSE_MS, 0);
}

/* What the user changed is remembered, and goes up, although the file does not say what
 * the server wants. */
static void sync_user_record(const struct sync *s, const struct commit *c, struct record *out)
{
	static const enum record_field theirs[] = {RECORD_OVERRIDES, RECORD_SERVER,
	    RECORD_SERVER_TAG, RECORD_POST, RECORD_POST_AS, RECORD_REFUSED, RECORD_HELD,
	    RECORD_HELD_ID, RECORD_FIRST, RECORD_FIRST_ID, RECORD_MIGRATED,
	    RECORD_SESSION};

	record_copy(out, &s->last);
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		record_set(out, theirs[i], record_get(&c->next, theirs[i]));
	if (!c->missing && torn_is_document(buf_slice(&c->before)))
		record_set(
		    out, RECORD_TEXT, (struct slice){buf_cstr(&c->before), c->before.n});
}

bool sync_is_futile(const struct sync *s, const struct decide_output *d)
{
	return d->write && clock_mono_ms() < s->failed_until_ms &&
	       file_look_same(&s->look, &s->failed_look) &&
	       slice_eq(record_get(&d->next, RECORD_TEXT), buf_slice(&s->failed_text));
}

/* The same write failed before: what the step did was told then. */
static bool sync_failed_again(const struct sync *s, const struct commit *c)
{
	return c->result < 0 && s->file == SYNC_FILE_NOT_WRITABLE &&
	       slice_eq(record_get(&c->next, RECORD_TEXT), buf_slice(&s->failed_text));
}

static void sync_on_failed(struct sync *s, struct commit *c)
{
	int64_t pause_ms = c->result == -EAGAIN ? SYNC_PAUSE_MS : SYNC_REWRITE_MS;

	metric_inc(M_writes_failed);
	buf_reset(&s->failed_text);
	buf_add_slice(&s->failed_text, record_get(&c->next, RECORD_TEXT));
	s->failed_look = s->look;
	s->failed_until_ms = clock_mono_ms() + pause_ms;
	if (s->file != SYNC_FILE_NOT_WRITABLE || strcmp(s->problem, c->e.text) != 0)
		log_event(EV_settings_write_failed, LF("detail", c->e.text));
	sync_set_file(s, SYNC_FILE_NOT_WRITABLE, c->e.text);
	loop_timer_start(s->retry, pause_ms, 0);
}

struct sync_job {
	struct sync *sync;
	struct commit commit;
	struct arena arena; /* of @events */
	const struct settings_event *events;
	char path[PATH_MAX];
};

static void sync_job_work(void *data)
{
	struct sync_job *j = data;

	commit_run(&j->commit);
}

static void sync_job_end(struct sync_job *j)
{
	commit_deinit(&j->commit);
	arena_deinit(&j->arena);
	free(j);
}

static void sync_job_start(struct sync *s, struct sync_job *j, loop_task_cb *done_cb)
{
	s->busy = true;
	loop_work(s->c.loop, sync_job_work, done_cb, j);
}

static void sync_user_remembered(void *data)
{
	struct sync_job *j = data;
	struct sync *s = j->sync;

	s->busy = false;
	sync_adopt(s, &j->commit.next);
	s->unsaved = !j->commit.remembered;
	sync_job_end(j);
	sync_run_end(s);
}

/* True: the worker keeps what the user changed, and then the run ends. */
static bool sync_remember_user(struct sync *s, const struct commit *failed)
{
	struct record r = RECORD_NULL;
	struct sync_job *j;

	sync_user_record(s, failed, &r);
	if (!s->unsaved && record_equal(&r, &s->last)) {
		sync_adopt(s, &r);
		return false;
	}
	j = calloc(1, sizeof(*j));
	must(j);
	j->sync = s;
	j->commit = (struct commit){.state = s->state, .next = r, .keep_note = true};
	sync_job_start(s, j, sync_user_remembered);
	return true;
}

static void sync_job_done(void *data)
{
	struct sync_job *j = data;
	struct sync *s = j->sync;
	bool goes_on = false;

	s->busy = false;
	/* Overtaken, the step is decided anew, and tells anew. */
	if (j->commit.result != FILE_WRITE_CHANGED && !sync_failed_again(s, &j->commit))
		sync_tell(s, j->events);
	if (j->commit.result == FILE_WRITE_DONE) {
		sync_on_done(s, &j->commit);
	} else if (j->commit.result == FILE_WRITE_CHANGED) {
		sync_on_overtaken(s);
	} else {
		sync_on_failed(s, &j->commit);
		goes_on = sync_remember_user(s, &j->commit);
	}
	sync_job_end(j);
	if (!goes_on)
		sync_run_end(s);
}

/* Takes what of @d must live until it is carried out. */
static struct sync_job *sync_job_new(struct sync *s, struct decide_output *d)
{
	struct sync_job *j = calloc(1, sizeof(*j));
	const struct path_route *route;
	struct err e = ERR_NULL;

	must(j);
	j->sync = s;
	if (lookout_route(s->lookout, &route, &e))
		e = ERR_NULL; /* the write will say what is wrong */
	snprintf(j->path, sizeof(j->path), "%s", route->real);
	j->arena = d->arena;
	j->events = d->plan.events;
	j->commit = (struct commit){.state = s->state,
	    .path = j->path,
	    .mode = s->c.mode,
	    .next = d->next,
	    .write = d->write,
	    .missing = !s->look.exists,
	    .before = BUF_NULL(RECORD_FIELD_MAX)};
	*d = (struct decide_output){0};
	return j;
}

bool sync_commit_start(struct sync *s, struct decide_output *d)
{
	struct sync_job *j;

	if (!d->write && !d->remember && !s->unsaved) {
		s->have_server = s->have_server && !s->used_server;
		sync_tell(s, d->plan.events);
		sync_set_file(s, SYNC_FILE_OK, "");
		return false;
	}
	j = sync_job_new(s, d);
	record_set(&j->commit.next, RECORD_SESSION, slice_of(s->c.session_id));
	buf_add_slice(&j->commit.before, buf_slice(&s->text));
	sync_job_start(s, j, sync_job_done);
	return true;
}
