/* The life of a desk, and what it does next.
 *
 * happy path of a command: read the record from the leader and, at the same time, look
 * for an earlier undecided command (desk_decide.c); decide; compare-and-set
 * (desk_write.c); answer; settle (desk_settle.c)
 *
 * happy path of a look: apply to the record as mirrored; if that changed it,
 * compare-and-set; settle
 *
 * failure modes: another replica wrote first: read again and decide anew; the write's
 * outcome is unknown: read, and see by op_id whether it was ours; no answer at all: the
 * command stays in the stream and is delivered again */
#include "lifecycle/control/desk.h"

#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/desk_internal.h"
#include "lifecycle/control/events.h"

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

void desk_insert_job(struct desk *d, struct job *j)
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
void job_finish(struct desk *d, struct job *j, const struct verdict *v)
{
	const struct instance *rec = d->e->rec.revision ? &d->e->rec : NULL;

	if (*j->ack)
		desk_add_ack(d, j);
	if (j->done)
		j->done(j->done_data, v, rec);
	job_free(j);
}

void job_postpone(struct desk *d, struct job *j, int code, const char *why)
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

void desk_take_spec(struct desk *d, struct job *j)
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
	desk_insert_job(d, j);
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
