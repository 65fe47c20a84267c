/* The three feeds: bucket values into entries and runners. */
#include "base/clock.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/mirror_internal.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

/* Cut a key into @n ids; false if it is not made of that many. */
static bool key_parse(const char *key, struct id *out, size_t n)
{
	struct slice tokens[4];

	if (subject_split(key, tokens, ARRAY_LEN(tokens)) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!id_parse(tokens[i], &out[i]))
			return false;
	return true;
}

static void value_bad(const char *bucket, const struct store_item *item, const char *why)
{
	log_event(EV_mirror_value_bad, LF("bucket", bucket), LF("key", item->key),
	    LF("detail", why));
}

static void feed_synced(struct mirror *m, unsigned bit)
{
	bool was = mirror_is_synced(m);

	m->synced |= bit;
	if (!was && mirror_is_synced(m))
		m->cb.synced(m->cb.data);
}

/* --- instances --- */

static void instances_reset(struct mirror *m)
{
	map_for_each (it, m->entries)
		((struct entry *)map_value(it))->seen = false;
}

static void instances_synced(struct mirror *m)
{
	map_for_each (it, m->entries) {
		struct entry *e = map_value(it);

		if (!e->seen && e->rec.revision > 0) {
			entry_clear(m, e);
			mirror_release(m, e);
		}
	}
	feed_synced(m, MIRROR_INSTANCES);
}

static void instance_put(
    struct mirror *m, const struct id ids[2], const struct store_item *item)
{
	struct entry *e = mirror_entry(m, &ids[0], &ids[1]);
	struct instance rec;
	struct err err = ERR_NULL;

	if (wire_instance_decode(item->value, &rec, &err)) {
		value_bad(BUCKET_lifecycle_instance, item, err.text);
	} else {
		rec.revision = item->revision;
		/* a listing after the store was emptied starts with lower revisions */
		if (!e->seen && rec.revision < e->rec.revision)
			entry_clear(m, e);
		mirror_put(m, e, &rec);
	}
	instance_deinit(&rec);
	mirror_release(m, e);
}

static void on_instance(
    void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct mirror *m = data;
	struct id ids[2];
	struct entry *e;

	if (ev == STORE_FEED_RESET)
		instances_reset(m);
	else if (ev == STORE_FEED_SYNCED)
		instances_synced(m);
	else if (!key_parse(item->key, ids, 2))
		value_bad(BUCKET_lifecycle_instance, item, "not <tenant>.<instance>");
	else if (ev == STORE_FEED_PUT)
		instance_put(m, ids, item);
	else if ((e = mirror_find(m, &ids[0], &ids[1])) &&
		 item->revision > e->rec.revision) {
		entry_clear(m, e);
		mirror_release(m, e);
	}
}

/* --- reports --- */

static void report_put(
    struct mirror *m, const struct id ids[3], const struct store_item *item)
{
	struct report r;
	struct err err = ERR_NULL;
	struct entry *e;

	if (wire_report_decode(item->value, &r, &err)) {
		value_bad(BUCKET_lifecycle_report, item, err.text);
		return;
	}
	r.runner = ids[0];
	r.tenant = ids[1];
	r.instance_id = ids[2];
	e = mirror_find(m, &ids[1], &ids[2]);
	/* A report of what has no record, or has ended, is the runner's to delete. Before
	 * the records are in nobody knows. */
	if (!e && (m->synced & MIRROR_INSTANCES))
		return;
	if (!e)
		e = mirror_entry(m, &ids[1], &ids[2]);
	entry_report(m, e, &r);
}

static void report_delete(struct mirror *m, const struct id ids[3])
{
	struct entry *e = mirror_find(m, &ids[1], &ids[2]);

	if (!e || !e->report || !id_eq(&e->report->runner, &ids[0]))
		return;
	free(e->report);
	e->report = NULL;
	mirror_release(m, e);
}

static void on_report(void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct mirror *m = data;
	struct id ids[3];

	if (ev == STORE_FEED_RESET)
		return;
	if (ev == STORE_FEED_SYNCED)
		feed_synced(m, MIRROR_REPORTS);
	else if (!key_parse(item->key, ids, 3))
		value_bad(
		    BUCKET_lifecycle_report, item, "not <runner>.<tenant>.<instance>");
	else if (ev == STORE_FEED_PUT)
		report_put(m, ids, item);
	else
		report_delete(m, ids);
}

/* --- runners --- */

static void runners_reset(struct mirror *m)
{
	map_for_each (it, m->runners)
		((struct runner *)map_value(it))->seen = false;
}

static void runners_synced(struct mirror *m)
{
	map_for_each (it, m->runners) {
		struct runner *r = map_value(it);

		if (!r->seen)
			runner_put_info(m, r, NULL, 0);
	}
	feed_synced(m, MIRROR_RUNNERS);
}

static void runner_put(
    struct mirror *m, const struct id *id, const struct store_item *item)
{
	struct runner *r = mirror_runner(m, id);
	struct runner_info info;
	struct err err = ERR_NULL;

	if (!r->seen)
		r->revision =
		    0; /* a listing tells what is, also after the store was emptied */
	r->seen = true;
	if (m->synced & MIRROR_RUNNERS) { /* written just now: as good as a heartbeat */
		r->heard_boot_ms = clock_boot_ms();
		r->heard_unix_ms = clock_unix_ms();
	}
	if (wire_runner_decode(item->value, &info, &err))
		value_bad(BUCKET_lifecycle_runner, item, err.text);
	else if (!id_eq(&info.id, id))
		value_bad(BUCKET_lifecycle_runner, item, "id differs from the key");
	else
		runner_put_info(m, r, &info, item->revision);
	runner_info_deinit(&info);
}

static void on_runner(void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct mirror *m = data;
	struct id id;

	if (ev == STORE_FEED_RESET)
		runners_reset(m);
	else if (ev == STORE_FEED_SYNCED)
		runners_synced(m);
	else if (!key_parse(item->key, &id, 1))
		value_bad(BUCKET_lifecycle_runner, item, "not <runner>");
	else if (ev == STORE_FEED_PUT)
		runner_put(m, &id, item);
	else
		runner_put_info(m, mirror_runner(m, &id), NULL, 0);
}

int mirror_watch(struct mirror *m, struct store *s, struct err *e)
{
	static const struct {
		const char *bucket;
		store_feed_cb *cb;
	} rows[] = {
	    {BUCKET_lifecycle_runner, on_runner},
	    {BUCKET_lifecycle_instance, on_instance},
	    {BUCKET_lifecycle_report, on_report},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subject feed = SUBJECT_OF(lifecycle_feed, rows[i].bucket);
		int r = store_watch(s, rows[i].bucket, feed.s, rows[i].cb, m, e);

		if (r)
			return r;
	}
	return 0;
}
