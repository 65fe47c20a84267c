/* The runner on the broker: see agent.h. What is told of the runner itself is
 * agent_tell.c. */
#include "lifecycle/runner/agent_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	AGENT_LIST_MS = 15 * 1000, /* also without any reason */
	AGENT_LIST_RETRY_MS = 500,
	AGENT_DENIED_MS = 1000,
	AGENT_BELL_MS = 20, /* bells rung together are answered by one listing */
};

/* ---- acting */

struct agent_ask {
	struct agent *a;
	char key[WORKLOAD_KEY_MAX];
	uint64_t serial;
};

static struct agent_ask *agent_ask_new(struct agent *a, const struct workload *w)
{
	struct agent_ask *q = calloc(1, sizeof *q);

	must(q);
	q->a = a;
	q->serial = w->serial;
	memcpy(q->key, w->key, sizeof q->key);
	return q;
}

/* The workload that was asked for, if it is still the same one; frees the question. */
static struct workload *agent_ask_end(struct agent_ask *q)
{
	struct workload *w = runner_find(q->a->r, q->key);
	uint64_t serial = q->serial;

	free(q);
	return w && w->serial == serial ? w : NULL;
}

static void agent_on_record(void *data, const struct store_result *r)
{
	struct agent_ask *q = data;
	struct agent *a = q->a;
	struct workload *w = agent_ask_end(q);
	struct stop_request old = {.grace_ms = -1, .reason = "it was placed elsewhere"};
	struct instance rec = INSTANCE_NULL;
	struct err e = ERR_NULL;
	struct plan_local local;

	if (!w)
		return;
	w->asking_record = false;
	/* Not knowing is not the same as "none": nothing is stopped for it. */
	if ((r->code && r->code != ERROR_NOT_FOUND) || w->assigned)
		return;
	if (r->code == 0 && wire_instance_decode(r->value, &rec, &e))
		return;
	local = workload_local(w);
	switch (plan_decide_unassigned(&local, r->code ? NULL : &rec, &a->r->id)) {
	case PLAN_STOP:
		workload_stop(w, &rec.stop, REASON_STOP);
		break;
	case PLAN_STOP_OLD:
		workload_stop(w, &old, REASON_STOP);
		break;
	default:
		break;
	}
	instance_deinit(&rec);
}

static void agent_ask_record(struct agent *a, struct workload *w)
{
	if (w->asking_record || !a->connected)
		return;
	w->asking_record = true;
	store_get(a->r->store, BUCKET_lifecycle_instance, w->key, agent_on_record,
	    agent_ask_new(a, w));
}

static void agent_on_forgotten(void *data, const struct store_result *r)
{
	struct workload *w = agent_ask_end(data);
	struct runner *runner;

	if (!w)
		return;
	w->forgetting = false;
	if ((r->code && r->code != ERROR_NOT_FOUND) || w->assigned)
		return; /* the next look tries again */
	runner = w->runner;
	workload_forget(w);
	runner_on_change(runner);
}

static void agent_forget(struct agent *a, struct workload *w)
{
	struct subject key = KEY_OF(a->r->id.s, w->tenant.s, w->instance_id.s);

	if (!a->connected || w->report_in_flight)
		return;
	w->forgetting = true;
	store_delete(a->r->store, BUCKET_lifecycle_report, key.s, STORE_ANY_REVISION,
	    agent_on_forgotten, agent_ask_new(a, w));
}

/* The same instance, placed anew: nothing of the ended one is carried over but its
 * folder. */
static struct workload *agent_renew(struct agent *a, struct workload *w)
{
	struct assignment assignment = w->assignment;
	uint64_t revision = w->assignment_revision, listed = w->listed;
	struct id tenant = w->tenant, instance = w->instance_id;
	bool assigned = w->assigned;

	workload_free(w);
	w = workload_new(a->r, &tenant, &instance);
	w->assigned = assigned;
	w->assignment = assignment;
	w->assignment_revision = revision;
	w->listed = listed;
	return w;
}

static void agent_start(struct agent *a, struct workload *w)
{
	struct runner *r = a->r;

	if (w->fence)
		w = agent_renew(a, w);
	if (r->draining)
		workload_end_unstarted(
		    w, STATE_ASSIGNED, REASON_DRAIN, "the runner is being drained");
	else if (runner_n_live(r) >= (size_t)r->conf->slots)
		workload_end_unstarted(
		    w, STATE_ASSIGNED, REASON_NO_CAPACITY, "every slot is taken");
	else
		workload_start(w);
}

