/* Listing: an ephemeral consumer of the stream, asked for batches until it has nothing
 * more. Its own file because it is the only read of many messages.
 *
 * happy path: create the consumer, ask for a batch, items, ask again, the last says none
 * is pending, DONE, delete it
 *
 * failure modes: a batch ends early (status 408, 409): ask again, or DONE if it brought
 * nothing; a message is missing in the consumer's count, silence, connection lost:
 * FAILED, and the broker forgets the consumer by itself */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/io/store_internal.h"

enum {
	LISTING_BATCH = 256,
	LISTING_BATCH_BYTES = 8 * 1024 * 1024,
	LISTING_EXPIRES_MS = 1000,
};

struct store_listing {
	struct list_link link; /* store.listings */
	struct store *store;
	store_list_cb *cb;
	void *data;
	char *stream, *filter;
	bool all;
	uint64_t start_seq;

	struct store_op *op; /* while the consumer is being made */
	char consumer[64];   /* "" before */
	int64_t n_pending;
	uint64_t ticket; /* while a batch is under way, else 0 */
	size_t n_batch;  /* messages of it */
	uint64_t consumer_seq;
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

/* Stop what is under way and leave the store's list. */
static void listing_detach(struct store_listing *l)
{
	struct store *s = l->store;
	char api[STORE_SUBJECT_MAX];
	const struct store_call forget = {.subject = api, .cb = listing_nobody};

	list_del(&s->listings, &l->link);
	store_call_drop(l->op);
	l->op = NULL;
	if (l->ticket && s->observer.bus)
		bus_request_cancel(s->bus, l->ticket);
	l->ticket = 0;
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

static void listing_ask(struct store_listing *l);

/* A status in place of a message: the batch is over. */
static void listing_on_status(struct store_listing *l, const struct bus_msg *m)
{
	const char *status = bus_msg_header(m, "Status");
	const char *words = bus_msg_header(m, "Description");

	if (status && (strcmp(status, "404") == 0 || strcmp(status, "408") == 0) &&
	    l->n_batch == 0) {
		listing_end(
		    l, 0, ""); /* there is nothing more, whatever was pending once */
		return;
	}
	if (status && (*status == '4') && l->n_batch > 0) {
		listing_ask(l);
		return;
	}
	listing_end(l, ERROR_UNAVAILABLE, words ? words : "the listing was cut short");
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
	l->n_batch++;
	item = (struct store_item){
	    .subject = m->subject,
	    .key = listing_key(l, m->subject),
	    .revision = d.stream_seq,
	    .deleted = store_is_deletion(m->headers, m->n_headers),
	    .value = m->data,
	    .at_unix_ms = d.at_unix_ms,
	};
	if (!listing_give(l, &item))
		return;
	if (d.n_pending == 0)
		listing_end(l, 0, "");
	else if (l->n_batch == LISTING_BATCH)
		listing_ask(l);
}

static void listing_ask(struct store_listing *l)
{
	char api[STORE_SUBJECT_MAX], part[STORE_SUBJECT_MAX], body[128];
	struct bus *b = l->store->observer.bus;
	const struct bus_request r = {
	    .subject = api,
	    .data = {body, (size_t)snprintf(body, sizeof(body),
			       "{\"batch\":%d,\"max_bytes\":%d,\"expires\":%d000000}",
			       LISTING_BATCH, LISTING_BATCH_BYTES, LISTING_EXPIRES_MS)},
	    .timeout_ms = STORE_TIMEOUT_MS,
	    .cb = listing_on_message,
	    .cb_data = l,
	    .reply_part = part,
	};

	if (l->ticket && b)
		bus_request_cancel(b, l->ticket);
	l->ticket = 0;
	l->n_batch = 0;
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

	if (!name || strlen(name) >= sizeof(l->consumer)) {
		r->code = ERROR_INTERNAL;
		snprintf(r->detail, sizeof(r->detail), "the answer names no consumer");
		return;
	}
	snprintf(l->consumer, sizeof(l->consumer), "%s", name);
	l->n_pending = jsn_get_int(reply, "num_pending", 1);
}

static void listing_on_consumer(void *data, const struct store_result *r)
{
	struct store_listing *l = data;

	l->op = NULL;
	if (r->code || l->n_pending == 0)
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

struct store_listing *store_listing_new(struct store *s, const struct store_list *what)
{
	struct store_listing *l = calloc(1, sizeof(*l));
	char api[STORE_SUBJECT_MAX];
	AUTO(buf_deinit) struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.subject = api,
	    .decode = listing_decode_consumer,
	    .cb = listing_on_consumer,
	    .data = l};

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
	listing_print_config(l, &body);
	c.body = buf_slice(&body);
	if (store_name_valid(what->stream) && buf_check(&body) == 0 &&
	    store_subject(api, "$JS.API.CONSUMER.CREATE.%s", what->stream))
		l->op = store_call(s, &c);
	else
		l->op = store_call_fail(
		    s, &c, ERROR_INVALID, "not a name of a stream and a subject");
	return l;
}

void store_list(struct store *s, const struct store_list *l)
{
	store_listing_new(s, l);
}
