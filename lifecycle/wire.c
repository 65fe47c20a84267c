/* Records, events and the stored form of an instance. */
#include "lifecycle/wire.h"

#include "lifecycle/wire_private.h"
#include "proto/lifecycle.pb-c.h"

/* The numbers are the same by construction; one of each kind holds that together. */
_Static_assert(
    (int)STATE_STOP_STUCK == (int)LIFECYCLE__V1__STATE__CODE__STOP_STUCK, "states");
_Static_assert((int)REASON_UNKNOWN_EXIT == (int)LIFECYCLE__V1__REASON__CODE__UNKNOWN_EXIT,
    "reasons");
_Static_assert((int)DESIRED_STOP == (int)LIFECYCLE__V1__DESIRED__CODE__STOP, "desired");
_Static_assert(
    (int)RESTART_ALWAYS == (int)LIFECYCLE__V1__RESTART_POLICY__CODE__always, "policies");
_Static_assert(
    (int)ON_LOST_REPLACE == (int)LIFECYCLE__V1__ON_LOST__CODE__replace, "on_lost");

/* --- record --- */

void wire_lend_record(
    struct Lifecycle__V1__Record *m, const struct instance *i, bool duplicate)
{
	lifecycle__v1__record__init(m);
	m->tenant = lend_text(i->tenant.s);
	m->instance_id = lend_text(i->instance_id.s);
	m->session_id = lend_text(i->session_id.s);
	m->profile = lend_text(i->profile.s);
	m->has_desired = i->desired != DESIRED_NONE;
	m->desired = (Lifecycle__V1__Desired__Code)i->desired;
	m->has_state = i->state != STATE_NONE;
	m->state = (Lifecycle__V1__State__Code)i->state;
	m->has_reason = i->reason != REASON_NONE;
	m->reason = (Lifecycle__V1__Reason__Code)i->reason;
	m->detail = lend_text(i->detail);
	m->has_generation = 1;
	m->generation = i->generation;
	m->runner = lend_text(i->runner.s);
	m->has_pid = i->pid != 0;
	m->pid = i->pid;
	m->has_exit_code = i->has_exit_code;
	m->exit_code = i->exit_code;
	m->has_signal = i->has_signal;
	m->signal = i->signal;
	m->has_restarts = m->has_attempts = m->has_known = m->has_duplicate = 1;
	m->restarts = i->restarts;
	m->attempts = i->attempts;
	m->known = i->known;
	m->duplicate = duplicate;
	m->has_created_unix_ms = i->created_unix_ms != 0;
	m->created_unix_ms = i->created_unix_ms;
	m->has_since_unix_ms = i->since_unix_ms != 0;
	m->since_unix_ms = i->since_unix_ms;
}

static int take_record(
    const Lifecycle__V1__Record *m, struct instance *out, struct err *e)
{
	int r = wire_take_id("tenant", m->tenant, &out->tenant, e);

	if (!r)
		r = wire_take_id("instance_id", m->instance_id, &out->instance_id, e);
	if (!r)
		r = wire_take_id("session_id", m->session_id, &out->session_id, e);
	if (!r)
		r = wire_take_id("profile", m->profile, &out->profile, e);
	if (!r)
		r = wire_take_id("runner", m->runner, &out->runner, e);
	if (!r &&
	    (id_empty(&out->tenant) || id_empty(&out->instance_id) || !m->has_state))
		r = err_set(e, ERROR_INVALID, "a record without ids or state");
	if (r)
		return r;
	wire_take_detail(m->detail, out->detail, sizeof(out->detail));
	out->desired = m->has_desired ? (enum desired)m->desired : DESIRED_NONE;
	out->state = (enum instance_state)m->state;
	out->reason = m->has_reason ? (enum reason)m->reason : REASON_NONE;
	out->generation = m->generation;
	out->pid = m->pid;
	out->has_exit_code = m->has_exit_code;
	out->exit_code = m->exit_code;
	out->has_signal = m->has_signal;
	out->signal = m->signal;
	out->restarts = m->restarts;
	out->attempts = m->attempts;
	out->known = m->has_known && m->known;
	out->created_unix_ms = m->created_unix_ms;
	out->since_unix_ms = m->since_unix_ms;
	return 0;
}

