/* The link as its two files see it: bus_link.c and bus_keeper.c. Private to them. */
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

struct bus_link {
	struct bus_settings *settings;
	loop_task_cb *wake_cb;
	loop_task_cb *closed_cb;
	void *data;
	uv_async_t async;
	pthread_t keeper;
	bool started;

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

	pthread_mutex_t nc_mu; /* guards nc and what is done with it on the loop thread */
	natsConnection *nc;    /* NULL unless usable */
	uint64_t i_connect;    /* n_connects of nc */
	size_t max_payload;
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