/* The assignment and the record disagree: one of them is about to change. */
static struct workload *agent_denied(struct agent *a, struct workload *w)
{
	w = agent_renew(a, w);
	w->denied_revision = w->assignment_revision;
	w->denied_until_ms = clock_mono_ms() + AGENT_DENIED_MS;
	runner_look_again(a->r, AGENT_DENIED_MS);
	return w;
}

void agent_reconcile(struct agent *a, struct workload *w)
{
	struct stop_request old = {.grace_ms = -1, .reason = "it was placed anew"};
	struct plan_local local;

	if (w->adopting || w->forgetting || (!w->assigned && !a->synced))
		return; /* before the first listing, no assignment means nothing */
	if (w->denied)
		w = agent_denied(a, w);
	local = workload_local(w);
	switch (plan_decide(&local, w->assigned ? &w->assignment : NULL)) {
	case PLAN_START:
		if (w->assignment_revision != w->denied_revision ||
		    clock_mono_ms() >= w->denied_until_ms)
			agent_start(a, w);
		break;
	case PLAN_STOP:
		workload_stop(w, &w->assignment.stop, REASON_STOP);
		break;
	case PLAN_STOP_OLD:
		workload_stop(w, &old, REASON_STOP);
		break;
	case PLAN_SIGNAL:
		workload_signals(w);
		break;
	case PLAN_ASK_RECORD:
		agent_ask_record(a, w);
		break;
	case PLAN_REPORT:
		if (w->told_revision != w->assignment_revision)
			workload_report(w);
		w->told_revision = w->assignment_revision;
		break;
	case PLAN_REPORT_STOPPED:
		if (w->fence)
			w = agent_renew(a, w);
		workload_end_unstarted(
		    w, STATE_STOPPED, REASON_STOP, "it was not running");
		break;
	case PLAN_FORGET:
		agent_forget(a, w);
		break;
	case PLAN_NOTHING:
		if (!local.exists && !w->assigned)
			workload_free(w);
		break;
	}
}

/* ---- hearing */

static bool agent_parse_key(
    const struct agent *a, const char *key, struct id *tenant, struct id *instance)
{
	struct slice tokens[3];
	size_t n = subject_split(key, tokens, 3);

	return n == 3 && slice_is(tokens[0], a->r->id.s) && id_parse(tokens[1], tenant) &&
	       id_parse(tokens[2], instance);
}

static void agent_refused(const char *key, const char *why)
{
	log_event(EV_assignment_refused, LF("key", key), LF("detail", why));
}

/* One assignment as stored with @revision; @deleted: it is gone. */
static void agent_on_assignment(
    struct agent *a, const char *key, uint64_t revision, bool deleted, struct slice value)
{
	struct assignment as = {.generation = 0};
	struct id tenant, instance;
	struct err e = ERR_NULL;
	struct workload *w;
	char name[WORKLOAD_KEY_MAX];

	if (!agent_parse_key(a, key, &tenant, &instance)) {
		agent_refused(key, "not a key of this runner");
		return;
	}
	snprintf(name, sizeof name, "%s.%s", tenant.s, instance.s);
	w = runner_find(a->r, name);
	if (!w && deleted)
		return;
	if (w && revision <= w->assignment_revision) {
		w->listed = a->listing_no;
		return;
	}
	if (!deleted && wire_assignment_decode(value, &as, &e)) {
		agent_refused(key, e.text);
		return;
	}
	if (!deleted && (!id_eq(&as.tenant, &tenant) ||
			    !id_eq(&as.instance_id, &instance) || !as.fence)) {
		agent_refused(
		    key, "key and content name different instances, or no fence");
		return;
	}
	if (!w)
		w = workload_new(a->r, &tenant, &instance);
	w->assigned = !deleted;
	w->assignment_revision = revision;
	w->listed = a->listing_no;
	if (!deleted)
		w->assignment = as;
	agent_reconcile(a, w);
}

static bool agent_is_deletion(const struct bus_msg *m)
{
	const char *op = bus_msg_header(m, "KV-Operation");

	return op && (strcmp(op, "DEL") == 0 || strcmp(op, "PURGE") == 0);
}

/* As the broker republishes it; anyone may publish there, only the broker says all of
 * this, and what is started is checked against the record anyway. */
