/* Specs and commands: what is asked for. */
#include "lifecycle/wire.h"
#include "lifecycle/wire_private.h"
#include "proto/lifecycle.pb-c.h"

/* A Start with room for its parts, for the time of packing. */
struct lent_start {
	Lifecycle__V1__Start m;
	Lifecycle__V1__Start__Restart restart;
	Lifecycle__V1__Start__Ready ready;
	Lifecycle__V1__Start__Stop stop;
	Lifecycle__V1__Start__Helix helix;
};

static void lend_rules(struct lent_start *l, const struct spec *s)
{
	lifecycle__v1__start__restart__init(&l->restart);
	lifecycle__v1__start__ready__init(&l->ready);
	lifecycle__v1__start__stop__init(&l->stop);
	lifecycle__v1__start__helix__init(&l->helix);
	l->restart.has_policy = s->restart.policy != RESTART_UNSET;
	l->restart.policy = (Lifecycle__V1__RestartPolicy__Code)s->restart.policy;
	l->restart.has_max = s->restart.max >= 0;
	l->restart.max = (uint32_t)s->restart.max;
	l->restart.has_window_ms = s->restart.window_ms >= 0;
	l->restart.window_ms = s->restart.window_ms;
	l->ready.has_timeout_ms = s->ready_timeout_ms >= 0;
	l->ready.timeout_ms = s->ready_timeout_ms;
	l->stop.has_signal = s->stop.signal != 0;
	l->stop.signal = (Lifecycle__V1__Signo__Code)s->stop.signal;
	l->stop.has_grace_ms = s->stop.grace_ms >= 0;
	l->stop.grace_ms = s->stop.grace_ms;
	l->helix.user_id = s->helix_user_id;
	l->helix.spec_task_id = s->helix_spec_task_id;
	l->m.restart = &l->restart;
	l->m.ready = &l->ready;
	l->m.stop = &l->stop;
	l->m.helix = &l->helix;
}

/* Free with return_start. */
static void lend_start(struct lent_start *l, const struct spec *s)
{
	Lifecycle__V1__Start *m = &l->m;

	lifecycle__v1__start__init(m);
	lend_rules(l, s);
	m->tenant = lend_text(s->tenant.s);
	m->instance_id = lend_text(s->instance_id.s);
	m->session_id = lend_text(s->session_id.s);
	m->profile = lend_text(s->profile.s);
	m->n_params = s->params.n;
	m->params =
	    wire_lend_map(&s->params, &lifecycle__v1__start__params_entry__descriptor);
	m->n_env = s->env.n;
	m->env = wire_lend_map(&s->env, &lifecycle__v1__start__env_entry__descriptor);
	m->n_labels = s->labels.n;
	m->labels =
	    wire_lend_map(&s->labels, &lifecycle__v1__start__labels_entry__descriptor);
	m->workspace = s->workspace;
	m->has_on_lost = s->on_lost != ON_LOST_UNSET;
	m->on_lost = (Lifecycle__V1__OnLost__Code)s->on_lost;
	m->has_lost_after_ms = s->lost_after_ms >= 0;
	m->lost_after_ms = s->lost_after_ms;
	m->has_idle_timeout_ms = s->idle_timeout_ms >= 0;
	m->idle_timeout_ms = s->idle_timeout_ms;
}

static void return_start(struct lent_start *l)
{
	free(l->m.params);
	free(l->m.env);
	free(l->m.labels);
}

static int take_rules(const Lifecycle__V1__Start *m, struct spec *s, struct err *e)
{
	int r = 0;

	if (m->restart) {
		if (m->restart->has_policy)
			s->restart.policy = (enum restart_policy)m->restart->policy;
		if (m->restart->has_max)
			s->restart.max = m->restart->max;
		r = wire_take_ms("restart: window_ms", m->restart->has_window_ms,
		    m->restart->window_ms, &s->restart.window_ms, e);
	}
	if (!r && m->ready)
		r = wire_take_ms("ready: timeout_ms", m->ready->has_timeout_ms,
		    m->ready->timeout_ms, &s->ready_timeout_ms, e);
	if (!r && m->stop) {
		if (m->stop->has_signal)
			s->stop.signal = (int)m->stop->signal;
		r = wire_take_ms("stop: grace_ms", m->stop->has_grace_ms,
		    m->stop->grace_ms, &s->stop.grace_ms, e);
	}
	if (!r && m->helix) {
		s->helix_user_id = wire_dup(m->helix->user_id);
		s->helix_spec_task_id = wire_dup(m->helix->spec_task_id);
	}
	return r;
}

