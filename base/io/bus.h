/* The NATS connection. nats.c calls back on threads of its own: its callbacks only queue
 * and wake the loop, and all that is declared here happens on the loop thread. Nothing
 * blocks: what the socket might not take at once is written by another thread.
 *
 * happy path: bus_new, bus_subscribe..., bus_start, on_state(connected), messages,
 * bus_close, closed_cb
 *
 * failure modes: broker away at start or later: reconnects for ever, requests fail at
 * once with ERROR_UNAVAILABLE, publishes likewise; inbound queue over its limit (64 Ki
 * messages or 64 MiB): newest messages are dropped, counted, and on_state(gap) tells the
 * owner to read its state again. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/list.h"
#include "base/slice.h"

struct bus;

/* Borrowed strings, NULL when unset; rows of base/io/broker.tbl.h. */
struct bus_conf {
	const char *name; /* connection name shown by the broker */
	const char *url;  /* one or more, separated by commas */
	const char *creds, *user, *password_file, *token_file, *nkey;
	const char *ca, *cert, *key;
	const char *inbox_prefix; /* default _INBOX */
};

enum bus_event {
	BUS_CONNECTED, /* first time or again: read state that may have changed meanwhile
			*/
	BUS_DISCONNECTED,
	BUS_GAP, /* messages were dropped here: read state again */
};

typedef void bus_state_cb(void *data, enum bus_event ev);

/* True if every server of @url is on loopback ("localhost" counts); false also if @url is
 * malformed, which bus_new tells. */
bool bus_url_is_loopback(const char *url);

/* Reads credential files now. Return: 0; ERROR_INVALID (a setting is unusable: @e names
 * it). */
int bus_new(struct loop *l, const struct bus_conf *conf, bus_state_cb *cb, void *data,
    struct bus **out, struct err *e) MUST_CHECK;
/* Begin connecting, on a thread of its own; returns at once. */
int bus_start(struct bus *b, struct err *e) MUST_CHECK;
bool bus_connected(const struct bus *b);
/* Host and port now or last connected to, without userinfo; "" before the first. */
const char *bus_server(const struct bus *b);
/* Why it is not connected, in the broker's or the library's words; "" while connected. */
const char *bus_problem(const struct bus *b);
/* Version as the broker tells it ("2.9.10"), "" before the first connect; max payload in
 * bytes, 0 likewise. */
const char *bus_server_version(const struct bus *b);
size_t bus_max_payload(const struct bus *b);
/* Flush, close, then @closed_cb; @b is freed before it is called. Requests under way end
 * with -ECANCELED. Takes a second or two at worst, also while connecting. */
void bus_close(struct bus *b, loop_task_cb *closed_cb, void *data);

struct bus_header {
	const char *name, *value;
};

enum {
	BUS_HEADERS_MAX =
	    64, /* of a message; an inbound one's further headers are lost */
	BUS_REQUESTS_MAX = 64 * 1024, /* under way at one time */
};

/* A message, borrowed for the callback. */
struct bus_msg {
	const char *subject;
	const char *reply; /* "" when none is wanted */
	struct slice data;
	const struct bus_header *headers;
	size_t n_headers;
	int64_t received_mono_us; /* when nats.c handed it over */
};

/* NULL if absent; names compare without case. */
const char *bus_msg_header(const struct bus_msg *m, const char *name);

typedef void bus_msg_cb(void *data, const struct bus_msg *m);

/* Permanent: lives as long as the connection (nats.c 3.4.1 may abort when a subscription
 * is destroyed under traffic). Before or after bus_start, before the loop runs hot: a
 * handful per process. @queue: NULL or queue group. */
int bus_subscribe(struct bus *b, const char *subject, const char *queue, bus_msg_cb *cb,
    void *data, struct err *e) MUST_CHECK;

/* Nothing more is delivered to callbacks with @data, whose owner goes away; the
 * subscriptions themselves stay. */
void bus_mute(struct bus *b, const void *data);

/* Core publish, handed over in order; lost if the connection is before it was written. 0
 * or ERROR_UNAVAILABLE (not connected, or 64 MiB wait already because the broker does not
 * read), ERROR_TOO_LARGE, ERROR_INVALID (a subject or header that cannot be sent).
 * @reply, @headers may be NULL. */
int bus_publish(struct bus *b, const char *subject, const char *reply,
    const struct bus_header *headers, size_t n_headers, struct slice data) MUST_CHECK;

/* @code: 0; ERROR_TIMEOUT; ERROR_UNAVAILABLE (not connected, connection lost under way:
 * outcome unknown, no responders, over BUS_REQUESTS_MAX); ERROR_FORBIDDEN (the broker's
 * permissions); ERROR_TOO_LARGE, ERROR_INVALID (as for bus_publish); -ECANCELED. @m only
 * when 0. */
typedef void bus_reply_cb(void *data, int code, const struct bus_msg *m);

struct bus_request {
	const char *subject;
	const struct bus_header *headers;
	size_t n_headers;
	struct slice data; /* borrowed for the call */
	int64_t timeout_ms;
	bus_reply_cb *cb;
	void *cb_data;
	/* bus_request_many: messages whose own reply subject contains this are replies
	 * too, or NULL. JetStream delivers to an inbox under the stored message's
	 * subject; only the reply tells the consumer. Borrowed for the call. */
	const char *reply_part;
};

/* Exactly one callback, later, never from inside. Returns a ticket for
 * bus_request_cancel. */
uint64_t bus_request(struct bus *b, const struct bus_request *r);
/* No callback will come; a ticket that has ended is ignored. */
void bus_request_cancel(struct bus *b, uint64_t ticket);

/* Several replies to one request (batched reads): @cb for each message until
 * bus_request_cancel, or with an error code once at the end. The timeout restarts with
 * each message. */
uint64_t bus_request_many(struct bus *b, const struct bus_request *r);

/* Other owners of state that depends on the connection, told before bus_new's callback.
 */
struct bus_observer {
	struct list_link link;
	struct bus *bus; /* NULL once the bus is freed */
	bus_state_cb *cb;
	void *data;
};
void bus_observe(struct bus *b, struct bus_observer *o, bus_state_cb *cb, void *data);
void bus_unobserve(struct bus_observer *o);

struct bus_stats {
	uint64_t n_in, n_in_bytes, n_out, n_out_bytes;
	uint64_t n_dropped;  /* inbound messages over the queue's limit */
	uint64_t n_connects; /* the first one too */
	size_t n_requests;   /* under way now */
};
void bus_stats(const struct bus *b, struct bus_stats *out);
