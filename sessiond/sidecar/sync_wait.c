/* What waits for somebody's word: deletions that are held, values that gave way at first
 * contact, and, when the file has been invalid for long, the last text that was good. */
#include "sessiond/sidecar/sync_internal.h"

#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

enum {
	SYNC_HELD_MS = 30 * 1000, /* then the deletion counts */
};

static void sync_count_waiting(const struct sync *s)
{
	struct decide_waiting w;

	metric_set(M_waiting, decide_waits(&s->last, DECIDE_WAIT_BULK, &w) +
				  decide_waits(&s->last, DECIDE_WAIT_FIRST, &w) +
				  s->offered);
}

void sync_arm_held(struct sync *s)
{
	struct decide_waiting w;
	int64_t left_ms;

	loop_timer_stop(s->held);
	sync_count_waiting(s);
	if (!decide_waits(&s->last, DECIDE_WAIT_BULK, &w))
		return;
	left_ms = w.since_unix_ms + SYNC_HELD_MS - clock_unix_ms();
	loop_timer_start(s->held, left_ms < SYNC_HELD_MS ? left_ms : SYNC_HELD_MS, 0);
}

static void sync_on_held(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	(void)t;
	s->answers[DECIDE_WAIT_BULK] = DECIDE_CONFIRM;
	sync_run(s);
}

/* the last text that was good */

static void sync_on_offer(struct loop_timer *t, void *data)
{
	struct sync *s = data;

	(void)t;
	s->offered = true;
	s->offer_id = id_make("w_");
	s->offered_unix_ms = clock_unix_ms();
	sync_count_waiting(s);
	log_event(EV_restore_offered, LF("id", s->offer_id.s));
}

void sync_begin_invalid(struct sync *s)
{
	if (s->invalid_since_unix_ms)
		return;
	s->invalid_since_unix_ms = clock_unix_ms();
	loop_timer_start(s->offer, s->c.offer_restore_ms, 0);
}

void sync_end_invalid(struct sync *s)
{
	if (!s->invalid_since_unix_ms)
		return;
	s->invalid_since_unix_ms = 0;
	s->offered = false;
	loop_timer_stop(s->offer);
	sync_count_waiting(s);
	log_event(EV_settings_valid, LF_NONE);
}

/* answers */

static const char *const sync_answer_names[] = {"confirm", "undo", "restore"};

struct sync_waiting {
	bool is[DECIDE_WAIT_N_], offer;
	unsigned n;
};

static struct sync_waiting sync_find_waiting(const struct sync *s, const char *id)
{
	struct sync_waiting found = {0};

	for (enum decide_wait w = 0; w < DECIDE_WAIT_N_; w++) {
		struct decide_waiting it;

		found.is[w] =
		    decide_waits(&s->last, w, &it) && (!id || slice_is(it.id, id));
		found.n += found.is[w];
	}
	found.offer = s->offered && (!id || strcmp(id, s->offer_id.s) == 0);
	found.n += found.offer;
	return found;
}

int sync_answer(struct sync *s, const char *id, enum sync_answer a, struct err *e)
{
	struct sync_waiting found = sync_find_waiting(s, id);
	enum decide_wait w =
	    found.is[DECIDE_WAIT_BULK] ? DECIDE_WAIT_BULK : DECIDE_WAIT_FIRST;

	if (found.n == 0)
		return err_set(e, ERROR_NOT_FOUND,
		    id ? "nothing of that id waits" : "nothing waits");
	if (found.n > 1)
		return err_set(
		    e, ERROR_INVALID, "id: several things wait; say which one");
	if (found.offer && a != SYNC_ANSWER_RESTORE)
		return err_set(e, ERROR_INVALID,
		    "the last good text can be restored, nothing else");
	log_event(EV_waiting_answered,
	    LF("what", found.offer ? "last_good" : decide_wait_name(w)),
	    LF("answer", sync_answer_names[a]));
	if (found.offer)
		s->restoring = true;
	else
		s->answers[w] =
		    a == SYNC_ANSWER_CONFIRM ? DECIDE_CONFIRM : DECIDE_UNDO;
	sync_run(s);
	return 0;
}

/* life */

void sync_wait_init(struct sync *s)
{
	s->held = loop_timer_new(s->c.loop, sync_on_held, s);
	s->offer = loop_timer_new(s->c.loop, sync_on_offer, s);
}

void sync_wait_deinit(struct sync *s)
{
	loop_timer_free(s->held);
	loop_timer_free(s->offer);
}
