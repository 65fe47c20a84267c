/* Native structs survive their messages. */
#include "tests/lib/test.h"

#include <signal.h>

#include "lifecycle/core/step.h"
#include "lifecycle/wire.h"

static struct spec a_spec(void)
{
	struct spec s = SPEC_NULL;

	s.tenant = (struct id){"t"};
	s.instance_id = (struct id){"i"};
	s.session_id = (struct id){"ses_1"};
	s.profile = (struct id){"zed"};
	strmap_put(&s.env, "A", "1");
	strmap_put(&s.params, "p", "v");
	strmap_put(&s.labels, "region", "eu");
	s.workspace = strdup("/w/1");
	s.restart.policy = RESTART_ALWAYS;
	s.restart.max = 3;
	s.stop.signal = SIGINT;
	s.on_lost = ON_LOST_REPLACE;
	s.lost_after_ms = 1000;
	s.helix_user_id = strdup("u");
	return s;
}

static void a_spec_survives(void **s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(CODEC_BYTES_MAX);
	struct spec in = a_spec(), out;
	struct err e = ERR_NULL;

	(void)s;
	in.hash = wire_spec_hash(&in);
	in.order = 77;
	wire_spec_encode(&in, &b);
	assert_int_equal(wire_spec_decode(buf_slice(&b), &out, &e), 0);
	assert_string_equal(out.hash.hex, in.hash.hex);
	assert_string_equal(wire_spec_hash(&out).hex, in.hash.hex);
	assert_int_equal(out.order, 77);
	assert_int_equal(out.restart.window_ms, -1);
	assert_int_equal(out.stop.grace_ms, -1);
	assert_int_equal(out.restart.max, 3);
	assert_string_equal(out.workspace, "/w/1");
	assert_null(out.helix_spec_task_id);
	spec_deinit(&in);
	spec_deinit(&out);
}

static void the_hash_names_the_content(void **s)
{
	struct spec a = a_spec(), b = a_spec();
	struct hash h = wire_spec_hash(&a);

	(void)s;
	assert_string_equal(h.hex, wire_spec_hash(&b).hex);
	b.order = 5; /* not content */
	assert_string_equal(h.hex, wire_spec_hash(&b).hex);
	strmap_put(&b.env, "A", "2");
	assert_string_not_equal(h.hex, wire_spec_hash(&b).hex);
	strmap_put(&b.env, "A", "1");
	b.lost_after_ms = 0;
	assert_string_not_equal(h.hex, wire_spec_hash(&b).hex);
	spec_deinit(&a);
	spec_deinit(&b);
}

static void a_full_record_survives(void **s)
{
	AUTO(buf_deinit)
	struct buf once = BUF_NULL(WIRE_RECORD_MAX), twice = BUF_NULL(WIRE_RECORD_MAX);
	struct instance i = INSTANCE_NULL, out;
	struct err e = ERR_NULL;

	(void)s;
	i.tenant = (struct id){"t"};
	i.instance_id = (struct id){"i"};
	i.known = true;
	i.desired = DESIRED_RUN;
	instance_set_state(&i, &(struct transition){.to = STATE_PENDING,
				   .command_id = "c1",
				   .command_seq = 9,
				   .now_unix_ms = 5});
	step_place(&i, &(struct id){"r1"}, 6);
	instance_add_event(&i, "rejected", 7)->error_code = ERROR_CONFLICT;
	i.last[0] = (struct decided){
	    .command_id = "c1", .seq = 9, .code = ERROR_CONFLICT, .duplicate = true};
	i.n_last = 1;
	i.signals[0] = (struct signal_request){.no = 3, .signal = SIGHUP};
	i.n_signals = 1;
	i.excluded[0] = (struct id){"r9"};
	i.n_excluded = 1;
	i.stop.reason[0] = 'x';
	strmap_put(&i.labels, "a", "b");
	snprintf(i.op_id, sizeof(i.op_id), "op_1");
	wire_instance_encode(&i, &once);
	assert_int_equal(wire_instance_decode(buf_slice(&once), &out, &e), 0);
	wire_instance_encode(&out, &twice);
	assert_true(slice_eq(buf_slice(&once), buf_slice(&twice)));
	assert_int_equal(out.n_outbox, 3);
	assert_int_equal(out.outbox[2].error_code, ERROR_CONFLICT);
	assert_int_equal(out.last[0].code, ERROR_CONFLICT);
	assert_string_equal(out.op_id, "op_1");
	instance_deinit(&i);
	instance_deinit(&out);
}

