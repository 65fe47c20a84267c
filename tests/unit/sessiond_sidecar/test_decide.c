#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "sessiond/sidecar/decide.h"

/* One sidecar without its surroundings: a record, a file, what the server has. */
struct bed {
	struct record last;
	char file[1024];
	bool exists, plain;
	const char *base, *policy, *server;
	enum decide_answer bulk, first;
	bool offline;
	struct decide_output out;
	struct err e;
	unsigned n_ops;
	int64_t now_ms;
};

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->now_ms = 1000;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	decide_output_deinit(&b->out);
	record_deinit(&b->last);
	free(b);
	return 0;
}

static void put(struct bed *b, const char *text)
{
	snprintf(b->file, sizeof(b->file), "%s", text);
	b->exists = true;
}

static int step_raw(struct bed *b)
{
	char op[32], wait[32];
	struct slice file = slice_of(b->file);
	struct decide_input in = {.last = &b->last,
	    .file = b->exists ? &file : NULL,
	    .base = slice_of(b->base),
	    .policy = slice_of(b->policy),
	    .server = slice_of(b->server),
	    .base_tag = slice_of(b->base ? "\"b\"" : NULL),
	    .server_tag = slice_of(b->server ? "\"s\"" : NULL),
	    .plain = b->plain,
	    .bulk = b->bulk,
	    .first = b->first,
	    .op_id = b->offline ? NULL : op,
	    .wait_id = wait,
	    .now_unix_ms = b->now_ms};

	snprintf(op, sizeof(op), "op%u", ++b->n_ops);
	snprintf(wait, sizeof(wait), "w%u", b->n_ops);
	decide_output_deinit(&b->out);
	return decide(&in, &b->out, &b->e);
}

/* Decide, and carry it out. */
static void step(struct bed *b)
{
	assert_int_equal(step_raw(b), 0);
	assert_int_equal(b->out.plan.state, SETTINGS_OK);
	if (b->out.write)
		put(b, record_str(&b->out.next, RECORD_TEXT));
	record_copy(&b->last, &b->out.next);
	b->base = b->policy = b->server = NULL;
	b->bulk = b->first = DECIDE_NOTHING;
}

static void is(struct bed *b, enum record_field f, const char *text)
{
	assert_string_equal(record_str(&b->last, f), text);
}

static void meet(struct bed *b, const char *file)
{
	put(b, file);
	b->base = "{\"theme\":\"A\",\"n\":1}";
	b->server = "{\"set\":{},\"del\":[]}";
	b->policy = "";
	step(b);
}

static void a_new_file_says_what_the_server_wants(void **state)
{
	struct bed *b = *state;

	b->base = "{\"theme\":\"A\",\"n\":1}";
	b->server = "{\"set\":{\"/v\":true},\"del\":[\"/n\"]}";
	step(b);
	assert_true(b->exists);
	assert_string_equal(b->file, "{\n  \"theme\": \"A\",\n  \"v\": true\n}\n");
	is(b, RECORD_OVERRIDES, "{\"set\":{\"/v\":true},\"del\":[\"/n\"]}");
	is(b, RECORD_POST, "");
}

static void nothing_new_is_nothing_to_do(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	step(b);
	assert_false(b->out.write);
	assert_false(b->out.remember);
	b->base = "{\"theme\":\"A\",\"n\":1}";
	step(b);
	assert_false(b->out.remember);
}

static void an_edit_is_uploaded_as_operations(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	put(b, "{\"theme\":\"B\"}");
	step(b);
	assert_false(b->out.write);
	is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"B\"},\"del\":[\"/n\"],\"clear\":[]},"
	    "\"op_id\":\"op2\"}");
	/* While it is under way it stays as it is. */
	put(b, "{\"theme\":\"C\"}");
	step(b);
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "op2"));
	decide_posted(&b->last, slice_of("\"5\""));
	is(b, RECORD_SERVER, "{\"set\":{\"/theme\":\"B\"},\"del\":[\"/n\"]}");
	is(b, RECORD_SERVER_TAG, "\"5\"");
	step(b);
	is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"C\"},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op4\"}");
	decide_posted(&b->last, slice_of("\"6\""));
	step(b);
	is(b, RECORD_POST, "");
}

static void a_stale_upload_is_replayed_on_what_the_server_has(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	put(b, "{\"theme\":\"B\",\"n\":1}");
	step(b);
	decide_stale(&b->last);
	b->server = "{\"set\":{\"/other\":1,\"/theme\":\"X\"},\"del\":[]}";
	step(b);
	assert_string_equal(b->file, "{\"theme\":\"B\",\"n\":1,\"other\":1}");
	is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"B\"},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op3\"}");
}

static void another_s_override_arrives_and_goes(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->server = "{\"set\":{\"/theme\":\"X\"},\"del\":[\"/n\"]}";
	step(b);
	assert_string_equal(b->file, "{\"theme\":\"X\"}");
	is(b, RECORD_POST, "");
	b->server = "{\"set\":{},\"del\":[]}";
	step(b);
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	is(b, RECORD_POST, "");
}

static void offline_edits_become_one_upload(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->offline = true;
	put(b, "{\"theme\":\"B\",\"n\":1,\"x\":1}");
	step(b);
	put(b, "{\"theme\":\"A\",\"n\":2,\"x\":1}");
	step(b);
	is(b, RECORD_POST, "");
	b->offline = false;
	step(b);
	assert_true(b->out.remember);
	is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/x\":1,\"/n\":2},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op4\"}");
}

