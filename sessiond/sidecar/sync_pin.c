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
};

static void pin_job_work(void *data)
{
	struct pin_job *j = data;

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

	s->busy = false;
	s->pin = j->pin;
	s->pin_probed_ms = clock_mono_ms();
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

bool sync_pin_start(struct sync *s)
{
	const struct path_route *route;
	struct pin_job *j;
	struct err e = ERR_NULL;

	if (s->closing || s->busy || !s->look.exists ||
	    (s->look.ino == s->pin_ino && !s->pin_wanted) ||
	    lookout_route(s->lookout, &route, &e))
		return false;
	s->pin_ino = s->look.ino;
	s->pin_wanted = false;
	j = calloc(1, sizeof(*j));
	must(j);
	j->sync = s;
	j->pin = s->pin;
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

static void sync_on_orphan(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	if (s->busy || s->have_orphan)
		return;
	if (pin_orphan_written(&s->pin, &s->orphan)) {
		s->have_orphan = true;
		sync_kick(s, clock_mono_us());
	} else if (clock_mono_ms() > s->orphan_until_ms) {
		pin_drop_orphan(&s->pin);
		loop_timer_stop(t);
	}
}

void sync_pin_init(struct sync *s)
{
	s->orphan = BUF_NULL(RECORD_FIELD_MAX);
	s->orphan_timer = loop_timer_new(s->c.loop, sync_on_orphan, s);
}

void sync_pin_deinit(struct sync *s)
{
	if (s->pin.has_orphan)
		pin_drop_orphan(&s->pin);
	buf_deinit(&s->orphan);
	loop_timer_free(s->orphan_timer);
}
