/* Single reads and writes of the store: keys of buckets, messages of streams. Each is
 * one request over bus.h in the wire form of JetStream; listings, watches and the making
 * of streams are files of their own.
 *
 * happy path: store_put, request, pub ack, cb(0, revision)
 *
 * failure modes: refused here (bad name, too large): cb later, nothing sent; no answer,
 * connection lost: cb(TIMEOUT or UNAVAILABLE), whether a write took place is unknown;
 * store_free: cb(-ECANCELED) at once */
#include "base/io/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/store_internal.h"

/* calls */

static void store_op_free(struct store_op *op)
{
	free(op->name);
	free(op->value);
	free(op->header_text);
	free(op->headers);
	free(op->subject);
	free(op->body);
	free(op);
}

static void store_op_end(struct store_op *op, struct store_result *r)
{
	op->cb(op->data, r);
	store_op_free(op);
}

static void store_op_fail(struct store_op *op, int code, const char *text)
{
	struct store_result r = {.code = code, .key = op->name};

	snprintf(r.detail, sizeof(r.detail), "%s", text);
	store_op_end(op, &r);
}

const char *store_words(int code)
{
	switch (code) {
	case ERROR_TIMEOUT:
		return "the broker did not answer in time";
	case ERROR_UNAVAILABLE:
		return "the broker, or its JetStream, is not there";
	case ERROR_TOO_LARGE:
		return "over the broker's max_payload";
	case ERROR_FORBIDDEN:
		return "the broker does not permit it";
	default:
		return "the request could not be sent";
	}
}

static void store_op_decode(
    struct store_op *op, struct store_result *r, struct slice text)
{
	struct err e = ERR_NULL;
	struct jsn *reply = NULL;
	const struct jsn *error;

	r->code = jsn_parse(text.p, text.n, &reply, &e);
	error = jsn_get(reply, "error");
	if (r->code) {
		r->code = ERROR_INTERNAL;
		snprintf(r->detail, sizeof(r->detail), "the answer is not JSON: %.120s",
		    e.text);
	} else if (error) {
		r->code = store_error_code(error, r->detail, sizeof(r->detail));
	} else if (op->decode) {
		op->decode(op, r, reply);
	}
	jsn_free(reply);
}

static void store_op_on_reply(void *data, int code, const struct bus_msg *m)
{
	struct store_op *op = data;
	struct store_result r = {.key = op->name};

	list_del(op->on, &op->link);
	if (code) {
		store_op_fail(op, code, store_words(code));
		return;
	}
	store_op_decode(op, &r, m->data);
	store_op_end(op, &r);
}

static void store_on_later(struct loop_timer *t, void *data)
{
	struct store *s = data;

	(void)t;
	s->calling = true;
	for (size_t n = s->failing.n; n > 0 && s->failing.n > 0; n--) {
		struct store_op *op =
		    list_entry(list_pop(&s->failing), struct store_op, link);

		store_op_fail(op, op->fail_code, op->fail_text);
	}
	s->calling = false;
	if (s->dead)
		free(s);
	else if (s->failing.n > 0)
		loop_timer_start(s->later, 0, 0);
}

static struct store_op *store_op_new(struct store *s, const struct store_call *c)
{
	struct store_op *op = calloc(1, sizeof(*op));

	must(op);
	op->store = s;
	op->decode = c->decode;
	op->cb = c->cb;
	op->data = c->data;
	op->name = c->name ? strdup(c->name) : NULL;
	must(op->name || !c->name);
	return op;
}

void store_op_fail_later(struct store_op *op, int code, const char *text)
{
	struct store *s = op->store;

	op->fail_code = code;
	op->fail_text = text;
	op->on = &s->failing;
	list_push(op->on, &op->link);
	if (!s->closing && !loop_timer_armed(s->later))
		loop_timer_start(s->later, 0, 0);
}

struct store_op *store_call_fail(
    struct store *s, const struct store_call *c, int code, const char *text)
{
	struct store_op *op = store_op_new(s, c);

	store_op_fail_later(op, code, text);
	return op;
}

void store_op_send(struct store_op *op, const struct bus_request *what)
{
	struct bus_request r = *what;

	if (!op->store->observer.bus) {
		store_op_fail_later(op, -ECANCELED, "closing");
		return;
	}
	op->on = &op->store->ops;
	list_push(op->on, &op->link);
	r.timeout_ms = STORE_TIMEOUT_MS;
	r.cb = store_op_on_reply;
	r.cb_data = op;
	op->ticket = bus_request(op->store->bus, &r);
}

struct store_op *store_call(struct store *s, const struct store_call *c)
{
	struct store_gate *gate;
	struct store_op *op;
	struct bus_request r = {
	    .subject = c->subject,
	    .headers = c->headers,
	    .n_headers = c->n_headers,
	    .data = c->body,
	};

	if (s->closing || !s->observer.bus)
		return store_call_fail(s, c, -ECANCELED, "closing");
	op = store_op_new(s, c);
	gate = store_gate_before(s, c->subject);
	if (gate)
		store_gate_hold(gate, op, &r);
	else
		store_op_send(op, &r);
	return op;
}

