/* Requests that change nothing, and replies. */
#include "lifecycle/wire.h"
#include "lifecycle/wire_private.h"
#include "proto/lifecycle.pb-c.h"

/* --- requests --- */

static int take_ids(
    const char *tenant, const char *instance_id, struct query *out, struct err *e)
{
	int r = wire_take_id("tenant", tenant, &out->tenant, e);

	return r ? r : wire_take_id("instance_id", instance_id, &out->instance_id, e);
}

static int take_get(void *message, struct query *out, struct err *e)
{
	const Lifecycle__V1__GetRequest *m = message;

	return take_ids(m->tenant, m->instance_id, out, e);
}

static int take_list(void *message, struct query *out, struct err *e)
{
	const Lifecycle__V1__ListRequest *m = message;
	int r = take_ids(m->tenant, NULL, out, e);

	if (!r)
		r = wire_take_id("profile", m->profile, &out->profile, e);
	if (r)
		return r;
	if (m->has_state)
		out->state = (enum instance_state)m->state;
	if (m->has_limit)
		out->limit = m->limit;
	out->cursor = wire_dup(m->cursor);
	wire_take_map(&out->labels, m->n_labels, m->labels);
	return 0;
}

static int take_wait(void *message, struct query *out, struct err *e)
{
	const Lifecycle__V1__WaitRequest *m = message;

	for (size_t i = 0; i < m->n_states; i++)
		out->states |= 1u << m->states[i];
	return take_ids(m->tenant, m->instance_id, out, e)
		   ?: wire_take_ms("timeout_ms", m->has_timeout_ms, m->timeout_ms,
			  &out->timeout_ms, e);
}

static int take_scale(void *message, struct query *out, struct err *e)
{
	const Lifecycle__V1__ScaleRequest *m = message;

	return take_ids(m->tenant, NULL, out, e);
}

static int take_runners(void *message, struct query *out, struct err *e)
{
	(void)message;
	(void)out;
	(void)e;
	return 0;
}

static const struct query_row {
	const char *verb;
	const ProtobufCMessageDescriptor *d;
	int (*take)(void *, struct query *, struct err *);
} query_rows[] = {
    {"get", &lifecycle__v1__get_request__descriptor, take_get},
    {"force_lost", &lifecycle__v1__get_request__descriptor, take_get},
    {"list", &lifecycle__v1__list_request__descriptor, take_list},
    {"wait", &lifecycle__v1__wait_request__descriptor, take_wait},
    {"runners", &lifecycle__v1__runners_request__descriptor, take_runners},
    {"scale", &lifecycle__v1__scale_request__descriptor, take_scale},
};

int wire_query_decode(const char *verb, enum codec_encoding enc, struct slice in,
    struct query *out, struct err *e)
{
	const struct query_row *row = query_rows;
	struct ProtobufCMessage *base;
	int r;

	*out = QUERY_NULL;
	while (strcmp(row->verb, verb) != 0)
		must(++row < query_rows + ARRAY_LEN(query_rows));
	r = codec_decode(row->d, enc, in, &base, e);
	if (r)
		return r;
	r = row->take(base, out, e);
	codec_free(base);
	return r;
}

/* --- replies --- */

void wire_error_encode(int code, const char *message, uint64_t accepted_seq,
    enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__Error error = LIFECYCLE__V1__ERROR__INIT;
	Lifecycle__V1__ErrorReply plain = LIFECYCLE__V1__ERROR_REPLY__INIT;
	Lifecycle__V1__AcceptedReply accepted = LIFECYCLE__V1__ACCEPTED_REPLY__INIT;

	error.code = lend(error_name(code));
	error.message = lend(message);
	plain.error = accepted.error = &error;
	accepted.has_accepted = accepted.accepted = 1;
	accepted.has_seq = 1;
	accepted.seq = accepted_seq;
	codec_encode(accepted_seq ? &accepted.base : &plain.base, enc, out);
}

