/* The last events of a session (or of all), numbered without gaps, so that a stream that
 * was cut can go on where it was. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum {
	RING_EVENTS_MAX = 512,
	RING_BYTES_MAX = 512 * 1024,
	RING_ALL_EVENTS_MAX = 8192,
	RING_ALL_BYTES_MAX = 8 * 1024 * 1024,
};

/* One event, encoded once, shared by all who get it. */
struct event {
	unsigned n_refs;
	const char *name; /* a literal */
	char *data;       /* JSON on one line */
	size_t n_data;
};

/* @data is taken from the buffer. One reference is the caller's. */
struct event *event_new(const char *name, struct buf *data);
struct event *event_ref(struct event *ev);
void event_unref(struct event *ev);

struct ring {
	struct event **v; /* NULL until the first */
	size_t cap;       /* of v; events stand at their number modulo cap */
	size_t events_max, bytes_max;
	uint64_t first,
	    next; /* numbers kept: first..next-1; next is the number of the next event */
	size_t n_bytes;
};

void ring_init(struct ring *r, size_t events_max, size_t bytes_max);
void ring_deinit(struct ring *r);
/* Takes a reference of its own; returns the event's number. */
uint64_t ring_push(struct ring *r, struct event *ev);
/* Borrowed; NULL if it is not kept (any more). */
struct event *ring_get(const struct ring *r, uint64_t number);
/* All from @number on are kept (or it is the next one). */
bool ring_has_from(const struct ring *r, uint64_t number);
/* Forget the events, keep the numbers. */
void ring_clear(struct ring *r);
