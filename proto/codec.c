/* The encodings of a message, and the check of protobuf bytes before protobuf-c sees
 * them: protobuf-c neither knows enum values it was not generated with, nor looks at what
 * is in a string. JSON is in codec_json.c. */
#include "proto/codec.h"

#include <errno.h>
#include <protobuf-c/protobuf-c.h>

#include "base/utf8.h"
#include "proto/codec_json.h"

struct wire {
	const uint8_t *p;
	size_t n;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum codec_encoding codec_detect(struct slice payload, const char *content_type)
{
	if (payload.n == 0)
		return content_type && strcmp(content_type, "application/protobuf") == 0
			   ? CODEC_PROTOBUF
			   : CODEC_JSON;
	return payload.p[0] == '{' ? CODEC_JSON : CODEC_PROTOBUF;
}

static bool wire_varint(struct wire *w, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && w->n > 0; shift += 7) {
		uint8_t b = *w->p++;

		w->n--;
		*out |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return shift < 63 || b < 2;
	}
	return false;
}

static bool wire_skip(struct wire *w, size_t n)
{
	if (n > w->n)
		return false;
	w->p += n;
	w->n -= n;
	return true;
}

static bool wire_bytes(struct wire *w, struct wire *out)
{
	uint64_t n;

	if (!wire_varint(w, &n) || n > w->n)
		return false;
	*out = (struct wire){w->p, (size_t)n};
	return wire_skip(w, (size_t)n);
}

static enum wire_type wire_type_of(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

/* Say where it was, on the way up; @r, not what @e holds, is the outcome (@e may be
 * NULL). */
static int inside(const char *field, int r, struct err *e)
{
	if (r && e)
		err_prefix(e, "%s", field);
	return r;
}

static int malformed(struct err *e)
{
	return err_set(e, ERROR_INVALID, "malformed protobuf");
}

static int check_number(const ProtobufCFieldDescriptor *f, uint64_t v, struct err *e)
{
	int64_t s = (int64_t)v;

	switch (f->type) {
	case PROTOBUF_C_TYPE_ENUM:
		if (s < INT32_MIN || s > INT32_MAX ||
		    !protobuf_c_enum_descriptor_get_value(f->descriptor, (int)s))
			return err_set(e, ERROR_INVALID, "%s: %lld is none of its values",
			    f->name, (long long)s);
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
		if (v > UINT32_MAX)
			return err_set(e, ERROR_INVALID, "%s: out of range", f->name);
		return 0;
	case PROTOBUF_C_TYPE_INT32:
		if (s < INT32_MIN || s > INT32_MAX)
			return err_set(e, ERROR_INVALID, "%s: out of range", f->name);
		return 0;
	case PROTOBUF_C_TYPE_UINT64: /* the JSON side, and sequences, are signed */
		if (s < 0)
			return err_set(e, ERROR_INVALID, "%s: out of range", f->name);
		return 0;
	default:
		return 0;
	}
}

static int check_packed(const ProtobufCFieldDescriptor *f, struct wire w, struct err *e)
{
	while (w.n > 0) {
		uint64_t v;
		int r;

		if (!wire_varint(&w, &v))
			return malformed(e);
		r = check_number(f, v, e);
		if (r)
			return r;
	}
	return 0;
}

static int check_message(
    const ProtobufCMessageDescriptor *d, struct wire w, unsigned depth, struct err *e);

static int check_bytes(
    const ProtobufCFieldDescriptor *f, struct wire w, unsigned depth, struct err *e)
{
	const char *text = (const char *)w.p;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return inside(f->name, check_message(f->descriptor, w, depth + 1, e), e);
	case PROTOBUF_C_TYPE_STRING:
		if (!utf8_valid(text, w.n) || memchr(text, 0, w.n))
			return err_set(
			    e, ERROR_INVALID, "%s: not UTF-8, or holds a NUL", f->name);
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		return 0;
	default:
		return check_packed(f, w, e);
	}
}

