/* NATS micro-service discovery (ADR-32): answers $SRV.PING, $SRV.INFO and $SRV.STATS,
 * each also with .<name> and .<name>.<id>, so that `nats micro ls` and its like find the
 * program. By hand, since nats.c has it only from 3.7 on. */
#pragma once

#include "base/io/bus.h"

/* What the program answers on the bus. Borrowed strings that live as long as the service.
 */
struct service_endpoint {
	const char *name;
	const char *subject;
	const char *queue_group; /* NULL: none */
};

struct service_conf {
	const char *name; /* one token, e.g. "lifecycled" */
	const char *id;   /* one token, unique among the running; NULL: made */
	const char *version;
	const char *description;
	const struct service_endpoint *endpoints;
	size_t n_endpoints;
};

struct service;

/* Borrows @b, which must outlive it. Return: 0; ERROR_INVALID with @e. */
int service_new(struct bus *b, const struct service_conf *conf, struct service **out,
    struct err *e) MUST_CHECK;
struct service *service_free(struct service *s);
const char *service_id(const struct service *s);

/* One request on endpoint @i_endpoint was answered after @took_ns; @error: NULL, or what
 * was wrong (copied, cut). */
void service_count(
    struct service *s, size_t i_endpoint, int64_t took_ns, const char *error);