static int take_start(const Lifecycle__V1__Start *m, struct spec *s, struct err *e)
{
	int r = wire_take_id("tenant", m->tenant, &s->tenant, e);

	if (!r)
		r = wire_take_id("instance_id", m->instance_id, &s->instance_id, e);
	if (!r)
		r = wire_take_id("session_id", m->session_id, &s->session_id, e);
	if (!r)
		r = wire_take_id("profile", m->profile, &s->profile, e);
	if (r)
		return r;
	wire_take_map(&s->params, m->n_params, m->params);
	wire_take_map(&s->env, m->n_env, m->env);
	wire_take_map(&s->labels, m->n_labels, m->labels);
	s->workspace = wire_dup(m->workspace);
	if (m->has_on_lost)
		s->on_lost = (enum on_lost)m->on_lost;
	r = wire_take_ms("lost_after_ms", m->has_lost_after_ms, m->lost_after_ms,
	    &s->lost_after_ms, e);
	if (!r)
		r = wire_take_ms("idle_timeout_ms", m->has_idle_timeout_ms,
		    m->idle_timeout_ms, &s->idle_timeout_ms, e);
	return r ? r : take_rules(m, s, e);
}

struct hash wire_spec_hash(const struct spec *s)
{
	AUTO(buf_deinit) struct buf packed = BUF_NULL(CODEC_BYTES_MAX);
	struct lent_start l;
	struct hash h;

	lend_start(&l, s);
	codec_encode(&l.m.base, CODEC_PROTOBUF, &packed);
	return_start(&l);
	must(buf_check(&packed) == 0); /* a spec comes from a message of that size */
	digest_hex(buf_slice(&packed), h.hex);
	return h;
}

int wire_spec_decode(struct slice in, struct spec *out, struct err *e)
{
	struct ProtobufCMessage *base;
	Lifecycle__V1__Spec *m;
	int r;

	*out = SPEC_NULL;
	r = codec_decode(&lifecycle__v1__spec__descriptor, CODEC_PROTOBUF, in, &base, e);
	if (r)
		return r;
	m = (void *)base;
	r = m->start ? take_start(m->start, out, e)
		     : err_set(e, ERROR_INVALID, "start: missing");
	if (!r)
		r = wire_take_text(
		    "hash", m->hash, out->hash.hex, sizeof(out->hash.hex), e);
	out->order = m->order;
	codec_free(base);
	return r;
}

void wire_spec_encode(const struct spec *s, struct buf *out)
{
	Lifecycle__V1__Spec m = LIFECYCLE__V1__SPEC__INIT;
	struct lent_start l;

	lend_start(&l, s);
	m.start = &l.m;
	m.hash = lend(s->hash.hex);
	m.has_order = 1;
	m.order = s->order;
	codec_encode(&m.base, CODEC_PROTOBUF, out);
	return_start(&l);
}

/* commands */

static int take_ids(const char *tenant, const char *instance_id, const char *command_id,
    struct command *out, struct err *e)
{
	int r = wire_take_id("tenant", tenant, &out->tenant, e);

	if (!r)
		r = wire_take_id("instance_id", instance_id, &out->instance_id, e);
	if (!r)
		r = wire_take_text("command_id", command_id, out->command_id,
		    sizeof(out->command_id), e);
	return r;
}

static int take_start_command(
    const Lifecycle__V1__Start *m, struct command *out, struct err *e)
{
	int r = take_ids(m->tenant, m->instance_id, m->command_id, out, e);

	if (!r)
		r = take_start(m, &out->spec, e);
	if (!r)
		r = wire_take_ms("start_deadline_ms", m->has_start_deadline_ms,
		    m->start_deadline_ms, &out->start_deadline_ms, e);
	return r;
}

static int take_stop_command(
    const Lifecycle__V1__Stop *m, struct command *out, struct err *e)
{
	int r = take_ids(m->tenant, m->instance_id, m->command_id, out, e);

	out->expected_generation = m->expected_generation;
	return r ? r : wire_take_stop(m, &out->stop, e);
}

static int take_restart_command(
    const Lifecycle__V1__Restart *m, struct command *out, struct err *e)
{
	out->expected_generation = m->expected_generation;
	return take_ids(m->tenant, m->instance_id, m->command_id, out, e);
}

