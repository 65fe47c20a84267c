/* JetStream as the store: keys with revisions (the wire form of NATS KV), streams, and a
 * change feed. Every call is asynchronous on the loop thread, over bus.h, with exactly
 * one callback. */
#pragma once

#include "base/err.h"
#include "base/io/bus.h"

enum {
	STORE_TIMEOUT_MS = 5000,
	STORE_VALUE_MAX = 1000 * 1000, /* a message must fit the broker's max_payload */
};

struct store;

/* Borrows @b, which must outlive it. */
struct store *store_new(struct loop *l, struct bus *b);
struct store *store_free(struct store *s);

/* Results.
 * code: 0; ERROR_NOT_FOUND (key absent or deleted; stream absent); ERROR_CONFLICT
 * (revision differs: read again); ERROR_UNAVAILABLE, ERROR_TIMEOUT (outcome unknown for
 * writes: read before trying again); ERROR_TOO_LARGE; ERROR_RATE_LIMITED (stream full);
 * -ECANCELED. */
struct store_result {
	int code;
	char detail[160];   /* broker's words, "" when 0 */
	uint64_t revision;  /* of the write, or of the value read (stream sequence) */
	bool duplicate;     /* append: its message id was already stored */
	struct slice value; /* reads; borrowed for the callback */
	const char *key;    /* reads of a key: the key; by subject: the subject */
	int64_t at_unix_ms; /* when the broker stored it */
	const struct bus_header *headers;
	size_t n_headers;
};
typedef void store_cb(void *data, const struct store_result *r);

enum { STORE_ANY_REVISION = -1 };

/* Put @value under @bucket/@key. @expected: STORE_ANY_REVISION, 0 (must not exist) or the
 * revision it must have. A key that was deleted counts as existing with the revision of
 * its deletion: use store_get's revision. */
void store_put(struct store *s, const char *bucket, const char *key, struct slice value,
    int64_t expected, store_cb *cb, void *data);
/* Leave a deletion marker (other readers' feeds see it). */
void store_delete(struct store *s, const char *bucket, const char *key, int64_t expected,
    store_cb *cb, void *data);
/* Read from the stream leader (linearizable). ERROR_NOT_FOUND has the marker's revision,
 * 0 if never there. */
void store_get(
    struct store *s, const char *bucket, const char *key, store_cb *cb, void *data);

/* Publish to a stream and wait for its acknowledgement. @msg_id NULL or the deduplication
 * id. */
struct store_append {
	const char *subject;
	const char *msg_id;
	const struct bus_header *headers; /* further ones */
	size_t n_headers;
	struct slice value;
	int64_t expected_last_subject_seq; /* STORE_ANY_REVISION: do not check */
};
void store_append(
    struct store *s, const struct store_append *a, store_cb *cb, void *data);

/* One message of a stream: by sequence (>0), or the next at or after @seq on
 * @next_subject (may hold wildcards; seq 0 or 1 = from the start), or the last on
 * @last_subject. */
struct store_read {
	const char *stream;
	uint64_t seq;
	const char *next_subject;
	const char *last_subject;
};
void store_read(struct store *s, const struct store_read *r, store_cb *cb, void *data);
/* Delete one message by sequence (deny_delete must be off) or acknowledge-free removal
 * from a work queue. */
void store_delete_message(
    struct store *s, const char *stream, uint64_t seq, store_cb *cb, void *data);
/* Remove all messages on @subject_filter from @stream. */
void store_purge(struct store *s, const char *stream, const char *subject_filter,
    store_cb *cb, void *data);

/* Every last value (per subject) of @filter in @stream, in stream order, then once with
 * code != 0 or done. */
struct store_item {
	const char *subject;
	const char *key; /* for buckets: the subject without "$KV.<bucket>." */
	uint64_t revision;
	bool deleted;       /* a marker; value is empty */
	struct slice value; /* borrowed */
	int64_t at_unix_ms;
};
enum store_list_event { STORE_LIST_ITEM, STORE_LIST_DONE, STORE_LIST_FAILED };
typedef void store_list_cb(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r);
/* @all: every message instead of the last per subject. @start_seq: from there on (0: from
 * the start). */
struct store_list {
	const char *stream;
	const char *filter;
	bool all;
	uint64_t start_seq;
	store_list_cb *cb;
	void *data;
};
void store_list(struct store *s, const struct store_list *l);

/* A live view of a bucket: at each (re)connect, or when the feed shows a gap, RESET, then
 * every key as PUT or DELETE, then SYNCED; then each change as it is stored, in order.
 * Needs the bucket's stream to republish to @feed_prefix (store_bucket.feed). Permanent.
 * Changes that arrive while a listing runs are delivered after its keys. */
enum store_feed_event {
	STORE_FEED_RESET,
	STORE_FEED_PUT,
	STORE_FEED_DELETE,
	STORE_FEED_SYNCED
};
typedef void store_feed_cb(
    void *data, enum store_feed_event ev, const struct store_item *item);
int store_watch(struct store *s, const char *bucket, const char *feed, store_feed_cb *cb,
    void *data, struct err *e) MUST_CHECK;
/* List again although nothing told us to (periodic safety net of level-triggered owners).
 */
void store_watch_resync(struct store *s, const char *bucket);

/* Create what is missing. An existing stream is compared field by field with what is
 * asked, never blindly updated: differing fields end in ERROR_CONFLICT with their names
 * in detail, except those that only grew compatible (num_replicas raised by the operator,
 * unknown fields). */
struct store_stream {
	const char *name;
	const char *subjects; /* separated by spaces */
	bool work_queue;
	bool discard_new;
	bool allow_direct, deny_delete, deny_purge, allow_rollup;
	int64_t max_age_ms, max_bytes, max_msgs, max_msgs_per_subject,
	    max_msg_size;                           /* 0: no limit */
	int64_t duplicate_window_ms;                /* 0: the broker's default */
	const char *republish_src, *republish_dest; /* NULL: none */
	int64_t replicas;                           /* 1 if 0 */
	bool memory;
};
void store_ensure_stream(
    struct store *s, const struct store_stream *st, store_cb *cb, void *data);
/* The stream of a bucket: subjects $KV.<name>.>, history 1 unless said, discard new,
 * rollup; feed: NULL or the prefix changes are republished under. */
struct store_bucket {
	const char *name;
	int64_t history, max_value_bytes, ttl_ms, replicas;
	bool allow_direct;
	const char *feed;
};
void store_ensure_bucket(
    struct store *s, const struct store_bucket *b, store_cb *cb, void *data);
/* A durable push consumer with a delivery group, or a compatible existing one. */
struct store_consumer {
	const char *stream, *name;
	const char *deliver_subject, *deliver_group;
	const char *filter; /* NULL: all */
	int64_t ack_wait_ms;
	int64_t max_ack_pending;
};
void store_ensure_consumer(
    struct store *s, const struct store_consumer *c, store_cb *cb, void *data);

/* What a delivered message's reply subject tells. */
struct store_delivery {
	uint64_t stream_seq, consumer_seq, n_delivered, n_pending;
	int64_t at_unix_ms;
};
bool store_delivery_parse(const char *reply, struct store_delivery *out);
/* Acknowledge a delivery; +ACK, -NAK (with a delay), +TERM, +WPI. Core publishes: losing
 * one costs a redelivery. */
enum store_ack { STORE_ACK, STORE_NAK, STORE_TERM, STORE_PROGRESS };
int store_ack_delivery(struct store *s, const char *reply, enum store_ack kind,
    int64_t nak_delay_ms) MUST_CHECK;
