/* What the runner tells: its record, its heartbeat, and a report for each instance. */
#include "lifecycle/runner/agent_internal.h"

#include <string.h>

#include "base/clock.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	AGENT_RECORD_MS = 10 * 1000,
	AGENT_RECORD_RETRY_MS = 500,
	AGENT_HEARTBEAT_MS = 2000,
	AGENT_REPORT_RETRY_MS = 300,
	AGENT_VALUE_MAX = 512 * 1024,
};

/* ---- reports */

struct agent_report_call {
	struct agent *a;
	char key[WORKLOAD_KEY_MAX];
	uint64_t serial;
};

static void agent_on_reported(void *data, const struct store_result *r)
{
	struct agent_report_call *c = data;
	struct agent *a = c->a;
	struct workload *w = runner_find(a->r, c->key);

	a->n_reports_in_flight--;
	if (w && w->serial == c->serial) {
		w->report_in_flight = false;
		if (r->code) {
			w->report_dirty = true;
			if (!loop_timer_armed(a->report_timer))
				loop_timer_start(
				    a->report_timer, AGENT_REPORT_RETRY_MS, 0);
		} else {
			agent_flush(a, w);
		}
	}
	free(c);
	runner_on_change(a->r);
}

void agent_flush(struct agent *a, struct workload *w)
{
	struct subject key = KEY_OF(a->r->id.s, w->tenant.s, w->instance_id.s);
	struct buf value = BUF_NULL(AGENT_VALUE_MAX);
	struct agent_report_call *c;
	struct report report;

	if (!w->report_dirty || w->report_in_flight || w->forgetting || !a->connected)
		return;
	w->report_dirty = false;
	w->report_in_flight = true;
	workload_fill_report(w, &report);
	report.report_no = ++a->report_no;
	wire_report_encode(&report, &value);
	c = calloc(1, sizeof *c);
	must(c);
	c->a = a;
	c->serial = w->serial;
	memcpy(c->key, w->key, sizeof c->key);
	a->n_reports_in_flight++;
	store_put(a->r->store, BUCKET_lifecycle_report, key.s, buf_slice(&value),
	    STORE_ANY_REVISION, agent_on_reported, c);
	buf_deinit(&value);
}

static void agent_on_report_timer(struct loop_timer *t, void *data)
{
	struct agent *a = data;

	(void)t;
	list_for_each (it, &a->r->workloads) {
		agent_flush(a, list_entry(it, struct workload, link));
	}
}

bool agent_is_quiet(const struct agent *a)
{
	list_for_each (it, &a->r->workloads) {
		const struct workload *w = list_entry(it, struct workload, link);

		if (w->report_dirty || w->report_in_flight)
			return false;
	}
	return true;
}

/* ---- the record */

static void agent_on_record_stored(void *data, const struct store_result *r)
{
	struct agent *a = data;

	a->record_in_flight = false;
	a->record_stored = a->record_stored || r->code == 0;
	if (a->record_again && r->code == 0)
		agent_tell_record(a);
	else if (a->connected)
		loop_timer_start(a->record_timer,
		    r->code ? AGENT_RECORD_RETRY_MS : AGENT_RECORD_MS, 0);
}

static void agent_encode_record(const struct agent *a, struct buf *out)
{
	struct runner *r = a->r;
	char version[] = ZEDBUS_VERSION;
	struct runner_info info = {.id = r->id,
	    .boot_id = r->boot_id,
	    .epoch = r->epoch,
	    .slots = (uint32_t)r->conf->slots,
	    .labels = r->labels,
	    .offers = r->profiles.offers,
	    .n_offers = r->profiles.n_offers,
	    .draining = r->draining,
	    .at_unix_ms = clock_unix_ms(),
	    .version = version};

	runner_degraded(r, &info.degraded, &info.n_degraded);
	wire_runner_encode(&info, out);
	for (size_t i = 0; i < info.n_degraded; i++)
		free(info.degraded[i]);
	free(info.degraded);
}

void agent_tell_record(struct agent *a)
{
	struct buf value = BUF_NULL(AGENT_VALUE_MAX);

	a->record_again = a->record_in_flight;
	if (a->record_in_flight || !a->connected)
		return;
	a->record_in_flight = true;
	agent_encode_record(a, &value);
	store_put(a->r->store, BUCKET_lifecycle_runner, a->r->id.s, buf_slice(&value),
	    STORE_ANY_REVISION, agent_on_record_stored, a);
	buf_deinit(&value);
}

static void agent_on_record_timer(struct loop_timer *t, void *data)
{
	(void)t;
	agent_tell_record(data);
}

/* ---- the heartbeat */

static void agent_on_heartbeat(struct loop_timer *t, void *data)
{
	struct agent *a = data;
	struct runner *r = a->r;
	struct subject subject = SUBJECT_OF(hb, r->id.s);
	struct buf value = BUF_NULL(AGENT_VALUE_MAX);
	struct heartbeat h = {.runner = r->id,
	    .boot_id = r->boot_id,
	    .epoch = r->epoch,
	    .slots = (uint32_t)r->conf->slots,
	    .starting = (uint32_t)runner_n_starting(r),
	    .running = (uint32_t)runner_n_live(r),
	    .draining = r->draining};

	(void)t;
	h.seq = ++a->heartbeat_seq;
	wire_heartbeat_encode(&h, &value);
	/* Lost without a broker; the next one is 2 s away. */
	if (a->connected &&
	    bus_publish(r->bus, subject.s, NULL, NULL, 0, buf_slice(&value)))
		a->heartbeat_seq--;
	buf_deinit(&value);
}

void agent_tell_init(struct agent *a)
{
	struct loop *l = a->r->loop;

	a->record_timer = loop_timer_new(l, agent_on_record_timer, a);
	a->heartbeat_timer = loop_timer_new(l, agent_on_heartbeat, a);
	a->report_timer = loop_timer_new(l, agent_on_report_timer, a);
	loop_timer_start(a->heartbeat_timer, 0, AGENT_HEARTBEAT_MS);
}

void agent_tell_deinit(struct agent *a)
{
	a->record_timer = loop_timer_free(a->record_timer);
	a->heartbeat_timer = loop_timer_free(a->heartbeat_timer);
	a->report_timer = loop_timer_free(a->report_timer);
}