static void the_largest_record_fits(void **s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(WIRE_RECORD_MAX);
	struct instance i = INSTANCE_NULL;
	char key[SPEC_LABEL_BYTES_MAX + 1], text[DETAIL_MAX + 1];

	(void)s;
	memset(text, '\"', DETAIL_MAX);
	text[DETAIL_MAX] = '\0';
	memset(i.tenant.s, 't', ID_MAX);
	memset(i.instance_id.s, 'i', ID_MAX);
	i.session_id = i.profile = i.tenant;
	instance_set_state(&i, &(struct transition){.to = STATE_PENDING, .detail = text});
	while (i.n_outbox < OUTBOX_MAX) {
		struct event *ev = instance_add_event(&i, "rejected", INT64_MAX);

		memcpy(ev->detail, text, sizeof(text));
		memcpy(ev->error, text, sizeof(text));
		memset(ev->command_id, 'c', COMMAND_ID_MAX);
		ev->error_code = ERROR_INVALID;
	}
	for (int n = 0; n < SPEC_LABELS_MAX; n++) {
		memset(key, 'k', sizeof(key) - 1);
		key[sizeof(key) - 1] = '\0';
		key[0] = (char)('0' + n);
		strmap_put(&i.labels, key, text);
	}
	i.n_last = LAST_COMMANDS_MAX;
	i.n_excluded = EXCLUDED_MAX;
	wire_instance_encode(&i, &b);
	assert_int_equal(buf_check(&b), 0);
	print_message("largest record: %zu bytes\n", b.n);
	instance_deinit(&i);
}

static void an_assignment_and_a_report_survive(void **s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(WIRE_RECORD_MAX);
	struct assignment a = {.tenant = {"t"},
			      .instance_id = {"i"},
			      .generation = 2,
			      .fence = 3,
			      .desired = DESIRED_STOP,
			      .stop = {.grace_ms = 7, .force = true},
			      .n_signals = 1,
			      .signals = {{1, SIGUSR1}},
			      .order = 9},
			  a2;
	struct report r = {.tenant = {"t"},
			  .instance_id = {"i"},
			  .state = STATE_BACKOFF,
			  .reason = REASON_OOM,
			  .detail = "a\nb",
			  .pid = 5,
			  .has_exit_code = true,
			  .restarts = 4,
			  .runner_epoch = 6,
			  .report_no = 8},
		      r2;
	struct err e = ERR_NULL;

	(void)s;
	wire_assignment_encode(&a, &b);
	assert_int_equal(wire_assignment_decode(buf_slice(&b), &a2, &e), 0);
	assert_true(assignment_same(&a, &a2));
	assert_int_equal(a2.order, 9);
	buf_reset(&b);
	wire_report_encode(&r, &b);
	assert_int_equal(wire_report_decode(buf_slice(&b), &r2, &e), 0);
	assert_string_equal(r2.detail, "a b"); /* one line */
	assert_true(r2.has_exit_code && !r2.has_signal);
	assert_int_equal(r2.report_no, 8);
}

