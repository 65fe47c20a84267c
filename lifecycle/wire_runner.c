/* What runs between lifecycled and runners: assignments, reports, runner records,
 * heartbeats. */
#include "lifecycle/wire.h"
#include "lifecycle/wire_private.h"
#include "proto/lifecycle.pb-c.h"

/* assignment */

static int take_assignment(
    const Lifecycle__V1__Assignment *m, struct assignment *out, struct err *e)
{
	int r = wire_take_id("tenant", m->tenant, &out->tenant, e);

	if (!r)
		r = wire_take_id("instance_id", m->instance_id, &out->instance_id, e);
	if (!r)
		r = wire_take_text("spec_hash", m->spec_hash, out->spec_hash.hex,
		    sizeof(out->spec_hash.hex), e);
	if (!r)
		r = wire_take_stop(m->stop, &out->stop, e);
	if (!r)
		r = wire_take_signals(
		    m->signals, m->n_signals, out->signals, &out->n_signals, e);
	if (!r &&
	    (id_empty(&out->tenant) || id_empty(&out->instance_id) || !m->has_desired))
		r = err_set(e, ERROR_INVALID, "an assignment without ids or desired");
	out->generation = m->generation;
	out->fence = m->fence;
	out->desired = (enum desired)m->desired;
	out->order = m->order;
	return r;
}

