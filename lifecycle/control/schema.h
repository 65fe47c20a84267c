/* Streams, buckets and the consumer: created where missing, compared where there, at
 * every connect. */
#pragma once

#include "base/io/store.h"

struct schema;

/* @code: 0 (all is there); ERROR_CONFLICT (something differs: an operator has to decide);
 * ERROR_INVALID (this broker cannot do what is configured). Not called for what is tried
 * again by itself. */
typedef void schema_cb(void *data, int code, const char *detail);

/* @replicas: copies of each stream. Nothing is done before schema_check. */
struct schema *schema_new(struct loop *l, struct bus *b, struct store *s,
    int64_t replicas, schema_cb *cb, void *data);
/* The loop is to end: no more timers. What is under way ends when the store is freed. */
void schema_close(struct schema *s);
struct schema *schema_free(struct schema *s); /* takes NULL; after the store is gone */
/* Connected: look. A look under way begins anew. */
void schema_check(struct schema *s);
/* Look again while all goes on: somebody may have deleted something. */
void schema_recheck(struct schema *s);
/* When LIFECYCLE_CMD was created, unix ms: tells a stream from one of the same name that
 * was there before. 0: not known. */
int64_t schema_cmd_stream_ms(const struct schema *s);
/* Disconnected: what is under way is dropped. */
void schema_stop(struct schema *s);
bool schema_is_ready(const struct schema *s);
/* Why it is not ready; "" if it is. */
const char *schema_problem(const struct schema *s);