static void a_runner_survives(void **s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(WIRE_RECORD_MAX);
	char allow[] = "A*", name[] = "branch", pattern[] = "[a-z]+",
	     degraded[] = "no cgroups";
	char *allows[] = {allow}, *degradeds[] = {degraded};
	struct offer_param param = {name, pattern, 10};
	struct offer o = OFFER_NULL;
	struct runner_info r = {.id = {"r1"},
			       .slots = 4,
			       .offers = &o,
			       .n_offers = 1,
			       .degraded = degradeds,
			       .n_degraded = 1},
			   out;
	struct err e = ERR_NULL;

	(void)s;
	o.name = (struct id){"zed"};
	o.env_allow = allows;
	o.n_env_allow = 1;
	o.params = &param;
	o.n_params = 1;
	o.stop.grace_ms = 5;
	wire_runner_encode(&r, &b);
	assert_int_equal(wire_runner_decode(buf_slice(&b), &out, &e), 0);
	assert_int_equal(out.slots, 4);
	assert_string_equal(out.offers[0].params[0].pattern, "[a-z]+");
	assert_int_equal(out.offers[0].params[0].max, 10);
	assert_int_equal(out.offers[0].stop.grace_ms, 5);
	assert_int_equal(out.offers[0].restart.max, -1);
	assert_non_null(runner_info_offer(&out, &(struct id){"zed"}));
	assert_null(runner_info_offer(&out, &(struct id){"no"}));
	runner_info_deinit(&out);
}

static void a_record_is_told_whole(void **s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(4096);
	struct instance i = INSTANCE_NULL;

	(void)s;
	i.tenant = (struct id){"default"};
	i.instance_id = (struct id){"zi_1"};
	i.state = STATE_STOPPED;
	i.desired = DESIRED_STOP;
	wire_record_encode(&i, false, CODEC_JSON, &b);
	assert_string_equal(buf_cstr(&b),
	    "{\"tenant\":\"default\",\"instance_id\":\"zi_1\",\"session_id\":null,"
	    "\"profile\":null,"
	    "\"desired\":\"STOP\",\"state\":\"STOPPED\",\"reason\":null,\"detail\":null,"
	    "\"generation\":0,\"runner\":null,\"pid\":null,\"exit_code\":null,\"signal\":"
	    "null,"
	    "\"restarts\":0,\"attempts\":0,\"known\":false,\"duplicate\":false,"
	    "\"created_unix_ms\":null,\"since_unix_ms\":null}");
	buf_reset(&b);
	wire_error_encode(ERROR_INVALID, "m", 0, CODEC_JSON, &b);
	assert_string_equal(
	    buf_cstr(&b), "{\"error\":{\"code\":\"INVALID\",\"message\":\"m\"}}");
	buf_reset(&b);
	wire_error_encode(ERROR_UNAVAILABLE, "m", 5, CODEC_JSON, &b);
	assert_string_equal(buf_cstr(&b), "{\"accepted\":true,\"seq\":5,\"error\":{"
					  "\"code\":\"UNAVAILABLE\",\"message\":\"m\"}}");
}

static void bad_values_are_refused(void **s)
{
	static const char *const bad[] = {"{\"instance_id\":\"a b\"}",
	    "{\"instance_id\":\"a.b\"}", "{\"tenant\":\"*\"}",
	    "{\"command_id\":\"a\\nb\"}", "{\"stop\":{\"grace_ms\":-1}}",
	    "{\"lost_after_ms\":-5}", "{\"session_id\":\"../x\"}",
	    "{\"profile\":\"../x\"}"};

	(void)s;
	for (size_t n = 0; n < ARRAY_LEN(bad); n++) {
		struct command c;
		struct err e = ERR_NULL;

		assert_int_equal(
		    wire_command_decode(VERB_START, CODEC_JSON, slice_of(bad[n]), &c, &e),
		    ERROR_INVALID);
		assert_true(*e.text);
		command_deinit(&c);
	}
}

TEST_MAIN(cmocka_unit_test(a_spec_survives), cmocka_unit_test(the_hash_names_the_content),
    cmocka_unit_test(a_full_record_survives), cmocka_unit_test(the_largest_record_fits),
    cmocka_unit_test(an_assignment_and_a_report_survive),
    cmocka_unit_test(a_runner_survives), cmocka_unit_test(a_record_is_told_whole),
    cmocka_unit_test(bad_values_are_refused))
