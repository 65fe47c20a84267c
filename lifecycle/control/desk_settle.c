/* What follows from a record, in this order: its spec and its assignment are stored (or,
 * at the end, deleted), the runner's bell is rung, then the events are published, and
 * last the commands are acknowledged. So whoever finds the last event published knows
 * that all of it was done, and whoever does not does all of it again: every part may be
 * repeated.
 *
 * failure modes: a part cannot be stored now: all again after a second; the process dies
 * in between: the commands are delivered again, and every replica checks records whose
 * events it has not seen published */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/desk_internal.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/metrics.h"
#include "lifecycle/control/ordered.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	/* Repetitions within the stream's duplicate window (10 min) are dropped by the
	   broker; for older events we look. */
	EVENTS_FRESH_MS = 300000,
};

/* What the stream keeps, less an hour: an event as old as that may have been published
 * and be gone. */
static const int64_t events_kept_ms = INT64_C(7 * 24 - 1) * 3600 * 1000;

void desk_add_ack(struct desk *d, const struct job *j)
{
	size_t n = strlen(j->ack);
	struct ack *a = calloc(1, sizeof(*a) + n + 1);

	must(a);
	a->revision = d->e->rec.revision;
	a->term = j->term;
	memcpy(a->subject, j->ack, n + 1);
	list_push(&d->acks, &a->link);
	if (!d->settling && d->e->told >= d->e->rec.event_no)
		desk_settled(d);
}

/* All that followed from revisions up to the target's is done. */
void desk_settled(struct desk *d)
{
	uint64_t revision = d->settling ? d->target.revision : d->e->rec.revision;

	list_for_each_safe (it, &d->acks) {
		struct ack *a = list_entry(it, struct ack, link);
		enum store_ack kind = a->term ? STORE_TERM : STORE_ACK;

		if (a->revision > revision)
			continue;
		if (store_ack_delivery(d->c->store, a->subject, kind, 0))
			continue; /* not connected: it is delivered again, and found
				     decided */
		list_del(&d->acks, &a->link);
		free(a);
	}
}

static void settle_end(struct desk *d)
{
	d->settling = false;
	d->c->n_settling--;
	instance_deinit(&d->target);
	if (d->settle_again) {
		d->settle_again = false;
		desk_settle_begin(d);
	}
}

static void settle_fail(struct desk *d, int code, const char *detail)
{
	log_event(EV_settle_failed, LF("instance", d->e->instance_id.s),
	    LF("code", error_name(code)), LF("detail", detail));
	metric_inc(M_settle_retries);
	d->settle_again = false;
	d->n_holds++;
	settle_end(d);
	d->n_holds--;
	wheel_arm(&d->c->wheel, &d->retry, DESK_RETRY_MS);
	desk_run(d);
}

static void settle_done(struct desk *d)
{
	desk_settled(d);
	d->n_holds++;
	settle_end(d);
	d->n_holds--;
	desk_run(d);
}

/* --- events --- */

/* "<tenant>.<instance>.<event_no>" */
static void event_msg_id(
    const struct instance *i, uint64_t event_no, char *out, size_t cap)
{
	snprintf(out, cap, "%s.%s.%" PRIu64, i->tenant.s, i->instance_id.s, event_no);
}

static void on_event_stored(void *data, const struct store_result *r)
{
	struct desk *d = data;

	if (r->code == -ECANCELED)
		return;
	if (r->code) {
		d->effect_code = r->code;
		snprintf(
		    d->effect_detail, sizeof(d->effect_detail), "event: %s", r->detail);
	}
	if (--d->n_effects > 0)
		return;
	if (d->effect_code) {
		settle_fail(d, d->effect_code, d->effect_detail);
		return;
	}
	mirror_told(d->e, d->target.event_no);
	settle_done(d);
}

/* JSON: whoever watches the stream needs no .proto file. */
static void publish_event(struct desk *d, const struct event *ev)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(WIRE_RECORD_MAX);
	struct subject s =
	    SUBJECT_OF(evt, d->target.tenant.s, d->target.instance_id.s, ev->type);
	const struct bus_header type = {"Content-Type", "application/json"};
	char msg_id[KEY_MAX + 24];

	event_msg_id(&d->target, ev->event_no, msg_id, sizeof(msg_id));
	wire_event_encode(&d->target, ev, CODEC_JSON, &body);
	must(buf_check(&body) == 0);
	d->n_effects++;
	metric_inc(M_events_published);
	store_append(d->c->store,
	    &(struct store_append){.subject = s.s,
		.msg_id = msg_id,
		.headers = &type,
		.n_headers = 1,
		.value = buf_slice(&body),
		.expected_last_subject_seq = STORE_ANY_REVISION},
	    on_event_stored, d);
}

