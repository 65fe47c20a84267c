/* Reports, silence, placement, deadlines. */
#include "lifecycle/control/look.h"

#include "base/clock.h"
#include "lifecycle/core/step.h"

enum {
	STUCK_MS = 10000, /* ASSIGNED for so long: is the assignment really there? */
	PENDING_LOOK_MS = 60000, /* the janitor and changes of capacity come far sooner */
};

static const struct report *report_of(const struct entry *e, const struct instance *i)
{
	const struct report *r = e->report;

	return r && id_eq(&r->runner, &i->runner) && r->fence == i->fence ? r : NULL;
}

static bool is_newer(const struct instance *i, const struct report *r)
{
	return r->runner_epoch != i->runner_epoch ? r->runner_epoch > i->runner_epoch
						  : r->report_no > i->report_no;
}

static bool heard_now(const struct control *c, const struct id *runner)
{
	const struct runner *r = mirror_find_runner(&c->mirror, runner);

	return r && r->heard_boot_ms > 0 && c->mirror.judge_boot_ms > 0 &&
	       clock_boot_ms() - r->heard_boot_ms <= RUNNER_LIVE_MS;
}

/* Its runner was silent; is it back? */
static bool look_return(const struct control *c, const struct report *r,
    struct instance *i, int64_t now_unix_ms)
{
	if (!heard_now(c, &i->runner))
		return false;
	if (r && step_report(i, r, now_unix_ms))
		return true;
	return step_runner_back(i, now_unix_ms);
}

static bool look_placed(const struct control *c, const struct entry *e,
    struct instance *i, int64_t now_unix_ms)
{
	const struct report *r = report_of(e, i);
	int64_t silence_ms = mirror_silence_ms(&c->mirror, &i->runner, clock_boot_ms());
	bool changed = false;

	if (r && is_newer(i, r))
		changed = step_report(i, r, now_unix_ms);
	if (!instance_is_placed(i))
		return changed;
	if (silence_ms >= RUNNER_SILENT_MS) {
		changed |= step_runner_silent(i, now_unix_ms);
		if (silence_ms >= i->lost_after_ms)
			changed |= step_lost(i, now_unix_ms);
	} else if (i->state == STATE_UNKNOWN || i->state == STATE_LOST) {
		changed |= look_return(c, r, i, now_unix_ms);
	}
	return changed;
}

/* What is being placed anew in the same write as it ended still counts where it was: that
 * place is its own. */
static struct pick pick_runner(struct control *c, const struct entry *e,
    const struct instance *i, int64_t now_unix_ms)
{
	struct mirror *m = &c->mirror;
	struct candidate *own = e->runner ? &m->candidates[e->runner->i_candidate] : NULL;
	uint32_t random[2];
	struct pick p;

	random_bytes(random, sizeof(random));
	if (own)
		own->n_held--;
	p = placement_pick(i, m->candidates, m->n_candidates, random, now_unix_ms);
	if (own)
		own->n_held++;
	return p;
}

static bool look_pending(
    struct control *c, const struct entry *e, struct instance *i, int64_t now_unix_ms)
{
	struct pick p;

	if (step_expire(i, now_unix_ms))
		return true;
	if (!mirror_is_synced(&c->mirror))
		return false; /* who holds how much is not known yet */
	p = pick_runner(c, e, i, now_unix_ms);
	if (p.chosen)
		return step_place(i, &p.chosen->info->id, now_unix_ms);
	return step_wait(i, p.reason);
}

bool look_apply(
    struct control *c, const struct entry *e, struct instance *i, int64_t now_unix_ms)
{
	bool changed = false;

	if (instance_is_placed(i))
		changed = look_placed(c, e, i, now_unix_ms);
	if (i->state == STATE_PENDING)
		changed |= look_pending(c, e, i, now_unix_ms);
	return changed;
}

bool look_due(const struct control *c, const struct entry *e)
{
	const struct instance *i = &e->rec;
	const struct report *r = report_of(e, i);
	int64_t silence_ms;

	if (i->revision == 0 || !instance_is_placed(i))
		return false;
	if (r && is_newer(i, r))
		return true;
	silence_ms = mirror_silence_ms(&c->mirror, &i->runner, clock_boot_ms());
	if (i->state == STATE_UNKNOWN && silence_ms >= i->lost_after_ms &&
	    silence_ms >= RUNNER_SILENT_MS)
		return true;
	if (i->state == STATE_UNKNOWN || i->state == STATE_LOST)
		return silence_ms < RUNNER_SILENT_MS && heard_now(c, &i->runner);
	return silence_ms >= RUNNER_SILENT_MS;
}

static int64_t until(int64_t at_unix_ms, int64_t now_unix_ms)
{
	return at_unix_ms > now_unix_ms ? at_unix_ms - now_unix_ms : 0;
}

static int64_t next_pending_ms(const struct instance *i, int64_t now_unix_ms)
{
	int64_t ms = PENDING_LOOK_MS, t;

	if (i->start_deadline_unix_ms) {
		t = until(i->start_deadline_unix_ms, now_unix_ms);
		ms = t < ms ? t : ms;
	}
	if (i->retry_unix_ms > now_unix_ms) {
		t = until(i->retry_unix_ms, now_unix_ms);
		ms = t < ms ? t : ms;
	}
	return ms;
}

int64_t look_next_ms(const struct control *c, const struct entry *e, int64_t now_unix_ms)
{
	const struct instance *i = &e->rec;
	int64_t silence_ms;

	switch (i->state) {
	case STATE_PENDING:
		return next_pending_ms(i, now_unix_ms);
	case STATE_ASSIGNED:
		return STUCK_MS;
	case STATE_UNKNOWN:
		silence_ms = mirror_silence_ms(&c->mirror, &i->runner, clock_boot_ms());
		return until(i->lost_after_ms, silence_ms);
	default:
		return -1;
	}
}
