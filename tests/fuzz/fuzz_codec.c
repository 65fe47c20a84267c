/* Every message of the lifecycle plane in both encodings. The first byte picks the
 * message, the rest are its bytes: JSON if they begin with '{'. What is accepted must
 * come back the same from either encoding; records and what runners write must survive
 * the native structs, too. */
#include <stdint.h>

#include "base/must.h"
#include "lifecycle/wire.h"
#include "proto/codec.h"
#include "proto/lifecycle.pb-c.h"

enum {
	OUT_MAX = 4 * 1024 * 1024,
};

static const ProtobufCMessageDescriptor *const messages[] = {
    &lifecycle__v1__start__descriptor, &lifecycle__v1__stop__descriptor,
    &lifecycle__v1__restart__descriptor, &lifecycle__v1__signal__descriptor,
    &lifecycle__v1__purge__descriptor, &lifecycle__v1__record__descriptor,
    &lifecycle__v1__event__descriptor, &lifecycle__v1__error_reply__descriptor,
    &lifecycle__v1__accepted_reply__descriptor, &lifecycle__v1__get_request__descriptor,
    &lifecycle__v1__list_request__descriptor, &lifecycle__v1__list_reply__descriptor,
    &lifecycle__v1__wait_request__descriptor, &lifecycle__v1__runners_request__descriptor,
    &lifecycle__v1__runners_reply__descriptor, &lifecycle__v1__scale_request__descriptor,
    &lifecycle__v1__scale_reply__descriptor, &lifecycle__v1__spec__descriptor,
    &lifecycle__v1__instance__descriptor, &lifecycle__v1__assignment__descriptor,
    &lifecycle__v1__report__descriptor, &lifecycle__v1__runner_info__descriptor,
    &lifecycle__v1__heartbeat__descriptor};

static const char *const queries[] = {
    "get", "wait", "list", "scale", "runners", "force_lost"};

/* Decode what was encoded; it must be accepted. Too large for a message once more: NULL.
 */
static struct ProtobufCMessage *reread(const ProtobufCMessageDescriptor *d,
    enum codec_encoding enc, const struct ProtobufCMessage *m)
{
	AUTO(buf_deinit) struct buf bytes = BUF_NULL(OUT_MAX);
	struct ProtobufCMessage *again;
	struct err e = ERR_NULL;

	codec_encode(m, enc, &bytes);
	must(buf_check(&bytes) == 0);
	if (bytes.n > CODEC_BYTES_MAX)
		return NULL;
	must(codec_decode(d, enc, buf_slice(&bytes), &again, &e) == 0);
	return again;
}

static void must_be_same(
    const struct ProtobufCMessage *a, const struct ProtobufCMessage *b)
{
	AUTO(buf_deinit) struct buf x = BUF_NULL(OUT_MAX), y = BUF_NULL(OUT_MAX);

	codec_encode(a, CODEC_JSON, &x);
	codec_encode(b, CODEC_JSON, &y);
	must(slice_eq(buf_slice(&x), buf_slice(&y)));
}

/* What has once been JSON (unknown fields and repeated keys of maps are gone) comes back
 * the same from both encodings. */
static void round_trip(
    const ProtobufCMessageDescriptor *d, enum codec_encoding enc, struct slice in)
{
	struct ProtobufCMessage *m, *clean = NULL, *json = NULL, *protobuf = NULL;
	struct err e = ERR_NULL;

	if (codec_decode(d, enc, in, &m, &e)) {
		must(*e.text);
		return;
	}
	clean = reread(d, CODEC_JSON, m);
	if (clean) {
		json = reread(d, CODEC_JSON, clean);
		protobuf = reread(d, CODEC_PROTOBUF, clean);
		must(json && protobuf);
		must_be_same(clean, json);
		must_be_same(clean, protobuf);
	}
	codec_free(m);
	codec_free(clean);
	codec_free(json);
	codec_free(protobuf);
}

static void natives(struct slice in)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(OUT_MAX);
	struct instance i, again;
	struct spec s;
	struct assignment a;
	struct report r;
	struct runner_info info;
	struct heartbeat h;
	struct err e = ERR_NULL;

	if (wire_instance_decode(in, &i, &e) == 0) {
		wire_instance_encode(&i, &out);
		must(wire_instance_decode(buf_slice(&out), &again, &e) == 0);
		must(again.event_no == i.event_no && again.state == i.state);
		instance_deinit(&again);
	}
	instance_deinit(&i);
	buf_reset(&out);
	if (wire_spec_decode(in, &s, &e) == 0)
		wire_spec_encode(&s, &out);
	spec_deinit(&s);
	if (wire_assignment_decode(in, &a, &e) == 0)
		wire_assignment_encode(&a, &out);
	if (wire_report_decode(in, &r, &e) == 0)
		wire_report_encode(&r, &out);
	if (wire_runner_decode(in, &info, &e) == 0)
		wire_runner_encode(&info, &out);
	runner_info_deinit(&info);
	if (wire_heartbeat_decode(in, &h, &e) == 0)
		wire_heartbeat_encode(&h, &out);
}

static void commands(enum codec_encoding enc, struct slice in)
{
	const struct id tenant = {"default"}, instance = {"i"};

	for (unsigned v = VERB_NONE + 1; v < VERB_N_; v++) {
		AUTO(buf_deinit) struct buf out = BUF_NULL(OUT_MAX);
		struct command c;
		struct err e = ERR_NULL;

		if (wire_command_decode((enum verb)v, enc, in, &c, &e) == 0 &&
		    command_check(&c, &tenant, &instance, &e) == 0)
			wire_command_encode(&c, CODEC_PROTOBUF, &out);
		command_deinit(&c);
	}
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct query q;
		struct err e = ERR_NULL;

		if (wire_query_decode(queries[i], enc, in, &q, &e))
			must(*e.text);
		query_deinit(&q);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = {(const char *)data + 1, n - 1};
	enum codec_encoding enc;

	if (n == 0)
		return 0;
	enc = codec_detect(in, NULL);
	round_trip(messages[data[0] % ARRAY_LEN(messages)], enc, in);
	natives(in);
	commands(enc, in);
	return 0;
}
