/* After a run: is the file still the inode the editor watches? And what somebody writes,
 * a little later, into one that was put out of its place. */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

enum {
	SYNC_PIN_RETRY_MS = 50,
	SYNC_PIN_YIELD_MS = 20, /* to an upload */
	SYNC_PROBE_MS = 1000,
	SYNC_ORPHAN_MS = 60 * 1000,
	SYNC_ORPHAN_LOOK_MS = 1000,
};

struct pin_job {
	struct sync *sync;
	struct pin pin;
	char path[PATH_MAX];
	int result;
	struct err e;
	/* nothing was written yet that could tell */
	bool probe;
	enum file_write_mode mode;
	char why[128];
};

static void pin_job_work(void *data)
{
	struct pin_job *j = data;

	if (j->probe)
		j->mode = file_write_probe(j->path, j->why, sizeof(j->why));
	j->result = pin_settle(&j->pin, j->path, &j->e);
}

static void sync_keep_orphan(struct sync *s)
{
	s->orphan_until_ms = clock_mono_ms() + SYNC_ORPHAN_MS;
	loop_timer_start(s->orphan_timer, SYNC_ORPHAN_LOOK_MS, SYNC_ORPHAN_LOOK_MS);
}

static void pin_job_done(void *data)
{
	struct pin_job *j = data;
	struct sync *s = j->sync;
	bool new_orphan =
	    j->pin.has_orphan && !file_look_same(&j->pin.orphan, &s->pin.orphan);

	if (j->pin.hurry)
		loop_timer_start(s->probe, SYNC_PROBE_MS + 1, 0);
	j->pin.hurry = false;
	s->busy = false;
	s->pin = j->pin;
	s->pin_probed_ms = clock_mono_ms();
	if (j->probe) {
		s->write_mode = j->mode;
		snprintf(s->write_why, sizeof(s->write_why), "%s", j->why);
	}
	metric_set(M_zed_watch, s->pin.hearing == PIN_HEARING_ALIVE);
	if (new_orphan) {
		log_event(EV_settings_rehomed, LF("path", j->path));
		metric_inc(M_rehomed);
		sync_keep_orphan(s);
		s->again = true; /* another inode stands there now */
	}
	if (j->result == -EAGAIN) {
		s->pin_ino = 0;
		loop_timer_start(s->retry, SYNC_PIN_RETRY_MS, 0);
	} else if (j->result && !s->closing) {
		log_event(EV_settings_pin_failed, LF("detail", j->e.text));
	}
	free(j);
	sync_run_end(s);
}

/* Looking through all processes would compete with what is on its way up, and with whom it
 * goes to. */
static bool sync_pin_yields(struct sync *s)
{
	int64_t now_ms = clock_mono_ms();

	if (!s->online || !record_get(&s->last, RECORD_POST).p)
		return false;
	if (!s->pin_due_ms) {
		s->pin_due_ms = now_ms + SYNC_PIN_YIELD_MS;
		loop_timer_start(s->pin_later, SYNC_PIN_YIELD_MS + 1, 0);
	}
	return now_ms < s->pin_due_ms;
}

bool sync_pin_start(struct sync *s)
{
	const struct path_route *route;
	struct pin_job *j;
	struct err e = ERR_NULL;

	if (s->closing || s->busy || !s->look.exists ||
	    (s->look.ino == s->pin_ino && !s->pin_wanted) ||
	    sync_pin_yields(s) || lookout_route(s->lookout, &route, &e))
		return false;
	s->pin_due_ms = 0;
	loop_timer_stop(s->pin_later);
	s->pin_ino = s->look.ino;
	s->pin_wanted = false;
	j = calloc(1, sizeof(*j));
	must(j);
	j->sync = s;
	j->pin = s->pin;
	j->pin.hurry = !s->pin_probed_ms; /* somebody waits for /health */
	j->probe = !j->pin.hurry && s->write_mode == FILE_WRITE_AUTO;
	snprintf(j->path, sizeof(j->path), "%s", route->real);
	s->busy = true;
	loop_work(s->c.loop, pin_job_work, pin_job_done, j);
	return true;
}

void sync_probe(struct sync *s)
{
	if (s->busy || s->closing || clock_mono_ms() - s->pin_probed_ms < SYNC_PROBE_MS)
		return;
	s->pin_wanted = true;
	sync_pin_start(s);
}

static void sync_on_pin_later(struct loop_timer *t, void *data)
{
	(void)t;
	sync_pin_start(data);
}

static void sync_on_probe(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	if (s->busy)
		loop_timer_start(t, SYNC_PROBE_MS, 0);
	else
		sync_probe(s);
}

/* A save as any other; but a file that is broken is left to who broke it, and what comes
 * this way only kept. */
static void sync_take_orphan(struct sync *s)
{
	struct err e = ERR_NULL;

	if (!s->invalid_since_unix_ms) {
		s->have_orphan = true;
		sync_kick(s, clock_mono_us());
	} else if (state_backup(s->state, buf_slice(&s->orphan), &e)) {
		log_event(EV_record_not_kept, LF("detail", e.text));
	}
}

static void sync_on_orphan(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	if (s->busy || s->have_orphan)
		return;
	if (pin_orphan_written(&s->pin, &s->orphan)) {
		sync_take_orphan(s);
	} else if (clock_mono_ms() > s->orphan_until_ms) {
		pin_drop_orphan(&s->pin);
		loop_timer_stop(t);
	}
}

void sync_pin_init(struct sync *s)
{
	s->orphan = BUF_NULL(RECORD_FIELD_MAX);
	s->orphan_timer = loop_timer_new(s->c.loop, sync_on_orphan, s);
	s->probe = loop_timer_new(s->c.loop, sync_on_probe, s);
	s->pin_later = loop_timer_new(s->c.loop, sync_on_pin_later, s);
}

void sync_pin_deinit(struct sync *s)
{
	if (s->pin.has_orphan)
		pin_drop_orphan(&s->pin);
	buf_deinit(&s->orphan);
	loop_timer_free(s->orphan_timer);
	loop_timer_free(s->probe);
	loop_timer_free(s->pin_later);
}
