/* Instances: entries and their indexes. */
#include "lifecycle/control/mirror.h"

#include <stdlib.h>

#include "lifecycle/control/mirror_internal.h"
#include "proto/subjects.h"

void mirror_init(struct mirror *m, const struct mirror_callbacks *cb)
{
	*m = (struct mirror){.cb = *cb};
	list_init(&m->pending);
}

static void entry_free(struct entry *e)
{
	must(!e->desk && e->waiters.n == 0);
	instance_deinit(&e->rec);
	free(e->report);
	free(e);
}

void mirror_deinit(struct mirror *m)
{
	map_for_each (it, m->entries) {
		struct entry *e = map_value(it);

		if (list_linked(&e->by_pending))
			list_del(&m->pending, &e->by_pending);
		entry_free(e);
	}
	map_clear(&m->entries);
	map_for_each (it, m->runners) {
		struct runner *r = map_value(it);

		runner_info_deinit(&r->info);
		free(r);
	}
	map_clear(&m->runners);
	free(m->sorted);
	free(m->candidates);
	free(m->candidate_runners);
	*m = (struct mirror){0};
}

bool mirror_is_synced(const struct mirror *m)
{
	return m->synced == MIRROR_ALL;
}

/* --- entries --- */

static struct subject entry_key(const struct id *tenant, const struct id *id)
{
	return KEY_OF(tenant->s, id->s);
}

struct entry *mirror_find(
    const struct mirror *m, const struct id *tenant, const struct id *id)
{
	struct subject key = entry_key(tenant, id);

	return map_get(m->entries, slice_of(key.s));
}

struct entry *mirror_entry(struct mirror *m, const struct id *tenant, const struct id *id)
{
	struct subject key = entry_key(tenant, id);
	struct entry *e = map_get(m->entries, slice_of(key.s));

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	must(e);
	e->mirror = m;
	e->tenant = *tenant;
	e->instance_id = *id;
	e->rec = INSTANCE_NULL;
	list_init(&e->waiters);
	map_put(&m->entries, slice_of(key.s), e);
	return e;
}

void mirror_release(struct mirror *m, struct entry *e)
{
	struct subject key;

	if (e->desk || e->waiters.n > 0 || e->rec.revision > 0 || e->report ||
	    list_linked(&e->unsettled) || list_linked(&e->timer.link))
		return;
	key = entry_key(&e->tenant, &e->instance_id);
	map_del(&m->entries, slice_of(key.s));
	entry_free(e);
}

/* --- sorted by key: binary search; an insertion moves pointers only --- */

static int entry_cmp(const struct entry *e, const struct id *tenant, const char *id)
{
	int c = strcmp(e->tenant.s, tenant->s);

	return c ? c : strcmp(e->instance_id.s, id);
}

size_t mirror_seek(const struct mirror *m, const struct id *tenant, const char *after)
{
	size_t lo = 0, hi = m->n_sorted;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (entry_cmp(m->sorted[mid], tenant, after) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void sorted_add(struct mirror *m, struct entry *e)
{
	size_t i = mirror_seek(m, &e->tenant, e->instance_id.s);

	if (m->n_sorted == m->cap_sorted) {
		m->cap_sorted = m->cap_sorted ? 2 * m->cap_sorted : 64;
		m->sorted =
		    reallocarray(m->sorted, m->cap_sorted, sizeof(struct entry *));
		must(m->sorted);
	}
	memmove(
	    &m->sorted[i + 1], &m->sorted[i], (m->n_sorted - i) * sizeof(struct entry *));
	m->sorted[i] = e;
	m->n_sorted++;
	e->sorted = true;
}

static void sorted_del(struct mirror *m, struct entry *e)
{
	size_t i = mirror_seek(m, &e->tenant, e->instance_id.s);

	must(i > 0 && m->sorted[i - 1] == e);
	memmove(
	    &m->sorted[i - 1], &m->sorted[i], (m->n_sorted - i) * sizeof(struct entry *));
	m->n_sorted--;
	e->sorted = false;
}

/* --- indexes: every change of a record leaves through unindex and comes back through
 * index --- */

static void entry_unindex(struct mirror *m, struct entry *e)
{
	if (e->rec.revision == 0)
		return;
	m->n_by_state[e->rec.state]--;
	if (list_linked(&e->by_pending))
		list_del(&m->pending, &e->by_pending);
	if (e->runner) {
		list_del(&e->runner->held, &e->by_runner);
		runner_count(m, e->runner);
		e->runner = NULL;
	}
}

static void entry_index(struct mirror *m, struct entry *e)
{
	m->n_by_state[e->rec.state]++;
	if (e->rec.state == STATE_PENDING)
		list_push(&m->pending, &e->by_pending);
	if (!instance_is_placed(&e->rec) || id_empty(&e->rec.runner))
		return;
	e->runner = mirror_runner(m, &e->rec.runner);
	list_push(&e->runner->held, &e->by_runner);
	runner_count(m, e->runner);
}

static void report_check(struct entry *e)
{
	const struct report *r = e->report;

	if (r && (!instance_is_placed(&e->rec) || r->fence < e->rec.fence)) {
		free(e->report);
		e->report = NULL;
	}
}

void mirror_put(struct mirror *m, struct entry *e, const struct instance *rec)
{
	e->seen = true;
	if (rec->revision <= e->rec.revision)
		return;
	entry_unindex(m, e);
	instance_deinit(&e->rec);
	instance_copy(&e->rec, rec);
	instance_trim_outbox(&e->rec, e->told);
	if (!e->sorted)
		sorted_add(m, e);
	entry_index(m, e);
	report_check(e);
	m->cb.entry_changed(m->cb.data, e);
}

/* The record is gone. */
void entry_clear(struct mirror *m, struct entry *e)
{
	if (e->rec.revision == 0)
		return;
	entry_unindex(m, e);
	sorted_del(m, e);
	instance_deinit(&e->rec);
	e->told = 0;
	e->sent = (struct assignment){0};
	free(e->report);
	e->report = NULL;
	m->cb.entry_changed(m->cb.data, e);
}

void mirror_told(struct entry *e, uint64_t event_no)
{
	if (event_no <= e->told)
		return;
	e->told = event_no;
	instance_trim_outbox(&e->rec, event_no); /* no need to keep them any longer */
}

void mirror_gone(struct mirror *m, struct entry *e, uint64_t revision)
{
	if (revision == 0 || revision > e->rec.revision)
		entry_clear(m, e);
}

void entry_report(struct mirror *m, struct entry *e, const struct report *r)
{
	if (e->report && e->report->fence > r->fence)
		return;
	if (!e->report) {
		e->report = malloc(sizeof(*e->report));
		must(e->report);
	}
	*e->report = *r;
	m->cb.entry_changed(m->cb.data, e);
}
