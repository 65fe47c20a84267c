/* One tick of 50 ms turns the wheel; once a second runners, peers and what waits are
 * looked at. Nothing here decides: it only asks desks to look, and only this replica's
 * share at once; what is another's is looked at later, in case it died. */
#include "lifecycle/control/janitor.h"

#include "base/clock.h"
#include "lifecycle/control/api.h"
#include "lifecycle/control/desk.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/look.h"
#include "lifecycle/control/metrics.h"
#include "proto/subjects.h"

enum {
	TICK_MS = 50,
	SECOND_MS = 1000,
	STALL_MS = 5000,           /* between two ticks: this process stood still */
	SECOND_MS_OTHERS = 2000,   /* until we act on what is another replica's share */
	UNSETTLED_CHECK_MS = 2000, /* events not heard of for so long are checked */
	SETTLING_MAX = 64,
	SETTLES_A_TICK = 16,
	PENDING_A_PASS = 256,
	LOGS_A_SECOND = 20,
	FORGET_AGAIN_MS = 60000,
	SCHEMA_LOOK_MS = 60000,
	TIMER_MS_MAX = 3600 * 1000,
	KEEP_HOURS_MIN = 169, /* events are kept for 168 */
};

static bool is_first(const struct control *c, const struct entry *e)
{
	return peers_is_first(&c->peers, &e->tenant, &e->instance_id);
}

/* --- timers of instances --- */

