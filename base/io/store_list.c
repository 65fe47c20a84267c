/* Listing: an ephemeral consumer of the stream, asked for batches until it has shown the
 * last message there is. Its own file because it is the only read of many messages.
 *
 * When to stop is asked of the stream, not of the consumer: while keys are
 * overwritten 2.9 counts what is pending wrongly, and would end too early or never. The
 * listing is complete when it has shown a message and that one is the last in the stream
 * still.
 *
 * happy path: ask for the last message (none: DONE), create the consumer, ask for a
 * batch, items, ask again; at the last message ask which is the last now: still it, DONE,
 * delete the consumer
 *
 * failure modes: a batch ends early (status 408): look again, ask again; batches without
 * any message, or a stream that outruns us: FAILED; a message is missing in the
 * consumer's count, silence, connection lost: FAILED, and the broker forgets the consumer
 * by itself */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/io/bus_link.h"
#include "base/io/store_internal.h"

enum {
	/* So many of the largest values still fit the bus's queue. The broker's own limit
	 * of bytes a batch is no help: 2.9 loses the message that would have gone over
	 * it. */
	LISTING_BATCH = BUS_QUEUE_BYTES_MAX / (STORE_VALUE_MAX + 4096),
	/* After a batch of small values, so many more at once. */
	LISTING_BATCH_SMALL = 512,
	LISTING_SMALL_BYTES = 4096,
	LISTING_EXPIRES_MS = 1000,
	LISTING_N_IDLE_MAX = 5,
	LISTING_N_LOOKS_MAX = 1000,
};

struct store_listing {
	struct list_link link; /* store.listings */
	struct store *store;
	store_list_cb *cb;
	void *data;
	char *stream, *filter;
	bool all;
	uint64_t start_seq;

	struct store_op
	    *op; /* while looking for the last message, or making the consumer */
	char consumer[64]; /* "" before */
	uint64_t target;   /* the last message when we looked */
	uint64_t ticket;   /* while a batch is under way, else 0 */
	size_t n_batch;    /* messages of it */
	size_t n_batch_bytes;
	size_t n_asked; /* messages the batch may have */
	size_t n_idle;  /* batches in a row that brought nothing */
	size_t n_looks;
	uint64_t consumer_seq, last_revision;
	bool calling, dropped; /* dropped from inside its own callback: freed after it */
};

static void listing_nobody(void *data, const struct store_result *r)
{
	(void)data;
	(void)r;
}

static void listing_free(struct store_listing *l)
{
	free(l->stream);
	free(l->filter);
	free(l);
}

static void listing_stop_batch(struct store_listing *l)
{
	if (l->ticket && l->store->observer.bus)
		bus_request_cancel(l->store->bus, l->ticket);
	l->ticket = 0;
}

/* Stop what is under way and leave the store's list. */
static void listing_detach(struct store_listing *l)
{
	struct store *s = l->store;
	char api[STORE_SUBJECT_MAX];
	const struct store_call forget = {.subject = api, .cb = listing_nobody};

	list_del(&s->listings, &l->link);
	store_call_drop(l->op);
	l->op = NULL;
	listing_stop_batch(l);
	if (*l->consumer && !s->closing &&
	    store_subject(api, "$JS.API.CONSUMER.DELETE.%s.%s", l->stream, l->consumer))
		store_call(s, &forget);
}

static void listing_end(struct store_listing *l, int code, const char *detail)
{
	struct store_result r = {.code = code};

	snprintf(r.detail, sizeof(r.detail), "%s", detail);
	listing_detach(l);
	l->cb(l->data, code ? STORE_LIST_FAILED : STORE_LIST_DONE, NULL, &r);
	listing_free(l);
}

void store_listing_drop(struct store_listing *l)
{
	if (!l)
		return;
	listing_detach(l);
	l->dropped = true;
	if (!l->calling)
		listing_free(l);
}

void store_listings_cancel(struct store *s)
{
	struct store_listing *l;

	while (s->listings.n > 0) {
		l = list_entry(list_first(&s->listings), struct store_listing, link);
		if (l->calling) {
			l->cb(l->data, STORE_LIST_FAILED, NULL,
			    &(struct store_result){.code = -ECANCELED});
			store_listing_drop(l);
		} else {
			listing_end(l, -ECANCELED, "closing");
		}
	}
}