/* In order, without waiting in between: one connection to one stream keeps them so. */
static void settle_events(struct desk *d)
{
	instance_trim_outbox(&d->target, d->e->told);
	d->effect_code = 0;
	if (d->target.n_outbox == 0) {
		mirror_told(d->e, d->target.event_no);
		settle_done(d);
		return;
	}
	d->n_effects = 1; /* so that none that fails at once ends it */
	for (size_t n = 0; n < d->target.n_outbox; n++)
		publish_event(d, &d->target.outbox[n]);
	d->n_effects--;
}

/* --- spec and assignment --- */

static bool read_spec_order(struct slice value, uint64_t *order_out)
{
	struct spec s;
	bool ok = wire_spec_decode(value, &s, NULL) == 0;

	*order_out = s.order;
	spec_deinit(&s);
	return ok;
}

static bool read_assignment_order(struct slice value, uint64_t *order_out)
{
	struct assignment a;
	bool ok = wire_assignment_decode(value, &a, NULL) == 0;

	*order_out = a.order;
	return ok;
}

static void effects_done(struct desk *d)
{
	const struct instance *t = &d->target;

	if (d->effect_code) {
		settle_fail(d, d->effect_code, d->effect_detail);
		return;
	}
	if (state_is_terminal(t->state))
		d->e->cleaned = t->generation;
	if (d->ring) {
		struct subject bell = SUBJECT_OF(bell, t->runner.s);
		char what[KEY_MAX];

		snprintf(what, sizeof(what), "%s.%s", t->tenant.s, t->instance_id.s);
		if (bus_publish(d->c->bus, bell.s, NULL, NULL, 0, slice_of(what)))
			d->effect_code = 0; /* the runner sees it in its feed */
		if (d->start_arrived_mono_us)
			metric_observe_us(
			    M_bell_seconds, clock_mono_us() - d->start_arrived_mono_us);
		d->start_arrived_mono_us = 0;
	}
	settle_events(d);
}

static void effect_done(struct desk *d, int code, const char *what, const char *detail)
{
	if (code) {
		d->effect_code = code;
		snprintf(
		    d->effect_detail, sizeof(d->effect_detail), "%s: %s", what, detail);
	}
	if (--d->n_effects == 0)
		effects_done(d);
}

static void on_spec(void *data, int code, bool newer, const char *detail)
{
	struct desk *d = data;

	(void)newer; /* a later start's spec is there: right so */
	if (code == -ECANCELED)
		return;
	if (code == 0 && d->spec &&
	    strcmp(d->spec->hash.hex, d->target.spec_hash.hex) == 0) {
		spec_deinit(d->spec);
		free(d->spec);
		d->spec = NULL;
	}
	effect_done(d, code, "spec", detail);
}

static void on_assignment(void *data, int code, bool newer, const char *detail)
{
	struct desk *d = data;

	if (code == -ECANCELED)
		return;
	if (code == 0 && !newer)
		instance_assignment(&d->target, &d->e->sent);
	effect_done(d, code, "assignment", detail);
}

static void on_deleted(void *data, int code, bool newer, const char *detail)
{
	(void)newer;
	if (code != -ECANCELED)
		effect_done(data, code, "deletion", detail);
}

static void store_spec(struct desk *d)
{
	AUTO(buf_deinit) struct buf value = BUF_NULL(STORE_VALUE_MAX);
	const struct instance *t = &d->target;
	struct subject key = KEY_OF(t->tenant.s, t->instance_id.s);

	d->spec->order = t->revision;
	wire_spec_encode(d->spec, &value);
	must(buf_check(&value) == 0);
	d->n_effects++;
	ordered_write(d->c->store, &(struct ordered){.bucket = BUCKET_lifecycle_spec,
				       .key = key.s,
				       .record = key.s,
				       .value = buf_slice(&value),
				       .order = t->revision,
				       .absent = t->generation <= 1,
				       .read = read_spec_order,
				       .cb = on_spec,
				       .data = d});
}

static void store_assignment(struct desk *d, const struct assignment *a)
{
	AUTO(buf_deinit) struct buf value = BUF_NULL(WIRE_RECORD_MAX);
	const struct instance *t = &d->target;
	struct subject key = KEY_OF(t->runner.s, t->tenant.s, t->instance_id.s);
	struct subject record = KEY_OF(t->tenant.s, t->instance_id.s);

	wire_assignment_encode(a, &value);
	must(buf_check(&value) == 0);
	d->n_effects++;
	d->ring = true;
	ordered_write(
	    d->c->store, &(struct ordered){.bucket = BUCKET_lifecycle_assignment,
			     .key = key.s,
			     .record = record.s,
			     .value = buf_slice(&value),
			     .order = t->revision,
			     .absent = t->fence == 1 && t->state == STATE_ASSIGNED,
			     .read = read_assignment_order,
			     .cb = on_assignment,
			     .data = d});
}

