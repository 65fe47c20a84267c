/* happy path of a command: read the record from the leader and, at the same time, look
 * for an earlier undecided command; decide; compare-and-set; answer; settle
 * (desk_settle.c) happy path of a look: apply to the record as mirrored; if that changed
 * it, compare-and-set; settle failure modes: another replica wrote first: read again and
 * decide anew; the write's outcome is unknown: read, and see by op_id whether it was
 * ours; no answer at all: the command stays in the stream and is delivered again */
#include "lifecycle/control/desk.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/commands.h"
#include "lifecycle/control/desk_internal.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/gate.h"
#include "lifecycle/control/look.h"
#include "lifecycle/control/metrics.h"
#include "lifecycle/core/step.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

/* --- jobs --- */

struct job *job_new(
    enum job_kind kind, const struct id *tenant, const struct id *instance_id)
{
	struct job *j = calloc(1, sizeof(*j));

	must(j);
	j->kind = kind;
	j->tenant = *tenant;
	j->instance_id = *instance_id;
	j->cmd = COMMAND_NULL;
	return j;
}

struct job *job_free(struct job *j)
{
	if (!j)
		return NULL;
	command_deinit(&j->cmd);
	free(j);
	return NULL;
}

static void jobs_insert(struct desk *d, struct job *j)
{
	list_for_each (it, &d->jobs)
		if (j->seq < list_entry(it, struct job, link)->seq) {
			list_insert_before(&d->jobs, it, &j->link);
			return;
		}
	list_push(&d->jobs, &j->link);
}

/* The end of a job: whoever waits is told, the delivery acknowledged once all is settled.
 */
static void job_finish(struct desk *d, struct job *j, const struct verdict *v)
{
	const struct instance *rec = d->e->rec.revision ? &d->e->rec : NULL;

	if (*j->ack)
		desk_add_ack(d, j);
	if (j->done)
		j->done(j->done_data, v, rec);
	job_free(j);
}

/* Not decided now. A stored command stays in the stream. */
static void job_postpone(struct desk *d, struct job *j, int code, const char *why)
{
	struct verdict v = {.code = ERROR_UNAVAILABLE};

	log_event(EV_command_failed, LF("instance", j->instance_id.s),
	    LF_I("seq", j->seq), LF("code", error_name(code)), LF("detail", why));
	snprintf(v.text, sizeof(v.text), "%s", error_sentence(ERROR_UNAVAILABLE));
	if (*j->ack && store_ack_delivery(d->c->store, j->ack, STORE_NAK, DESK_RETRY_MS))
		j->ack[0] =
		    '\0'; /* not connected: the broker delivers it again by itself */
	if (j->done)
		j->done(j->done_data, &v, NULL);
	job_free(j);
}

/* --- life of a desk --- */

static void on_retry(struct wheel_timer *t);

static struct desk *desk_of(struct control *c, struct entry *e)
{
	struct desk *d = e->desk;

	if (d)
		return d;
	d = calloc(1, sizeof(*d));
	must(d);
	d->c = c;
	d->e = e;
	d->retry.fire = on_retry;
	e->desk = d;
	list_init(&d->jobs);
	list_init(&d->acks);
	c->n_desks++;
	return d;
}

static void desk_free(struct desk *d)
{
	struct list_link *it;

	while ((it = list_pop(&d->jobs)))
		job_free(list_entry(it, struct job, link));
	while ((it = list_pop(&d->acks)))
		free(list_entry(it, struct ack, link));
	job_free(d->job);
	job_free(d->earlier);
	instance_deinit(&d->next);
	instance_deinit(&d->target);
	if (d->spec)
		spec_deinit(d->spec);
	free(d->spec);
	wheel_cancel(&d->c->wheel, &d->retry);
	d->e->desk = NULL;
	d->c->n_desks--;
	free(d);
}

void desks_free(struct control *c)
{
	map_for_each (it, c->mirror.entries) {
		struct entry *e = map_value(it);

		if (e->desk)
			desk_free(e->desk);
	}
}

