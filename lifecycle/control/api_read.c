/* Requests that change nothing: get reads the record from the leader, wait does so and
 * then watches the mirror; list, runners and scale answer from the mirror. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/api_internal.h"
#include "proto/subjects.h"

/* The record as the leader has it, into the mirror too. 0; ERROR_NOT_FOUND, also for what
 * is only remembered. */
static int take_record(
    struct call *call, const struct store_result *r, struct instance *rec)
{
	struct control *c = call->api->c;
	struct err e = ERR_NULL;
	int code = r->code;

	*rec = INSTANCE_NULL;
	if (code == 0)
		code = wire_instance_decode(r->value, rec, &e);
	if (code)
		return code == ERROR_NOT_FOUND ? code : ERROR_UNAVAILABLE;
	rec->revision = r->revision;
	mirror_put(&c->mirror,
	    mirror_entry(&c->mirror, &call->query.tenant, &call->query.instance_id), rec);
	return rec->known ? 0 : ERROR_NOT_FOUND;
}

/* --- get --- */

static void on_get(void *data, const struct store_result *r)
{
	struct call *call = data;
	struct instance rec;
	int code;

	if (r->code == -ECANCELED || !call_arrived(call))
		return;
	code = take_record(call, r, &rec);
	if (code == ERROR_NOT_FOUND)
		call_reply_error(call, code, "no such instance");
	else if (code)
		call_reply_error(call, code, error_sentence(code));
	else
		call_reply_record(call, &rec, false);
	instance_deinit(&rec);
}

static void read_record(struct call *call, store_cb *cb)
{
	struct subject key = KEY_OF(call->query.tenant.s, call->query.instance_id.s);

	call->n_under_way++;
	store_get(call->api->c->store, BUCKET_lifecycle_instance, key.s, cb, call);
}

void call_get(struct call *call)
{
	read_record(call, on_get);
}

/* --- wait --- */

static void on_wait_over(struct wheel_timer *t)
{
	struct call *call = container_of(t, struct call, timer);

	call_reply_error(call, ERROR_TIMEOUT, "the state was not reached in time");
}

static void on_wait_record(void *data, const struct store_result *r)
{
	struct call *call = data;
	struct instance rec;
	int code;

	if (r->code == -ECANCELED || !call_arrived(call))
		return;
	/* taking the record may answer the call, which waits at the entry */
	call->n_under_way++;
	code = take_record(call, r, &rec);
	if (call_arrived(call)) {
		if (code == 0 && call->query.states & (1u << rec.state))
			call_reply_record(call, &rec, false);
		else if (code && code != ERROR_NOT_FOUND)
			call_reply_error(call, code, error_sentence(code));
	}
	instance_deinit(&rec);
}

void call_wait(struct call *call)
{
	struct control *c = call->api->c;
	struct query *q = &call->query;

	if (q->states == 0) {
		call_reply_error(call, ERROR_INVALID, "states: missing");
		return;
	}
	if (q->timeout_ms > WAIT_MS_MAX) {
		call_reply_error(call, ERROR_INVALID, "timeout_ms: over 600000");
		return;
	}
	if (q->timeout_ms < 0)
		q->timeout_ms = WAIT_MS_DEFAULT;
	call->e = mirror_entry(&c->mirror, &q->tenant, &q->instance_id);
	list_push(&call->e->waiters, &call->by_entry);
	call->timer.fire = on_wait_over;
	wheel_arm(&c->wheel, &call->timer, q->timeout_ms);
	read_record(call, on_wait_record);
}

/* --- list --- */

static bool list_matches(const struct query *q, const struct instance *i)
{
	return i->known && (q->state == STATE_NONE || i->state == q->state) &&
	       (id_empty(&q->profile) || id_eq(&i->profile, &q->profile)) &&
	       strmap_covers(&i->labels, &q->labels);
}

static bool mirror_ready(struct call *call)
{
	if (mirror_is_synced(&call->api->c->mirror))
		return true;
	call_reply_error(call, ERROR_UNAVAILABLE, "records are still being read");
	return false;
}

