/* The JSON form of a message, walked by its descriptor: no code per message. A map is a
 * repeated message of "key" and "value" on the wire, and an object in JSON. `bytes` have
 * no JSON form: messages that hold them never travel as JSON. */
#include "proto/codec_json.h"

#include <errno.h>
#include <inttypes.h>
#include <protobuf-c/protobuf-c.h>

#include "base/jsn.h"
#include "proto/codec.h"

/* A place in a message: &field, and its quantifier. */
static void *at(struct ProtobufCMessage *m, unsigned offset)
{
	return (char *)m + offset;
}

static const void *at_const(const struct ProtobufCMessage *m, unsigned offset)
{
	return (const char *)m + offset;
}

static bool field_is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	size_t n;

	if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	n = strlen(d->short_name);
	return d->n_fields == 2 && n > 5 && strcmp(d->short_name + n - 5, "Entry") == 0 &&
	       strcmp(d->fields[0].name, "key") == 0 &&
	       strcmp(d->fields[1].name, "value") == 0;
}

static size_t value_size(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		must(false); /* a type that no message of ours in JSON has */
		return 0;
	}
}

/* --- decoding --- */

/* Say where it was, on the way up; @r, not what @e holds, is the outcome (@e may be
 * NULL). */
static int inside(const char *field, int r, struct err *e)
{
	if (r && e)
		err_prefix(e, "%s", field);
	return r;
}

static int decode_message(const ProtobufCMessageDescriptor *d, const struct jsn *obj,
    unsigned depth, struct ProtobufCMessage **out, struct err *e);

static int decode_integer(
    const ProtobufCFieldDescriptor *f, const struct jsn *v, void *out, struct err *e)
{
	int64_t i, lo = INT64_MIN, hi = INT64_MAX;

	if (!jsn_int(v, &i))
		return err_set(e, ERROR_INVALID, "%s: not a whole number", f->name);
	if (f->type == PROTOBUF_C_TYPE_UINT32 || f->type == PROTOBUF_C_TYPE_UINT64)
		lo = 0;
	if (f->type == PROTOBUF_C_TYPE_UINT32)
		hi = UINT32_MAX;
	if (f->type == PROTOBUF_C_TYPE_INT32) {
		lo = INT32_MIN;
		hi = INT32_MAX;
	}
	if (i < lo || i > hi)
		return err_set(
		    e, ERROR_INVALID, "%s: %" PRId64 " is out of range", f->name, i);
	if (value_size(f->type) == 4)
		*(int32_t *)out = (int32_t)(uint32_t)(uint64_t)i;
	else
		*(int64_t *)out = i;
	return 0;
}

static int decode_enum(
    const ProtobufCFieldDescriptor *f, const struct jsn *v, void *out, struct err *e)
{
	const char *name = jsn_string(v);
	const ProtobufCEnumValue *value;

	if (!name)
		return err_set(e, ERROR_INVALID, "%s: not a string", f->name);
	value = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, name);
	if (!value)
		return err_set(e, ERROR_INVALID, "%s: \"%.32s\" is none of its values",
		    f->name, name);
	*(int32_t *)out = value->value;
	return 0;
}

static int decode_string(
    const ProtobufCFieldDescriptor *f, const struct jsn *v, void *out, struct err *e)
{
	const char *s = jsn_string(v);

	if (!s)
		return err_set(e, ERROR_INVALID, "%s: not a string", f->name);
	s = strdup(s);
	if (!s)
		return -ENOMEM;
	*(const char **)out = s;
	return 0;
}

static int decode_bool(
    const ProtobufCFieldDescriptor *f, const struct jsn *v, void *out, struct err *e)
{
	bool b;

	if (!jsn_bool(v, &b))
		return err_set(e, ERROR_INVALID, "%s: not true or false", f->name);
	*(protobuf_c_boolean *)out = b;
	return 0;
}

static int decode_double(
    const ProtobufCFieldDescriptor *f, const struct jsn *v, void *out, struct err *e)
{
	if (!jsn_number(v, out))
		return err_set(e, ERROR_INVALID, "%s: not a number", f->name);
	return 0;
}

