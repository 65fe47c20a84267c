/* Life of the sync loop, and what is put into it from outside. */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

const char *sync_file_state_name(enum sync_file_state f)
{
	static const char *const names[] = {"starting", "ok", "untouched", "settling",
	    "invalid", "too_large", "unreadable", "not_writable", "unusable"};

	return names[f];
}

void sync_kick(struct sync *s, int64_t since_us)
{
	if (!s->next_file_us)
		s->next_file_us = since_us;
	sync_run(s);
}

static void sync_on_look(void *data, int64_t since_us)
{
	sync_kick(data, since_us);
}

static void sync_on_was_read(void *data)
{
	struct sync *s = data;

	if (s->visible_us)
		metric_observe_us(M_visible_to_read, clock_mono_us() - s->visible_us);
	s->visible_us = 0;
}

static void sync_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	sync_run(data);
}

static void sync_on_held(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	(void)t;
	s->answers[DECIDE_WAIT_BULK] = DECIDE_CONFIRM;
	sync_run(s);
}

/* what the server has */

static void sync_set_text(struct buf *b, struct slice text)
{
	buf_reset(b);
	buf_add_slice(b, text);
	must(!buf_check(b));
}

static void sync_from_server(struct sync *s, int64_t since_us)
{
	if (!s->next_server_us)
		s->next_server_us = since_us;
	sync_run(s);
}

void sync_set_base(struct sync *s, const struct sync_base *b)
{
	sync_set_text(&s->base, b->base);
	sync_set_text(&s->policy, b->policy);
	snprintf(s->base_tag, sizeof(s->base_tag), "%s", b->tag);
	s->have_base = s->have_policy = s->base_known = true;
	s->plain = b->plain;
	sync_from_server(s, b->since_us);
}

void sync_base_confirmed(struct sync *s)
{
	bool first = !s->base_known;

	s->base_known = true;
	if (first)
		sync_run(s);
}

void sync_set_overrides(struct sync *s, struct slice text, const char *tag, bool reset)
{
	sync_set_text(&s->server, text);
	snprintf(s->server_tag, sizeof(s->server_tag), "%s", tag);
	s->have_server = s->overrides_known = true;
	s->used_server = false; /* what is being committed was made without it */
	s->need_overrides = false;
	s->server_reset = s->server_reset || reset;
	sync_from_server(s, clock_mono_us());
}

void sync_overrides_confirmed(struct sync *s)
{
	bool first = !s->overrides_known || s->need_overrides;

	s->overrides_known = true;
	s->need_overrides = false;
	if (first)
		sync_run(s);
}

void sync_set_online(struct sync *s, bool online)
{
	bool back = online && !s->online;

	s->online = online;
	if (back)
		sync_run(s);
}

/* uploads */

bool sync_get_upload(const struct sync *s, struct slice *body_out, const char **tag_out)
{
	struct slice body = record_get(&s->last, RECORD_POST);

	if (!body.p || !s->online || s->busy || s->upload_answer != SYNC_UPLOAD_NONE)
		return false;
	*body_out = body;
	*tag_out = s->plain ? "" : record_str(&s->last, RECORD_SERVER_TAG);
	return true;
}

int64_t sync_upload_since_us(struct sync *s)
{
	int64_t since_us = s->upload_since_us;

	s->upload_since_us = 0;
	return since_us;
}

static void sync_upload_answer(struct sync *s, enum sync_upload_answer a, const char *tag)
{
	s->upload_answer = a;
	snprintf(s->upload_tag, sizeof(s->upload_tag), "%s", tag);
	sync_run(s);
}

void sync_upload_taken(struct sync *s, const char *tag)
{
	metric_inc(M_uploads_taken);
	sync_upload_answer(s, SYNC_UPLOAD_TAKEN, tag);
}

void sync_upload_stale(struct sync *s)
{
	metric_inc(M_uploads_stale);
	s->need_overrides = true;
	sync_upload_answer(s, SYNC_UPLOAD_STALE, "");
}

void sync_upload_refused(struct sync *s)
{
	metric_inc(M_uploads_refused);
	sync_upload_answer(s, SYNC_UPLOAD_REFUSED, "");
}

