/* One key kept equal to memory. See durable.h. */
#include "sessiond/gateway/durable.h"

#include <errno.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/events.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/metrics.h"

enum {
	DURABLE_RETRY_MS = 200,
	DURABLE_RETRY_MAX_MS = 5000,
};

enum durable_kind { DURABLE_PUT, DURABLE_READ, DURABLE_DELETE, DURABLE_PURGE };

/* A request to the store. It may outlive its durable, which then is NULL. */
struct durable_op {
	struct durable *d;
	enum durable_kind kind;
	int64_t began_us;
};

struct durable_waiter {
	struct list_link link;
	uint64_t version;
	durable_cb *cb;
	void *data;
};

static void durable_kick(struct durable *d);
static void durable_on_reply(void *data, const struct store_result *r);

static void durable_on_retry(struct wheel_timer *t)
{
	durable_kick(container_of(t, struct durable, retry));
}

void durable_init(struct durable *d, struct gateway *g, const struct durable_ops *ops,
    void *owner, const char *key)
{
	*d = (struct durable){.g = g, .ops = ops, .owner = owner};
	must(snprintf(d->key, sizeof(d->key), "%s", key) < (int)sizeof(d->key));
	d->retry.fire = durable_on_retry;
	list_init(&d->waiters);
}

/* Callbacks may add waiters or end the durable, so they run from a list of their own. */
static void durable_wake(struct durable *d, uint64_t version, int code)
{
	struct list woken;
	struct list_link *l;

	list_init(&woken);
	list_for_each_safe (it, &d->waiters) {
		if (list_entry(it, struct durable_waiter, link)->version > version)
			continue;
		list_del(&d->waiters, it);
		list_push(&woken, it);
	}
	while ((l = list_pop(&woken))) {
		struct durable_waiter *w = list_entry(l, struct durable_waiter, link);

		w->cb(w->data, code);
		free(w);
	}
}

static void durable_end_create(struct durable *d, int code)
{
	durable_cb *cb = d->create_cb;

	d->create_cb = NULL;
	cb(d->create_data, code);
}

void durable_deinit(struct durable *d)
{
	if (!d->ops)
		return;
	if (d->op)
		d->op->d = NULL;
	d->op = NULL;
	gateway_disarm(d->g, &d->retry);
	d->ops = NULL;
	if (d->create_cb)
		durable_end_create(d, -ECANCELED);
	durable_wake(d, UINT64_MAX, -ECANCELED);
}

static struct durable_op *durable_begin(struct durable *d, enum durable_kind kind)
{
	struct durable_op *op = calloc(1, sizeof(*op));

	must(op && !d->op);
	op->d = d;
	op->kind = kind;
	op->began_us = clock_mono_us();
	d->op = op;
	return op;
}

static void durable_write(struct durable *d)
{
	struct buf value = BUF_NULL(STORE_VALUE_MAX);
	struct durable_op *op = durable_begin(d, DURABLE_PUT);

	d->ops->encode(d->owner, &value);
	must(buf_check(&value) == 0); /* limits of what comes in keep it below */
	d->writing = d->version;
	store_put(d->g->store, d->ops->bucket, d->key, buf_slice(&value),
	    (int64_t)d->revision, durable_on_reply, op);
	buf_deinit(&value);
}

/* A marker first, so that the feeds of others see it; then the subject itself, because
 * every subject costs the broker memory for ever. */
static void durable_erase(struct durable *d)
{
	char stream[DURABLE_KEY_MAX], subject[2 * DURABLE_KEY_MAX];

	if (!d->marked) {
		store_delete(d->g->store, d->ops->bucket, d->key, STORE_ANY_REVISION,
		    durable_on_reply, durable_begin(d, DURABLE_DELETE));
		return;
	}
	snprintf(stream, sizeof(stream), "KV_%s", d->ops->bucket);
	snprintf(subject, sizeof(subject), "$KV.%s.%s", d->ops->bucket, d->key);
	store_purge(d->g->store, stream, subject, durable_on_reply,
	    durable_begin(d, DURABLE_PURGE));
}

static void durable_kick(struct durable *d)
{
	if (d->op || d->removed)
		return;
	if (d->removing) {
		durable_erase(d);
		return;
	}
	if (d->version > d->stored)
		durable_write(d);
}

static void durable_retry_later(struct durable *d)
{
	int64_t ms = DURABLE_RETRY_MS << (d->n_tries < 5 ? d->n_tries : 5);

	d->n_tries++;
	metric_inc(M_store_retries);
	gateway_arm(
	    d->g, &d->retry, ms < DURABLE_RETRY_MAX_MS ? ms : DURABLE_RETRY_MAX_MS);
}

