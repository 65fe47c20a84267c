/* Runners: what they told of themselves, when they were last heard of, and whether they
 * can be given instances. */
#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/mirror_internal.h"

/* Whether it was live before is kept by runner_judge; this is what placement sees. */
static uint32_t free_slots(const struct candidate *c)
{
	return c->live && c->info->slots > c->n_held ? c->info->slots - c->n_held : 0;
}

static void runner_to_candidate(struct mirror *m, struct runner *r)
{
	struct candidate *c = &m->candidates[r->i_candidate];
	uint32_t free = r->n_free;

	*c = (struct candidate){.info = &r->info,
	    .live = r->live,
	    .n_held = (uint32_t)r->held.n + (uint32_t)r->n_reserved};
	r->n_free = free_slots(c);
	m->n_free += r->n_free;
	m->n_free -= free;
	if (r->n_free > free)
		m->cb.room(m->cb.data);
}

void runner_count(struct mirror *m, struct runner *r)
{
	runner_to_candidate(m, r);
}

void mirror_reserve(struct mirror *m, struct runner *r, int n)
{
	r->n_reserved += n;
	must(r->n_reserved >= 0);
	runner_to_candidate(m, r);
}

static void candidates_add(struct mirror *m, struct runner *r)
{
	if (m->n_candidates == m->cap_candidates) {
		size_t cap = m->cap_candidates ? 2 * m->cap_candidates : 16;

		m->candidates = reallocarray(m->candidates, cap, sizeof(*m->candidates));
		m->candidate_runners =
		    reallocarray(m->candidate_runners, cap, sizeof(struct runner *));
		must(m->candidates && m->candidate_runners);
		m->cap_candidates = cap;
	}
	r->i_candidate = m->n_candidates++;
	m->candidate_runners[r->i_candidate] = r;
	runner_to_candidate(m, r);
}

struct runner *mirror_runner(struct mirror *m, const struct id *id)
{
	struct runner *r = map_get(m->runners, slice_of(id->s));

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	must(r);
	r->id = *id;
	list_init(&r->held);
	map_put(&m->runners, slice_of(id->s), r);
	candidates_add(m, r);
	return r;
}

const struct runner *mirror_find_runner(const struct mirror *m, const struct id *id)
{
	return map_get(m->runners, slice_of(id->s));
}

/* From when its silence counts: never from before this replica could hear. */
static int64_t runner_silence_ms(
    const struct mirror *m, const struct runner *r, int64_t boot_ms)
{
	int64_t from = r->heard_boot_ms;

	if (m->judge_boot_ms == 0)
		return 0;
	if (from < m->judge_boot_ms)
		from = m->judge_boot_ms;
	return boot_ms - from;
}

static void runner_judge(struct mirror *m, struct runner *r, int64_t boot_ms)
{
	bool heard = r->heard_boot_ms > 0 && m->judge_boot_ms > 0 &&
		     boot_ms - r->heard_boot_ms <= RUNNER_LIVE_MS;
	bool live = heard && r->revision > 0 && !r->draining && !r->info.draining;
	bool silent = runner_silence_ms(m, r, boot_ms) >= RUNNER_SILENT_MS;

	if (live == r->live && silent == r->silent)
		return;
	if (live && !r->live)
		log_event(
		    EV_runner_live, LF("runner", r->id.s), LF_I("slots", r->info.slots));
	if (silent && !r->silent && r->held.n > 0)
		log_event(
		    EV_runner_silent, LF("runner", r->id.s), LF_I("held", r->held.n));
	if (!silent && r->silent && heard)
		log_event(EV_runner_back, LF("runner", r->id.s), LF_I("held", r->held.n));
	r->live = live;
	r->silent = silent;
	runner_to_candidate(m, r);
	m->cb.runner_changed(m->cb.data, r);
}

void runner_put_info(
    struct mirror *m, struct runner *r, struct runner_info *info, uint64_t revision)
{
	if (info && revision <= r->revision)
		return;
	runner_info_deinit(&r->info);
	if (info) {
		r->info = *info;
		*info = RUNNER_INFO_NULL; /* taken by the runner */
	}
	r->revision = revision;
	if (!info)
		r->live = false;
	runner_to_candidate(m, r);
	runner_judge(
	    m, r, clock_boot_ms()); /* it may have been heard before it was introduced */
}

void mirror_heartbeat(
    struct mirror *m, const struct heartbeat *h, int64_t boot_ms, int64_t unix_ms)
{
	struct runner *r = mirror_runner(m, &h->runner);

	r->heard_boot_ms = boot_ms;
	r->heard_unix_ms = unix_ms;
	r->draining = h->draining;
	runner_judge(m, r, boot_ms);
}

void mirror_judge(struct mirror *m, int64_t boot_ms)
{
	for (size_t i = 0; i < m->n_candidates; i++)
		runner_judge(m, m->candidate_runners[i], boot_ms);
}

int64_t mirror_silence_ms(
    const struct mirror *m, const struct id *runner, int64_t boot_ms)
{
	const struct runner *r = mirror_find_runner(m, runner);

	return r ? runner_silence_ms(m, r, boot_ms) : 0;
}

void mirror_connected(struct mirror *m, int64_t boot_ms)
{
	m->judge_boot_ms = boot_ms;
	m->synced = 0;
}

void mirror_disconnected(struct mirror *m)
{
	m->judge_boot_ms = 0;
	m->synced = 0;
}

uint32_t mirror_free_slots(const struct mirror *m)
{
	return m->n_free;
}
