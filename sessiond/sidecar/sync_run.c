/* One run: the file is read, a step decided. What is half written is looked at again a
 * few times before it is believed.
 *
 * happy path: read, decide, commit (sync_commit.c), settled
 * failure modes: no file (a moment's patience, then made anew), blank or not valid
 * (looked at again after 20, 40, 80, 160, 320 ms; then left alone), unreadable, base or
 * policy that cannot be used: nothing is written, what is to be done is done when it can
 * be */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/ids.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

enum {
	/* A server that is there says what the file should hold before it has to be made
	 * without. */
	SYNC_FIRST_WORD_MS = 50,
	SYNC_RUNGS = 5,
	SYNC_RUNGS_MISSING = 2, /* a file that is gone is made again sooner */
	SYNC_TEXT_MAX = RECORD_FIELD_MAX,
	SYNC_UNREADABLE_MS = 2000,
	SYNC_LATER = 1,
};

#define SYNC_MIGRATING_NS (INT64_C(2) * 1000 * 1000 * 1000)

static const int64_t sync_rung_ms[SYNC_RUNGS] = {20, 20, 40, 80, 160};

void sync_set_file(struct sync *s, enum sync_file_state f, const char *problem)
{
	if (f != s->file)
		s->file_since_unix_ms = clock_unix_ms();
	if (f == SYNC_FILE_INVALID || f == SYNC_FILE_TOO_LARGE)
		sync_begin_invalid(s);
	else if (f != SYNC_FILE_SETTLING)
		sync_end_invalid(s);
	s->file = f;
	snprintf(s->problem, sizeof(s->problem), "%s", problem);
	metric_set(M_file_ok, f == SYNC_FILE_OK);
}

/* patience */

static bool sync_is_blank(const struct sync *s)
{
	for (size_t i = 0; i < s->text.n; i++) {
		if (!strchr(" \t\r\n", s->text.data[i]))
			return false;
	}
	return true;
}

/* True: it is looked at again soon, and nothing is done until then. */
static bool sync_wait(struct sync *s, unsigned n_rungs, const char *what)
{
	if (!slice_eq(buf_slice(&s->trouble), buf_slice(&s->text))) {
		buf_reset(&s->trouble);
		buf_add_slice(&s->trouble, buf_slice(&s->text));
		s->rung = 0;
	}
	if (!s->ran || s->rung >= n_rungs)
		return false;
	loop_timer_start(s->ladder, sync_rung_ms[s->rung++], 0);
	sync_set_file(s, SYNC_FILE_SETTLING, what);
	return true;
}

static void sync_calm(struct sync *s)
{
	buf_reset(&s->trouble);
	s->rung = 0;
}

/* reading */

/* A folder that is gone may be on its way to somewhere else, with a symlink left in its
 * place: it gets a moment, then it is made again. */
static int sync_route(struct sync *s, const struct path_route **route, struct err *e)
{
	int r = lookout_route(s->lookout, route, e);

	if (r != -ENOENT)
		return r;
	buf_reset(&s->text);
	if (sync_wait(s, SYNC_RUNGS, "its folder is not there"))
		return SYNC_LATER;
	r = sync_make_folders(s);
	if (r)
		return err_set(e, r, "%s: %s", s->c.settings, strerror(-r));
	return lookout_route(s->lookout, route, e);
}

static bool sync_read(struct sync *s)
{
	const struct path_route *route;
	struct err e = ERR_NULL;
	int r = s->recovered ? 0 : sync_recover(s, &e);

	s->made = false;
	if (!r)
		r = sync_route(s, &route, &e);
	if (!r) {
		r = lookout_read(s->lookout, SYNC_TEXT_MAX, &s->text, &s->look);
		if (r)
			err_set(&e, r, "%s: %s", route->real, strerror(-r));
	}
	if (!r || r == SYNC_LATER)
		return !r;
	if (s->file != SYNC_FILE_UNREADABLE)
		log_event(EV_settings_unreadable, LF("detail", e.text));
	sync_set_file(s, SYNC_FILE_UNREADABLE, e.text);
	loop_timer_start(s->retry, SYNC_UNREADABLE_MS, 0);
	return false;
}

/* deciding */

/* There is a point in deciding anything: what the file should say is known, in part at
 * least. */
