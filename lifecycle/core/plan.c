/* Desired against observed: see the header. */
#include "lifecycle/core/plan.h"

static bool plan_has_new_signal(const struct plan_local *l, const struct assignment *a)
{
	for (size_t i = 0; i < a->n_signals; i++) {
		if (a->signals[i].no > l->signal_no)
			return true;
	}
	return false;
}

static bool plan_stop_is_new(const struct plan_local *l, const struct stop_request *s)
{
	return !l->stopping || (s->force && !l->stop_force) ||
	       s->grace_ms != l->stop_grace_ms;
}

static enum plan_action plan_same_fence(
    const struct plan_local *l, const struct assignment *a)
{
	if (l->ended)
		return a->desired == DESIRED_STOP ? PLAN_REPORT : PLAN_NOTHING;
	if (a->desired == DESIRED_STOP)
		return plan_stop_is_new(l, &a->stop) ? PLAN_STOP : PLAN_NOTHING;
	return plan_has_new_signal(l, a) ? PLAN_SIGNAL : PLAN_NOTHING;
}

enum plan_action plan_decide(const struct plan_local *l, const struct assignment *a)
{
	if (!l->exists) {
		if (!a)
			return PLAN_NOTHING;
		return a->desired == DESIRED_RUN ? PLAN_START : PLAN_REPORT_STOPPED;
	}
	if (!a)
		return l->ended ? PLAN_FORGET : PLAN_ASK_RECORD;
	if (a->fence < l->fence)
		return PLAN_NOTHING; /* read late: a newer one was seen already */
	if (a->fence == l->fence)
		return plan_same_fence(l, a);
	if (!l->ended)
		return l->stopping ? PLAN_NOTHING : PLAN_STOP_OLD;
	return a->desired == DESIRED_RUN ? PLAN_START : PLAN_REPORT_STOPPED;
}

enum plan_action plan_decide_unassigned(
    const struct plan_local *l, const struct instance *rec, const struct id *runner)
{
	if (!rec || !id_eq(&rec->runner, runner) || rec->fence != l->fence ||
	    !instance_is_placed(rec))
		return l->stopping ? PLAN_NOTHING : PLAN_STOP_OLD;
	if (rec->desired == DESIRED_STOP)
		return plan_stop_is_new(l, &rec->stop) ? PLAN_STOP : PLAN_NOTHING;
	return PLAN_NOTHING;
}
