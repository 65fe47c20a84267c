/* What wire.c and wire_turn.c share. */
#pragma once

struct buf;
struct ProtobufCMessage;

/* protobuf-c's strings are not const; nothing writes to them when packing. */
static inline char *wire_string(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = {.in = s};

	return u.out;
}

void wire_pack(const struct ProtobufCMessage *m, struct buf *out);
