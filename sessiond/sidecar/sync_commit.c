/* Carrying out what was decided, on a worker thread, and what is known afterwards. */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

enum {
	SYNC_OVERTAKEN_MAX = 8, /* in a row; then a pause */
	SYNC_PAUSE_MS = 50,
	SYNC_REWRITE_MS = 10 * 1000, /* a file that could not be written is tried again */
	SYNC_HELD_MS = 30 * 1000,
};

/* events */

static void sync_keep_event(struct sync *s, const struct settings_event *ev)
{
	struct sync_event *to = &s->events[s->n_events++ % SYNC_EVENTS_KEPT];

	snprintf(to->type, sizeof(to->type), "%s", ev->type);
	snprintf(to->path, sizeof(to->path), SLICE_FMT, SLICE_ARG(ev->path));
	snprintf(to->rule, sizeof(to->rule), "%s", ev->rule ? ev->rule : "");
	to->at_unix_ms = clock_unix_ms();
}

static struct metric *sync_event_metric(const char *type)
{
	if (strcmp(type, "conflict") == 0)
		return M_conflicts;
	if (strcmp(type, "rejected") == 0)
		return M_rejected;
	return strcmp(type, "restored") == 0 ? M_restored : M_other_events;
}

void sync_tell(struct sync *s, const struct settings_event *events)
{
	for (const struct settings_event *ev = events; ev; ev = ev->next) {
		const struct sync_event *kept;

		sync_keep_event(s, ev);
		kept = &s->events[(s->n_events - 1) % SYNC_EVENTS_KEPT];
		metric_inc(sync_event_metric(ev->type));
		if (strcmp(ev->type, "conflict") == 0)
			log_event(EV_settings_conflict, LF("path", kept->path),
			    LF("rule", kept->rule));
		else
			log_event(EV_settings_event, LF("type", kept->type),
			    LF("path", kept->path), LF("rule", kept->rule));
	}
}

void sync_arm_held(struct sync *s)
{
	struct decide_waiting w;
	int64_t left_ms;

	loop_timer_stop(s->held);
	metric_set(M_waiting, decide_waits(&s->last, DECIDE_WAIT_BULK, &w) +
				  decide_waits(&s->last, DECIDE_WAIT_FIRST, &w));
	if (!decide_waits(&s->last, DECIDE_WAIT_BULK, &w))
		return;
	left_ms = w.since_unix_ms + SYNC_HELD_MS - clock_unix_ms();
	loop_timer_start(s->held, left_ms < SYNC_HELD_MS ? left_ms : SYNC_HELD_MS, 0);
}

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

static void sync_on_done(struct sync *s, struct commit *c)
{
	s->n_overtaken = 0;
	if (c->written)
		sync_note_write(s, c);
	sync_adopt(s, &c->next);
	sync_set_file(s, SYNC_FILE_OK, c->result ? c->e.text : "");
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
static void sync_remember_user(struct sync *s, struct commit *c)
{
	static const enum record_field theirs[] = {RECORD_OVERRIDES, RECORD_SERVER,
	    RECORD_SERVER_TAG, RECORD_POST, RECORD_POST_AS, RECORD_REFUSED, RECORD_HELD,
	    RECORD_HELD_ID, RECORD_FIRST, RECORD_FIRST_ID, RECORD_SESSION};
	struct record r = RECORD_NULL;
	struct err e = ERR_NULL;

	record_copy(&r, &s->last);
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		record_set(&r, theirs[i], record_get(&c->next, theirs[i]));
	if (!c->missing)
		record_set(
		    &r, RECORD_TEXT, (struct slice){buf_cstr(&c->before), c->before.n});
	/* Rare, and small: here and now. */
	if (!record_equal(&r, &s->last) && state_save(s->state, STATE_LAST, &r, &e))
		log_event(EV_settings_write_failed, LF("detail", e.text));
	sync_adopt(s, &r);
}

bool sync_is_futile(const struct sync *s, const struct decide_output *d)
{
	return d->write && clock_mono_ms() < s->failed_until_ms &&
	       file_look_same(&s->look, &s->failed_look) &&
	       slice_eq(record_get(&d->next, RECORD_TEXT), buf_slice(&s->failed_text));
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
	sync_remember_user(s, c);
	sync_set_file(s, SYNC_FILE_NOT_WRITABLE, c->e.text);
	loop_timer_start(s->retry, pause_ms, 0);
}

struct sync_job {
	struct sync *sync;
	struct commit commit;
	char path[PATH_MAX];
};

static void sync_job_work(void *data)
{
	struct sync_job *j = data;

	commit_run(&j->commit);
}

static void sync_job_done(void *data)
{
	struct sync_job *j = data;
	struct sync *s = j->sync;

	s->busy = false;
	if (j->commit.result == 0 || j->commit.written)
		sync_on_done(s, &j->commit);
	else if (j->commit.result == FILE_WRITE_CHANGED)
		sync_on_overtaken(s);
	else
		sync_on_failed(s, &j->commit);
	commit_deinit(&j->commit);
	free(j);
	sync_run_end(s);
}

bool sync_commit_start(struct sync *s, struct decide_output *d)
{
	const struct path_route *route;
	struct sync_job *j;
	struct err e = ERR_NULL;

	if (!d->write && !d->remember && !s->unsaved) {
		s->have_server = s->have_server && !s->used_server;
		sync_set_file(s, SYNC_FILE_OK, "");
		return false;
	}
	j = calloc(1, sizeof(*j));
	must(j);
	j->sync = s;
	if (lookout_route(s->lookout, &route, &e))
		e = ERR_NULL; /* the write will say what is wrong */
	snprintf(j->path, sizeof(j->path), "%s", route->real);
	j->commit = (struct commit){.state = s->state,
	    .path = j->path,
	    .mode = s->c.mode,
	    .next = d->next,
	    .write = d->write,
	    .missing = !s->look.exists,
	    .before = BUF_NULL(RECORD_FIELD_MAX)};
	d->next = RECORD_NULL; /* taken by the commit */
	record_set(&j->commit.next, RECORD_SESSION, slice_of(s->c.session_id));
	buf_add_slice(&j->commit.before, buf_slice(&s->text));
	s->busy = true;
	loop_work(s->c.loop, sync_job_work, sync_job_done, j);
	return true;
}