void sync_take_news(struct sync *s)
{
	switch (s->upload_answer) {
	case SYNC_UPLOAD_TAKEN:
		decide_posted(&s->last, slice_of(s->upload_tag));
		break;
	case SYNC_UPLOAD_STALE:
		decide_stale(&s->last);
		break;
	case SYNC_UPLOAD_REFUSED:
		decide_refused(&s->last);
		break;
	case SYNC_UPLOAD_NONE:
		break;
	}
	s->unsaved = s->unsaved || s->upload_answer != SYNC_UPLOAD_NONE;
	s->upload_answer = SYNC_UPLOAD_NONE;
	if (s->server_reset) {
		/* What it does not have any more is a difference of ours. */
		decide_stale(&s->last);
		record_set(&s->last, RECORD_SERVER, buf_slice(&s->server));
		s->server_reset = false;
		s->unsaved = true;
	}
}

/* what waits */

static bool sync_wait_is(const struct sync *s, enum decide_wait w, const char *id)
{
	struct decide_waiting it;

	return decide_waits(&s->last, w, &it) && (!id || slice_is(it.id, id));
}

int sync_answer(struct sync *s, const char *id, enum decide_answer a, struct err *e)
{
	bool bulk = sync_wait_is(s, DECIDE_WAIT_BULK, id);
	bool first = sync_wait_is(s, DECIDE_WAIT_FIRST, id);

	if (!bulk && !first)
		return err_set(e, ERROR_NOT_FOUND,
		    id ? "nothing of that id waits" : "nothing waits");
	if (bulk && first)
		return err_set(
		    e, ERROR_INVALID, "id: several things wait; say which one");
	s->answers[bulk ? DECIDE_WAIT_BULK : DECIDE_WAIT_FIRST] = a;
	log_event(EV_waiting_answered,
	    LF("what", decide_wait_name(bulk ? DECIDE_WAIT_BULK : DECIDE_WAIT_FIRST)),
	    LF("answer", a == DECIDE_CONFIRM ? "confirm" : "undo"));
	sync_run(s);
	return 0;
}

bool sync_is_settled(const struct sync *s)
{
	return s->started && s->ran && !s->busy && !s->again &&
	       !loop_timer_armed(s->ladder);
}

void sync_get_status(const struct sync *s, struct sync_status *out)
{
	*out = (struct sync_status){.file = s->file,
	    .file_since_unix_ms = s->file_since_unix_ms,
	    .problem = s->problem,
	    .line = s->line,
	    .column = s->column,
	    .exists = s->look.exists || s->made,
	    .base_known = s->base_known || record_get(&s->last, RECORD_BASE_TAG).p,
	    .record = &s->last,
	    .path = s->c.settings,
	    .watch = lookout_how(s->lookout),
	    .state_dir = state_dir_path(s->state),
	    .write_mode = s->write_mode,
	    .write_why = s->write_why,
	    .pin = &s->pin,
	    .recovery = recovery_name(s->recovery),
	    .events = s->events,
	    .n_events = s->n_events};
}

/* life */

/* What was interrupted; what was remembered. */
static int sync_recover(struct sync *s, const char *real, struct err *e)
{
	struct recovered r = {0};
	int rc = commit_recover(s->state, real, &r, e);

	if (rc == 0) {
		s->recovery = r.what;
		record_copy(&s->last, &r.last);
	}
	if (rc == 0 && r.what == RECOVERY_EDITED) {
		/* the server's news that were being applied */
		sync_set_text(&s->base, record_get(&r.under_way, RECORD_BASE));
		sync_set_text(&s->policy, record_get(&r.under_way, RECORD_POLICY));
		snprintf(s->base_tag, sizeof(s->base_tag), "%s",
		    record_str(&r.under_way, RECORD_BASE_TAG));
		s->have_base = s->have_policy = true;
	}
	if (rc == 0 && r.what != RECOVERY_NONE)
		log_event(EV_settings_recovered, LF("found", recovery_name(r.what)));
	recovered_deinit(&r);
	return rc;
}

/* What is remembered is of another session: the file is as it is known to be, but whose
 * changes are in it, and what the server said, is another's business. */
