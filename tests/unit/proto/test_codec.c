/* Messages as protobuf and as JSON: what is accepted, what is refused and how it is said.
 */
#include "tests/lib/test.h"

#include <string.h>

#include "proto/codec.h"
#include "proto/lifecycle.pb-c.h"

static int decode(
    const ProtobufCMessageDescriptor *d, struct slice in, void **out, struct err *e)
{
	struct ProtobufCMessage *m;
	int r = codec_decode(d, codec_detect(in, NULL), in, &m, e);

	*out = m;
	return r;
}

static void the_first_byte_tells_the_encoding(void **s)
{
	(void)s;
	assert_int_equal(
	    codec_detect(SLICE_LIT("{}"), "application/protobuf"), CODEC_JSON);
	assert_int_equal(codec_detect(SLICE_LIT("\n\001a"), NULL), CODEC_PROTOBUF);
	assert_int_equal(codec_detect(SLICE_NULL, NULL), CODEC_JSON);
	assert_int_equal(codec_detect(SLICE_NULL, "application/json"), CODEC_JSON);
	assert_int_equal(
	    codec_detect(SLICE_NULL, "application/protobuf"), CODEC_PROTOBUF);
}

static void json_becomes_the_message(void **s)
{
	Lifecycle__V1__Start *m;
	struct err e = ERR_NULL;

	(void)s;
	assert_int_equal(
	    decode(&lifecycle__v1__start__descriptor,
		SLICE_LIT("{\"instance_id\":\"i\",\"env\":{\"A\":\"1\",\"B\":\"\"},"
			  "\"restart\":{\"policy\":\"on_failure\",\"max\":5},"
			  "\"lost_after_ms\":\"9007199254740993\",\"unknown\":[1,{}],"
			  "\"workspace\":null,\"stop\":{\"signal\":\"HUP\"}}"),
		(void **)&m, &e),
	    0);
	assert_string_equal(m->instance_id, "i");
	assert_int_equal(m->n_env, 2);
	assert_string_equal(m->env[0]->value, "1");
	assert_int_equal(
	    m->restart->policy, LIFECYCLE__V1__RESTART_POLICY__CODE__on_failure);
	assert_int_equal(m->restart->max, 5);
	assert_true(m->lost_after_ms == INT64_C(9007199254740993));
	assert_null(m->workspace);
	assert_int_equal(m->stop->signal, 1);
	codec_free(&m->base);
}

static void an_empty_payload_is_an_empty_message(void **s)
{
	Lifecycle__V1__Start *m;
	struct err e = ERR_NULL;

	(void)s;
	assert_int_equal(
	    decode(&lifecycle__v1__start__descriptor, SLICE_NULL, (void **)&m, &e), 0);
	assert_null(m->instance_id);
	codec_free(&m->base);
}

static void bad_json_is_refused_with_its_field(void **s)
{
	static const char *const bad[][2] = {
	    {"{\"instance_id\":5}", "instance_id"},
	    {"{\"env\":[]}", "env"},
	    {"{\"env\":{\"A\":1}}", "A"},
	    {"{\"restart\":3}", "restart"},
	    {"{\"restart\":{\"policy\":\"sometimes\"}}", "policy"},
	    {"{\"restart\":{\"policy\":2}}", "policy"},
	    {"{\"restart\":{\"max\":-1}}", "max"},
	    {"{\"restart\":{\"max\":4294967296}}", "max"},
	    {"{\"lost_after_ms\":1.5}", "lost_after_ms"},
	    {"{\"lost_after_ms\":\"soon\"}", "lost_after_ms"},
	    {"{\"lost_after_ms\":true}", "lost_after_ms"},
	    {"{\"lost_after_ms\":99999999999999999999}", "lost_after_ms"},
	    {"{\"instance_id\":\"a\"", ""},
	    {"{\"instance_id\":\"a\"} x", ""},
	    {"{\"instance_id\":\"\xff\"}", ""},
	};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_NULL;
		void *m;

		assert_int_equal(decode(&lifecycle__v1__start__descriptor,
				     slice_of(bad[i][0]), &m, &e),
		    ERROR_INVALID);
		assert_null(m);
		assert_non_null(strstr(e.text, bad[i][1]));
	}
}