static bool desk_is_idle(const struct desk *d)
{
	return !d->busy && d->jobs.n == 0 && !d->look && !d->settling && d->acks.n == 0 &&
	       !list_linked(&d->retry.link);
}

/* --- writing --- */

static void desk_begin(struct desk *d, struct job *j);
static void desk_read(struct desk *d);

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

	metric_inc(v->code        ? M_commands_refused
		   : v->duplicate ? M_commands_duplicate
				  : M_commands_decided);
	metric_observe_us(M_decide_seconds, clock_mono_us() - j->arrived_mono_us);
	log_event(EV_command_decided, LF("instance", j->instance_id.s),
	    LF("tenant", j->tenant.s), LF("verb", verb_name(j->cmd.verb)),
	    LF_I("seq", j->seq), LF("code", v->code ? error_name(v->code) : "OK"),
	    LF("duplicate", v->duplicate ? "true" : "false"));
}

/* The spec of an accepted start is stored while settling. */
static void take_spec(struct desk *d, struct job *j)
{
	if (!d->spec) {
		d->spec = malloc(sizeof(*d->spec));
		must(d->spec);
	} else {
		spec_deinit(d->spec);
	}
	*d->spec = j->cmd.spec;
	j->cmd.spec = SPEC_NULL; /* taken by the desk */
	d->spec->hash = d->e->rec.spec_hash;
	d->start_arrived_mono_us = j->arrived_mono_us;
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
	uint64_t before = d->e->rec.event_no;

	d->next.revision = revision;
	d->n_holds++;
	d->busy = false;
	d->job = NULL;
	d->n_tries = 0;
	metric_inc(M_record_writes);
	log_transitions(&d->next, before);
	desk_unreserve(d);
	mirror_put(&d->c->mirror, d->e, &d->next);
	instance_deinit(&d->next);
	d->known = true;
	if (j && j->kind == JOB_COMMAND) {
		count_verdict(d, j);
		if (d->verdict.store_spec)
			take_spec(d, j);
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

static void desk_fail(struct desk *d, int code, const char *detail)
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

static void desk_write(struct desk *d)
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

/* --- deciding --- */

/* A copy of the record to work on, without the events known to be published. False: there
 * is no room for more events, those there are published first. */
static bool desk_prepare(struct desk *d)
{
	struct entry *e = d->e;

	if (e->rec.revision) {
		instance_copy(&d->next, &e->rec);
	} else {
		d->next = INSTANCE_NULL;
		d->next.tenant = e->tenant;
		d->next.instance_id = e->instance_id;
	}
	instance_trim_outbox(&d->next, e->told);
	d->full = d->next.n_outbox > OUTBOX_MAX - EVENTS_A_STEP;
	if (!d->full)
		return true;
	instance_deinit(&d->next);
	desk_settle_begin(d);
	return false;
}

static void desk_decide_command(struct desk *d, struct job *j, int64_t now_unix_ms)
{
	struct decide_in in = {.cmd = j->refused ? NULL : &j->cmd,
	    .command_id = j->command_id,
	    .seq = j->seq,
	    .published_unix_ms = j->published_unix_ms,
	    .now_unix_ms = now_unix_ms,
	    .refused = j->refused,
	    .refused_text = j->refused_text};
	struct gate_answer gate;

	if (!j->refused && j->cmd.verb == VERB_START) {
		gate_ask(&d->c->mirror, &j->cmd.spec, &gate);
		in.spec_hash = gate.spec_hash;
		in.effective_hash = gate.effective_hash;
		in.profile_code = gate.code;
		in.profile_text = gate.text;
	}
	decide(&d->next, &in, &d->verdict);
}

static void desk_decide_force_lost(struct desk *d, int64_t now_unix_ms)
{
	d->verdict = (struct verdict){0};
	if (!d->next.known)
		d->verdict =
		    (struct verdict){.code = ERROR_NOT_FOUND, .text = "no such instance"};
	else if (!step_force_lost(&d->next, now_unix_ms))
		d->verdict = (struct verdict){
		    .code = ERROR_CONFLICT, .text = "its runner is not silent"};
}

/* The record is known, and no earlier command is undecided. */
static void desk_decide(struct desk *d)
{
	struct job *j = d->job;
	int64_t now_unix_ms = clock_unix_ms();

	if (!desk_prepare(d)) {
		jobs_insert(d, j);
		d->job = NULL;
		d->busy = false;
		return; /* goes on when settled */
	}
	if (j->kind == JOB_COMMAND) {
		desk_decide_command(d, j, now_unix_ms);
	} else {
		desk_decide_force_lost(d, now_unix_ms);
		if (d->verdict.code) {
			instance_deinit(&d->next);
			d->job = NULL;
			d->busy = false;
			job_finish(d, j, &d->verdict);
			desk_run(d);
			return;
		}
	}
	look_apply(d->c, d->e, &d->next, now_unix_ms);
	desk_write(d);
}

static void desk_do_look(struct desk *d)
{
	d->look = false;
	if (d->e->rec.revision == 0 || !desk_prepare(d))
		return;
	if (!look_apply(d->c, d->e, &d->next, clock_unix_ms())) {
		instance_deinit(&d->next);
		return;
	}
	d->busy = true;
	desk_write(d);
}

/* --- reading --- */

static void desk_ask_earlier(struct desk *d);

/* Decided already: by another replica, or in an earlier life of this one. */
static void desk_already(struct desk *d, struct job *j)
{
	const struct instance *rec = &d->e->rec;
	struct hash h;

	d->busy = false;
	d->job = NULL;
	if (!decided_answer(rec, j->seq, &d->verdict))
		d->verdict = (struct verdict){0};
	if (d->e->told < rec->event_no && !j->refused && j->cmd.verb == VERB_START) {
		h = wire_spec_hash(&j->cmd.spec);
		if (strcmp(h.hex, rec->spec_hash.hex) == 0 &&
		    !state_is_terminal(rec->state))
			take_spec(
			    d, j); /* whoever decided it may not have come to store it */
	}
	d->n_holds++;
	if (d->e->told < rec->event_no)
		desk_settle_begin(d);
	job_finish(d, j, &d->verdict);
	d->n_holds--;
	desk_run(d);
}

static void desk_decide_earlier(struct desk *d)
{
	struct job *j = d->job;

	jobs_insert(d, j); /* ours waits */
	d->job = d->earlier;
	d->earlier = NULL;
	d->job->arrived_mono_us = j->arrived_mono_us;
	desk_decide(d);
}

/* What was asked for is here. */
static void desk_read_done(struct desk *d)
{
	struct job *j = d->job;
	uint64_t order = d->e->rec.cmd_order;

	if (d->read_code) {
		desk_fail(d, d->read_code, "the record could not be read");
	} else if (!j) { /* a look that met a conflict */
		d->busy = false;
		desk_run(d);
	} else if (j->kind != JOB_COMMAND) {
		desk_decide(d);
	} else if (j->seq <= order) {
		desk_already(d, j);
	} else if (d->next_code && d->next_code != ERROR_NOT_FOUND) {
		desk_fail(d, d->next_code, "the stream could not be read");
	} else if (d->next_code || d->next_seq > j->seq) {
		desk_fail(d, ERROR_NOT_FOUND, "the command is no longer in the stream");
	} else if (d->next_seq <= order) {
		desk_ask_earlier(d); /* we had asked from too early on */
	} else if (d->earlier) {
		desk_decide_earlier(d);
	} else {
		desk_decide(d);
	}
}

static void on_record(void *data, const struct store_result *r)
{
	struct desk *d = data;
	struct instance rec = INSTANCE_NULL;
	struct err e = ERR_NULL;

	if (r->code == -ECANCELED)
		return;
	d->read_code = r->code == ERROR_NOT_FOUND ? 0 : r->code;
	if (r->code == ERROR_NOT_FOUND) {
		d->absent_revision = r->revision;
		mirror_gone(&d->c->mirror, d->e, r->revision);
	} else if (r->code == 0) {
		d->read_code = wire_instance_decode(r->value, &rec, &e);
		rec.revision = r->revision;
		if (d->read_code)
			log_event(EV_mirror_value_bad,
			    LF("bucket", BUCKET_lifecycle_instance), LF("key", r->key),
			    LF("detail", e.text));
		else
			mirror_put(&d->c->mirror, d->e, &rec);
		instance_deinit(&rec);
	}
	d->known = d->read_code == 0;
	if (--d->n_reads == 0)
		desk_read_done(d);
}

static void on_next(void *data, const struct store_result *r)
{
	struct desk *d = data;

	if (r->code == -ECANCELED)
		return;
	d->next_code = r->code;
	d->next_seq = r->revision;
	d->earlier = job_free(d->earlier);
	if (r->code == 0 && d->job && r->revision < d->job->seq)
		d->earlier = commands_read_job(r);
	if (--d->n_reads == 0)
		desk_read_done(d);
}

static void desk_ask_earlier(struct desk *d)
{
	struct subject filter = SUBJECT_OF(cmd_of, d->e->tenant.s, d->e->instance_id.s);

	d->n_reads++;
	d->asked_from = d->e->rec.cmd_order + 1;
	store_read(d->c->store,
	    &(struct store_read){.stream = STREAM_lifecycle_cmd,
		.seq = d->asked_from,
		.next_subject = filter.s},
	    on_next, d);
}

static void desk_read(struct desk *d)
{
	struct subject key = KEY_OF(d->e->tenant.s, d->e->instance_id.s);

	d->n_reads++;
	store_get(d->c->store, BUCKET_lifecycle_instance, key.s, on_record, d);
}

static void desk_begin(struct desk *d, struct job *j)
{
	d->busy = true;
	d->job = j;
	d->read_code = 0;
	if (j->kind == JOB_COMMAND && j->seq <= d->e->rec.cmd_order) {
		desk_already(d, j);
		return;
	}
	if (!d->known)
		desk_read(d);
	if (j->kind == JOB_COMMAND)
		desk_ask_earlier(d);
	else if (d->known)
		desk_decide(d);
}

/* --- running --- */

void desk_run(struct desk *d)
{
	struct entry *e = d->e;

	if (d->n_holds > 0 || d->busy || (d->full && d->settling))
		return;
	d->full = false;
	if (d->jobs.n > 0) {
		desk_begin(d, list_entry(list_pop(&d->jobs), struct job, link));
		return;
	}
	if (d->look)
		desk_do_look(d);
	if (desk_is_idle(d)) {
		struct mirror *m = &d->c->mirror;

		desk_free(d);
		mirror_release(m, e);
	}
}

static void on_retry(struct wheel_timer *t)
{
	struct desk *d = container_of(t, struct desk, retry);

	d->look = true;
	d->n_holds++;
	if (d->e->told < d->e->rec.event_no || d->acks.n > 0)
		desk_settle_begin(d);
	d->n_holds--;
	desk_run(d);
}

void desk_submit(struct control *c, struct job *j)
{
	struct entry *e = mirror_entry(&c->mirror, &j->tenant, &j->instance_id);
	struct desk *d = desk_of(c, e);

	if (d->jobs.n >= DESK_JOBS_MAX) {
		job_postpone(
		    d, j, ERROR_RATE_LIMITED, "too many commands wait for this instance");
		return;
	}
	jobs_insert(d, j);
	desk_run(d);
}

void desk_look(struct control *c, struct entry *e)
{
	struct desk *d;

	if (e->rec.revision == 0)
		return;
	d = desk_of(c, e);
	d->look = true;
	desk_run(d);
}

void desk_settle(struct control *c, struct entry *e)
{
	struct desk *d = desk_of(c, e);

	d->n_holds++;
	desk_settle_begin(d);
	d->n_holds--;
	desk_run(d);
}