/* One value of @f into @out, which is value_size(f->type) bytes. */
static int decode_value(const ProtobufCFieldDescriptor *f, const struct jsn *v,
    unsigned depth, void *out, struct err *e)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_ENUM:
		return decode_enum(f, v, out, e);
	case PROTOBUF_C_TYPE_STRING:
		return decode_string(f, v, out, e);
	case PROTOBUF_C_TYPE_BOOL:
		return decode_bool(f, v, out, e);
	case PROTOBUF_C_TYPE_DOUBLE:
		return decode_double(f, v, out, e);
	case PROTOBUF_C_TYPE_MESSAGE:
		if (jsn_type(v) != JSN_OBJECT)
			return err_set(e, ERROR_INVALID, "%s: not an object", f->name);
		return inside(
		    f->name, decode_message(f->descriptor, v, depth + 1, out, e), e);
	default:
		return decode_integer(f, v, out, e);
	}
}

/* An array for @n values at the field; the quantifier counts those that are filled in. */
static char *new_array(
    struct ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t n)
{
	char *items = calloc(n, value_size(f->type));

	if (items)
		*(char **)at(m, f->offset) = items;
	return items;
}

static int decode_map_entry(const ProtobufCMessageDescriptor *d, const struct jsn *v,
    struct ProtobufCMessage **out, struct err *e)
{
	struct ProtobufCMessage *entry = calloc(1, d->sizeof_message);
	const ProtobufCFieldDescriptor *value = &d->fields[1];
	int r;

	if (!entry)
		return -ENOMEM;
	protobuf_c_message_init(d, entry);
	*out = entry; /* freed with the message from here on */
	*(char **)at(entry, d->fields[0].offset) = strdup(jsn_key(v));
	if (!*(char **)at(entry, d->fields[0].offset))
		return -ENOMEM;
	r = decode_value(value, v, 0, at(entry, value->offset), e);
	if (!r && value->type != PROTOBUF_C_TYPE_STRING)
		*(protobuf_c_boolean *)at(entry, value->quantifier_offset) = 1;
	return inside(jsn_key(v), r, e);
}

static int decode_map(const ProtobufCFieldDescriptor *f, const struct jsn *v,
    struct ProtobufCMessage *m, struct err *e)
{
	size_t *n = at(m, f->quantifier_offset), count = jsn_count(v);
	struct ProtobufCMessage **items;

	if (jsn_type(v) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "%s: not an object", f->name);
	if (count == 0)
		return 0;
	items = (void *)new_array(m, f, count);
	if (!items)
		return -ENOMEM;
	jsn_for_each (member, v) {
		int r = decode_map_entry(f->descriptor, member, &items[*n], e);

		if (items[*n])
			++*n;
		if (r)
			return inside(f->name, r, e);
	}
	return 0;
}

static int decode_repeated(const ProtobufCFieldDescriptor *f, const struct jsn *v,
    unsigned depth, struct ProtobufCMessage *m, struct err *e)
{
	size_t *n = at(m, f->quantifier_offset), count = jsn_count(v);
	char *items;

	if (jsn_type(v) != JSN_ARRAY)
		return err_set(e, ERROR_INVALID, "%s: not an array", f->name);
	if (count == 0)
		return 0;
	items = new_array(m, f, count);
	if (!items)
		return -ENOMEM;
	jsn_for_each (element, v) {
		int r =
		    decode_value(f, element, depth, items + *n * value_size(f->type), e);

		/* a half-made submessage is in the array already, to be freed with it */
		if (!r || f->type == PROTOBUF_C_TYPE_MESSAGE)
			++*n;
		if (r)
			return r;
	}
	return 0;
}

static int decode_field(const ProtobufCFieldDescriptor *f, const struct jsn *v,
    unsigned depth, struct ProtobufCMessage *m, struct err *e)
{
	bool pointer =
	    f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
	int r;

	if (field_is_map(f))
		return decode_map(f, v, m, e);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return decode_repeated(f, v, depth, m, e);
	r = decode_value(f, v, depth, at(m, f->offset), e);
	if (!r && !pointer)
		*(protobuf_c_boolean *)at(m, f->quantifier_offset) = 1;
	return r;
}

/* Recursion goes as deep as the message types nest, and never beyond CODEC_DEPTH_MAX.
 * @out is set even on failure, if anything was made: it hangs in its parent, which is
 * freed as a whole. */
