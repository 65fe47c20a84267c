/* Requests over the bus: each has a slot, its ticket is the last token of the reply
 * subject, and one wheel holds all deadlines. Its own file because none of it knows how
 * messages come and go.
 *
 * happy path: bus_request, a reply on the inbox, cb(0)
 *
 * failure modes: not connected, not sendable: cb(code) in the next turn; no reply:
 * cb(TIMEOUT) from the wheel; connection lost: cb(UNAVAILABLE); nobody there: the broker
 * answers 503; cancelled: nothing; a reply after that: a stale ticket */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/bus_internal.h"

static uint64_t bus_hash(const char *s, size_t n)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 1099511628211u;
	return h;
}

static uint64_t slot_ticket(const struct bus_slot *s)
{
	return (uint64_t)s->generation << 32 | s->i;
}

static struct bus_slot *bus_slot_of(struct bus *b, uint64_t ticket)
{
	uint32_t i = (uint32_t)ticket;
	struct bus_slot *s = i < b->n_slots ? b->slots[i] : NULL;

	return s && s->used && slot_ticket(s) == ticket ? s : NULL;
}

static void bus_on_deadline(struct wheel_timer *t);

static struct bus_slot *bus_slot_grow(struct bus *b)
{
	struct bus_slot *s = calloc(1, sizeof(*s));

	b->slots = reallocarray(b->slots, b->n_slots + 1, sizeof(*b->slots));
	b->free_slots =
	    reallocarray(b->free_slots, b->n_slots + 1, sizeof(*b->free_slots));
	must(s && b->slots && b->free_slots);
	s->bus = b;
	s->i = (uint32_t)b->n_slots;
	s->deadline.fire = bus_on_deadline;
	b->slots[b->n_slots++] = s;
	return s;
}

/* Over BUS_REQUESTS_MAX slots are still given, to requests that only wait to be refused.
 */
static struct bus_slot *bus_slot_take(struct bus *b)
{
	struct bus_slot *s =
	    b->n_free ? b->slots[b->free_slots[--b->n_free]] : bus_slot_grow(b);

	s->used = true;
	if (++s->generation == 0)
		s->generation = 1; /* a ticket is never 0 */
	b->n_used++;
	return s;
}

static void bus_slot_give(struct bus_slot *s)
{
	struct bus *b = s->bus;

	wheel_cancel(&b->wheel, &s->deadline);
	if (list_linked(&s->link))
		list_del(&b->failing, &s->link);
	if (s->reply_part)
		b->n_parts--;
	free(s->reply_part);
	s->reply_part = NULL;
	s->used = false;
	b->free_slots[b->n_free++] = s->i;
	b->n_used--;
}

static void slot_end(struct bus_slot *s, int code, const struct bus_msg *m)
{
	bus_reply_cb *cb = s->cb;
	void *data = s->cb_data;

	bus_slot_give(s);
	cb(data, code, m);
}

static void bus_on_failing(void *data)
{
	struct bus *b = data;

	/* what fails from these callbacks waits for the next turn */
	for (size_t n = b->failing.n; n > 0 && b->failing.n > 0; n--) {
		struct bus_slot *s =
		    list_entry(list_first(&b->failing), struct bus_slot, link);

		slot_end(s, s->fail_code, NULL);
	}
	b->failing_deferred = b->failing.n > 0;
	if (b->failing_deferred)
		loop_defer(b->loop, bus_on_failing, b);
	bus_maybe_free(b);
}

static void slot_fail(struct bus_slot *s, int code)
{
	struct bus *b = s->bus;

	if (list_linked(&s->link))
		return;
	wheel_cancel(&b->wheel, &s->deadline);
	s->fail_code = code;
	list_push(&b->failing, &s->link);
	if (!b->failing_deferred)
		loop_defer(b->loop, bus_on_failing, b);
	b->failing_deferred = true;
}

void bus_requests_fail(struct bus *b, int code)
{
	for (size_t i = 0; b->n_used > 0 && i < b->n_slots; i++)
		if (b->slots[i]->used)
			slot_fail(b->slots[i], code);
}

void bus_requests_fail_on(struct bus *b, struct slice subject, int code)
{
	uint64_t hash = bus_hash(subject.p, subject.n);

	for (size_t i = 0; b->n_used > 0 && i < b->n_slots; i++)
		if (b->slots[i]->used && b->slots[i]->subject_hash == hash)
			slot_fail(b->slots[i], code);
}

