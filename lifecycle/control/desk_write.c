/* Writing the record of a desk, by compare-and-set.
 *
 * happy path: put at the revision it was decided on; commit: mirror, settle, answer
 *
 * failure modes: another replica wrote first: read again and think anew; outcome unknown:
 * read, and see by op_id whether it was ours; no answer: a command is left for later, a
 * look tried again */
#include <errno.h>

#include "base/clock.h"
#include "lifecycle/control/desk_internal.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/metrics.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

static void log_transitions(const struct instance *i, uint64_t after)
{
	for (size_t n = 0; n < i->n_outbox; n++) {
		const struct event *ev = &i->outbox[n];

		if (ev->event_no <= after || ev->from == ev->to)
			continue;
		log_event(EV_instance_changed, LF("instance", i->instance_id.s),
		    LF("tenant", i->tenant.s), LF("from", state_name(ev->from)),
		    LF("to", state_name(ev->to)), LF("reason", reason_name(ev->reason)),
		    LF("runner", ev->runner.s), LF_I("generation", ev->generation));
	}
}

static void count_verdict(const struct desk *d, const struct job *j)
{
	const struct verdict *v = &d->verdict;
	int64_t took_us = clock_mono_us() - j->arrived_mono_us;

	metric_inc(v->code        ? M_commands_refused
		   : v->duplicate ? M_commands_duplicate
				  : M_commands_decided);
	metric_observe_us(M_decide_seconds, took_us);
	control_count(d->c, ENDPOINT_COMMANDS, took_us, v->code);
	log_event(EV_command_decided, LF("instance", j->instance_id.s),
	    LF("tenant", j->tenant.s), LF("verb", verb_name(j->cmd.verb)),
	    LF_I("seq", j->seq), LF("code", v->code ? error_name(v->code) : "OK"),
	    LF("duplicate", v->duplicate ? "true" : "false"));
}

/* The write is over: what it held of a runner is now in the record, or free again. */
static void desk_unreserve(struct desk *d)
{
	if (d->reserved)
		mirror_reserve(&d->c->mirror, d->reserved, -1);
	d->reserved = NULL;
}

static void desk_commit(struct desk *d, uint64_t revision)
{
	struct job *j = d->job;

	d->next.revision = revision;
	d->n_holds++;
	d->busy = false;
	d->job = NULL;
	d->n_tries = 0;
	metric_inc(M_record_writes);
	log_transitions(&d->next, d->base_event_no);
	desk_unreserve(d);
	mirror_put(&d->c->mirror, d->e, &d->next);
	instance_deinit(&d->next);
	d->known = true;
	if (j && j->kind == JOB_COMMAND) {
		count_verdict(d, j);
		if (d->verdict.store_spec)
			desk_take_spec(d, j);
	}
	desk_settle_begin(d);
	if (j)
		job_finish(d, j, &d->verdict);
	d->n_holds--;
	desk_run(d);
}

/* Somebody else's write came first: what they wrote is read, and we think again. */
static void desk_again(struct desk *d)
{
	struct job *j = d->job;

	metric_inc(M_record_conflicts);
	log_event(EV_record_conflict, LF("instance", d->e->instance_id.s));
	desk_unreserve(d);
	instance_deinit(&d->next);
	d->busy = false;
	d->known = false;
	d->job = NULL;
	if (++d->n_tries > DESK_TRIES_MAX) {
		d->n_tries = 0;
		if (j)
			job_postpone(d, j, ERROR_CONFLICT, "others keep writing");
		desk_run(d);
		return;
	}
	if (j) {
		desk_begin(d, j);
		return;
	}
	d->look = true;
	d->busy = true;
	desk_read(d);
}

void desk_fail(struct desk *d, int code, const char *detail)
{
	struct job *j = d->job;

	desk_unreserve(d);
	instance_deinit(&d->next);
	d->busy = false;
	d->known = false;
	d->job = NULL;
	d->n_tries = 0;
	if (j) {
		job_postpone(d, j, code, detail);
	} else {
		log_event(EV_record_failed, LF("instance", d->e->instance_id.s),
		    LF("code", error_name(code)), LF("detail", detail));
		wheel_arm(&d->c->wheel, &d->retry, DESK_RETRY_MS);
	}
	desk_run(d);
}

/* Was the write whose outcome is unknown ours? */
static void on_whose(void *data, const struct store_result *r)
{
	struct desk *d = data;
	struct instance rec = INSTANCE_NULL;
	bool ours;

	if (r->code == -ECANCELED)
		return;
	if (r->code == ERROR_NOT_FOUND) {
		desk_again(d);
		return;
	}
	if (r->code || wire_instance_decode(r->value, &rec, NULL)) {
		desk_fail(d, r->code ? r->code : ERROR_INTERNAL, r->detail);
		instance_deinit(&rec);
		return;
	}
	ours = strcmp(rec.op_id, d->next.op_id) == 0;
	instance_deinit(&rec);
	if (ours)
		desk_commit(d, r->revision);
	else
		desk_again(d);
}

static void on_written(void *data, const struct store_result *r)
{
	struct desk *d = data;
	struct subject key;

	if (r->code == -ECANCELED)
		return;
	if (r->code == 0) {
		desk_commit(d, r->revision);
	} else if (r->code == ERROR_CONFLICT) {
		desk_again(d);
	} else if (r->code == ERROR_TIMEOUT || r->code == ERROR_UNAVAILABLE) {
		key = KEY_OF(d->e->tenant.s, d->e->instance_id.s);
		store_get(d->c->store, BUCKET_lifecycle_instance, key.s, on_whose, d);
	} else {
		desk_fail(d, r->code, r->detail);
	}
}

void desk_write(struct desk *d)
{
	AUTO(buf_deinit) struct buf value = BUF_NULL(WIRE_RECORD_MAX);
	struct subject key = KEY_OF(d->e->tenant.s, d->e->instance_id.s);
	uint64_t expected = d->e->rec.revision ? d->e->rec.revision : d->absent_revision;
	struct id op = id_make("op_");

	if (d->next.fence != d->e->rec.fence) {
		d->reserved = mirror_runner(&d->c->mirror, &d->next.runner);
		mirror_reserve(&d->c->mirror, d->reserved, 1);
	}
	snprintf(d->next.op_id, sizeof(d->next.op_id), "%s", op.s);
	wire_instance_encode(&d->next, &value);
	must(buf_check(&value) == 0); /* every field is bounded well below */
	store_put(d->c->store, BUCKET_lifecycle_instance, key.s, buf_slice(&value),
	    (int64_t)expected, on_written, d);
}