static int decode_message(const ProtobufCMessageDescriptor *d, const struct jsn *obj,
    unsigned depth, struct ProtobufCMessage **out, struct err *e)
{
	struct ProtobufCMessage *m;

	if (depth > CODEC_DEPTH_MAX)
		return err_set(
		    e, ERROR_INVALID, "nested deeper than %d", CODEC_DEPTH_MAX);
	m = calloc(1, d->sizeof_message);
	if (!m)
		return -ENOMEM;
	protobuf_c_message_init(d, m);
	*out = m;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const struct jsn *v = jsn_get(obj, d->fields[i].name);
		int r;

		if (!v || jsn_type(v) == JSN_NULL)
			continue;
		r = decode_field(&d->fields[i], v, depth, m, e);
		if (r)
			return r;
	}
	return 0;
}

int codec_json_decode(const struct ProtobufCMessageDescriptor *d, struct slice text,
    struct ProtobufCMessage **out, struct err *e)
{
	AUTO(jsn_freep) struct jsn *root = NULL;
	int r = jsn_parse(text.p, text.n, &root, e);

	if (r)
		return r;
	if (jsn_type(root) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "not a JSON object");
	r = decode_message(d, root, 0, out, e);
	if (r) {
		codec_free(*out);
		*out = NULL;
	}
	return r;
}

/* --- encoding --- */

/* A number, or its digits as a string where a reader of doubles would round it. */
static void encode_wide(int64_t v, struct buf *out)
{
	const int64_t exact = (INT64_C(1) << 53) - 1;
	const char *quote = v > exact || v < -exact ? "\"" : "";

	buf_addf(out, "%s%" PRId64 "%s", quote, v, quote);
}

static void encode_value(
    const ProtobufCFieldDescriptor *f, const void *p, struct buf *out)
{
	const ProtobufCEnumValue *value;
	const char *s;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
		buf_addf(out, "%" PRId32, *(const int32_t *)p);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		buf_addf(out, "%" PRIu32, *(const uint32_t *)p);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64: /* never over INT64_MAX: decoders refuse it */
		encode_wide(*(const int64_t *)p, out);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		buf_addf(out, "%.17g", *(const double *)p);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_adds(out, *(const protobuf_c_boolean *)p ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		value =
		    protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);
		must(value); /* decoders and native enums let nothing else in */
		buf_addf(out, "\"%s\"", value->name);
		break;
	case PROTOBUF_C_TYPE_STRING:
		s = *(const char *const *)p;
		buf_add_json_string(out, s ? s : "", s ? strlen(s) : 0);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		codec_json_encode(*(const struct ProtobufCMessage *const *)p, out);
		break;
	default:
		must(false); /* a type that no message of ours in JSON has */
	}
}

static void encode_map(const ProtobufCFieldDescriptor *f,
    const struct ProtobufCMessage *const *entries, size_t n, struct buf *out)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		encode_value(
		    &d->fields[0], at_const(entries[i], d->fields[0].offset), out);
		buf_addc(out, ':');
		encode_value(
		    &d->fields[1], at_const(entries[i], d->fields[1].offset), out);
	}
	buf_addc(out, '}');
}

static void encode_repeated(
    const ProtobufCFieldDescriptor *f, const struct ProtobufCMessage *m, struct buf *out)
{
	size_t n = *(const size_t *)at_const(m, f->quantifier_offset);
	const char *items = *(const char *const *)at_const(m, f->offset);

	if (field_is_map(f)) {
		encode_map(f, (const void *)items, n, out);
		return;
	}
	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		encode_value(f, items + i * value_size(f->type), out);
	}
	buf_addc(out, ']');
}

static bool field_is_set(
    const ProtobufCFieldDescriptor *f, const struct ProtobufCMessage *m)
{
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)at_const(m, f->offset) != NULL;
	return *(const protobuf_c_boolean *)at_const(m, f->quantifier_offset);
}

void codec_json_encode(const struct ProtobufCMessage *m, struct buf *out)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	bool first = true;

	buf_addc(out, '{');
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
		bool set = repeated || field_is_set(f, m);

		if (!set && strcmp(f->name, "error") == 0)
			continue;
		buf_addf(out, "%s\"%s\":", first ? "" : ",", f->name);
		first = false;
		if (repeated)
			encode_repeated(f, m, out);
		else if (set)
			encode_value(f, at_const(m, f->offset), out);
		else
			buf_adds(out, "null");
	}
	buf_addc(out, '}');
}