static void bad_protobuf_is_refused(void **s)
{
	static const struct slice bad[] = {
	    SLICE_LIT("\x12\x05"
		      "ab"),               /* string shorter than it says */
	    SLICE_LIT("\x12\x02\xff\xfe"), /* not UTF-8 */
	    SLICE_LIT("\x12\x03"
		      "a\0b"),                                 /* NUL */
	    SLICE_LIT("\x52\x02\x08\x09"),                     /* no such policy */
	    SLICE_LIT("\x52\x07\x10\xff\xff\xff\xff\xff\x01"), /* uint32 out of range */
	    SLICE_LIT("\x10\x01"), /* instance_id as a number */
	    SLICE_LIT("\x13"),     /* a group */
	    SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	    SLICE_LIT("\x02"), /* field number 0 */
	};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_NULL;
		struct ProtobufCMessage *m;

		assert_int_equal(codec_decode(&lifecycle__v1__start__descriptor,
				     CODEC_PROTOBUF, bad[i], &m, &e),
		    ERROR_INVALID);
		assert_null(m);
		assert_true(*e.text);
	}
}

static void unknown_protobuf_fields_are_ignored(void **s)
{
	Lifecycle__V1__Start *m;
	struct err e = ERR_NULL;

	(void)s;
	assert_int_equal(
	    decode(&lifecycle__v1__start__descriptor,
		SLICE_LIT("\x12\x01i\xf8\x3f\x05\xf2\x3f\x01x"), (void **)&m, &e),
	    0);
	assert_string_equal(m->instance_id, "i");
	codec_free(&m->base);
}

static void json_out_has_every_field_but_an_unset_error(void **s)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(4096);
	Lifecycle__V1__ListReply m = LIFECYCLE__V1__LIST_REPLY__INIT;
	Lifecycle__V1__Error error = LIFECYCLE__V1__ERROR__INIT;
	char code[] = "INVALID", text[] = "say \"no\"\n";

	(void)s;
	codec_encode(&m.base, CODEC_JSON, &out);
	assert_string_equal(buf_cstr(&out), "{\"instances\":[],\"next_cursor\":null}");
	buf_reset(&out);
	error.code = code;
	error.message = text;
	m.error = &error;
	codec_encode(&m.base, CODEC_JSON, &out);
	assert_string_equal(buf_cstr(&out),
	    "{\"instances\":[],\"next_cursor\":null,"
	    "\"error\":{\"code\":\"INVALID\",\"message\":\"say \\\"no\\\"\\n\"}}");
}

static void too_large_is_said(void **s)
{
	struct err e = ERR_NULL;
	struct ProtobufCMessage *m;
	char *big = calloc(1, CODEC_BYTES_MAX + 1);

	(void)s;
	assert_int_equal(codec_decode(&lifecycle__v1__start__descriptor, CODEC_PROTOBUF,
			     (struct slice){big, CODEC_BYTES_MAX + 1}, &m, &e),
	    ERROR_TOO_LARGE);
	free(big);
}

TEST_MAIN(cmocka_unit_test(the_first_byte_tells_the_encoding),
    cmocka_unit_test(json_becomes_the_message),
    cmocka_unit_test(an_empty_payload_is_an_empty_message),
    cmocka_unit_test(bad_json_is_refused_with_its_field),
    cmocka_unit_test(bad_protobuf_is_refused),
    cmocka_unit_test(unknown_protobuf_fields_are_ignored),
    cmocka_unit_test(json_out_has_every_field_but_an_unset_error),
    cmocka_unit_test(too_large_is_said))