void wire_list_encode(const struct instance *const *items, size_t n,
    const char *next_cursor, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__ListReply m = LIFECYCLE__V1__LIST_REPLY__INIT;
	Lifecycle__V1__Record *records = calloc(n + 1, sizeof(*records));
	Lifecycle__V1__Record **ptrs = calloc(n + 1, sizeof(*ptrs));

	must(records && ptrs);
	for (size_t i = 0; i < n; i++) {
		wire_lend_record(&records[i], items[i], false);
		ptrs[i] = &records[i];
	}
	m.n_instances = n;
	m.instances = ptrs;
	m.next_cursor = lend(next_cursor);
	codec_encode(&m.base, enc, out);
	free(ptrs);
	free(records);
}

/* A Runner with room for its lists, for the time of packing. */
struct lent_runner {
	Lifecycle__V1__Runner m;
	char **profiles; /* owned; the strings are lent */
};

static void lend_runner(struct lent_runner *l, const struct runner_view *v)
{
	const struct runner_info *info = v->info;
	Lifecycle__V1__Runner *m = &l->m;

	lifecycle__v1__runner__init(m);
	l->profiles = calloc(info->n_offers + 1, sizeof(*l->profiles));
	must(l->profiles);
	for (size_t i = 0; i < info->n_offers; i++)
		l->profiles[i] = lend(info->offers[i].name.s);
	m->id = lend(info->id.s);
	m->state = lend(v->state);
	m->has_slots = m->has_running = 1;
	m->slots = info->slots;
	m->running = v->running;
	m->n_labels = info->labels.n;
	m->labels = wire_lend_map(
	    &info->labels, &lifecycle__v1__runner__labels_entry__descriptor);
	m->n_profiles = info->n_offers;
	m->profiles = l->profiles;
	m->n_degraded = info->n_degraded;
	m->degraded = info->degraded;
	m->has_last_seen_unix_ms = v->last_seen_unix_ms != 0;
	m->last_seen_unix_ms = v->last_seen_unix_ms;
}

void wire_runners_encode(
    const struct runner_view *runners, size_t n, enum codec_encoding enc, struct buf *out)
{
	Lifecycle__V1__RunnersReply m = LIFECYCLE__V1__RUNNERS_REPLY__INIT;
	struct lent_runner *lent = calloc(n + 1, sizeof(*lent));
	Lifecycle__V1__Runner **ptrs = calloc(n + 1, sizeof(*ptrs));

	must(lent && ptrs);
	for (size_t i = 0; i < n; i++) {
		lend_runner(&lent[i], &runners[i]);
		ptrs[i] = &lent[i].m;
	}
	m.n_runners = n;
	m.runners = ptrs;
	codec_encode(&m.base, enc, out);
	for (size_t i = 0; i < n; i++) {
		free(lent[i].profiles);
		free(lent[i].m.labels);
	}
	free(ptrs);
	free(lent);
}

void wire_scale_encode(
    const struct scale_view *s, enum codec_encoding enc, struct buf *out)
{
	typedef Lifecycle__V1__ScaleReply__PendingByReasonEntry entry;
	Lifecycle__V1__ScaleReply m = LIFECYCLE__V1__SCALE_REPLY__INIT;
	entry entries[REASON_N_], *ptrs[REASON_N_];

	for (unsigned r = REASON_NONE + 1; r < REASON_N_; r++) {
		entry *x = &entries[m.n_pending_by_reason];

		if (s->pending_by_reason[r] == 0)
			continue;
		lifecycle__v1__scale_reply__pending_by_reason_entry__init(x);
		x->key = lend(reason_name((enum reason)r));
		x->has_value = 1;
		x->value = s->pending_by_reason[r];
		ptrs[m.n_pending_by_reason++] = x;
	}
	m.pending_by_reason = ptrs;
	m.has_oldest_pending_ms = m.has_free_slots = m.has_starting = 1;
	m.has_running = m.has_idle = 1;
	m.oldest_pending_ms = s->oldest_pending_ms;
	m.free_slots = s->free_slots;
	m.starting = s->starting;
	m.running = s->running;
	m.idle = s->idle;
	codec_encode(&m.base, enc, out);
}