void wire_record_encode(
    const struct instance *i, bool duplicate, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Record m;

	wire_lend_record(&m, i, duplicate);
	codec_encode(&m.base, enc, out);
}

/* --- event --- */

struct lent_event {
	Lifecycle__V1__Event m;
	Lifecycle__V1__Error error;
};

static void lend_event(struct lent_event *l, const struct event *ev)
{
	Lifecycle__V1__Event *m = &l->m;

	lifecycle__v1__event__init(m);
	m->session_id = lend_text(ev->session_id.s);
	m->has_event_no = m->has_generation = m->has_at_unix_ms = 1;
	m->event_no = ev->event_no;
	m->type = lend(ev->type);
	m->generation = ev->generation;
	m->has_from = ev->from != STATE_NONE;
	m->from = (Lifecycle__V1__State__Code)ev->from;
	m->has_to = ev->to != STATE_NONE;
	m->to = (Lifecycle__V1__State__Code)ev->to;
	m->has_reason = ev->reason != REASON_NONE;
	m->reason = (Lifecycle__V1__Reason__Code)ev->reason;
	m->detail = lend_text(ev->detail);
	m->runner = lend_text(ev->runner.s);
	m->has_exit_code = ev->has_exit_code;
	m->exit_code = ev->exit_code;
	m->has_signal = ev->has_signal;
	m->signal = ev->signal;
	m->command_id = lend_text(ev->command_id);
	m->has_command_seq = ev->command_seq != 0;
	m->command_seq = ev->command_seq;
	m->at_unix_ms = ev->at_unix_ms;
	if (!ev->error_code)
		return;
	lifecycle__v1__error__init(&l->error);
	l->error.code = lend(error_name(ev->error_code));
	l->error.message = lend(ev->error);
	m->error = &l->error;
}

static int take_event(const Lifecycle__V1__Event *m, struct event *out, struct err *e)
{
	int r = wire_take_id("session_id", m->session_id, &out->session_id, e);

	if (!r)
		r = wire_take_id("runner", m->runner, &out->runner, e);
	if (!r)
		r = wire_take_text("type", m->type, out->type, sizeof(out->type), e);
	if (!r)
		r = wire_take_text("command_id", m->command_id, out->command_id,
		    sizeof(out->command_id), e);
	if (!r && !id_token_valid(slice_of(out->type)))
		r = err_set(e, ERROR_INVALID, "type: missing");
	if (r)
		return r;
	wire_take_detail(m->detail, out->detail, sizeof(out->detail));
	out->event_no = m->event_no;
	out->generation = m->generation;
	out->from = m->has_from ? (enum instance_state)m->from : STATE_NONE;
	out->to = m->has_to ? (enum instance_state)m->to : STATE_NONE;
	out->reason = m->has_reason ? (enum reason)m->reason : REASON_NONE;
	out->has_exit_code = m->has_exit_code;
	out->exit_code = m->exit_code;
	out->has_signal = m->has_signal;
	out->signal = m->signal;
	out->command_seq = m->command_seq;
	out->at_unix_ms = m->at_unix_ms;
	if (m->error && m->error->code) {
		out->error_code = (int)error_from_name(m->error->code);
		wire_take_detail(m->error->message, out->error, sizeof(out->error));
	}
	return 0;
}

void wire_event_encode(const struct instance *i, const struct event *ev,
    enum codec_encoding enc, struct buf *out)
{
	struct lent_event l;

	lend_event(&l, ev);
	l.m.tenant = lend_text(i->tenant.s);
	l.m.instance_id = lend_text(i->instance_id.s);
	codec_encode(&l.m.base, enc, out);
}

/* --- stored instance --- */

/* An Instance with room for its parts, for the time of packing. */
struct lent_instance {
	Lifecycle__V1__Instance m;
	Lifecycle__V1__Record record;
	Lifecycle__V1__Stop stop;
	Lifecycle__V1__SignalRequest signals[SIGNALS_MAX], *signal_ptrs[SIGNALS_MAX];
	Lifecycle__V1__Instance__Decided last[LAST_COMMANDS_MAX],
	    *last_ptrs[LAST_COMMANDS_MAX];
	struct lent_event outbox[OUTBOX_MAX];
	Lifecycle__V1__Event *outbox_ptrs[OUTBOX_MAX];
	char *excluded[EXCLUDED_MAX];
};