static int check_known(const ProtobufCFieldDescriptor *f, enum wire_type type,
    struct wire *w, unsigned depth, struct err *e)
{
	bool packed = type == WIRE_BYTES && f->label == PROTOBUF_C_LABEL_REPEATED &&
		      wire_type_of(f->type) == WIRE_VARINT;
	struct wire inner;
	uint64_t v;

	if (type != wire_type_of(f->type) && !packed)
		return err_set(e, ERROR_INVALID, "%s: of another type", f->name);
	if (type == WIRE_VARINT)
		return wire_varint(w, &v) ? check_number(f, v, e) : malformed(e);
	if (type == WIRE_BYTES)
		return wire_bytes(w, &inner) ? check_bytes(f, inner, depth, e)
					     : malformed(e);
	return wire_skip(w, type == WIRE_FIXED32 ? 4 : 8) ? 0 : malformed(e);
}

static int check_unknown(uint64_t type, struct wire *w, struct err *e)
{
	struct wire inner;
	uint64_t v;
	bool ok = false;

	if (type == WIRE_VARINT)
		ok = wire_varint(w, &v);
	else if (type == WIRE_BYTES)
		ok = wire_bytes(w, &inner);
	else if (type == WIRE_FIXED32 || type == WIRE_FIXED64)
		ok = wire_skip(w, type == WIRE_FIXED32 ? 4 : 8);
	return ok ? 0 : malformed(e);
}

/* Recursion goes as deep as the message types nest, and never beyond CODEC_DEPTH_MAX. */
static int check_message(
    const ProtobufCMessageDescriptor *d, struct wire w, unsigned depth, struct err *e)
{
	if (depth > CODEC_DEPTH_MAX)
		return err_set(
		    e, ERROR_INVALID, "nested deeper than %d", CODEC_DEPTH_MAX);
	while (w.n > 0) {
		const ProtobufCFieldDescriptor *f;
		uint64_t key;
		int r;

		if (!wire_varint(&w, &key) || key >> 3 == 0 || key > UINT32_MAX)
			return malformed(e);
		f = protobuf_c_message_descriptor_get_field(d, (unsigned)(key >> 3));
		r = f ? check_known(f, (enum wire_type)(key & 7), &w, depth, e)
		      : check_unknown(key & 7, &w, e);
		if (r)
			return r;
	}
	return 0;
}

static int decode_protobuf(const ProtobufCMessageDescriptor *d, struct slice payload,
    struct ProtobufCMessage **out, struct err *e)
{
	struct wire w = {(const uint8_t *)payload.p, payload.n};
	int r = check_message(d, w, 0, e);

	if (r)
		return r;
	*out = protobuf_c_message_unpack(d, NULL, w.n, w.p);
	if (!*out)
		return malformed(e);
	return 0;
}

int codec_decode(const struct ProtobufCMessageDescriptor *d, enum codec_encoding enc,
    struct slice payload, struct ProtobufCMessage **out, struct err *e)
{
	*out = NULL;
	if (payload.n > CODEC_BYTES_MAX)
		return err_set(e, ERROR_TOO_LARGE, "message of %zu bytes, at most %d",
		    payload.n, CODEC_BYTES_MAX);
	if (enc == CODEC_PROTOBUF)
		return decode_protobuf(d, payload, out, e);
	return codec_json_decode(d, payload.n ? payload : SLICE_LIT("{}"), out, e);
}

void codec_free(struct ProtobufCMessage *m)
{
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}

struct codec_sink {
	ProtobufCBuffer base;
	struct buf *out;
};

static void codec_sink_append(ProtobufCBuffer *b, size_t n, const uint8_t *data)
{
	buf_add(container_of(b, struct codec_sink, base)->out, data, n);
}

void codec_encode(
    const struct ProtobufCMessage *m, enum codec_encoding enc, struct buf *out)
{
	struct codec_sink sink = {.base = {.append = codec_sink_append}, .out = out};

	if (enc == CODEC_JSON)
		codec_json_encode(m, out);
	else
		protobuf_c_message_pack_to_buffer(m, &sink.base);
}