static int check_list(struct query *q, struct err *e)
{
	struct id cursor;

	if (q->limit < 0)
		q->limit = LIST_LIMIT_DEFAULT;
	if (q->limit < 1 || q->limit > LIST_LIMIT_MAX)
		return err_set(e, ERROR_INVALID, "limit: %lld is not within 1..%d",
		    (long long)q->limit, LIST_LIMIT_MAX);
	if (q->cursor && !id_parse(slice_of(q->cursor), &cursor))
		return err_set(e, ERROR_INVALID, "cursor: not one of ours");
	return 0;
}

void call_list(struct call *call)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(REPLY_BYTES_MAX);
	const struct mirror *m = &call->api->c->mirror;
	struct query *q = &call->query;
	const struct instance *found[LIST_LIMIT_MAX];
	struct err e = ERR_NULL;
	const char *next = NULL;
	size_t n = 0;

	if (check_list(q, &e)) {
		call_reply_error(call, ERROR_INVALID, e.text);
		return;
	}
	if (!mirror_ready(call))
		return;
	for (size_t i = mirror_seek(m, &q->tenant, q->cursor ? q->cursor : "");
	     i < m->n_sorted && id_eq(&m->sorted[i]->tenant, &q->tenant); i++) {
		if (!list_matches(q, &m->sorted[i]->rec))
			continue;
		if (n == (size_t)q->limit) {
			next = found[n - 1]->instance_id.s;
			break;
		}
		found[n++] = &m->sorted[i]->rec;
	}
	wire_list_encode(found, n, next, call->enc, &body);
	call_reply(call, &body);
}

/* --- runners, scale --- */

static const char *runner_state(const struct runner *r)
{
	if (r->live)
		return "ready";
	return r->draining && !r->silent ? "draining" : "gone";
}

void call_runners(struct call *call)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(REPLY_BYTES_MAX);
	const struct mirror *m = &call->api->c->mirror;
	struct runner_view *views;
	size_t n = 0;

	if (!mirror_ready(call))
		return;
	views = calloc(m->n_candidates + 1, sizeof(*views));
	must(views);
	for (size_t i = 0; i < m->n_candidates; i++) {
		const struct runner *r = m->candidate_runners[i];

		if (r->revision == 0)
			continue; /* heard of, but not yet introduced */
		views[n++] = (struct runner_view){.info = &r->info,
		    .state = runner_state(r),
		    .running = (uint32_t)r->held.n,
		    .last_seen_unix_ms =
			r->heard_unix_ms ? r->heard_unix_ms : r->info.at_unix_ms};
	}
	wire_runners_encode(views, n, call->enc, &body);
	free(views);
	if (buf_check(&body))
		call_reply_error(
		    call, ERROR_TOO_LARGE, "too many runners for one answer");
	else
		call_reply(call, &body);
}

void call_scale(struct call *call)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(REPLY_BYTES_MAX);
	const struct mirror *m = &call->api->c->mirror;
	struct scale_view s = {.free_slots = mirror_free_slots(m)};
	int64_t oldest = 0;

	if (!mirror_ready(call))
		return;
	list_for_each (it, &m->pending) {
		const struct instance *i = &list_entry(it, struct entry, by_pending)->rec;

		s.pending_by_reason[i->reason]++;
		if (oldest == 0 || i->since_unix_ms < oldest)
			oldest = i->since_unix_ms;
	}
	if (oldest)
		s.oldest_pending_ms = clock_unix_ms() - oldest;
	s.starting =
	    (uint32_t)(m->n_by_state[STATE_ASSIGNED] + m->n_by_state[STATE_STARTING]);
	s.running = (uint32_t)m->n_by_state[STATE_RUNNING];
	for (size_t i = 0; i < m->n_candidates; i++)
		s.idle += m->candidates[i].live && m->candidates[i].n_held == 0;
	wire_scale_encode(&s, call->enc, &body);
	call_reply(call, &body);
}
