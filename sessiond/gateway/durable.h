/* One key of a bucket kept equal to a thing in memory: touch it after each change, wait
 * when something must not happen before the change is stored. Writes coalesce (one under
 * way, then the newest state), are compare-and-set, and are tried again for ever; a lost
 * answer is told from somebody else's write.
 *
 * happy path: durable_init, durable_create or durable_found, durable_touch +
 * durable_wait..., durable_remove, deinit
 *
 * failure modes: broker away: waits and writes
 * when it is back; another writer: @conflict decides
 */
#pragma once

#include "base/buf.h"
#include "base/ids.h"
#include "base/io/store.h"
#include "base/list.h"
#include "base/wheel.h"

struct gateway;
struct durable;
struct durable_op;

enum {
	DURABLE_KEY_MAX = 2 * ID_MAX + 2,
};

/* @code: 0 stored; ERROR_* of a create; -ECANCELED the durable is gone. */
typedef void durable_cb(void *data, int code);

struct durable_ops {
	const char *bucket;
	void (*encode)(void *owner, struct buf *out);
	/* @value was written by this process. */
	bool (*is_mine)(void *owner, struct slice value);
	/* Somebody else wrote (value) or deleted (empty value) the key; memory is not
	 * what is stored. The durable goes on from that revision, and writes the memory's
	 * state over it if it is touched or was dirty. */
	void (*conflict)(void *owner, struct slice value);
};

struct durable {
	struct gateway *g;
	const struct durable_ops *ops;
	void *owner;
	char key[DURABLE_KEY_MAX];
	uint64_t revision; /* newest known of the key; 0: never there */

	/* private */
	uint64_t version, stored, writing;
	bool removing, marked, removed;
	struct durable_op *op; /* NULL: nothing under way */
	struct list waiters;   /* struct durable_waiter.link */
	struct wheel_timer retry;
	unsigned n_tries;
	durable_cb *create_cb;
	void *create_data;
};

void durable_init(struct durable *d, struct gateway *g, const struct durable_ops *ops,
    void *owner, const char *key);
/* Waiters get -ECANCELED; what is under way ends unheard. */
void durable_deinit(struct durable *d);

/* First write of a new key: one try, at most STORE_TIMEOUT_MS. ERROR_CONFLICT: it is
 * there already. */
void durable_create(struct durable *d, durable_cb *cb, void *data);
/* The key is there with @revision and holds what memory holds. */
void durable_found(struct durable *d, uint64_t revision);
/* Memory has changed: write it. */
void durable_touch(struct durable *d);
/* @cb once all that was touched until now is stored; at once, from inside, if it is. */
void durable_wait(struct durable *d, durable_cb *cb, void *data);
/* Delete the key; waiters of this end when it is gone. Memory is not written any more. */
void durable_remove(struct durable *d, durable_cb *cb, void *data);
/* Nothing to write and nothing under way. */
bool durable_settled(const struct durable *d);
/* What the feed says of the key: true if it is news by somebody else (the revision is
 * then adopted). */
bool durable_feed(struct durable *d, uint64_t revision, struct slice value);
