/* What bus.c and the threads behind it say to each other. Private to bus*.c; names
 * nothing of nats.c, so that the loop's side of the bus compiles without it.
 *
 * One thread of ours (the keeper) connects, waits until the connection is lost, tears it
 * down and connects again. nats.c's own reconnecting is off: it holds the connection's
 * lock while it connects, and a publish from the loop thread would wait for that lock as
 * long as a name lookup or a silent broker takes. */
#pragma once

#include "base/io/addr.h"
#include "base/io/bus.h"

enum {
	/* Inbound messages that wait for the loop. Over the limit a message is dropped,
	 * counted and reported as one gap. Replies have the same room again: a flood on a
	 * subscription does not cost a request its answer. */
	BUS_QUEUE_MAX = 64 * 1024,
	BUS_QUEUE_BYTES_MAX = 64 * 1024 * 1024,
	BUS_CONNECT_TIMEOUT_MS = 2000,
	/* Outbound: up to so many bytes that the broker has not surely read are written
	 * by the loop itself, as they fit into any socket's buffer; what is more, or
	 * larger, waits for the sender's thread. */
	BUS_DIRECT_BYTES_MAX = 32 * 1024,
	BUS_DIRECT_MESSAGE_MAX = 16 * 1024,
	BUS_SYNC_BYTES = 16 * 1024,
	BUS_OUT_MAX = 64 * 1024,
	BUS_OUT_BYTES_MAX = 64 * 1024 * 1024,
	BUS_WRITE_TIMEOUT_MS = 5000, /* then the connection is given up */
	BUS_FLUSH_TIMEOUT_MS = 1000,
	BUS_PROBE_TIMEOUT_MS = 500,
	BUS_PING_INTERVAL_MS = 5000,
	BUS_N_PINGS_OUT = 2,
};

struct bus_link;

/* What waits for the loop, in the order it happened. */
enum bus_item_kind {
	BUS_ITEM_MESSAGE,
	BUS_ITEM_CONNECTED,
	BUS_ITEM_DISCONNECTED, /* text: why */
	BUS_ITEM_FAILED,       /* a try to connect; text: why */
	BUS_ITEM_REFUSED,      /* the broker refused a subject; text: its words */
	BUS_ITEM_GAP,
	BUS_ITEM_ENDED, /* after bus_link_stop: the connection is closed, nothing follows
			 */
};

/* What an item that is no message tells. */
struct bus_note {
	char text[256];
	bool auth; /* FAILED: because of the credentials */
	/* CONNECTED */
	char server[ADDR_HOST_MAX + 8]; /* HOST:PORT */
	char version[32];
	size_t max_payload;
};

struct bus_item {
	struct bus_item *next;
	enum bus_item_kind kind;
	void *msg; /* MESSAGE */
	size_t i_sub;
	size_t n_bytes;
	int64_t received_mono_us;
	struct bus_note *note; /* owned; NULL for MESSAGE, GAP and ENDED */
};

/* Reads credential files and checks every setting. */
int bus_link_new(struct loop *l, const struct bus_conf *conf, loop_task_cb *wake_cb,
    void *data, struct bus_link **out, struct err *e) MUST_CHECK;
int bus_link_start(struct bus_link *k, struct err *e) MUST_CHECK;
/* Flush and close on the keeper's thread; ends in BUS_ITEM_ENDED. Not started: at once.
 */
void bus_link_stop(struct bus_link *k);
/* Wakes nobody from here on; @k is freed when its threads have let go of it. @closed_cb
 * comes on the loop. */
void bus_link_release(struct bus_link *k, loop_task_cb *closed_cb, void *data);

/* @is_inbox: replies come here. The index is what items of this subscription carry. */
void bus_link_subscribe(struct bus_link *k, const char *subject, const char *queue,
    bool is_inbox, size_t *i_sub_out);

struct bus_out {
	const char *subject;
	const char *reply; /* NULL: none */
	const struct bus_header *headers;
	size_t n_headers;
	struct slice data;
};
/* Loop thread, never blocks. 0; ERROR_UNAVAILABLE, ERROR_TOO_LARGE. Subject and headers
 * have been checked. */
int bus_link_publish(struct bus_link *k, const struct bus_out *m) MUST_CHECK;
/* The loop has taken BUS_ITEM_CONNECTED. */
void bus_link_connected(struct bus_link *k, size_t max_payload);
/* Where in the outbound bytes we are; and that the broker has answered what was sent by
 * then. */
uint64_t bus_link_sent(const struct bus_link *k);
void bus_link_heard(struct bus_link *k, uint64_t n_sent);

/* All that waits, oldest first; the caller frees each with bus_item_free. */
struct bus_item *bus_link_take(struct bus_link *k);
struct bus_item *bus_item_free(struct bus_item *i);
uint64_t bus_link_n_dropped(struct bus_link *k);

/* Borrow the parts of a message. *n_headers_out: of @headers, of which there is room for
 * @cap. */
void bus_item_message(
    struct bus_item *i, struct bus_msg *out, struct bus_header *headers, size_t cap);
