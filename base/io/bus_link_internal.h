/* The link as its files see it: bus_link.c, bus_keeper.c, bus_sender.c. Private to them.
 */
#pragma once

#include "base/io/bus_link.h"

#include <nats/nats.h>
#include <pthread.h>

struct bus_settings;

struct link_sub {
	struct bus_link *link;
	size_t i;
	char *subject, *queue;
	bool is_inbox;
	/* of the connection it is subscribed on */
	uint64_t claimed_by; /* n_connects at the time, 0: none */
	natsSubscription *nats;
};

struct link_queue_use {
	size_t n, n_bytes;
};

/* What the sender's thread is to do. */
struct link_out {
	struct link_out *next;
	natsMsg *msg;         /* publish it, or */
	struct link_sub *sub; /* make this subscription */
	uint64_t i_connect;
	uint64_t end; /* of the bytes handed over, this message included */
	size_t n_bytes;
};

struct bus_link {
	struct bus_settings *settings;
	loop_task_cb *wake_cb;
	loop_task_cb *closed_cb;
	void *data;
	uv_async_t async;
	pthread_t keeper, sender;
	bool started;

	/* loop thread only; bytes are counted over all connections */
	uint64_t n_sent;  /* handed over */
	uint64_t n_heard; /* of them surely read by the broker */
	bool queued;      /* the sender may be at work */
	size_t max_payload;

	pthread_mutex_t mu; /* guards all below but nc */
	pthread_cond_t cond;
	unsigned n_refs; /* loop, keeper, each open subscription */
	bool may_wake, stop, ended;
	bool announced; /* CONNECTED was queued for the connection there is */
	bool lost;      /* nats.c has closed it */
	bool broken;    /* a write failed: the keeper must close it */
	bool holding;   /* CONNECTED is queued, subscriptions are still being made */
	uint64_t n_connects;
	size_t n_open; /* subscriptions nats.c may still call back for */
	struct link_sub **subs;
	size_t n_subs;
	struct bus_item *head, **tail;
	struct link_queue_use used[2]; /* by is_inbox */
	bool gap_queued;
	uint64_t n_dropped;
	/* outbound */
	pthread_cond_t out_cond;
	struct link_out *out_head, **out_tail;
	size_t n_out, n_out_bytes; /* waiting */
	bool out_busy;             /* the sender has one in its hands */
	bool sender_stop;
	uint64_t n_sync_wanted, n_synced; /* see bus_sender.c */

	pthread_mutex_t nc_mu; /* guards nc and what is sent on it */
	natsConnection *nc;    /* NULL unless usable */
	uint64_t i_connect;    /* n_connects of nc */
};

/* bus_link.c; "locked": with k->mu held */
void link_unref_locked(struct bus_link *k); /* gives k->mu up */
struct bus_item *bus_item_new(enum bus_item_kind kind);
void link_wake_locked(struct bus_link *k);
void link_push_locked(struct bus_link *k, struct bus_item *i); /* takes @i */
void link_push_note_locked(
    struct bus_link *k, enum bus_item_kind kind, const char *text, bool auth);
/* One BUS_ITEM_GAP until the loop has seen it. */
void link_gap_locked(struct bus_link *k);

/* bus_keeper.c */
void *link_main(void *arg); /* the keeper's thread; @arg: struct bus_link, of which it has
			       a reference */
/* The next subscription that the connection there is does not have; NULL when all are
 * made. */
struct link_sub *link_claim_locked(struct bus_link *k);
void link_sub_make(struct link_sub *s, natsConnection *nc);
/* A claimed subscription that will not call back, or has done so for the last time. */
void link_on_complete(void *closure);

/* bus_sender.c */
void *link_sender_main(void *arg);
void link_out_clear_locked(struct bus_link *k);
/* Until all that waits is sent, or @timeout_ms; what is left is dropped. */
void link_out_drain_locked(struct bus_link *k, int64_t timeout_ms);
/* cond_wait until @due_ms of the monotonic clock; false when it has passed. */
bool link_cond_wait(struct bus_link *k, pthread_cond_t *c, int64_t due_ms);