static void bus_on_deadline(struct wheel_timer *t)
{
	slot_end(container_of(t, struct bus_slot, deadline), ERROR_TIMEOUT, NULL);
}

static void bus_on_tick(struct loop_timer *t, void *data)
{
	struct bus *b = data;

	wheel_turn(&b->wheel, clock_mono_ms());
	if (b->wheel.n_armed == 0)
		loop_timer_stop(t);
}

static void slot_arm(struct bus_slot *s)
{
	struct bus *b = s->bus;

	if (!loop_timer_armed(b->tick)) {
		wheel_turn(&b->wheel, clock_mono_ms());
		loop_timer_start(b->tick, BUS_TICK_MS, BUS_TICK_MS);
	}
	/* the wheel's own time is that of its last turn */
	wheel_arm(
	    &b->wheel, &s->deadline, s->timeout_ms + clock_mono_ms() - b->wheel.now_ms);
}

static void slot_reply(struct bus_slot *s, const struct bus_msg *m)
{
	const char *status = m->data.n == 0 ? bus_msg_header(m, "Status") : NULL;

	if (list_linked(&s->link))
		return; /* has failed already */
	bus_link_heard(s->bus->link, s->sent);
	if (status && strcmp(status, "503") == 0) {
		slot_end(s, ERROR_UNAVAILABLE, NULL); /* no responders */
		return;
	}
	if (!s->many) {
		slot_end(s, 0, m);
		return;
	}
	slot_arm(s);
	s->cb(s->cb_data, 0, m);
}

static bool ticket_parse(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	for (int i = 0; i < BUS_TICKET_LEN; i++, s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uint64_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v = v << 4 | (uint64_t)(*s - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return *s == '\0';
}

void bus_on_inbox(struct bus *b, const struct bus_msg *m)
{
	struct bus_slot *s = NULL;
	uint64_t ticket;

	if (strncmp(m->subject, b->inbox, b->n_inbox) == 0 &&
	    ticket_parse(m->subject + b->n_inbox, &ticket)) {
		s = bus_slot_of(b, ticket);
	} else {
		for (size_t i = 0; !s && b->n_parts > 0 && i < b->n_slots; i++)
			if (b->slots[i]->used && b->slots[i]->reply_part &&
			    strstr(m->reply, b->slots[i]->reply_part))
				s = b->slots[i];
	}
	if (s)
		slot_reply(s, m);
}

static uint64_t bus_request_start(struct bus *b, const struct bus_request *r, bool many)
{
	char reply[BUS_INBOX_MAX + BUS_TICKET_LEN + 1];
	struct bus_slot *s = bus_slot_take(b);
	const struct bus_out m = {.subject = r->subject,
	    .reply = reply,
	    .headers = r->headers,
	    .n_headers = r->n_headers,
	    .data = r->data};
	int code;

	s->many = many;
	s->cb = r->cb;
	s->cb_data = r->cb_data;
	s->timeout_ms = r->timeout_ms;
	s->subject_hash = bus_hash(r->subject, strlen(r->subject));
	if (r->reply_part) {
		s->reply_part = strdup(r->reply_part);
		must(s->reply_part);
		b->n_parts++;
	}
	snprintf(reply, sizeof(reply), "%s%016llx", b->inbox,
	    (unsigned long long)slot_ticket(s));
	if (b->closing)
		code = -ECANCELED;
	else if (b->n_used > BUS_REQUESTS_MAX)
		code = ERROR_UNAVAILABLE;
	else
		code = bus_send(b, &m);
	if (code)
		slot_fail(s, code);
	else
		slot_arm(s);
	s->sent = bus_link_sent(b->link);
	return slot_ticket(s);
}

uint64_t bus_request(struct bus *b, const struct bus_request *r)
{
	return bus_request_start(b, r, false);
}

uint64_t bus_request_many(struct bus *b, const struct bus_request *r)
{
	return bus_request_start(b, r, true);
}

void bus_request_cancel(struct bus *b, uint64_t ticket)
{
	struct bus_slot *s = bus_slot_of(b, ticket);

	if (s)
		bus_slot_give(s);
}

void bus_requests_init(struct bus *b)
{
	list_init(&b->failing);
	wheel_init(&b->wheel, BUS_TICK_MS, clock_mono_ms());
	b->tick = loop_timer_new(b->loop, bus_on_tick, b);
}

void bus_requests_deinit(struct bus *b)
{
	for (size_t i = 0; i < b->n_slots; i++)
		free(b->slots[i]);
	free(b->slots);
	free(b->free_slots);
	loop_timer_free(b->tick);
}