/* False: the listing has ended in the callback, or been dropped. */
static bool listing_give(struct store_listing *l, const struct store_item *item)
{
	bool alive;

	if (item->revision < l->start_seq)
		return true;
	l->calling = true;
	l->cb(l->data, STORE_LIST_ITEM, item, NULL);
	l->calling = false;
	alive = !l->dropped;
	if (!alive)
		listing_free(l);
	return alive;
}

static const char *listing_key(const struct store_listing *l, const char *subject)
{
	size_t n = strlen(l->stream + 3);

	if (strncmp(l->stream, "KV_", 3) == 0 && strncmp(subject, "$KV.", 4) == 0 &&
	    strncmp(subject + 4, l->stream + 3, n) == 0 && subject[4 + n] == '.')
		return subject + 4 + n + 1;
	return subject;
}

static void listing_look(struct store_listing *l);

/* A status in place of a message: the batch is over. */
static void listing_on_status(struct store_listing *l, const struct bus_msg *m)
{
	const char *status = bus_msg_header(m, "Status");
	const char *words = bus_msg_header(m, "Description");

	if (!status || (strcmp(status, "404") != 0 && strcmp(status, "408") != 0)) {
		listing_end(
		    l, ERROR_UNAVAILABLE, words ? words : "the listing was cut short");
		return;
	}
	if (l->n_batch == 0 && ++l->n_idle == LISTING_N_IDLE_MAX) {
		listing_end(l, ERROR_TIMEOUT, "the broker lists no further");
		return;
	}
	listing_stop_batch(l);
	listing_look(l);
}

static void listing_on_message(void *data, int code, const struct bus_msg *m)
{
	struct store_listing *l = data;
	struct store_delivery d;
	struct store_item item;

	if (code) {
		l->ticket = 0;
		listing_end(l, code, "the listing was cut short");
		return;
	}
	if (!store_delivery_parse(m->reply, &d)) {
		listing_on_status(l, m);
		return;
	}
	if (d.consumer_seq != l->consumer_seq + 1) {
		listing_end(l, ERROR_UNAVAILABLE, "messages of the listing were lost");
		return;
	}
	l->consumer_seq = d.consumer_seq;
	l->n_idle = 0;
	item = (struct store_item){
	    .subject = m->subject,
	    .key = listing_key(l, m->subject),
	    .revision = d.stream_seq,
	    .deleted = store_is_deletion(m->headers, m->n_headers),
	    .value = m->data,
	    .at_unix_ms = d.at_unix_ms,
	};
	/* In place of a value that was overwritten meanwhile 2.9 delivers the next one,
	 * and that one again. */
	if (d.stream_seq > l->last_revision) {
		l->last_revision = d.stream_seq;
		if (!listing_give(l, &item))
			return;
	}
	l->n_batch_bytes += m->data.n;
	if (++l->n_batch == l->n_asked)
		listing_stop_batch(l);
	if (!l->ticket || l->last_revision >= l->target)
		listing_look(l);
}

