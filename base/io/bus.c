/* The loop's side of the NATS connection: what arrived is handed out. Requests
 * and their replies are bus_request.c, the threads behind it all bus_keeper.c.
 *
 * happy path: bus_new, bus_start, CONNECTED, requests and messages, bus_close, ENDED,
 * freed, closed_cb
 *
 * failure modes: DISCONNECTED: every request under way fails, later ones at once; no
 * reply: the wheel; a reply that comes after its request ended: its ticket is stale,
 * ignored; close while connecting hangs: the keeper is left to itself */
#include "base/io/bus.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/ids.h"
#include "base/io/bus_internal.h"
#include "base/io/events.h"

enum {
	BUS_BATCH = 256, /* items handled before other handles get a turn */
	BUS_CLOSE_GRACE_MS = BUS_CONNECT_TIMEOUT_MS + 2 * BUS_FLUSH_TIMEOUT_MS,
	BUS_INBOX_RANDOM = 11,
	BUS_LOG_EVERY_MS = 1000,
	BUS_SUBJECT_MAX = 512,
};

/* freeing */

void bus_maybe_free(struct bus *b)
{
	loop_task_cb *closed_cb = b->closed_cb;
	void *data = b->closed_data;
	struct list_link *o;

	if (!b->link_closed || b->n_used > 0 || b->failing_deferred || b->drain_deferred)
		return;
	while ((o = list_pop(&b->observers)))
		list_entry(o, struct bus_observer, link)->bus = NULL;
	while (b->ready) {
		struct bus_item *next = b->ready->next;

		bus_item_free(b->ready);
		b->ready = next;
	}
	bus_requests_deinit(b);
	free(b->handlers);
	loop_timer_free(b->grace);
	free(b);
	if (closed_cb)
		closed_cb(data);
}

static void bus_on_link_closed(void *data)
{
	struct bus *b = data;

	b->link_closed = true;
	bus_maybe_free(b);
}

static void bus_release_link(struct bus *b)
{
	if (b->released)
		return;
	b->released = true;
	bus_link_release(b->link, bus_on_link_closed, b);
}

/* what arrived */

static void bus_tell(struct bus *b, enum bus_event ev)
{
	list_for_each_safe (it, &b->observers) {
		struct bus_observer *o = list_entry(it, struct bus_observer, link);

		if (!b->closing)
			o->cb(o->data, ev);
	}
	if (!b->closing && b->cb)
		b->cb(b->data, ev);
}

static void bus_on_connected(struct bus *b, const struct bus_note *note)
{
	b->connected = true;
	b->stats.n_connects++;
	b->problem[0] = '\0';
	b->max_payload = note->max_payload;
	bus_link_connected(b->link, note->max_payload);
	memcpy(b->server, note->server, sizeof(b->server));
	memcpy(b->version, note->version, sizeof(b->version));
	log_event(
	    EV_broker_connected, LF("server", b->server), LF("version", b->version));
	bus_tell(b, BUS_CONNECTED);
}

/* Lost, or a try that failed. The same words again are not logged again. */
static void bus_on_away(struct bus *b, const struct bus_item *i)
{
	bool was_connected = b->connected;
	AUTO(buf_deinit) struct buf text = BUF_NULL(sizeof(b->problem) - 1);

	buf_add_masked(&text, i->note->text);
	if (was_connected || strcmp(b->problem, buf_cstr(&text)) != 0)
		log_event(i->kind == BUS_ITEM_FAILED && i->note->auth
			      ? EV_broker_refused
			      : EV_broker_disconnected,
		    LF("detail", buf_cstr(&text)));
	snprintf(b->problem, sizeof(b->problem), "%s", buf_cstr(&text));
	b->connected = false;
	if (!was_connected)
		return;
	bus_requests_fail(b, ERROR_UNAVAILABLE);
	bus_tell(b, BUS_DISCONNECTED);
}

static bool bus_may_log(int64_t *last_ms)
{
	int64_t now_ms = clock_mono_ms();

	if (*last_ms && now_ms - *last_ms < BUS_LOG_EVERY_MS)
		return false;
	*last_ms = now_ms;
	return true;
}

/* Permissions Violation for Publish to "SUBJECT": the requests on it will not be
 * answered. */
static void bus_on_refused(struct bus *b, const struct bus_note *note)
{
	static const char publish[] = "Publish to \"";
	const char *at = strcasestr(note->text, publish), *end;

	if (bus_may_log(&b->refused_logged_ms))
		log_event(EV_broker_refused, LF("detail", note->text));
	if (!at)
		return;
	at += sizeof(publish) - 1;
	end = strchr(at, '"');
	if (end)
		bus_requests_fail_on(
		    b, (struct slice){at, (size_t)(end - at)}, ERROR_FORBIDDEN);
}