static void sync_change_session(struct sync *s)
{
	static const enum record_field kept[] = {RECORD_TEXT, RECORD_BASE, RECORD_POLICY};
	struct record was = s->last;
	struct err e = ERR_NULL;

	s->last = RECORD_NULL;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		record_set(&s->last, kept[i], record_get(&was, kept[i]));
	log_event(EV_session_changed, LF("was", record_str(&was, RECORD_SESSION)));
	if (state_backup(s->state, record_get(&was, RECORD_TEXT), &e))
		log_event(EV_settings_write_failed, LF("detail", e.text));
	record_deinit(&was);
}

int sync_make_folders(const struct sync *s)
{
	char themes[PATH_MAX];
	int n = (int)(strrchr(s->c.settings, '/') - s->c.settings), r;

	r = path_make_parents(s->c.settings);
	if (!r &&
	    snprintf(themes, sizeof(themes), "%.*s/themes", n, s->c.settings) < PATH_MAX)
		(void)mkdir(themes, 0700);
	return r;
}

static int sync_open(struct sync *s, struct err *e)
{
	struct lookout_conf look = {.loop = s->c.loop,
	    .path = s->c.settings,
	    .look = sync_on_look,
	    .was_read = sync_on_was_read,
	    .data = s};
	struct state_dir_conf dir = {.dir = s->c.state_dir};
	const struct path_route *route;
	struct err ignored = ERR_NULL;
	int r;

	/* A folder that cannot be had now may be there later: the name as it is given. */
	r = sync_make_folders(s);
	s->lookout = lookout_new(&look);
	if (!r)
		r = lookout_route(s->lookout, &route, &ignored);
	dir.settings = r ? s->c.settings : route->real;
	r = state_dir_open(&dir, &s->state, e);
	if (!r)
		r = sync_recover(s, dir.settings, e);
	s->pin.state = s->state;
	if (!r && record_get(&s->last, RECORD_SESSION).p &&
	    strcmp(record_str(&s->last, RECORD_SESSION), s->c.session_id) != 0)
		sync_change_session(s);
	log_event(
	    EV_file_watch, LF("path", dir.settings), LF("how", lookout_how(s->lookout)));
	return r;
}

int sync_new(const struct sync_conf *c, struct sync **out, struct err *e)
{
	struct sync *s = calloc(1, sizeof(*s));
	struct buf *const bufs[] = {
	    &s->base, &s->policy, &s->server, &s->text, &s->trouble, &s->failed_text};
	int r;

	must(s);
	s->c = *c;
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		*bufs[i] = BUF_NULL(RECORD_FIELD_MAX);
	s->file_since_unix_ms = clock_unix_ms();
	s->write_mode = c->mode;
	s->ladder = loop_timer_new(c->loop, sync_on_timer, s);
	s->retry = loop_timer_new(c->loop, sync_on_timer, s);
	s->held = loop_timer_new(c->loop, sync_on_held, s);
	sync_pin_init(s);
	file_write_init();
	r = sync_open(s, e);
	if (r) {
		sync_close(s, NULL, NULL);
		return r;
	}
	*out = s;
	return 0;
}

void sync_start(struct sync *s)
{
	s->started = true;
	sync_arm_held(s);
	sync_run(s);
}

static void sync_free(struct sync *s)
{
	struct buf *const bufs[] = {
	    &s->base, &s->policy, &s->server, &s->text, &s->trouble, &s->failed_text};

	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_deinit(bufs[i]);
	record_deinit(&s->last);
	sync_pin_deinit(s);
	loop_timer_free(s->ladder);
	loop_timer_free(s->retry);
	loop_timer_free(s->held);
	lookout_free(s->lookout);
	state_dir_close(s->state);
	free(s);
}

void sync_close(struct sync *s, loop_task_cb *closed_cb, void *data)
{
	s->closing = true;
	s->closed_cb = closed_cb;
	s->closed_data = data;
	if (s->busy)
		return; /* sync_run_end() comes back here */
	if (closed_cb)
		loop_defer(s->c.loop, closed_cb, data);
	sync_free(s);
}