static void lend_last(struct lent_instance *l, const struct instance *i)
{
	for (size_t n = 0; n < i->n_last; n++) {
		Lifecycle__V1__Instance__Decided *d = &l->last[n];

		lifecycle__v1__instance__decided__init(d);
		d->command_id = lend_text(i->last[n].command_id);
		d->has_seq = 1;
		d->seq = i->last[n].seq;
		d->error = i->last[n].code ? lend(error_name(i->last[n].code)) : NULL;
		d->has_duplicate = d->duplicate = i->last[n].duplicate;
		l->last_ptrs[n] = d;
	}
	l->m.n_last = i->n_last;
	l->m.last = l->last_ptrs;
}

static void lend_lists(struct lent_instance *l, const struct instance *i)
{
	for (size_t n = 0; n < i->n_outbox; n++) {
		lend_event(&l->outbox[n], &i->outbox[n]);
		l->outbox_ptrs[n] = &l->outbox[n].m;
	}
	l->m.n_outbox = i->n_outbox;
	l->m.outbox = l->outbox_ptrs;
	for (size_t n = 0; n < i->n_excluded; n++)
		l->excluded[n] = lend(i->excluded[n].s);
	l->m.n_excluded = i->n_excluded;
	l->m.excluded = l->excluded;
	wire_lend_signals(i->signals, i->n_signals, l->signals, l->signal_ptrs);
	l->m.n_signals = i->n_signals;
	l->m.signals = l->signal_ptrs;
	l->m.n_labels = i->labels.n;
	l->m.labels =
	    wire_lend_map(&i->labels, &lifecycle__v1__instance__labels_entry__descriptor);
	lend_last(l, i);
}

void wire_instance_encode(const struct instance *i, struct buf *out)
{
	struct lent_instance l;
	Lifecycle__V1__Instance *m = &l.m;

	lifecycle__v1__instance__init(m);
	wire_lend_record(&l.record, i, false);
	wire_lend_stop(&l.stop, &i->stop);
	lend_lists(&l, i);
	m->record = &l.record;
	m->stop = &l.stop;
	m->spec_hash = lend_text(i->spec_hash.hex);
	m->effective_hash = lend_text(i->effective_hash.hex);
	m->has_fence = m->has_cmd_order = m->has_event_no = m->has_retry_unix_ms = 1;
	m->fence = i->fence;
	m->cmd_order = i->cmd_order;
	m->event_no = i->event_no;
	m->retry_unix_ms = i->retry_unix_ms;
	m->has_start_deadline_ms = m->has_start_deadline_unix_ms = m->has_start_again = 1;
	m->start_deadline_ms = i->start_deadline_ms;
	m->start_deadline_unix_ms = i->start_deadline_unix_ms;
	m->start_again = i->start_again;
	m->has_lost_after_ms = 1;
	m->lost_after_ms = i->lost_after_ms;
	m->has_on_lost = i->on_lost != ON_LOST_UNSET;
	m->on_lost = (Lifecycle__V1__OnLost__Code)i->on_lost;
	m->has_signal_no = m->has_runner_epoch = m->has_report_no = 1;
	m->signal_no = i->signal_no;
	m->runner_epoch = i->runner_epoch;
	m->report_no = i->report_no;
	m->op_id = lend_text(i->op_id);
	m->left = lend_text(i->left.s);
	m->has_cmd_stream_ms = 1;
	m->cmd_stream_ms = i->cmd_stream_ms;
	codec_encode(&m->base, CODEC_PROTOBUF, out);
	free(m->labels);
}

