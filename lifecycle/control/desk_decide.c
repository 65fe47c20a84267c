/* Deciding: what must be known before, then the decision itself
 * (lifecycle/core/decide.h).
 *
 * happy path of a command: the record and the next command of this instance, read at the
 * same time; decide, apply what happens by itself, write
 *
 * failure modes: an earlier
 * command is undecided: that one first; decided by another replica: its answer is in the
 * record; nothing can be read: the command is left for later */
#include <errno.h>

#include "base/clock.h"
#include "lifecycle/control/commands.h"
#include "lifecycle/control/desk_internal.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/gate.h"
#include "lifecycle/control/look.h"
#include "lifecycle/core/step.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

/* The last decided command of this instance, of the stream as it is. */
static uint64_t desk_order(const struct desk *d)
{
	return instance_cmd_order(&d->e->rec, d->c->cmd_stream_ms);
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
	d->base_event_no = d->next.event_no;
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
	    .stream_ms = d->c->cmd_stream_ms,
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
		desk_insert_job(d, j);
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

void desk_do_look(struct desk *d)
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
	if (!decided_answer(rec, d->c->cmd_stream_ms, j->seq, &d->verdict))
		d->verdict = (struct verdict){0};
	/* Whoever decided it may not have come to store its spec, and whoever settled the
	 * record after that, events and all, had no spec to store. */
	if (!j->refused && j->cmd.verb == VERB_START) {
		h = wire_spec_hash(&j->cmd.spec);
		if (strcmp(h.hex, rec->spec_hash.hex) == 0 &&
		    !state_is_terminal(rec->state))
			desk_take_spec(d, j);
	}
	d->n_holds++;
	if (d->spec || d->e->told < rec->event_no)
		desk_settle_begin(d);
	job_finish(d, j, &d->verdict);
	d->n_holds--;
	desk_run(d);
}

static void desk_decide_earlier(struct desk *d)
{
	struct job *j = d->job;

	desk_insert_job(d, j); /* ours waits */
	d->job = d->earlier;
	d->earlier = NULL;
	d->job->arrived_mono_us = j->arrived_mono_us;
	desk_decide(d);
}

/* Not in the stream any more: another replica may have decided and removed it between our
 * two reads. So once more. */
static void desk_missing(struct desk *d)
{
	struct job *j = d->job;

	if (j->missed) {
		desk_fail(d, ERROR_NOT_FOUND, "the command is no longer in the stream");
		return;
	}
	j->missed = true;
	d->known = false;
	desk_begin(d, j);
}

/* What was asked for is here. */
static void desk_read_done(struct desk *d)
{
	struct job *j = d->job;
	uint64_t order = desk_order(d);

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
		desk_missing(d);
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
	d->asked_from = desk_order(d) + 1;
	store_read(d->c->store,
	    &(struct store_read){.stream = STREAM_lifecycle_cmd,
		.seq = d->asked_from,
		.next_subject = filter.s},
	    on_next, d);
}

void desk_read(struct desk *d)
{
	struct subject key = KEY_OF(d->e->tenant.s, d->e->instance_id.s);

	d->n_reads++;
	store_get(d->c->store, BUCKET_lifecycle_instance, key.s, on_record, d);
}

void desk_begin(struct desk *d, struct job *j)
{
	d->busy = true;
	d->job = j;
	d->read_code = 0;
	if (j->kind == JOB_COMMAND && j->seq <= desk_order(d)) {
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
