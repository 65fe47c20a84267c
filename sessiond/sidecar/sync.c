/* Life of the sync loop, and what is put into it from outside. */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/file_lease.h"
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

void sync_retry(struct sync *s)
{
	s->failed_until_ms = 0;
	sync_kick(s, clock_mono_us());
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
	/* Somebody new may have begun to watch it. */
	if (s->pin.hearing == PIN_HEARING_UNKNOWN)
		sync_probe(s);
}

static void sync_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	sync_run(data);
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

void sync_take_base(struct sync *s, const struct sync_base *b)
{
	sync_set_text(&s->base, b->base);
	sync_set_text(&s->policy, b->policy);
	snprintf(s->base_tag, sizeof(s->base_tag), "%s", b->tag);
	s->have_base = s->have_policy = true;
}

void sync_set_base(struct sync *s, const struct sync_base *b)
{
	sync_take_base(s, b);
	s->base_known = true;
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

static bool sync_has_overrides_of(const struct sync *s, const char *tag)
{
	return strcmp(tag, record_str(&s->last, RECORD_SERVER_TAG)) == 0 ||
	       (s->have_server && strcmp(tag, s->server_tag) == 0) ||
	       (s->upload_answer == SYNC_UPLOAD_TAKEN &&
		   strcmp(tag, s->upload_tag) == 0);
}

bool sync_overrides_confirmed(struct sync *s, const char *tag)
{
	bool first = !s->overrides_known || s->need_overrides;

	if (!sync_has_overrides_of(s, tag))
		return false;
	s->overrides_known = true;
	s->need_overrides = false;
	if (first)
		sync_run(s);
	return true;
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

/* Asked for before an upload, answered before it: what was uploaded is not in it. */
static void sync_forget_older(struct sync *s)
{
	int64_t is = decide_tag_revision(slice_of(s->server_tag));

	if (is >= 0 && is < decide_tag_revision(slice_of(s->upload_tag)))
		s->have_server = false;
}

void sync_take_news(struct sync *s)
{
	switch (s->upload_answer) {
	case SYNC_UPLOAD_TAKEN:
		decide_posted(&s->last, slice_of(s->upload_tag));
		sync_forget_older(s);
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

bool sync_is_settled(const struct sync *s)
{
	return s->started && s->ran && !s->busy && !s->again &&
	       !loop_timer_armed(s->ladder) && !loop_timer_armed(s->pin_later);
}

void sync_get_status(const struct sync *s, struct sync_status *out)
{
	*out = (struct sync_status){.file = s->file,
	    .file_since_unix_ms = s->file_since_unix_ms,
	    .problem = s->problem,
	    .invalid_since_unix_ms = s->invalid_since_unix_ms,
	    .offer_id = s->offered ? s->offer_id.s : NULL,
	    .offered_unix_ms = s->offered_unix_ms,
	    .invalid = s->invalid,
	    .line = s->line,
	    .column = s->column,
	    .exists = s->look.exists || s->made,
	    .base_known = s->base_known || record_get(&s->last, RECORD_BASE_TAG).p,
	    .record = &s->last,
	    .path = s->c.settings,
	    .watch = lookout_how(s->lookout),
	    .state_dir = state_dir_path(s->state),
	    .state_problem = state_dir_problem(s->state),
	    .write_mode = s->write_mode,
	    .write_why = s->write_why,
	    .pin = &s->pin,
	    .recovery = recovery_name(s->recovery),
	    .events = s->events,
	    .n_events = s->n_events};
}

/* life */

int sync_new(const struct sync_conf *c, struct sync **out, struct err *e)
{
	struct sync *s = calloc(1, sizeof(*s));
	struct buf *const bufs[] = {
	    &s->base, &s->policy, &s->server, &s->text, &s->before, &s->after, &s->trouble,
	    &s->failed_text};
	struct lookout_conf look = {.loop = c->loop,
	    .path = c->settings,
	    .look = sync_on_look,
	    .was_read = sync_on_was_read,
	    .data = s};
	int r;

	must(s);
	s->c = *c;
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		*bufs[i] = BUF_NULL(RECORD_FIELD_MAX);
	s->file_since_unix_ms = clock_unix_ms();
	s->write_mode = c->mode;
	s->ladder = loop_timer_new(c->loop, sync_on_timer, s);
	s->retry = loop_timer_new(c->loop, sync_on_timer, s);
	sync_wait_init(s);
	sync_pin_init(s);
	file_lease_init();
	r = sync_open(s, &look, e);
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
	s->started_ms = clock_mono_ms();
	sync_arm_held(s);
	sync_run(s);
}

static void sync_free(struct sync *s)
{
	struct buf *const bufs[] = {
	    &s->base, &s->policy, &s->server, &s->text, &s->before, &s->after, &s->trouble,
	    &s->failed_text};

	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_deinit(bufs[i]);
	record_deinit(&s->last);
	sync_pin_deinit(s);
	loop_timer_free(s->ladder);
	loop_timer_free(s->retry);
	sync_wait_deinit(s);
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