static int take_last(
    const Lifecycle__V1__Instance *m, struct instance *out, struct err *e)
{
	if (m->n_last > LAST_COMMANDS_MAX)
		return err_set(e, ERROR_INVALID, "last: more than %d", LAST_COMMANDS_MAX);
	for (size_t n = 0; n < m->n_last; n++) {
		const Lifecycle__V1__Instance__Decided *d = m->last[n];
		int r = wire_take_text("command_id", d->command_id,
		    out->last[n].command_id, sizeof(out->last[n].command_id), e);

		if (r)
			return r;
		out->last[n].seq = d->seq;
		out->last[n].duplicate = d->has_duplicate && d->duplicate;
		if (d->error)
			out->last[n].code = (int)error_from_name(d->error);
	}
	out->n_last = m->n_last;
	return 0;
}

static int take_outbox(
    const Lifecycle__V1__Instance *m, struct instance *out, struct err *e)
{
	if (m->n_outbox == 0)
		return 0;
	if (m->n_outbox > OUTBOX_MAX)
		return err_set(e, ERROR_INVALID, "outbox: more than %d", OUTBOX_MAX);
	out->outbox = calloc(m->n_outbox, sizeof(*out->outbox));
	must(out->outbox);
	for (size_t n = 0; n < m->n_outbox; n++) {
		int r = take_event(m->outbox[n], &out->outbox[n], e);

		if (r)
			return r;
	}
	out->n_outbox = m->n_outbox;
	return 0;
}

static int take_excluded(
    const Lifecycle__V1__Instance *m, struct instance *out, struct err *e)
{
	if (m->n_excluded > EXCLUDED_MAX)
		return err_set(e, ERROR_INVALID, "excluded: more than %d", EXCLUDED_MAX);
	for (size_t n = 0; n < m->n_excluded; n++) {
		int r = wire_take_id("excluded", m->excluded[n], &out->excluded[n], e);

		if (r)
			return r;
	}
	out->n_excluded = m->n_excluded;
	return 0;
}

static int take_texts(
    const Lifecycle__V1__Instance *m, struct instance *out, struct err *e)
{
	int r = wire_take_text(
	    "spec_hash", m->spec_hash, out->spec_hash.hex, sizeof(out->spec_hash.hex), e);

	if (!r)
		r = wire_take_text("effective_hash", m->effective_hash,
		    out->effective_hash.hex, sizeof(out->effective_hash.hex), e);
	if (!r)
		r = wire_take_text("op_id", m->op_id, out->op_id, sizeof(out->op_id), e);
	if (!r)
		r = wire_take_id("left", m->left, &out->left, e);
	if (!r)
		r = wire_take_stop(m->stop, &out->stop, e);
	if (!r)
		r = wire_take_signals(
		    m->signals, m->n_signals, out->signals, &out->n_signals, e);
	return r;
}

static int take_instance(
    const Lifecycle__V1__Instance *m, struct instance *out, struct err *e)
{
	int r = m->record ? take_record(m->record, out, e)
			  : err_set(e, ERROR_INVALID, "record: missing");

	if (!r)
		r = take_texts(m, out, e);
	if (!r)
		r = take_last(m, out, e);
	if (!r)
		r = take_outbox(m, out, e);
	if (!r)
		r = take_excluded(m, out, e);
	if (r)
		return r;
	wire_take_map(&out->labels, m->n_labels, m->labels);
	out->fence = m->fence;
	out->cmd_stream_ms = m->cmd_stream_ms;
	out->cmd_order = m->cmd_order;
	out->event_no = m->event_no;
	out->retry_unix_ms = m->retry_unix_ms;
	out->start_deadline_ms = m->start_deadline_ms;
	out->start_deadline_unix_ms = m->start_deadline_unix_ms;
	out->start_again = m->has_start_again && m->start_again;
	out->lost_after_ms = m->lost_after_ms;
	out->on_lost = m->has_on_lost ? (enum on_lost)m->on_lost : ON_LOST_UNSET;
	out->signal_no = m->signal_no;
	out->runner_epoch = m->runner_epoch;
	out->report_no = m->report_no;
	return 0;
}

int wire_instance_decode(struct slice in, struct instance *out, struct err *e)
{
	struct ProtobufCMessage *base;
	int r;

	*out = INSTANCE_NULL;
	r = codec_decode(
	    &lifecycle__v1__instance__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	r = take_instance((void *)base, out, e);
	codec_free(base);
	return r;
}