int wire_assignment_decode(struct slice in, struct assignment *out, struct err *e)
{
	struct ProtobufCMessage *base;
	int r;

	*out = (struct assignment){0};
	r = codec_decode(
	    &lifecycle__v1__assignment__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	r = take_assignment((void *)base, out, e);
	codec_free(base);
	return r;
}

void wire_assignment_encode(const struct assignment *a, struct buf *out)
{
	Lifecycle__V1__Assignment m = LIFECYCLE__V1__ASSIGNMENT__INIT;
	Lifecycle__V1__SignalRequest store[SIGNALS_MAX], *ptrs[SIGNALS_MAX];
	Lifecycle__V1__Stop stop;

	m.tenant = lend_text(a->tenant.s);
	m.instance_id = lend_text(a->instance_id.s);
	m.has_generation = m.has_fence = m.has_desired = m.has_order = 1;
	m.generation = a->generation;
	m.fence = a->fence;
	m.desired = (Lifecycle__V1__Desired__Code)a->desired;
	m.spec_hash = lend_text(a->spec_hash.hex);
	m.order = a->order;
	if (a->desired == DESIRED_STOP) {
		wire_lend_stop(&stop, &a->stop);
		m.stop = &stop;
	}
	wire_lend_signals(a->signals, a->n_signals, store, ptrs);
	m.n_signals = a->n_signals;
	m.signals = ptrs;
	codec_encode(&m.base, CODEC_PROTOBUF, out);
}

/* report */

static int take_report(const Lifecycle__V1__Report *m, struct report *out, struct err *e)
{
	int r = wire_take_id("tenant", m->tenant, &out->tenant, e);

	if (!r)
		r = wire_take_id("instance_id", m->instance_id, &out->instance_id, e);
	if (!r)
		r = wire_take_id("boot_id", m->boot_id, &out->boot_id, e);
	if (r)
		return r;
	wire_take_detail(m->detail, out->detail, sizeof(out->detail));
	out->generation = m->generation;
	out->fence = m->fence;
	out->state = m->has_state ? (enum instance_state)m->state : STATE_NONE;
	out->reason = m->has_reason ? (enum reason)m->reason : REASON_NONE;
	out->pid = m->pid;
	out->has_exit_code = m->has_exit_code;
	out->exit_code = m->exit_code;
	out->has_signal = m->has_signal;
	out->signal = m->signal;
	out->restarts = m->restarts;
	out->refused = m->has_refused && m->refused;
	out->runner_epoch = m->runner_epoch;
	out->report_no = m->report_no;
	out->at_unix_ms = m->at_unix_ms;
	out->signal_no = m->signal_no;
	return 0;
}

int wire_report_decode(struct slice in, struct report *out, struct err *e)
{
	struct ProtobufCMessage *base;
	int r;

	*out = (struct report){0};
	r = codec_decode(
	    &lifecycle__v1__report__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	r = take_report((void *)base, out, e);
	codec_free(base);
	return r;
}

void wire_report_encode(const struct report *r, struct buf *out)
{
	Lifecycle__V1__Report m = LIFECYCLE__V1__REPORT__INIT;

	m.tenant = lend_text(r->tenant.s);
	m.instance_id = lend_text(r->instance_id.s);
	m.has_generation = m.has_fence = m.has_restarts = m.has_runner_epoch = 1;
	m.has_report_no = m.has_at_unix_ms = m.has_signal_no = 1;
	m.generation = r->generation;
	m.fence = r->fence;
	m.has_state = r->state != STATE_NONE;
	m.state = (Lifecycle__V1__State__Code)r->state;
	m.has_reason = r->reason != REASON_NONE;
	m.reason = (Lifecycle__V1__Reason__Code)r->reason;
	m.detail = lend_text(r->detail);
	m.has_pid = r->pid != 0;
	m.pid = r->pid;
	m.has_exit_code = r->has_exit_code;
	m.exit_code = r->exit_code;
	m.has_signal = r->has_signal;
	m.signal = r->signal;
	m.restarts = r->restarts;
	m.has_refused = m.refused = r->refused;
	m.boot_id = lend_text(r->boot_id.s);
	m.runner_epoch = r->runner_epoch;
	m.report_no = r->report_no;
	m.at_unix_ms = r->at_unix_ms;
	m.signal_no = r->signal_no;
	codec_encode(&m.base, CODEC_PROTOBUF, out);
}

/* runner record */

static void take_texts(char *const *in, size_t n, char ***out, size_t *n_out)
{
	*out = calloc(n + 1, sizeof(**out));
	must(*out);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = strdup(in[i]);
		must((*out)[i]);
	}
	*n_out = n;
}

static int take_offer(const Lifecycle__V1__Profile *m, struct offer *out, struct err *e)
{
	int r = wire_take_id("name", m->name, &out->name, e);

	if (!r)
		r = wire_take_text(
		    "hash", m->hash, out->hash.hex, sizeof(out->hash.hex), e);
	if (r)
		return r;
	take_texts(m->env_allow, m->n_env_allow, &out->env_allow, &out->n_env_allow);
	out->params = calloc(m->n_params + 1, sizeof(*out->params));
	must(out->params);
	for (size_t i = 0; i < m->n_params; i++) {
		const Lifecycle__V1__Profile__Param *p = m->params[i];

		out->params[i] =
		    (struct offer_param){.name = strdup(p->name ? p->name : ""),
			.pattern = strdup(p->pattern ? p->pattern : ""),
			.max = p->has_max ? (int64_t)p->max : -1};
		must(out->params[i].name && out->params[i].pattern);
		out->n_params++;
	}
	if (m->restart) {
		if (m->restart->has_policy)
			out->restart.policy = (enum restart_policy)m->restart->policy;
		if (m->restart->has_max)
			out->restart.max = m->restart->max;
		if (m->restart->has_window_ms)
			out->restart.window_ms = m->restart->window_ms;
	}
	if (m->stop) {
		if (m->stop->has_signal)
			out->stop.signal = (int)m->stop->signal;
		if (m->stop->has_grace_ms)
			out->stop.grace_ms = m->stop->grace_ms;
	}
	return 0;
}

static int take_runner(
    const Lifecycle__V1__RunnerInfo *m, struct runner_info *out, struct err *e)
{
	int r = wire_take_id("id", m->id, &out->id, e);

	if (!r && id_empty(&out->id))
		r = err_set(e, ERROR_INVALID, "id: missing");
	if (!r)
		r = wire_take_id("boot_id", m->boot_id, &out->boot_id, e);
	if (r)
		return r;
	out->epoch = m->epoch;
	out->slots = m->slots;
	out->draining = m->has_draining && m->draining;
	out->at_unix_ms = m->at_unix_ms;
	out->version = wire_dup(m->version);
	wire_take_map(&out->labels, m->n_labels, m->labels);
	take_texts(m->degraded, m->n_degraded, &out->degraded, &out->n_degraded);
	out->offers = calloc(m->n_profiles + 1, sizeof(*out->offers));
	must(out->offers);
	for (size_t i = 0; i < m->n_profiles && !r; i++) {
		out->offers[out->n_offers] = OFFER_NULL;
		r = take_offer(m->profiles[i], &out->offers[out->n_offers++], e);
	}
	return r;
}

int wire_runner_decode(struct slice in, struct runner_info *out, struct err *e)
{
	struct ProtobufCMessage *base;
	int r;

	*out = RUNNER_INFO_NULL;
	r = codec_decode(
	    &lifecycle__v1__runner_info__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	r = take_runner((void *)base, out, e);
	codec_free(base);
	return r;
}

/* A Profile with room for its parts, for the time of packing. */
struct lent_offer {
	Lifecycle__V1__Profile m;
	Lifecycle__V1__Start__Restart restart;
	Lifecycle__V1__Start__Stop stop;
	Lifecycle__V1__Profile__Param *params, **param_ptrs; /* owned */
};

static void lend_params(struct lent_offer *l, const struct offer *o)
{
	l->params = calloc(o->n_params + 1, sizeof(*l->params));
	l->param_ptrs = calloc(o->n_params + 1, sizeof(*l->param_ptrs));
	must(l->params && l->param_ptrs);
	for (size_t i = 0; i < o->n_params; i++) {
		Lifecycle__V1__Profile__Param *p = &l->params[i];

		lifecycle__v1__profile__param__init(p);
		p->name = o->params[i].name;
		p->pattern = o->params[i].pattern;
		p->has_max = o->params[i].max >= 0;
		p->max = (uint32_t)o->params[i].max;
		l->param_ptrs[i] = p;
	}
	l->m.n_params = o->n_params;
	l->m.params = l->param_ptrs;
}

static void lend_offer(struct lent_offer *l, const struct offer *o)
{
	lifecycle__v1__profile__init(&l->m);
	lifecycle__v1__start__restart__init(&l->restart);
	lifecycle__v1__start__stop__init(&l->stop);
	l->m.name = lend_text(o->name.s);
	l->m.hash = lend_text(o->hash.hex);
	l->m.n_env_allow = o->n_env_allow;
	l->m.env_allow = o->env_allow;
	l->restart.has_policy = o->restart.policy != RESTART_UNSET;
	l->restart.policy = (Lifecycle__V1__RestartPolicy__Code)o->restart.policy;
	l->restart.has_max = o->restart.max >= 0;
	l->restart.max = (uint32_t)o->restart.max;
	l->restart.has_window_ms = o->restart.window_ms >= 0;
	l->restart.window_ms = o->restart.window_ms;
	l->stop.has_signal = o->stop.signal != 0;
	l->stop.signal = (Lifecycle__V1__Signo__Code)o->stop.signal;
	l->stop.has_grace_ms = o->stop.grace_ms >= 0;
	l->stop.grace_ms = o->stop.grace_ms;
	l->m.restart = &l->restart;
	l->m.stop = &l->stop;
	lend_params(l, o);
}

void wire_runner_encode(const struct runner_info *r, struct buf *out)
{
	Lifecycle__V1__RunnerInfo m = LIFECYCLE__V1__RUNNER_INFO__INIT;
	struct lent_offer *offers = calloc(r->n_offers + 1, sizeof(*offers));
	Lifecycle__V1__Profile **ptrs = calloc(r->n_offers + 1, sizeof(*ptrs));

	must(offers && ptrs);
	for (size_t i = 0; i < r->n_offers; i++) {
		lend_offer(&offers[i], &r->offers[i]);
		ptrs[i] = &offers[i].m;
	}
	m.id = lend_text(r->id.s);
	m.boot_id = lend_text(r->boot_id.s);
	m.has_epoch = m.has_slots = m.has_draining = m.has_at_unix_ms = 1;
	m.epoch = r->epoch;
	m.slots = r->slots;
	m.draining = r->draining;
	m.at_unix_ms = r->at_unix_ms;
	m.version = r->version;
	m.n_labels = r->labels.n;
	m.labels = wire_lend_map(
	    &r->labels, &lifecycle__v1__runner_info__labels_entry__descriptor);
	m.n_profiles = r->n_offers;
	m.profiles = ptrs;
	m.n_degraded = r->n_degraded;
	m.degraded = r->degraded;
	codec_encode(&m.base, CODEC_PROTOBUF, out);
	for (size_t i = 0; i < r->n_offers; i++) {
		free(offers[i].params);
		free(offers[i].param_ptrs);
	}
	free(offers);
	free(ptrs);
	free(m.labels);
}

/* heartbeat */

int wire_heartbeat_decode(struct slice in, struct heartbeat *out, struct err *e)
{
	struct ProtobufCMessage *base;
	const Lifecycle__V1__Heartbeat *m;
	int r;

	*out = (struct heartbeat){0};
	r = codec_decode(
	    &lifecycle__v1__heartbeat__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	m = (void *)base;
	r = wire_take_id("runner", m->runner, &out->runner, e);
	if (!r)
		r = wire_take_id("boot_id", m->boot_id, &out->boot_id, e);
	if (!r && id_empty(&out->runner))
		r = err_set(e, ERROR_INVALID, "runner: missing");
	out->epoch = m->epoch;
	out->seq = m->seq;
	out->slots = m->slots;
	out->starting = m->starting;
	out->running = m->running;
	out->draining = m->has_draining && m->draining;
	codec_free(base);
	return r;
}

void wire_heartbeat_encode(const struct heartbeat *h, struct buf *out)
{
	Lifecycle__V1__Heartbeat m = LIFECYCLE__V1__HEARTBEAT__INIT;

	m.runner = lend_text(h->runner.s);
	m.boot_id = lend_text(h->boot_id.s);
	m.has_epoch = m.has_seq = m.has_slots = m.has_starting = m.has_running = 1;
	m.has_draining = 1;
	m.epoch = h->epoch;
	m.seq = h->seq;
	m.slots = h->slots;
	m.starting = h->starting;
	m.running = h->running;
	m.draining = h->draining;
	codec_encode(&m.base, CODEC_PROTOBUF, out);
}
