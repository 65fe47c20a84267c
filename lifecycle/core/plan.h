/* What a runner does about one instance: desired (its assignment) against observed (what
 * it holds). Level-triggered: asked at every change on either side, and again and again;
 * equal inputs give equal answers. */
#pragma once

#include "lifecycle/core/assignment.h"
#include "lifecycle/core/instance.h"

/* What the runner holds of an instance. */
struct plan_local {
	bool exists;
	uint64_t generation, fence;
	bool ended;    /* terminal or refused: nothing of it lives */
	bool stopping; /* a stop is in force */
	bool stop_force;
	int64_t stop_grace_ms; /* of the stop in force; -1: the spec's */
	uint64_t signal_no;    /* the last signal request carried out */
};

enum plan_action {
	PLAN_NOTHING,
	PLAN_START,      /* begin with this assignment */
	PLAN_STOP,       /* as the assignment's stop says; again when that changed */
	PLAN_STOP_OLD,   /* it was placed anew: end what is held, with the grace it was
			    started with */
	PLAN_SIGNAL,     /* carry out the assignment's signals above signal_no */
	PLAN_ASK_RECORD, /* no assignment: only the record says whether that means stop */
	PLAN_REPORT,     /* tell again what is held */
	PLAN_REPORT_STOPPED, /* nothing is held and nothing shall be: say so */
	PLAN_FORGET,         /* ended and told: drop it, delete the report */
};

/* @a: NULL when there is none. */
enum plan_action plan_decide(const struct plan_local *l, const struct assignment *a);

/* After PLAN_ASK_RECORD. @rec: the record as read from the leader, NULL when there is
 * none. PLAN_NOTHING: it is ours, the assignment will come back; PLAN_STOP: as @rec->stop
 * says; PLAN_STOP_OLD. */
enum plan_action plan_decide_unassigned(
    const struct plan_local *l, const struct instance *rec, const struct id *runner);
