/* What happens to a record by itself. */
#include "lifecycle/core/step.h"

static void to_state(struct instance *i, enum instance_state to, enum reason reason,
    const char *detail, int64_t now_unix_ms)
{
	struct transition t = {
	    .to = to, .reason = reason, .detail = detail, .now_unix_ms = now_unix_ms};

	instance_set_state(i, &t);
}

bool step_expire(struct instance *i, int64_t now_unix_ms)
{
	return instance_expire(i, now_unix_ms);
}

bool step_place(struct instance *i, const struct id *runner, int64_t now_unix_ms)
{
	if (i->state != STATE_PENDING)
		return false;
	i->runner = *runner;
	i->fence++;
	i->attempts++;
	i->pid = 0;
	i->n_signals = 0;
	i->runner_epoch = i->report_no = 0;
	to_state(i, STATE_ASSIGNED, REASON_NONE, "", now_unix_ms);
	return true;
}

bool step_wait(struct instance *i, enum reason reason)
{
	if (i->state != STATE_PENDING || i->reason == reason)
		return false;
	instance_set_reason(i, reason, "");
	return true;
}

static void exclude(struct instance *i, const struct id *runner)
{
	if (instance_is_excluded(i, runner))
		return;
	if (i->n_excluded == EXCLUDED_MAX) {
		memmove(&i->excluded[0], &i->excluded[1],
		    sizeof(i->excluded) - sizeof(i->excluded[0]));
		i->n_excluded--;
	}
	i->excluded[i->n_excluded++] = *runner;
}

/* The tree is gone (or never was): what now? */
static void ended(struct instance *i, enum instance_state as, enum reason reason,
    const char *detail, int64_t now_unix_ms)
{
	bool again = i->start_again;

	i->pid = 0;
	i->n_signals = 0;
	if (instance_wants_stop(i))
		to_state(i, STATE_STOPPED, REASON_STOP, i->stop.reason, now_unix_ms);
	else
		to_state(i, as, reason, detail, now_unix_ms);
	if (!again)
		return;
	instance_begin_generation(i);
	i->desired = DESIRED_RUN;
	if (i->start_deadline_ms)
		i->start_deadline_unix_ms = now_unix_ms + i->start_deadline_ms;
	to_state(i, STATE_PENDING, REASON_NONE, "", now_unix_ms);
}

static void refused(struct instance *i, const struct report *r, int64_t now_unix_ms)
{
	if (instance_wants_stop(i)) {
		ended(i, STATE_STOPPED, REASON_STOP, "", now_unix_ms);
		return;
	}
	exclude(i, &i->runner);
	i->pid = 0;
	if (i->attempts >= PLACEMENTS_MAX && r->reason != REASON_NO_CAPACITY) {
		to_state(i, STATE_FAILED, r->reason, r->detail, now_unix_ms);
		return;
	}
	i->retry_unix_ms = now_unix_ms + PLACEMENT_RETRY_MS;
	i->runner = ID_NULL;
	to_state(i, STATE_PENDING, r->reason, r->detail, now_unix_ms);
}

static bool report_is_current(const struct instance *i, const struct report *r)
{
	if (!instance_is_placed(i) || !id_eq(&i->runner, &r->runner) ||
	    i->generation != r->generation || i->fence != r->fence)
		return false;
	if (r->runner_epoch != i->runner_epoch)
		return r->runner_epoch > i->runner_epoch;
	if (i->state == STATE_UNKNOWN || i->state == STATE_LOST)
		return r->report_no >= i->report_no;
	return r->report_no > i->report_no;
}

static void forget_signals(struct instance *i, uint64_t done)
{
	size_t n = 0;

	while (n < i->n_signals && i->signals[n].no <= done)
		n++;
	memmove(
	    &i->signals[0], &i->signals[n], (i->n_signals - n) * sizeof(i->signals[0]));
	i->n_signals -= n;
}