void store_call_drop(struct store_op *op)
{
	struct store *s = op ? op->store : NULL;

	if (!op)
		return;
	list_del(op->on, &op->link);
	if (op->ticket && s->observer.bus)
		bus_request_cancel(s->bus, op->ticket);
	store_op_free(op);
}

/* writes */

static void store_decode_ack(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	int64_t seq = jsn_get_int(reply, "seq", 0);

	(void)op;
	if (seq <= 0) {
		r->code = ERROR_INTERNAL;
		snprintf(
		    r->detail, sizeof(r->detail), "the answer is no acknowledgement");
		return;
	}
	r->revision = (uint64_t)seq;
	r->duplicate = jsn_get_bool(reply, "duplicate", false);
}

/* Publish to a stream; @a's further headers come first. */
static void store_publish(struct store *s, const struct store_append *a, const char *name,
    store_cb *cb, void *data)
{
	struct bus_header headers[BUS_HEADERS_MAX];
	char expected[24];
	size_t n = 0;
	struct store_call c = {
	    .subject = a->subject,
	    .headers = headers,
	    .body = a->value,
	    .decode = store_decode_ack,
	    .name = name,
	    .cb = cb,
	    .data = data,
	};

	if (a->n_headers > BUS_HEADERS_MAX - 2) {
		store_call_fail(s, &c, ERROR_INVALID, "too many headers");
		return;
	}
	if (a->value.n > STORE_VALUE_MAX) {
		store_call_fail(
		    s, &c, ERROR_TOO_LARGE, "the value is over 1000000 bytes");
		return;
	}
	for (; n < a->n_headers; n++)
		headers[n] = a->headers[n];
	if (a->msg_id)
		headers[n++] = (struct bus_header){"Nats-Msg-Id", a->msg_id};
	if (a->expected_last_subject_seq != STORE_ANY_REVISION) {
		snprintf(
		    expected, sizeof(expected), "%" PRId64, a->expected_last_subject_seq);
		headers[n++] =
		    (struct bus_header){"Nats-Expected-Last-Subject-Sequence", expected};
	}
	c.n_headers = n;
	store_call(s, &c);
}

void store_append(struct store *s, const struct store_append *a, store_cb *cb, void *data)
{
	store_publish(s, a, a->subject, cb, data);
}

static bool store_key_subject(
    char subject[static STORE_SUBJECT_MAX], const char *bucket, const char *key)
{
	return store_name_valid(bucket) && store_key_valid(key) &&
	       store_subject(subject, "$KV.%s.%s", bucket, key);
}

static void store_write_key(struct store *s, const char *bucket, const char *key,
    const struct store_append *what, store_cb *cb, void *data)
{
	struct store_append a = *what;
	char subject[STORE_SUBJECT_MAX];
	const struct store_call refused = {.name = key, .cb = cb, .data = data};

	if (!store_key_subject(subject, bucket, key)) {
		store_call_fail(
		    s, &refused, ERROR_INVALID, "not a name of a bucket and a key");
		return;
	}
	a.subject = subject;
	store_publish(s, &a, key, cb, data);
}

void store_put(struct store *s, const char *bucket, const char *key, struct slice value,
    int64_t expected, store_cb *cb, void *data)
{
	const struct store_append a = {
	    .value = value, .expected_last_subject_seq = expected};

	store_write_key(s, bucket, key, &a, cb, data);
}

void store_delete(struct store *s, const char *bucket, const char *key, int64_t expected,
    store_cb *cb, void *data)
{
	static const struct bus_header marker = {"KV-Operation", "DEL"};
	const struct store_append a = {
	    .headers = &marker, .n_headers = 1, .expected_last_subject_seq = expected};

	store_write_key(s, bucket, key, &a, cb, data);
}

/* reads */

static void store_decode_message(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	const struct jsn *m = jsn_get(reply, "message");
	const char *subject = jsn_get_string(m, "subject"),
		   *data = jsn_get_string(m, "data"),
		   *headers = jsn_get_string(m, "hdrs"),
		   *time = jsn_get_string(m, "time");
	size_t n = 0;

	r->revision = (uint64_t)jsn_get_int(m, "seq", 0);
	op->value = store_base64_decode(data ? data : "", &n);
	r->value = (struct slice){op->value, n};
	op->header_text = headers ? store_base64_decode(headers, &n) : NULL;
	if (!subject || r->revision == 0 || !op->value || (headers && !op->header_text)) {
		r->code = ERROR_INTERNAL;
		snprintf(r->detail, sizeof(r->detail), "the answer is no message");
		return;
	}
	if (!op->name) { /* asked by sequence or wildcard */
		op->name = strdup(subject);
		must(op->name);
		r->key = op->name;
	}
	if (!time || !clock_parse_rfc3339(time, &r->at_unix_ms))
		r->at_unix_ms = 0;
	if (!op->header_text)
		return;
	op->headers = calloc(BUS_HEADERS_MAX, sizeof(*op->headers));
	must(op->headers);
	r->headers = op->headers;
	r->n_headers = store_headers_parse(op->header_text, op->headers, BUS_HEADERS_MAX);
}