static bool sync_knows(const struct sync *s)
{
	if (record_get(&s->last, RECORD_TEXT).p)
		return true;
	return s->base_known && (s->plain || s->overrides_known);
}

static bool sync_can_post(const struct sync *s)
{
	return s->online && !s->need_overrides &&
	       (s->plain ? s->base_known : s->overrides_known);
}

static struct slice sync_known(bool have, const struct buf *b)
{
	return have ? (struct slice){buf_cstr(b), b->n} : SLICE_NULL;
}

/* The editor keeps what it had beside its settings just before it writes them anew. */
static bool sync_is_migrating(const struct sync *s)
{
	char path[PATH_MAX];
	int n = (int)(strrchr(s->c.settings, '/') - s->c.settings);
	struct file_look backup;
	int64_t apart_ns;

	if (snprintf(path, sizeof(path), "%.*s/settings_backup.json", n, s->c.settings) >=
		PATH_MAX ||
	    !s->look.exists || file_look(path, &backup) || !backup.exists)
		return false;
	apart_ns = s->look.mtime_ns - backup.mtime_ns;
	return apart_ns < SYNC_MIGRATING_NS && apart_ns > -SYNC_MIGRATING_NS;
}

/* What counts as saved: p NULL is nothing. */
static struct slice sync_said(const struct sync *s)
{
	const struct buf *said = s->have_orphan ? &s->orphan : &s->text;

	if (s->restoring)
		return record_get(&s->last, RECORD_TEXT);
	return s->look.exists ? (struct slice){buf_cstr(said), said->n} : SLICE_NULL;
}

static int sync_decide(struct sync *s, struct decide_output *d, struct err *e)
{
	struct id op = id_make("op_"), wait = id_make("w_");
	struct slice file = sync_said(s);
	/* While an upload is under way nobody can say whether the server has it. */
	bool use_server = s->have_server && !record_get(&s->last, RECORD_POST).p;
	struct decide_input in = {.last = &s->last,
	    .file = file.p ? &file : NULL,
	    .before = s->before.n ? buf_slice(&s->before) : SLICE_NULL,
	    .after = buf_slice(&s->after),
	    .since_write_us = (s->look.mtime_ns - s->written_mtime_ns) / 1000,
	    .base = sync_known(s->have_base, &s->base),
	    .policy = sync_known(s->have_policy, &s->policy),
	    .server = sync_known(use_server, &s->server),
	    .base_tag = slice_of(s->base_tag),
	    .server_tag = slice_of(s->server_tag),
	    .plain = s->plain,
	    .migrating = sync_is_migrating(s),
	    .bulk = s->answers[DECIDE_WAIT_BULK],
	    .first = s->answers[DECIDE_WAIT_FIRST],
	    .op_id = sync_can_post(s) ? op.s : NULL,
	    .client = s->c.client,
	    .wait_id = wait.s,
	    .now_unix_ms = clock_unix_ms()};

	s->used_server = use_server;
	metric_inc(M_steps);
	return decide(&in, d, e);
}

static void sync_not_valid(struct sync *s, const struct settings_output *plan)
{
	char text[SYNC_PROBLEM_MAX];
	enum sync_file_state f =
	    plan->state == SETTINGS_INVALID ? SYNC_FILE_INVALID : SYNC_FILE_TOO_LARGE;
	bool news = s->file != f || s->line != plan->doc.error.line ||
		    s->column != plan->doc.error.column;

	snprintf(text, sizeof(text), "line %u, column %u: %s", plan->doc.error.line,
	    plan->doc.error.column, plan->doc.error.message);
	if (sync_wait(s, SYNC_RUNGS, text))
		return;
	s->have_orphan = false;
	snprintf(s->invalid, sizeof(s->invalid), "%s", plan->doc.error.message);
	s->line = plan->doc.error.line;
	s->column = plan->doc.error.column;
	sync_set_file(s, f, text);
	if (news)
		log_event(EV_settings_invalid, LF("state", sync_file_state_name(f)),
		    LF("detail", text));
}