static void a_refused_upload_waits_for_another_edit(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	put(b, "{\"theme\":\"A\",\"n\":\"x\"}");
	step(b);
	decide_refused(&b->last);
	step(b);
	is(b, RECORD_POST, "");
	is(b, RECORD_OVERRIDES, "{\"set\":{\"/n\":\"x\"},\"del\":[]}");
	put(b, "{\"theme\":\"A\",\"n\":3}");
	step(b);
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "\"/n\":3"));
	is(b, RECORD_REFUSED, "");
}

static void a_plain_server_gets_the_whole_object(void **state)
{
	struct bed *b = *state;

	b->plain = true;
	b->base = "{\"theme\":\"A\",\"n\":1}";
	step(b);
	put(b, "{\"theme\":\"B\",\"m\":{\"a\":1e2}}");
	step(b);
	is(b, RECORD_POST, "{\"theme\":\"B\",\"m\":{\"a\":1e2}}");
	decide_posted(&b->last, SLICE_LIT(""));
	put(b, "{\"theme\":\"A\",\"n\":1}");
	step(b);
	is(b, RECORD_POST, "{}");
}

static void a_broken_file_changes_nothing(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	put(b, "{\"theme\":");
	b->base = "{\"theme\":\"Z\"}";
	assert_int_equal(step_raw(b), 0);
	assert_int_equal(b->out.plan.state, SETTINGS_INVALID);
	assert_false(b->out.write || b->out.remember);
	assert_true(record_equal(&b->out.next, &b->last));
}

static void a_base_or_policy_that_cannot_be_read_is_said(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":";
	assert_int_equal(step_raw(b), ERROR_INVALID);
	assert_non_null(strstr(b->e.text, "base: line 1"));
	b->base = NULL;
	b->policy = "{\"rules\":[{\"path\":\"/a\",\"class\":\"king\"}]}";
	assert_int_equal(step_raw(b), ERROR_INVALID);
	assert_non_null(strstr(b->e.text, "policy"));
	assert_true(record_equal(&b->out.next, &b->last));
}

static void the_servers_policy_counts_and_is_remembered(void **state)
{
	struct bed *b = *state;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->policy = "{\"rules\":[{\"path\":\"/theme\",\"class\":\"helix-owned\"}]}";
	step(b);
	put(b, "{\"theme\":\"B\",\"n\":1}");
	step(b);
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	is(b, RECORD_POST, "");
}

static const char six[] = "{\"theme\":\"A\",\"n\":1,\"a\":1,\"b\":2,\"c\":3,\"d\":4,"
			  "\"e\":5,\"f\":6}";

static void hold_six(struct bed *b)
{
	struct decide_waiting w;

	meet(b, "{\"theme\":\"A\",\"n\":1}");
	put(b, six);
	step(b);
	decide_posted(&b->last, SLICE_LIT("\"2\""));
	put(b, "{\"theme\":\"A\",\"n\":1}");
	step(b);
	assert_true(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_true(slice_is(w.id, "w3"));
	assert_int_equal(w.since_unix_ms, 1000);
	is(b, RECORD_POST, "");
	is(b, RECORD_HELD,
	    "{\"set\":{},\"del\":[\"/a\",\"/b\",\"/c\",\"/d\",\"/e\",\"/f\"]}");
}

static void a_bulk_deletion_waits_and_is_confirmed(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->bulk = DECIDE_CONFIRM;
	step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	is(b, RECORD_OVERRIDES, "{\"set\":{},\"del\":[]}");
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "\"clear\":[\"/a\""));
}

static void a_bulk_deletion_waits_and_is_undone(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->bulk = DECIDE_UNDO;
	step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_string_equal(b->file, six);
	is(b, RECORD_POST, "");
}

static void a_further_save_confirms_what_is_held(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	put(b, "{\"theme\":\"A\",\"n\":1,\"a\":1}");
	step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	is(b, RECORD_OVERRIDES, "{\"set\":{\"/a\":1},\"del\":[]}");
}

static void a_server_change_confirms_nothing(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->base = "{\"theme\":\"Z\",\"n\":1}";
	step(b);
	assert_true(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_string_equal(b->file, "{\"theme\":\"Z\",\"n\":1}");
}

static void what_first_contact_replaced_can_be_had(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	meet(b, "{\"theme\":\"Mine\",\"n\":1,\"own\":2}");
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1,\"own\":2}");
	assert_true(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
	is(b, RECORD_FIRST, "{\"set\":{\"/theme\":\"Mine\"},\"del\":[]}");
	is(b, RECORD_OVERRIDES, "{\"set\":{\"/own\":2},\"del\":[]}");
	b->first = DECIDE_UNDO;
	step(b);
	assert_string_equal(b->file, "{\"theme\":\"Mine\",\"n\":1,\"own\":2}");
	assert_false(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
}

static void what_first_contact_replaced_can_be_forgotten(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	meet(b, "{\"theme\":\"Mine\",\"n\":1}");
	b->first = DECIDE_CONFIRM;
	step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	is(b, RECORD_FIRST, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(a_new_file_says_what_the_server_wants), T(nothing_new_is_nothing_to_do),
    T(an_edit_is_uploaded_as_operations),
    T(a_stale_upload_is_replayed_on_what_the_server_has),
    T(another_s_override_arrives_and_goes), T(offline_edits_become_one_upload),
    T(a_refused_upload_waits_for_another_edit), T(a_plain_server_gets_the_whole_object),
    T(a_broken_file_changes_nothing), T(a_base_or_policy_that_cannot_be_read_is_said),
    T(the_servers_policy_counts_and_is_remembered),
    T(a_bulk_deletion_waits_and_is_confirmed), T(a_bulk_deletion_waits_and_is_undone),
    T(a_further_save_confirms_what_is_held), T(a_server_change_confirms_nothing),
    T(what_first_contact_replaced_can_be_had),
    T(what_first_contact_replaced_can_be_forgotten))
