/* The JSON form of a message, walked by its descriptor. Private to proto/. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct ProtobufCMessageDescriptor;
struct ProtobufCMessage;

/* As codec_decode and codec_encode (proto/codec.h). */
int codec_json_decode(const struct ProtobufCMessageDescriptor *d, struct slice text,
    struct ProtobufCMessage **out, struct err *e) MUST_CHECK;
void codec_json_encode(const struct ProtobufCMessage *m, struct buf *out);