/* True: the run goes on, with a worker. */
static bool sync_act(struct sync *s, struct decide_output *d, int r, const struct err *e)
{
	if (r) {
		if (s->file != SYNC_FILE_UNUSABLE || strcmp(s->problem, e->text) != 0)
			log_event(EV_settings_unusable, LF("detail", e->text));
		sync_set_file(s, SYNC_FILE_UNUSABLE, e->text);
		return false;
	}
	if (d->plan.state != SETTINGS_OK) {
		sync_not_valid(s, &d->plan);
		return false;
	}
	if (d->plan.edit_failed) {
		log_event(EV_settings_edit_failed, LF_NONE);
		sync_set_file(s, SYNC_FILE_UNUSABLE, "the edited text does not verify");
		return false;
	}
	if (s->look.exists && d->write && sync_is_blank(s) &&
	    sync_wait(s, SYNC_RUNGS, "blank"))
		return false;
	sync_calm(s);
	if (sync_is_futile(s, d))
		return false;
	/* What was saved into the inode put aside is a save, and so is the last good text
	 * that was asked for: the file shall say it. */
	if (s->have_orphan || s->restoring)
		d->write =
		    !slice_eq(record_get(&d->next, RECORD_TEXT), buf_slice(&s->text));
	s->have_orphan = s->restoring = false;
	for (size_t i = 0; i < DECIDE_WAIT_N_; i++)
		s->answers[i] = DECIDE_NOTHING;
	return sync_commit_start(s, d);
}

/* Nobody has said yet what the file should hold: there is one all the same, so that the
 * editor can start and watch it. What is in it later that is not from the server is the
 * user's. */
static bool sync_make_empty(struct sync *s)
{
	struct decide_output d = {.write = true};
	int64_t wait_ms = s->started_ms + SYNC_FIRST_WORD_MS - clock_mono_ms();
	bool begun;

	if (s->look.exists) {
		sync_set_file(
		    s, SYNC_FILE_UNTOUCHED, "the server has not been heard of yet");
		return false;
	}
	if (wait_ms > 0) {
		loop_timer_start(s->retry, wait_ms, 0);
		return false;
	}
	record_set(&d.next, RECORD_TEXT, SLICE_LIT("{}\n"));
	record_set(&d.next, RECORD_BASE, SLICE_LIT("{}"));
	record_set(&d.next, RECORD_OVERRIDES, SLICE_LIT(DECIDE_NO_OVERRIDES));
	record_set(&d.next, RECORD_SERVER, SLICE_LIT(DECIDE_NO_OVERRIDES));
	s->used_server = false;
	s->planned_us = clock_mono_us();
	begun = sync_commit_start(s, &d);
	decide_output_deinit(&d);
	return begun;
}

static bool sync_step(struct sync *s)
{
	struct decide_output d;
	struct err e = ERR_NULL;
	int64_t read_us;
	bool begun;
	int r;

	if (!sync_read(s))
		return false;
	read_us = clock_mono_us();
	if (s->file_since_us)
		metric_observe_us(M_event_to_read, read_us - s->file_since_us);
	if (!sync_knows(s))
		return sync_make_empty(s);
	if (!s->look.exists && record_get(&s->last, RECORD_TEXT).p &&
	    sync_wait(s, SYNC_RUNGS_MISSING, "there is none"))
		return false;
	r = sync_decide(s, &d, &e);
	s->planned_us = clock_mono_us();
	metric_observe_us(M_read_to_planned, s->planned_us - read_us);
	begun = sync_act(s, &d, r, &e);
	decide_output_deinit(&d);
	return begun;
}

void sync_run_end(struct sync *s)
{
	bool again = s->again;

	s->ran = true;
	s->again = false;
	if (s->closing) {
		sync_close(s, s->closed_cb, s->closed_data);
		return;
	}
	if (again) {
		sync_run(s);
		return;
	}
	s->c.remembered(s->c.data);
	if (!sync_pin_start(s))
		s->c.settled(s->c.data);
}

void sync_run(struct sync *s)
{
	if (!s->started || s->closing)
		return;
	if (s->busy) {
		s->again = true;
		return;
	}
	sync_take_news(s);
	s->file_since_us = s->next_file_us;
	s->server_since_us = s->next_server_us;
	s->next_file_us = s->next_server_us = 0;
	loop_timer_stop(s->ladder);
	if (!sync_step(s))
		sync_run_end(s);
}