/* How long an ended record still stays; -1: for ever. */
static int64_t keep_ms(
    const struct control *c, const struct instance *i, int64_t now_unix_ms)
{
	int64_t hours = c->conf->keep_ended_hours, left;

	if (!state_is_terminal(i->state) || hours == 0)
		return -1;
	if (hours < KEEP_HOURS_MIN)
		hours = KEEP_HOURS_MIN;
	left = i->since_unix_ms + hours * 3600 * 1000 - now_unix_ms;
	return left > 0 ? left : 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void arm(struct control *c, struct entry *e)
{
	int64_t now = clock_unix_ms(), ms = look_next_ms(c, e, now);
	int64_t keep = keep_ms(c, &e->rec, now);

	if (keep == 0)
		keep = FORGET_AGAIN_MS;
	ms = sooner(ms, keep);
	if (e->told < e->rec.event_no)
		ms = sooner(ms, UNSETTLED_CHECK_MS);
	if (look_due(c, e))
		ms = sooner(ms, SECOND_MS_OTHERS);
	if (ms < 0)
		wheel_cancel(&c->wheel, &e->timer);
	else
		wheel_arm(&c->wheel, &e->timer, ms < TIMER_MS_MAX ? ms : TIMER_MS_MAX);
}

static void on_deleted(void *data, const struct store_result *r)
{
	(void)data; /* a conflict: it came to life again */
	(void)r;
}

static void forget(struct control *c, const struct entry *e)
{
	struct subject key = KEY_OF(e->tenant.s, e->instance_id.s);

	if (bus_connected(c->bus))
		store_delete(c->store, BUCKET_lifecycle_instance, key.s,
		    (int64_t)e->rec.revision, on_deleted, NULL);
}

static bool is_stuck(const struct control *c, const struct entry *e, int64_t now_unix_ms)
{
	const struct instance *i = &e->rec;

	return i->state == STATE_ASSIGNED && now_unix_ms - i->since_unix_ms >= 10000 &&
	       e->runner && e->runner->live && !e->report && is_first(c, e);
}

static void unsettled_add(struct control *c, struct entry *e)
{
	if (!list_linked(&e->unsettled))
		list_push(&c->unsettled, &e->unsettled);
}

static void on_timer(struct wheel_timer *t)
{
	struct entry *e = container_of(t, struct entry, timer);
	struct control *c = container_of(e->mirror, struct control, mirror);
	int64_t now = clock_unix_ms();

	if (e->rec.revision == 0) {
		mirror_release(&c->mirror, e);
		return;
	}
	if (e->told < e->rec.event_no)
		unsettled_add(c, e);
	if (keep_ms(c, &e->rec, now) == 0)
		forget(c, e);
	if (is_stuck(c, e, now)) {
		e->sent = (struct assignment){0};
		desk_settle(c, e);
	}
	arm(c, e);
	if (look_due(c, e) || e->rec.state == STATE_PENDING)
		desk_look(c, e);
}

void janitor_entry_changed(void *data, struct entry *e)
{
	struct control *c = data;

	if (e->rec.revision == 0) {
		wheel_cancel(&c->wheel, &e->timer);
		if (list_linked(&e->unsettled))
			list_del(&c->unsettled, &e->unsettled);
		return;
	}
	e->timer.fire = on_timer;
	api_entry_changed(c->api, e);
	arm(c, e);
	if (look_due(c, e) && is_first(c, e))
		desk_look(c, e);
}

/* --- runners --- */

/* What waits for a place, oldest first, as far as there are places. */
static void pass_pending(struct control *c, bool all)
{
	struct mirror *m = &c->mirror;
	uint32_t free = mirror_free_slots(m);
	size_t n = m->pending.n < PENDING_A_PASS ? m->pending.n : PENDING_A_PASS;
	int64_t now = clock_unix_ms();

	if (!mirror_is_synced(m))
		return;
	for (; n > 0 && (all || free > 0); n--) {
		struct list_link *it = list_pop(&m->pending);
		struct entry *e = list_entry(it, struct entry, by_pending);

		list_push(&m->pending, it); /* the next pass begins with others */
		if (!is_first(c, e) && now - e->rec.since_unix_ms < SECOND_MS_OTHERS)
			continue;
		free -= free > 0;
		desk_look(c, e);
	}
}

static void pass_now(void *data)
{
	struct control *c = data;

	c->pass_queued = false;
	pass_pending(c, false);
}

/* Once for however many slots become free in this turn of the loop. */
void janitor_room(void *data)
{
	struct control *c = data;

	if (c->pass_queued || c->mirror.pending.n == 0 || c->stopping)
		return;
	c->pass_queued = true;
	loop_defer(c->loop, pass_now, c);
}

void janitor_runner_changed(void *data, struct runner *r)
{
	struct control *c = data;

	list_for_each_safe (it, &r->held) {
		struct entry *e = list_entry(it, struct entry, by_runner);

		arm(c, e);
		if (look_due(c, e) && is_first(c, e))
			desk_look(c, e);
	}
}

/* Everything has been read, for the first time or again: what happened meanwhile? */
void janitor_synced(void *data)
{
	struct control *c = data;

	log_event(EV_mirror_synced, LF_I("instances", c->mirror.n_sorted),
	    LF_I("runners", c->mirror.n_candidates));
	for (size_t i = 0; i < c->mirror.n_sorted; i++) {
		struct entry *e = c->mirror.sorted[i];

		if (e->rec.n_outbox == 0)
			e->told =
			    e->rec.event_no; /* its writer knew them to be published */
		if (e->told < e->rec.event_no)
			unsettled_add(c, e);
		arm(c, e);
		if (look_due(c, e) && is_first(c, e))
			desk_look(c, e);
	}
	pass_pending(c, true);
}

/* --- the clock --- */

static void settle_some(struct control *c)
{
	for (unsigned n = 0; n < SETTLES_A_TICK && c->n_settling < SETTLING_MAX; n++) {
		struct list_link *it = list_pop(&c->unsettled);
		struct entry *e;

		if (!it)
			return;
		e = list_entry(it, struct entry, unsettled);
		if (e->rec.revision == 0)
			mirror_release(&c->mirror, e);
		else if (e->told < e->rec.event_no)
			desk_settle(c, e);
	}
}

/* Heartbeats that came while we stood still are not judged late: silence counts anew. */
static void check_stall(struct control *c, int64_t boot_ms)
{
	int64_t gap = boot_ms - c->tick_boot_ms;

	if (c->tick_boot_ms > 0 && gap > STALL_MS) {
		log_event(EV_loop_stalled, LF_I("milliseconds", gap));
		if (c->mirror.judge_boot_ms > 0)
			c->mirror.judge_boot_ms = boot_ms;
	}
	c->tick_boot_ms = boot_ms;
}

static void measure(struct control *c)
{
	const struct mirror *m = &c->mirror;
	const size_t *n = m->n_by_state;
	struct list_link *oldest = list_first(&m->pending);
	size_t live = 0;

	for (size_t i = 0; i < m->n_candidates; i++)
		live += m->candidates[i].live;
	metric_set(M_instances_pending, (int64_t)n[STATE_PENDING]);
	metric_set(
	    M_instances_starting, (int64_t)(n[STATE_ASSIGNED] + n[STATE_STARTING]));
	metric_set(M_instances_running, (int64_t)n[STATE_RUNNING]);
	metric_set(M_instances_ended,
	    (int64_t)(n[STATE_STOPPED] + n[STATE_EXITED] + n[STATE_FAILED]));
	metric_set(M_instances_other,
	    (int64_t)(n[STATE_BACKOFF] + n[STATE_STOPPING] + n[STATE_UNKNOWN] +
		      n[STATE_LOST] + n[STATE_STOP_STUCK]));
	metric_set(M_oldest_pending_ms,
	    oldest ? clock_unix_ms() -
			 list_entry(oldest, struct entry, by_pending)->rec.since_unix_ms
		   : 0);
	metric_set(M_runners_live, (int64_t)live);
	metric_set(M_free_slots, mirror_free_slots(m));
	metric_set(M_desks, (int64_t)c->n_desks);
}

static void each_second(struct control *c, int64_t boot_ms)
{
	c->log_budget = LOGS_A_SECOND;
	mirror_judge(&c->mirror, boot_ms);
	peers_expire(&c->peers, boot_ms);
	pass_pending(c, true);
	measure(c);
	if (bus_connected(c->bus) && boot_ms - c->schema_boot_ms >= SCHEMA_LOOK_MS) {
		c->schema_boot_ms = boot_ms;
		schema_recheck(c->schema);
	}
	if (bus_publish(c->bus, SUBJ_peer, NULL, NULL, 0, slice_of(c->id.s)))
		return; /* not connected: nobody to greet */
}

static void on_tick(struct loop_timer *t, void *data)
{
	struct control *c = data;
	int64_t boot_ms = clock_boot_ms();

	(void)t;
	check_stall(c, boot_ms);
	wheel_turn(&c->wheel, clock_mono_ms());
	settle_some(c);
	if (boot_ms - c->second_boot_ms >= SECOND_MS) {
		c->second_boot_ms = boot_ms;
		each_second(c, boot_ms);
	}
}

void janitor_start(struct control *c)
{
	c->tick = loop_timer_new(c->loop, on_tick, c);
	loop_timer_start(c->tick, TICK_MS, TICK_MS);
	c->log_budget = LOGS_A_SECOND;
}

void janitor_stop(struct control *c)
{
	c->tick = loop_timer_free(c->tick);
}