static void agent_on_feed(void *data, const struct bus_msg *m)
{
	const char *seq = bus_msg_header(m, "Nats-Sequence"),
		   *subject = bus_msg_header(m, "Nats-Subject");
	struct agent *a = data;
	uint64_t revision = seq ? strtoull(seq, NULL, 10) : 0;
	size_t n = strlen(a->kv_prefix);

	if (!a->connected || !revision || !subject ||
	    strncmp(subject, a->kv_prefix, n) != 0)
		return;
	agent_on_assignment(a, subject + n, revision, agent_is_deletion(m), m->data);
}

static void agent_on_bell(void *data, const struct bus_msg *m)
{
	struct agent *a = data;

	(void)m;
	if (a->connected && !a->listing && a->synced)
		loop_timer_start(a->list_timer, AGENT_BELL_MS, 0);
}

/* ---- listing */

static void agent_on_listed(struct agent *a, const struct store_result *r)
{
	a->listing = false;
	if (!a->connected)
		return;
	if (r && r->code) {
		snprintf(a->list_problem, sizeof a->list_problem, "%s",
		    r->code == ERROR_NOT_FOUND ? "the lifecycle buckets do not exist yet"
					       : r->detail);
		loop_timer_start(a->list_timer, AGENT_LIST_RETRY_MS, 0);
		return;
	}
	a->list_problem[0] = '\0';
	a->synced = true;
	loop_timer_start(a->list_timer, AGENT_LIST_MS, 0);
	list_for_each_safe (it, &a->r->workloads) {
		struct workload *w = list_entry(it, struct workload, link);

		if (w->listed != a->listing_no)
			w->assigned = false;
	}
	runner_on_change(a->r);
}

static void agent_on_item(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r)
{
	struct agent *a = data;

	if (ev == STORE_LIST_ITEM)
		agent_on_assignment(
		    a, item->key, item->revision, item->deleted, item->value);
	else
		agent_on_listed(a, ev == STORE_LIST_FAILED ? r : NULL);
}

static void agent_list(struct agent *a)
{
	struct store_list l = {.stream = "KV_lifecycle_assignment",
	    .filter = a->list_filter,
	    .cb = agent_on_item,
	    .data = a};

	if (a->listing || !a->connected)
		return;
	a->listing = true;
	a->listing_no++;
	store_list(a->r->store, &l);
}

static void agent_on_list_timer(struct loop_timer *t, void *data)
{
	struct agent *a = data;

	(void)t;
	agent_list(a);
	/* Records that could not be asked for, reports that could not be deleted: again.
	 */
	runner_on_change(a->r);
}

/* ---- life */

void agent_on_bus(struct agent *a, enum bus_event ev)
{
	a->connected = ev != BUS_DISCONNECTED;
	if (!a->connected) {
		loop_timer_stop(a->list_timer);
		return;
	}
	agent_list(a);
	agent_tell_record(a);
	list_for_each (it, &a->r->workloads) {
		struct workload *w = list_entry(it, struct workload, link);

		workload_on_connected(w);
		agent_flush(a, w);
	}
}

void agent_not_ready(const struct agent *a, struct buf *reasons)
{
	if (!a->connected)
		return; /* the daemon says so itself */
	if (!a->synced)
		buf_addf(reasons, "assignments have not been read yet%s%s\n",
		    a->list_problem[0] ? ": " : "", a->list_problem);
	if (!a->record_stored)
		buf_adds(reasons, "the runner's record is not stored yet\n");
}

int agent_new(struct runner *r, struct agent **out, struct err *e)
{
	struct subject feed = SUBJECT_OF(assignment_feed, r->id.s),
		       bell = SUBJECT_OF(bell, r->id.s);
	struct agent *a = calloc(1, sizeof *a);
	int code;

	must(a);
	a->r = r;
	snprintf(
	    a->kv_prefix, sizeof a->kv_prefix, "$KV.%s.", BUCKET_lifecycle_assignment);
	snprintf(a->list_filter, sizeof a->list_filter, "%s%s.>", a->kv_prefix, r->id.s);
	a->list_timer = loop_timer_new(r->loop, agent_on_list_timer, a);
	agent_tell_init(a);
	code = bus_subscribe(r->bus, feed.s, NULL, agent_on_feed, a, e);
	code = code ? code : bus_subscribe(r->bus, bell.s, NULL, agent_on_bell, a, e);
	if (code) {
		agent_stop(a);
		agent_free(a);
	} else {
		*out = a;
	}
	return code;
}

void agent_stop(struct agent *a)
{
	a->connected = false;
	a->list_timer = loop_timer_free(a->list_timer);
	agent_tell_deinit(a);
}

struct agent *agent_free(struct agent *a)
{
	free(a);
	return NULL;
}