static void store_decode_value(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	store_decode_message(op, r, reply);
	if (r->code == 0 && store_is_deletion(r->headers, r->n_headers)) {
		r->code = ERROR_NOT_FOUND;
		snprintf(r->detail, sizeof(r->detail), "deleted");
	}
}

void store_get(
    struct store *s, const char *bucket, const char *key, store_cb *cb, void *data)
{
	char subject[STORE_SUBJECT_MAX], api[STORE_SUBJECT_MAX];
	char body[STORE_SUBJECT_MAX + 32];
	struct store_call c = {.subject = api,
	    .decode = store_decode_value,
	    .name = key,
	    .cb = cb,
	    .data = data};

	if (!store_key_subject(subject, bucket, key) ||
	    !store_subject(api, "$JS.API.STREAM.MSG.GET.KV_%s", bucket)) {
		store_call_fail(s, &c, ERROR_INVALID, "not a name of a bucket and a key");
		return;
	}
	/* a valid key needs no escapes */
	snprintf(body, sizeof(body), "{\"last_by_subj\":\"%s\"}", subject);
	c.body = slice_of(body);
	store_call(s, &c);
}

/* A request to one stream: $JS.API.<verb>.<stream>. Takes @body's content. */
static void store_stream_call(struct store *s, const char *verb, const char *stream,
    struct buf *body, struct store_call *c)
{
	char api[STORE_SUBJECT_MAX];

	if (!store_name_valid(stream) ||
	    !store_subject(api, "$JS.API.%s.%s", verb, stream) || buf_check(body) != 0) {
		store_call_fail(
		    s, c, ERROR_INVALID, "not a name of a stream and a subject");
	} else {
		c->subject = api;
		c->body = buf_slice(body);
		store_call(s, c);
	}
	buf_deinit(body);
}

void store_read(struct store *s, const struct store_read *r, store_cb *cb, void *data)
{
	struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.decode = store_decode_message,
	    .name = r->last_subject,
	    .cb = cb,
	    .data = data};

	if (r->last_subject) {
		buf_adds(&body, "{\"last_by_subj\":");
		buf_add_json_string(&body, r->last_subject, strlen(r->last_subject));
	} else {
		buf_addf(&body, "{\"seq\":%" PRIu64, r->seq);
		if (r->next_subject) {
			buf_adds(&body, ",\"next_by_subj\":");
			buf_add_json_string(
			    &body, r->next_subject, strlen(r->next_subject));
		}
	}
	buf_addc(&body, '}');
	store_stream_call(s, "STREAM.MSG.GET", r->stream, &body, &c);
}

void store_delete_message(
    struct store *s, const char *stream, uint64_t seq, store_cb *cb, void *data)
{
	struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.cb = cb, .data = data};

	buf_addf(&body, "{\"seq\":%" PRIu64 ",\"no_erase\":true}", seq);
	store_stream_call(s, "STREAM.MSG.DELETE", stream, &body, &c);
}

void store_purge(struct store *s, const char *stream, const char *subject_filter,
    store_cb *cb, void *data)
{
	struct buf body = BUF_NULL(STORE_REQUEST_MAX);
	struct store_call c = {.name = subject_filter, .cb = cb, .data = data};

	buf_adds(&body, "{\"filter\":");
	buf_add_json_string(&body, subject_filter, strlen(subject_filter));
	buf_addc(&body, '}');
	store_stream_call(s, "STREAM.PURGE", stream, &body, &c);
}

/* life */

static void store_on_bus(void *data, enum bus_event ev)
{
	store_watches_on_bus(data, ev);
}

struct store *store_new(struct loop *l, struct bus *b)
{
	struct store *s = calloc(1, sizeof(*s));

	must(s);
	s->loop = l;
	s->bus = b;
	list_init(&s->ops);
	list_init(&s->failing);
	list_init(&s->listings);
	list_init(&s->watches);
	list_init(&s->gates);
	s->later = loop_timer_new(l, store_on_later, s);
	bus_observe(b, &s->observer, store_on_bus, s);
	return s;
}

void store_cancel_all(struct store *s, struct list *ops)
{
	struct list_link *it;

	while ((it = list_pop(ops))) {
		struct store_op *op = list_entry(it, struct store_op, link);

		if (s->observer.bus && op->ticket)
			bus_request_cancel(s->bus, op->ticket);
		store_op_fail(op, -ECANCELED, "closing");
	}
}

struct store *store_free(struct store *s)
{
	if (!s)
		return NULL;
	s->closing = true;
	store_watches_free(s);
	store_gates_free(s);
	while (s->ops.n > 0 || s->failing.n > 0 || s->listings.n > 0) {
		store_cancel_all(s, &s->ops);
		store_cancel_all(s, &s->failing);
		store_listings_cancel(s);
	}
	bus_unobserve(&s->observer);
	loop_timer_free(s->later);
	s->dead = true;
	if (!s->calling)
		free(s);
	return NULL;
}
