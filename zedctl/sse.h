/* Server-sent events cut out of a byte stream that comes in any pieces. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

struct sse {
	void (*event)(void *data, const char *name,
	    struct slice json); /* name "message" when none was given */
	void *data;
	char last_id[128]; /* of the last whole event; for Last-Event-ID */
	/* private */
	struct buf line, json;
	char name[64], id[128];
};

void sse_init(struct sse *s,
    void (*event)(void *data, const char *name, struct slice json), void *data);
/* Forget a half event (the stream was cut). */
void sse_reset(struct sse *s);
/* False: an event over the limit; the stream makes no sense. */
bool sse_feed(struct sse *s, struct slice bytes);
void sse_deinit(struct sse *s);
