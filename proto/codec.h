/* Messages on the wire: protobuf, or JSON of the same message. One descriptor-driven walk
 * serves every message type; the generated code is seen by this module and by the two
 * wire.c files alone. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* protobuf-c's own types, without its header. */
struct ProtobufCMessageDescriptor;
struct ProtobufCMessage;

enum codec_encoding { CODEC_PROTOBUF, CODEC_JSON };

enum {
	CODEC_BYTES_MAX = 1000 * 1000,
	CODEC_DEPTH_MAX = 16,
};

/* JSON when the first byte is '{'. An empty payload is the JSON {} unless @content_type
 * is application/protobuf. */
enum codec_encoding codec_detect(struct slice payload, const char *content_type);

/**
 * codec_decode() - one message from outside
 * @out: the message, freed with codec_free
 *
 * Strict: malformed protobuf, wrong JSON types, unknown enum names, numbers out of range,
 * invalid UTF-8 in strings and NUL in them are refused, and @e names the field; unknown
 * fields are ignored.
 *
 * Return: 0; ERROR_INVALID; ERROR_TOO_LARGE; -ENOMEM
 */
int codec_decode(const struct ProtobufCMessageDescriptor *d, enum codec_encoding enc,
    struct slice payload, struct ProtobufCMessage **out, struct err *e) MUST_CHECK;
void codec_free(struct ProtobufCMessage *m); /* takes NULL */

/* Append @m. JSON has every field, null when unset (arrays and maps empty), but leaves
 * out an unset field "error". */
void codec_encode(
    const struct ProtobufCMessage *m, enum codec_encoding enc, struct buf *out);