static void bus_on_gap(struct bus *b)
{
	b->stats.n_dropped = bus_link_n_dropped(b->link);
	if (bus_may_log(&b->gap_logged_ms))
		log_event(EV_broker_gap, LF_I("dropped", b->stats.n_dropped));
	bus_tell(b, BUS_GAP);
}

static void bus_on_message(struct bus *b, struct bus_item *i)
{
	struct bus_header headers[BUS_HEADERS_MAX];
	struct bus_handler h = b->handlers[i->i_sub];
	struct bus_msg m;

	bus_item_message(i, &m, headers, BUS_HEADERS_MAX);
	b->stats.n_in++;
	b->stats.n_in_bytes += m.data.n;
	if (i->i_sub == b->i_inbox)
		bus_on_inbox(b, &m);
	else if (h.cb)
		h.cb(h.data, &m);
}

static void bus_on_item(struct bus *b, struct bus_item *i)
{
	if (i->kind == BUS_ITEM_ENDED)
		bus_release_link(b);
	if (b->closing)
		return;
	switch (i->kind) {
	case BUS_ITEM_MESSAGE:
		bus_on_message(b, i);
		break;
	case BUS_ITEM_CONNECTED:
		bus_on_connected(b, i->note);
		break;
	case BUS_ITEM_DISCONNECTED:
	case BUS_ITEM_FAILED:
		bus_on_away(b, i);
		break;
	case BUS_ITEM_REFUSED:
		bus_on_refused(b, i->note);
		break;
	case BUS_ITEM_GAP:
		bus_on_gap(b);
		break;
	case BUS_ITEM_ENDED:
		break;
	}
}

/* True: the queue was not seen empty. Whoever fills an empty queue wakes the loop, once:
 * only a queue seen empty may be left to that. */
static bool bus_drain(struct bus *b)
{
	for (int n = 0; n < BUS_BATCH; n++) {
		struct bus_item *i = b->ready ? b->ready : bus_link_take(b->link);

		if (!i)
			return false;
		b->ready = i->next;
		bus_on_item(b, i);
		bus_item_free(i);
		if (b->released)
			return false; /* the link is gone */
	}
	return true;
}

static void bus_on_drain_rest(void *data);

static void bus_on_wake(void *data)
{
	struct bus *b = data;

	if (b->drain_deferred || b->released)
		return;
	if (bus_drain(b)) {
		b->drain_deferred = true;
		loop_defer(b->loop, bus_on_drain_rest, b);
	}
}

static void bus_on_drain_rest(void *data)
{
	struct bus *b = data;

	b->drain_deferred = false;
	bus_on_wake(b);
	bus_maybe_free(b);
}

/* what is sent */

/* Characters that would end a protocol line or split its words; empty tokens. */
bool bus_subject_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > BUS_SUBJECT_MAX || s[0] == '.' || s[n - 1] == '.' ||
	    strstr(s, ".."))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7F)
			return false;
	return true;
}

/* An empty value is legal, but nats.c 3.4.1 mixes up the headers of a message that has
 * one. */
static bool bus_headers_valid(const struct bus_header *h, size_t n)
{
	if (n > BUS_HEADERS_MAX)
		return false;
	for (; n > 0; n--, h++)
		if (!*h->name || !*h->value || strpbrk(h->name, ":\r\n ") ||
		    strpbrk(h->value, "\r\n"))
			return false;
	return true;
}

int bus_send(struct bus *b, const struct bus_out *m)
{
	int r;

	if (!bus_subject_valid(m->subject) ||
	    (m->reply && !bus_subject_valid(m->reply)) ||
	    !bus_headers_valid(m->headers, m->n_headers))
		return ERROR_INVALID;
	if (!b->connected || b->closing)
		return ERROR_UNAVAILABLE;
	r = bus_link_publish(b->link, m);
	if (r == 0) {
		b->stats.n_out++;
		b->stats.n_out_bytes += m->data.n;
	}
	return r;
}

int bus_publish(struct bus *b, const char *subject, const char *reply,
    const struct bus_header *headers, size_t n_headers, struct slice data)
{
	const struct bus_out m = {.subject = subject,
	    .reply = reply && *reply ? reply : NULL,
	    .headers = headers,
	    .n_headers = n_headers,
	    .data = data};

	return bus_send(b, &m);
}

/* subscriptions */