static void listing_ask(struct store_listing *l)
{
	char api[STORE_SUBJECT_MAX], part[STORE_SUBJECT_MAX], body[128];
	struct bus *b = l->store->observer.bus;
	bool small = l->n_batch == l->n_asked && l->n_asked > 0 &&
		     l->n_batch_bytes / l->n_asked < LISTING_SMALL_BYTES;
	const struct bus_request r = {
	    .subject = api,
	    .data = {body,
		(size_t)snprintf(body, sizeof(body),
		    "{\"batch\":%d,\"expires\":%d000000}",
		    small ? LISTING_BATCH_SMALL : LISTING_BATCH, LISTING_EXPIRES_MS)},
	    .timeout_ms = STORE_TIMEOUT_MS,
	    .cb = listing_on_message,
	    .cb_data = l,
	    .reply_part = part,
	};

	l->n_batch = l->n_batch_bytes = 0;
	l->n_asked = small ? LISTING_BATCH_SMALL : LISTING_BATCH;
	if (!b ||
	    !store_subject(
		api, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", l->stream, l->consumer) ||
	    !store_subject(part, ".%s.%s.", l->stream, l->consumer)) {
		listing_end(l, ERROR_UNAVAILABLE, "the broker is gone");
		return;
	}
	l->ticket = bus_request_many(b, &r);
}

static void listing_decode_consumer(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	struct store_listing *l = op->data;
	const char *name = jsn_get_string(reply, "name");

	if (name && strlen(name) < sizeof(l->consumer)) {
		snprintf(l->consumer, sizeof(l->consumer), "%s", name);
		return;
	}
	r->code = ERROR_INTERNAL;
	snprintf(r->detail, sizeof(r->detail), "the answer names no consumer");
}

static void listing_on_consumer(void *data, const struct store_result *r)
{
	struct store_listing *l = data;

	l->op = NULL;
	if (r->code)
		listing_end(l, r->code, r->detail);
	else
		listing_ask(l);
}

static void listing_print_config(const struct store_listing *l, struct buf *out)
{
	buf_adds(out, "{\"stream_name\":");
	buf_add_json_string(out, l->stream, strlen(l->stream));
	buf_adds(out, ",\"config\":{\"filter_subject\":");
	buf_add_json_string(out, l->filter, strlen(l->filter));
	if (!l->all)
		buf_adds(out, ",\"deliver_policy\":\"last_per_subject\"");
	else if (l->start_seq > 1)
		buf_addf(out,
		    ",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":"
		    "%" PRIu64,
		    l->start_seq);
	else
		buf_adds(out, ",\"deliver_policy\":\"all\"");
	buf_adds(out,
	    ",\"ack_policy\":\"none\",\"replay_policy\":\"instant\",\"max_deliver\":1"
	    ",\"inactive_threshold\":30000000000,\"num_replicas\":1"
	    ",\"mem_storage\":true}}");
}

static void listing_make_consumer(struct store_listing *l)
{
	char api[STORE_SUBJECT_MAX];
	AUTO(buf_deinit) struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.subject = api,
	    .decode = listing_decode_consumer,
	    .cb = listing_on_consumer,
	    .data = l};

	listing_print_config(l, &body);
	c.body = buf_slice(&body);
	if (buf_check(&body) == 0 &&
	    store_subject(api, "$JS.API.CONSUMER.CREATE.%s", l->stream))
		l->op = store_call(l->store, &c);
	else
		l->op = store_call_fail(
		    l->store, &c, ERROR_INVALID, "the names are too long");
}

/* Of the last message only the number is wanted. */
static void listing_decode_last(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	(void)op;
	r->revision = (uint64_t)jsn_get_int(jsn_get(reply, "message"), "seq", 0);
}

static void listing_on_last(void *data, const struct store_result *r)
{
	struct store_listing *l = data;
	bool none = r->code == ERROR_NOT_FOUND && strstr(r->detail, STORE_NO_MESSAGE);

	l->op = NULL;
	l->target = none ? 0 : r->revision;
	if (r->code && !none)
		listing_end(l, r->code, r->detail);
	else if (l->target <= l->last_revision || l->target < l->start_seq)
		listing_end(l, 0, "");
	else if (++l->n_looks > LISTING_N_LOOKS_MAX)
		listing_end(
		    l, ERROR_UNAVAILABLE, "it changes faster than it can be listed");
	else if (!*l->consumer)
		listing_make_consumer(l);
	else if (!l->ticket)
		listing_ask(l);
}

/* Which message is the last now? Ends the listing if it has shown it. */
static void listing_look(struct store_listing *l)
{
	char api[STORE_SUBJECT_MAX];
	AUTO(buf_deinit) struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.subject = api,
	    .decode = listing_decode_last,
	    .cb = listing_on_last,
	    .data = l};

	if (l->op)
		return;
	if (*l->consumer && !l->ticket && l->n_idle == 0 &&
	    l->last_revision < l->target) {
		listing_ask(l); /* surely not yet */
		return;
	}
	buf_adds(&body, "{\"last_by_subj\":");
	buf_add_json_string(&body, l->filter, strlen(l->filter));
	buf_addc(&body, '}');
	c.body = buf_slice(&body);
	if (store_name_valid(l->stream) && buf_check(&body) == 0 &&
	    store_subject(api, "$JS.API.STREAM.MSG.GET.%s", l->stream))
		l->op = store_call(l->store, &c);
	else
		l->op = store_call_fail(
		    l->store, &c, ERROR_INVALID, "not a name of a stream and a subject");
}

struct store_listing *store_listing_new(struct store *s, const struct store_list *what)
{
	struct store_listing *l = calloc(1, sizeof(*l));

	must(l);
	l->store = s;
	l->cb = what->cb;
	l->data = what->data;
	l->stream = strdup(what->stream);
	l->filter = strdup(what->filter ? what->filter : ">");
	must(l->stream && l->filter);
	l->all = what->all;
	l->start_seq = what->start_seq;
	list_push(&s->listings, &l->link);
	listing_look(l);
	return l;
}

void store_list(struct store *s, const struct store_list *l)
{
	store_listing_new(s, l);
}