static void delete_value(
    struct desk *d, const char *bucket, const char *key, ordered_read *read)
{
	d->n_effects++;
	ordered_write(d->c->store, &(struct ordered){.bucket = bucket,
				       .key = key,
				       .record = key,
				       .order = d->target.revision,
				       .read = read,
				       .cb = on_deleted,
				       .data = d});
}

static void delete_assignment(struct desk *d, const struct id *runner)
{
	struct subject key =
	    KEY_OF(runner->s, d->target.tenant.s, d->target.instance_id.s);

	delete_value(d, BUCKET_lifecycle_assignment, key.s, read_assignment_order);
}

static void settle_placed(struct desk *d)
{
	struct assignment a;

	if (instance_assignment(&d->target, &a) && !assignment_same(&a, &d->e->sent))
		store_assignment(d, &a);
}

static void settle_ended(struct desk *d)
{
	const struct instance *t = &d->target;
	struct subject key = KEY_OF(t->tenant.s, t->instance_id.s);

	if (t->generation == 0 || d->e->cleaned == t->generation)
		return;
	delete_value(d, BUCKET_lifecycle_spec, key.s, read_spec_order);
	if (!id_empty(&t->runner))
		delete_assignment(d, &t->runner);
}

/* Assignments of placements that are over. */
static void settle_left(struct desk *d)
{
	const struct instance *t = &d->target;

	if (t->state != STATE_PENDING && t->state != STATE_ASSIGNED &&
	    !state_is_terminal(t->state))
		return; /* done when it was placed */
	for (size_t n = 0; n < t->n_excluded; n++)
		if (!id_eq(&t->excluded[n], &t->runner))
			delete_assignment(d, &t->excluded[n]);
	if (!id_empty(&t->left) && !id_eq(&t->left, &t->runner))
		delete_assignment(d, &t->left);
}

static void settle_effects(struct desk *d)
{
	const struct instance *t = &d->target;

	d->effect_code = 0;
	d->ring = false;
	d->n_effects = 1; /* so that none that fails at once ends it */
	if (d->spec && strcmp(d->spec->hash.hex, t->spec_hash.hex) == 0 &&
	    !state_is_terminal(t->state))
		store_spec(d);
	if (state_is_terminal(t->state))
		settle_ended(d);
	else
		settle_placed(d);
	settle_left(d);
	effect_done(d, 0, "", "");
}

/* --- was it done before? --- */

/* The number at the end of an event's message id; 0 if there is none. */
static uint64_t event_no_of(const struct store_result *r)
{
	const struct bus_msg m = {.headers = r->headers, .n_headers = r->n_headers};
	const char *id = bus_msg_header(&m, "Nats-Msg-Id");
	const char *dot = id ? strrchr(id, '.') : NULL;

	return dot ? strtoull(dot + 1, NULL, 10) : 0;
}

static void on_last_event(void *data, const struct store_result *r)
{
	struct desk *d = data;
	const struct instance *t = &d->target;
	uint64_t no = 0;
	bool aged =
	    t->n_outbox == 0 ||
	    t->outbox[t->n_outbox - 1].at_unix_ms + events_kept_ms < clock_unix_ms();

	if (r->code == -ECANCELED)
		return;
	if (r->code && r->code != ERROR_NOT_FOUND) {
		settle_fail(d, r->code, r->detail);
		return;
	}
	if (r->code == 0)
		no = event_no_of(r);
	else if (aged)
		no = t->event_no;
	mirror_told(d->e, no);
	if (d->e->told >= t->event_no)
		settle_done(d); /* the last event told: all before it was done */
	else
		settle_effects(d);
}

/* Old events that nobody was heard to publish: look before repeating them. */
static bool must_look(const struct desk *d)
{
	const struct instance *t = &d->target;

	return t->event_no > d->e->told && t->n_outbox > 0 &&
	       t->outbox[0].event_no > d->e->told &&
	       clock_unix_ms() - t->outbox[0].at_unix_ms > EVENTS_FRESH_MS;
}

void desk_settle_begin(struct desk *d)
{
	struct subject all;

	if (d->settling) {
		d->settle_again = true;
		return;
	}
	if (d->e->rec.revision == 0)
		return;
	wheel_cancel(&d->c->wheel, &d->retry);
	d->settling = true;
	d->c->n_settling++;
	instance_copy(&d->target, &d->e->rec);
	instance_trim_outbox(&d->target, d->e->told);
	if (!must_look(d)) {
		settle_effects(d);
		return;
	}
	all = SUBJECT_OF(evt_of, d->target.tenant.s, d->target.instance_id.s);
	store_read(d->c->store,
	    &(struct store_read){.stream = STREAM_lifecycle_evt, .last_subject = all.s},
	    on_last_event, d);
}