static int bus_subscribe_as(struct bus *b, const char *subject, const char *queue,
    bool is_inbox, const struct bus_handler *h, struct err *e)
{
	size_t i;

	if (!bus_subject_valid(subject) || (queue && !bus_subject_valid(queue)))
		return err_set(
		    e, ERROR_INVALID, "subject '%s' cannot be subscribed", subject);
	b->handlers = reallocarray(b->handlers, b->n_handlers + 1, sizeof(*b->handlers));
	must(b->handlers);
	bus_link_subscribe(b->link, subject, queue, is_inbox, &i);
	must(i == b->n_handlers);
	b->handlers[b->n_handlers++] = *h;
	if (is_inbox)
		b->i_inbox = i;
	return 0;
}

int bus_subscribe(struct bus *b, const char *subject, const char *queue, bus_msg_cb *cb,
    void *data, struct err *e)
{
	const struct bus_handler h = {cb, data};

	return bus_subscribe_as(b, subject, queue, false, &h, e);
}

void bus_mute(struct bus *b, const void *data)
{
	for (size_t i = 0; i < b->n_handlers; i++)
		if (b->handlers[i].data == data)
			b->handlers[i] = (struct bus_handler){0};
}

const char *bus_msg_header(const struct bus_msg *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcasecmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	return NULL;
}

/* making, closing */

static int bus_name_inbox(struct bus *b, const char *prefix, struct err *e)
{
	unsigned char random[BUS_INBOX_RANDOM];
	char digits[2 * BUS_INBOX_RANDOM + 1];

	if (strlen(prefix) > BUS_INBOX_MAX - 2 * BUS_INBOX_RANDOM - 3 ||
	    !bus_subject_valid(prefix) || strpbrk(prefix, "*>"))
		return err_set(e, ERROR_INVALID,
		    "nats_inbox_prefix: '%s' is no subject prefix", prefix);
	random_bytes(random, sizeof(random));
	hex_print(random, sizeof(random), digits);
	b->n_inbox = (size_t)snprintf(
	    b->inbox, sizeof(b->inbox), "%s.%s.", prefix, digits);
	return 0;
}

static void bus_subscribe_inbox(struct bus *b)
{
	static const struct bus_handler none;
	char subject[BUS_INBOX_MAX + 2];

	snprintf(subject, sizeof(subject), "%s*", b->inbox);
	must(bus_subscribe_as(b, subject, NULL, true, &none, NULL) == 0);
}

static void bus_on_grace(struct loop_timer *t, void *data)
{
	(void)t;
	bus_release_link(data);
}

int bus_new(struct loop *l, const struct bus_conf *conf, bus_state_cb *cb, void *data,
    struct bus **out, struct err *e)
{
	struct bus *b = calloc(1, sizeof(*b));
	int r;

	must(b);
	b->loop = l;
	b->cb = cb;
	b->data = data;
	list_init(&b->observers);
	snprintf(b->problem, sizeof(b->problem), "not started");
	r = bus_name_inbox(b,
	    conf->inbox_prefix && *conf->inbox_prefix ? conf->inbox_prefix : "_INBOX", e);
	if (r == 0)
		r = bus_link_new(l, conf, bus_on_wake, b, &b->link, e);
	if (r) {
		free(b);
		return r;
	}
	bus_requests_init(b);
	b->grace = loop_timer_new(l, bus_on_grace, b);
	bus_subscribe_inbox(b);
	*out = b;
	return 0;
}

int bus_start(struct bus *b, struct err *e)
{
	must(!b->started);
	snprintf(b->problem, sizeof(b->problem), "connecting");
	b->started = true;
	return bus_link_start(b->link, e);
}

void bus_close(struct bus *b, loop_task_cb *closed_cb, void *data)
{
	must(!b->closing);
	b->closing = true;
	b->connected = false;
	b->closed_cb = closed_cb;
	b->closed_data = data;
	bus_requests_fail(b, -ECANCELED);
	bus_link_stop(b->link);
	loop_timer_start(b->grace, BUS_CLOSE_GRACE_MS, 0);
}

/* asking */

bool bus_connected(const struct bus *b)
{
	return b->connected;
}

const char *bus_server(const struct bus *b)
{
	return b->server;
}

const char *bus_problem(const struct bus *b)
{
	return b->problem;
}

const char *bus_server_version(const struct bus *b)
{
	return b->version;
}

size_t bus_max_payload(const struct bus *b)
{
	return b->max_payload;
}

void bus_observe(struct bus *b, struct bus_observer *o, bus_state_cb *cb, void *data)
{
	o->bus = b;
	o->cb = cb;
	o->data = data;
	list_push(&b->observers, &o->link);
}

void bus_unobserve(struct bus_observer *o)
{
	if (o->bus)
		list_del(&o->bus->observers, &o->link);
	o->bus = NULL;
}

void bus_stats(const struct bus *b, struct bus_stats *out)
{
	*out = b->stats;
	out->n_dropped = bus_link_n_dropped(b->link);
	out->n_requests = b->n_used;
}