static void take_facts(struct instance *i, const struct report *r)
{
	i->runner_epoch = r->runner_epoch;
	i->report_no = r->report_no;
	i->pid = r->pid;
	i->restarts = r->restarts;
	if (r->has_exit_code || r->has_signal) {
		i->has_exit_code = r->has_exit_code;
		i->exit_code = r->exit_code;
		i->has_signal = r->has_signal;
		i->signal = r->signal;
	}
	forget_signals(i, r->signal_no);
}

/* The state a live report stands for: what still runs after a stop was asked for is
 * STOPPING. */
static enum instance_state live_state(
    const struct instance *i, enum instance_state reported)
{
	if (instance_wants_stop(i) && reported != STATE_STOP_STUCK)
		return STATE_STOPPING;
	return reported;
}

static void alive(struct instance *i, const struct report *r, int64_t now_unix_ms)
{
	enum instance_state to = live_state(i, r->state);
	bool stopping = instance_wants_stop(i) && to == STATE_STOPPING;
	enum reason reason = stopping ? REASON_STOP : r->reason;
	const char *detail = stopping ? i->stop.reason : r->detail;

	if (to == i->state)
		instance_set_reason(i, reason, detail);
	else if (state_successors(i->state) & (1u << to))
		to_state(i, to, reason, detail, now_unix_ms);
}

/* What no runner can see, or can say only of what it has not started. */
static bool report_makes_sense(const struct instance *i, const struct report *r)
{
	if (r->refused)
		return instance_wants_stop(i) ||
		       (state_successors(i->state) & (1u << STATE_PENDING));
	return r->state != STATE_NONE && r->state != STATE_PENDING &&
	       r->state != STATE_ASSIGNED && r->state != STATE_UNKNOWN &&
	       r->state != STATE_LOST;
}

bool step_report(struct instance *i, const struct report *r, int64_t now_unix_ms)
{
	if (!report_is_current(i, r) || !report_makes_sense(i, r))
		return false;
	take_facts(i, r);
	if (r->refused)
		refused(i, r, now_unix_ms);
	else if (state_is_terminal(r->state))
		ended(i, r->state, r->reason, r->detail, now_unix_ms);
	else
		alive(i, r, now_unix_ms);
	return true;
}

bool step_runner_back(struct instance *i, int64_t now_unix_ms)
{
	if (i->state != STATE_UNKNOWN && i->state != STATE_LOST)
		return false;
	if (instance_wants_stop(i))
		to_state(i, STATE_STOPPING, REASON_STOP, i->stop.reason, now_unix_ms);
	else
		to_state(i, STATE_ASSIGNED, REASON_NONE, "", now_unix_ms);
	return true;
}

bool step_runner_silent(struct instance *i, int64_t now_unix_ms)
{
	if (!instance_is_placed(i) || i->state == STATE_UNKNOWN || i->state == STATE_LOST)
		return false;
	to_state(i, STATE_UNKNOWN, REASON_RUNNER_LOST, "", now_unix_ms);
	return true;
}

bool step_lost(struct instance *i, int64_t now_unix_ms)
{
	if (i->state != STATE_UNKNOWN)
		return false;
	to_state(i, STATE_LOST, REASON_RUNNER_LOST, "", now_unix_ms);
	if (i->on_lost != ON_LOST_REPLACE || i->desired != DESIRED_RUN)
		return true;
	exclude(i, &i->runner);
	i->runner = ID_NULL;
	i->pid = 0;
	i->attempts = 0;
	i->retry_unix_ms = 0;
	if (i->start_again)
		i->generation++;
	i->start_again = false;
	i->start_deadline_unix_ms =
	    i->start_deadline_ms ? now_unix_ms + i->start_deadline_ms : 0;
	to_state(i, STATE_PENDING, REASON_RUNNER_LOST, "", now_unix_ms);
	return true;
}

bool step_force_lost(struct instance *i, int64_t now_unix_ms)
{
	if (i->state != STATE_UNKNOWN && i->state != STATE_LOST)
		return false;
	ended(i, STATE_FAILED, REASON_RUNNER_LOST, "forced by an operator", now_unix_ms);
	return true;
}
