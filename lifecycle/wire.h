/* Native structs <-> messages of proto/lifecycle.proto. With proto/codec.c the only code
 * that sees the generated types. Values in buckets are protobuf; commands, replies and
 * events are protobuf or JSON. Used by lifecycled and zed-runner. */
#pragma once

#include "base/buf.h"
#include "lifecycle/core/command.h"
#include "lifecycle/core/instance.h"
#include "lifecycle/core/query.h"
#include "lifecycle/core/runner_info.h"
#include "proto/codec.h"

enum {
	WIRE_SPEC_MAX = 256 * 1024, /* a command, and so a spec */
	WIRE_RECORD_MAX = 64 * 1024,
};

/* Bucket values. Decoders overwrite *@out (the caller deinitialises it, also after a
 * failure); 0, ERROR_INVALID with @e, or -ENOMEM. Encoders append to @out. */
int wire_instance_decode(struct slice in, struct instance *out, struct err *e) MUST_CHECK;
void wire_instance_encode(const struct instance *i, struct buf *out);
int wire_spec_decode(struct slice in, struct spec *out, struct err *e) MUST_CHECK;
void wire_spec_encode(const struct spec *s, struct buf *out);
int wire_assignment_decode(
    struct slice in, struct assignment *out, struct err *e) MUST_CHECK;
void wire_assignment_encode(const struct assignment *a, struct buf *out);
/* report.runner is not in the value: the caller sets it from the key. */
int wire_report_decode(struct slice in, struct report *out, struct err *e) MUST_CHECK;
void wire_report_encode(const struct report *r, struct buf *out);
int wire_runner_decode(
    struct slice in, struct runner_info *out, struct err *e) MUST_CHECK;
void wire_runner_encode(const struct runner_info *r, struct buf *out);
int wire_heartbeat_decode(
    struct slice in, struct heartbeat *out, struct err *e) MUST_CHECK;
void wire_heartbeat_encode(const struct heartbeat *h, struct buf *out);

/* SHA-256 of the canonical packed form of a spec (its hash and order left out). */
struct hash wire_spec_hash(const struct spec *s);

/* Commands. @verb comes from the subject. Refuses what is malformed, not what spec_check
 * refuses. */
int wire_command_decode(enum verb verb, enum codec_encoding enc, struct slice in,
    struct command *out, struct err *e) MUST_CHECK;
void wire_command_encode(
    const struct command *c, enum codec_encoding enc, struct buf *out);

/* Requests that change nothing. @verb: get, wait, list, scale, runners or force_lost. */
int wire_query_decode(const char *verb, enum codec_encoding enc, struct slice in,
    struct query *out, struct err *e) MUST_CHECK;

/* Replies and events. */
void wire_event_encode(const struct instance *i, const struct event *ev,
    enum codec_encoding enc, struct buf *out);
void wire_record_encode(
    const struct instance *i, bool duplicate, enum codec_encoding enc, struct buf *out);
/* {"error":{"code","message"}}; @accepted_seq > 0 adds "accepted":true,"seq". */
void wire_error_encode(int code, const char *message, uint64_t accepted_seq,
    enum codec_encoding enc, struct buf *out);
/* @next_cursor: NULL at the end. */
void wire_list_encode(const struct instance *const *items, size_t n,
    const char *next_cursor, enum codec_encoding enc, struct buf *out);
void wire_runners_encode(const struct runner_view *runners, size_t n,
    enum codec_encoding enc, struct buf *out);
void wire_scale_encode(
    const struct scale_view *s, enum codec_encoding enc, struct buf *out);