static int take_signal_command(
    const Lifecycle__V1__Signal *m, struct command *out, struct err *e)
{
	out->signal = m->has_signal ? (int)m->signal : 0;
	return take_ids(m->tenant, m->instance_id, m->command_id, out, e);
}

static int take_purge_command(
    const Lifecycle__V1__Purge *m, struct command *out, struct err *e)
{
	return take_ids(m->tenant, m->instance_id, m->command_id, out, e);
}

static int take_command(void *m, struct command *out, struct err *e)
{
	switch (out->verb) {
	case VERB_START:
		return take_start_command(m, out, e);
	case VERB_STOP:
		return take_stop_command(m, out, e);
	case VERB_RESTART:
		return take_restart_command(m, out, e);
	case VERB_SIGNAL:
		return take_signal_command(m, out, e);
	default:
		return take_purge_command(m, out, e);
	}
}

int wire_command_decode(enum verb verb, enum codec_encoding enc, struct slice in,
    struct command *out, struct err *e)
{
	static const ProtobufCMessageDescriptor *const by_verb[VERB_N_] = {
	    [VERB_START] = &lifecycle__v1__start__descriptor,
	    [VERB_STOP] = &lifecycle__v1__stop__descriptor,
	    [VERB_RESTART] = &lifecycle__v1__restart__descriptor,
	    [VERB_SIGNAL] = &lifecycle__v1__signal__descriptor,
	    [VERB_PURGE] = &lifecycle__v1__purge__descriptor,
	};
	struct ProtobufCMessage *base;
	int r;

	must(verb > VERB_NONE && verb < VERB_N_);
	*out = COMMAND_NULL;
	out->verb = verb;
	r = codec_decode(by_verb[verb], enc, in, &base, e);
	if (r)
		return r;
	r = take_command(base, out, e);
	codec_free(base);
	return r;
}

static void encode_start(
    const struct command *c, enum codec_encoding enc, struct buf *out)
{
	struct lent_start l;

	lend_start(&l, &c->spec);
	l.m.command_id = lend_text(c->command_id);
	l.m.has_start_deadline_ms = c->start_deadline_ms >= 0;
	l.m.start_deadline_ms = c->start_deadline_ms;
	codec_encode(&l.m.base, enc, out);
	return_start(&l);
}

static void encode_stop(const struct command *c, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Stop m;

	wire_lend_stop(&m, &c->stop);
	m.tenant = lend_text(c->tenant.s);
	m.instance_id = lend_text(c->instance_id.s);
	m.command_id = lend_text(c->command_id);
	m.has_expected_generation = c->expected_generation != 0;
	m.expected_generation = c->expected_generation;
	codec_encode(&m.base, enc, out);
}

static void encode_restart(
    const struct command *c, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Restart m = LIFECYCLE__V1__RESTART__INIT;

	m.tenant = lend_text(c->tenant.s);
	m.instance_id = lend_text(c->instance_id.s);
	m.command_id = lend_text(c->command_id);
	m.has_expected_generation = c->expected_generation != 0;
	m.expected_generation = c->expected_generation;
	codec_encode(&m.base, enc, out);
}

static void encode_signal(
    const struct command *c, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Signal m = LIFECYCLE__V1__SIGNAL__INIT;

	m.tenant = lend_text(c->tenant.s);
	m.instance_id = lend_text(c->instance_id.s);
	m.command_id = lend_text(c->command_id);
	m.has_signal = c->signal != 0;
	m.signal = (Lifecycle__V1__Signo__Code)c->signal;
	codec_encode(&m.base, enc, out);
}

static void encode_purge(
    const struct command *c, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Purge m = LIFECYCLE__V1__PURGE__INIT;

	m.tenant = lend_text(c->tenant.s);
	m.instance_id = lend_text(c->instance_id.s);
	m.command_id = lend_text(c->command_id);
	codec_encode(&m.base, enc, out);
}

void wire_command_encode(
    const struct command *c, enum codec_encoding enc, struct buf *out)
{
	static void (*const by_verb[VERB_N_])(
	    const struct command *, enum codec_encoding, struct buf *) = {
	    [VERB_START] = encode_start,
	    [VERB_STOP] = encode_stop,
	    [VERB_RESTART] = encode_restart,
	    [VERB_SIGNAL] = encode_signal,
	    [VERB_PURGE] = encode_purge,
	};

	must(c->verb > VERB_NONE && c->verb < VERB_N_);
	by_verb[c->verb](c, enc, out);
}
