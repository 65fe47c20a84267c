/* Asking again and again whether something is ready: a file, a URL, or sessiond's view of
 * the agent. */
#pragma once

#include "base/io/fetch.h"
#include "base/io/loop.h"

enum probe_kind {
	PROBE_FILE,  /* @target exists */
	PROBE_HTTP,  /* GET @target answers 2xx */
	PROBE_AGENT, /* GET @target (a session) has agent.state ready or busy */
};

struct probe;
typedef void probe_cb(void *data); /* once; the probe is freed before it */

/* @target, @bearer (NULL: none) are copied. Asks at once, then ever less often. */
struct probe *probe_new(struct loop *l, struct fetch *f, enum probe_kind kind,
    const char *target, const char *bearer, probe_cb *cb, void *data);
struct probe *probe_free(struct probe *p); /* takes NULL; returns NULL */