static void durable_done(struct durable *d, uint64_t revision)
{
	uint64_t stored = d->writing;

	d->revision = revision;
	d->stored = stored;
	d->n_tries = 0;
	durable_kick(d); /* newer state first: a waiter may end the durable */
	durable_wake(d, stored, 0);
}

/* The key existed when it was to be made: for real, or as the marker of a deletion. */
static void durable_on_create_read(struct durable *d, const struct store_result *r)
{
	if (r->code == ERROR_NOT_FOUND && r->revision > d->revision) {
		d->revision = r->revision;
		durable_write(d);
		return;
	}
	durable_end_create(
	    d, r->code == 0 || r->code == ERROR_NOT_FOUND ? ERROR_CONFLICT : r->code);
}

static void durable_on_read(struct durable *d, const struct store_result *r)
{
	bool mine = r->code == 0 && d->ops->is_mine(d->owner, r->value);

	if (d->create_cb) {
		durable_on_create_read(d, r);
		return;
	}
	if (r->code && r->code != ERROR_NOT_FOUND) {
		durable_retry_later(d);
		return;
	}
	d->revision = r->revision;
	d->n_tries = 0;
	if (!mine) {
		metric_inc(M_store_conflicts);
		log_event(
		    EV_store_conflict, LF("bucket", d->ops->bucket), LF("key", d->key));
		d->ops->conflict(d->owner, r->value);
		return;
	}
	durable_kick(d);
}

/* The conflict callback may have ended the durable: nothing is touched after it. */
static void durable_on_put(struct durable *d, const struct store_result *r)
{
	if (d->create_cb && r->code == 0) {
		d->revision = r->revision;
		d->stored = d->writing;
		durable_end_create(d, 0);
		return;
	}
	if (d->create_cb && r->code != ERROR_CONFLICT) {
		durable_end_create(d, r->code);
		return;
	}
	if (r->code == 0)
		durable_done(d, r->revision);
	else if (r->code == ERROR_CONFLICT)
		store_get(d->g->store, d->ops->bucket, d->key, durable_on_reply,
		    durable_begin(d, DURABLE_READ));
	else if (r->code != -ECANCELED)
		durable_retry_later(d);
}

static void durable_on_erased(
    struct durable *d, enum durable_kind kind, const struct store_result *r)
{
	if (r->code && r->code != ERROR_NOT_FOUND) {
		if (r->code != -ECANCELED)
			durable_retry_later(d);
		return;
	}
	if (kind == DURABLE_DELETE) {
		d->marked = true;
		durable_kick(d);
		return;
	}
	d->removed = true;
	durable_wake(d, UINT64_MAX, 0);
}

static void durable_on_reply(void *data, const struct store_result *r)
{
	struct durable_op *op = data;
	struct durable *d = op->d;
	enum durable_kind kind = op->kind;

	metric_observe_us(M_store_seconds, clock_mono_us() - op->began_us);
	free(op);
	if (!d)
		return;
	d->op = NULL;
	if (d->removing && kind < DURABLE_DELETE) {
		durable_kick(d);
		return;
	}
	switch (kind) {
	case DURABLE_PUT:
		durable_on_put(d, r);
		break;
	case DURABLE_READ:
		durable_on_read(d, r);
		break;
	case DURABLE_DELETE:
	case DURABLE_PURGE:
		durable_on_erased(d, kind, r);
		break;
	}
}

void durable_create(struct durable *d, durable_cb *cb, void *data)
{
	must(!d->op && d->version == 0);
	d->create_cb = cb;
	d->create_data = data;
	d->version = 1;
	durable_write(d);
}

void durable_found(struct durable *d, uint64_t revision)
{
	d->revision = revision;
	d->version = d->stored = 1;
}

void durable_touch(struct durable *d)
{
	d->version++;
	durable_kick(d);
}

static void durable_add_waiter(
    struct durable *d, uint64_t version, durable_cb *cb, void *data)
{
	struct durable_waiter *w = calloc(1, sizeof(*w));

	must(w);
	w->version = version;
	w->cb = cb;
	w->data = data;
	list_push(&d->waiters, &w->link);
}

void durable_wait(struct durable *d, durable_cb *cb, void *data)
{
	if (d->stored >= d->version)
		cb(data, 0);
	else
		durable_add_waiter(d, d->version, cb, data);
}

void durable_remove(struct durable *d, durable_cb *cb, void *data)
{
	d->removing = true;
	if (cb)
		durable_add_waiter(d, UINT64_MAX, cb, data);
	durable_kick(d);
}

bool durable_settled(const struct durable *d)
{
	return !d->op && d->stored >= d->version && !d->removing;
}

bool durable_feed(struct durable *d, uint64_t revision, struct slice value)
{
	/* While a write is under way its answer tells; what was stored before is no news.
	 */
	if (d->op || revision <= d->revision || d->removing)
		return false;
	d->revision = revision;
	return !d->ops->is_mine(d->owner, value);
}
