/* Numbered events, the newest of them. */
#include "sessiond/gateway/ring.h"

#include "base/must.h"

enum {
	RING_CAP_MIN = 16,
};

struct event *event_new(const char *name, struct buf *data)
{
	struct event *ev = calloc(1, sizeof(*ev));

	must(ev);
	ev->n_refs = 1;
	ev->name = name;
	ev->data = buf_steal(data, &ev->n_data);
	must(ev->data);
	return ev;
}

struct event *event_ref(struct event *ev)
{
	ev->n_refs++;
	return ev;
}

void event_unref(struct event *ev)
{
	if (--ev->n_refs)
		return;
	free(ev->data);
	free(ev);
}

void ring_init(struct ring *r, size_t events_max, size_t bytes_max)
{
	*r = (struct ring){.events_max = events_max, .bytes_max = bytes_max};
}

static void ring_drop_first(struct ring *r)
{
	struct event **slot = &r->v[r->first % r->cap];

	r->n_bytes -= (*slot)->n_data;
	event_unref(*slot);
	*slot = NULL;
	r->first++;
}

void ring_clear(struct ring *r)
{
	while (r->first < r->next)
		ring_drop_first(r);
	free(r->v);
	r->v = NULL;
	r->cap = 0;
}

void ring_deinit(struct ring *r)
{
	ring_clear(r);
}

static void ring_grow(struct ring *r)
{
	size_t cap = r->cap ? 2 * r->cap : RING_CAP_MIN;
	struct event **v = calloc(cap, sizeof(*v));

	must(v);
	for (uint64_t i = r->first; i < r->next; i++)
		v[i % cap] = r->v[i % r->cap];
	free(r->v);
	r->v = v;
	r->cap = cap;
}

uint64_t ring_push(struct ring *r, struct event *ev)
{
	while (r->first < r->next && (r->next - r->first == r->events_max ||
					 r->n_bytes + ev->n_data > r->bytes_max))
		ring_drop_first(r);
	if (r->next - r->first == r->cap)
		ring_grow(r);
	r->v[r->next % r->cap] = event_ref(ev);
	r->n_bytes += ev->n_data;
	return r->next++;
}

struct event *ring_get(const struct ring *r, uint64_t number)
{
	if (number < r->first || number >= r->next)
		return NULL;
	return r->v[number % r->cap];
}

bool ring_has_from(const struct ring *r, uint64_t number)
{
	return number >= r->first && number <= r->next;
}
