#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/sessiond_sidecar/decide_bed.h"

static void a_new_file_says_what_the_server_wants(void **state)
{
	struct bed *b = *state;

	b->base = "{\"theme\":\"A\",\"n\":1}";
	b->server = "{\"set\":{\"/v\":true},\"del\":[\"/n\"]}";
	bed_step(b);
	assert_true(b->exists);
	assert_string_equal(b->file, "{\n  \"theme\": \"A\",\n  \"v\": true\n}\n");
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/v\":true},\"del\":[\"/n\"]}");
	bed_is(b, RECORD_POST, "");
}

static void only_event_is(const struct bed *b, const char *type, const char *rule)
{
	const struct settings_event *ev = b->out.plan.events;

	assert_non_null(ev);
	assert_null(ev->next);
	assert_string_equal(ev->type, type);
	assert_string_equal(ev->rule, rule);
	assert_true(slice_is(ev->path, "/theme"));
}

/* The user changed it, the server was not told, and changed it too. */
static void what_the_server_had_not_heard_of_is_a_conflict(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"Mine\",\"n\":1}");
	bed_step(b);
	b->base = "{\"theme\":\"B\",\"n\":1}";
	assert_int_equal(bed_step_raw(b), 0);
	only_event_is(b, "conflict", "user-wins");
	assert_true(slice_is(b->out.plan.events->base->str, "A"));
	assert_true(slice_is(b->out.plan.events->helix->str, "B"));
	assert_true(slice_is(b->out.plan.events->user->str, "Mine"));
	bed_step(b);
	b->server = "{\"set\":{\"/theme\":\"Mine\"},\"del\":[]}";
	bed_step(b);
	assert_null(b->out.plan.events);
	b->base = "{\"theme\":\"C\",\"n\":1}";
	bed_step(b);
	only_event_is(b, "shadowed", "override");
}

/* The user's change was taken with revision 3: a base 2 did not know of it, a base 4 did. */
static void a_base_from_before_the_upload_is_a_conflict(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"Mine\",\"n\":1}");
	bed_step(b);
	decide_posted(&b->last, SLICE_LIT("\"3\""));
	b->base = "{\"theme\":\"B\",\"n\":1}";
	b->base_tag = "\"2\"";
	bed_step(b);
	only_event_is(b, "conflict", "user-wins");
	b->base = "{\"theme\":\"C\",\"n\":1}";
	b->base_tag = "\"4\"";
	bed_step(b);
	only_event_is(b, "shadowed", "override");
}

static void nothing_new_is_nothing_to_do(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_step(b);
	assert_false(b->out.write);
	assert_false(b->out.remember);
	b->base = "{\"theme\":\"A\",\"n\":1}";
	bed_step(b);
	assert_false(b->out.remember);
}

static void an_edit_is_uploaded_as_operations(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"B\"}");
	bed_step(b);
	assert_false(b->out.write);
	bed_is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"B\"},\"del\":[\"/n\"],\"clear\":[]},"
	    "\"op_id\":\"op2\"}");
	/* While it is under way it stays as it is. */
	bed_put(b, "{\"theme\":\"C\"}");
	bed_step(b);
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "op2"));
	decide_posted(&b->last, slice_of("\"5\""));
	bed_is(b, RECORD_SERVER, "{\"set\":{\"/theme\":\"B\"},\"del\":[\"/n\"]}");
	bed_is(b, RECORD_SERVER_TAG, "\"5\"");
	bed_step(b);
	bed_is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"C\"},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op4\"}");
	decide_posted(&b->last, slice_of("\"6\""));
	bed_step(b);
	bed_is(b, RECORD_POST, "");
}

static void a_stale_upload_is_replayed_on_what_the_server_has(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"B\",\"n\":1}");
	bed_step(b);
	decide_stale(&b->last);
	b->server = "{\"set\":{\"/other\":1,\"/theme\":\"X\"},\"del\":[]}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"B\",\"n\":1,\"other\":1}");
	bed_is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/theme\":\"B\"},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op3\"}");
}

static void another_s_override_arrives_and_goes(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->server = "{\"set\":{\"/theme\":\"X\"},\"del\":[\"/n\"]}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"X\"}");
	bed_is(b, RECORD_POST, "");
	b->server = "{\"set\":{},\"del\":[]}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	bed_is(b, RECORD_POST, "");
}

static void offline_edits_become_one_upload(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->offline = true;
	bed_put(b, "{\"theme\":\"B\",\"n\":1,\"x\":1}");
	bed_step(b);
	bed_put(b, "{\"theme\":\"A\",\"n\":2,\"x\":1}");
	bed_step(b);
	bed_is(b, RECORD_POST, "");
	b->offline = false;
	bed_step(b);
	assert_true(b->out.remember);
	bed_is(b, RECORD_POST,
	    "{\"ops\":{\"set\":{\"/x\":1,\"/n\":2},\"del\":[],\"clear\":[]},\"op_id\":"
	    "\"op4\"}");
}

static void a_refused_upload_waits_for_another_edit(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"A\",\"n\":\"x\"}");
	bed_step(b);
	decide_refused(&b->last);
	bed_step(b);
	bed_is(b, RECORD_POST, "");
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/n\":\"x\"},\"del\":[]}");
	bed_put(b, "{\"theme\":\"A\",\"n\":3}");
	bed_step(b);
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "\"/n\":3"));
	bed_is(b, RECORD_REFUSED, "");
}

static void a_refused_upload_waits_for_another_base(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":\"A\",\"n\":\"x\"}");
	bed_step(b);
	decide_refused(&b->last);
	b->base = "{\"theme\":\"A\",\"n\":1}";
	bed_step(b);
	bed_is(b, RECORD_POST, "");
	b->base = "{\"theme\":\"A\",\"n\":2}";
	bed_step(b);
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "\"/n\":\"x\""));
	decide_refused(&b->last);
	b->plain = true;
	b->base = "{\"theme\":\"A\",\"n\":3}";
	bed_step(b);
	bed_is(b, RECORD_POST, "");
}

static void a_plain_server_gets_the_whole_object(void **state)
{
	struct bed *b = *state;

	b->plain = true;
	b->base = "{\"theme\":\"A\",\"n\":1}";
	bed_step(b);
	bed_put(b, "{\"theme\":\"B\",\"m\":{\"a\":1e2}}");
	bed_step(b);
	bed_is(b, RECORD_POST, "{\"m\":{\"a\":1e2}}");
	decide_posted(&b->last, SLICE_LIT(""));
	bed_put(b, "{\"theme\":\"A\",\"n\":1}");
	bed_step(b);
	bed_is(b, RECORD_POST, "{}");
}

static void a_broken_file_changes_nothing(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, "{\"theme\":");
	b->base = "{\"theme\":\"Z\"}";
	assert_int_equal(bed_step_raw(b), 0);
	assert_int_equal(b->out.plan.state, SETTINGS_INVALID);
	assert_false(b->out.write || b->out.remember);
	assert_true(record_equal(&b->out.next, &b->last));
}

static void a_base_or_policy_that_cannot_be_read_is_said(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->base = "{\"theme\":";
	assert_int_equal(bed_step_raw(b), ERROR_INVALID);
	assert_non_null(strstr(b->e.text, "base: line 1"));
	b->base = NULL;
	b->policy = "{\"rules\":[{\"path\":\"/a\",\"class\":\"king\"}]}";
	assert_int_equal(bed_step_raw(b), ERROR_INVALID);
	assert_non_null(strstr(b->e.text, "policy"));
	assert_true(record_equal(&b->out.next, &b->last));
}

static void the_servers_policy_counts_and_is_remembered(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->policy = "{\"rules\":[{\"path\":\"/theme\",\"class\":\"helix-owned\"}]}";
	bed_step(b);
	bed_put(b, "{\"theme\":\"B\",\"n\":1}");
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	bed_is(b, RECORD_POST, "");
}

static const char six[] = "{\"theme\":\"A\",\"n\":1,\"a\":1,\"b\":2,\"c\":3,\"d\":4,"
			  "\"e\":5,\"f\":6}";

static void hold_six(struct bed *b)
{
	struct decide_waiting w;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	bed_put(b, six);
	bed_step(b);
	decide_posted(&b->last, SLICE_LIT("\"2\""));
	bed_put(b, "{\"theme\":\"A\",\"n\":1}");
	bed_step(b);
	assert_true(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_true(slice_is(w.id, "w3"));
	assert_int_equal(w.since_unix_ms, 1000);
	bed_is(b, RECORD_POST, "");
	bed_is(b, RECORD_HELD,
	    "{\"set\":{},\"del\":[\"/a\",\"/b\",\"/c\",\"/d\",\"/e\",\"/f\"]}");
}

static void a_bulk_deletion_waits_and_is_confirmed(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->bulk = DECIDE_CONFIRM;
	bed_step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{},\"del\":[]}");
	assert_non_null(strstr(record_str(&b->last, RECORD_POST), "\"clear\":[\"/a\""));
}

static void a_bulk_deletion_waits_and_is_undone(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->bulk = DECIDE_UNDO;
	bed_step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_string_equal(b->file, six);
	bed_is(b, RECORD_POST, "");
}

static void a_further_save_confirms_what_is_held(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	bed_put(b, "{\"theme\":\"A\",\"n\":1,\"a\":1}");
	bed_step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/a\":1},\"del\":[]}");
}

static void a_server_change_confirms_nothing(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	hold_six(b);
	b->base = "{\"theme\":\"Z\",\"n\":1}";
	bed_step(b);
	assert_true(decide_waits(&b->last, DECIDE_WAIT_BULK, &w));
	assert_string_equal(b->file, "{\"theme\":\"Z\",\"n\":1}");
}

static void what_first_contact_replaced_can_be_had(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	bed_meet(b, "{\"theme\":\"Mine\",\"n\":1,\"own\":2}");
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1,\"own\":2}");
	assert_true(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
	bed_is(b, RECORD_FIRST, "{\"set\":{\"/theme\":\"Mine\"},\"del\":[]}");
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/own\":2},\"del\":[]}");
	b->first = DECIDE_UNDO;
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"Mine\",\"n\":1,\"own\":2}");
	assert_false(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
}

static void what_first_contact_replaced_can_be_forgotten(void **state)
{
	struct bed *b = *state;
	struct decide_waiting w;

	bed_meet(b, "{\"theme\":\"Mine\",\"n\":1}");
	b->first = DECIDE_CONFIRM;
	bed_step(b);
	assert_false(decide_waits(&b->last, DECIDE_WAIT_FIRST, &w));
	assert_string_equal(b->file, "{\"theme\":\"A\",\"n\":1}");
	bed_is(b, RECORD_FIRST, "");
}

static void a_migration_is_remembered_until_the_base_follows(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"A\",\"n\":1}");
	b->migrating = true;
	bed_put(b, "{\"theme\":\"A\",\"new_n\":1}");
	bed_step(b);
	b->migrating = false;
	assert_true(bed_told(b, "migrated"));
	assert_string_equal(b->file, "{\"theme\":\"A\",\"new_n\":1}");
	bed_is(b, RECORD_MIGRATED, "{\"/n\":\"/new_n\"}");
	b->base = "{\"theme\":\"B\",\"n\":1}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"B\",\"new_n\":1}");
	b->base = "{\"theme\":\"B\",\"new_n\":1}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"B\",\"new_n\":1}");
	bed_is(b, RECORD_MIGRATED, "");
}

static void only_what_no_server_has_goes_to_another_session(void **state)
{
	struct bed *b = *state;

	bed_meet(b, "{\"theme\":\"Mine\",\"n\":1}");
	bed_put(b, "{\"theme\":\"A\",\"n\":1,\"up\":1}");
	bed_step(b);
	decide_posted(&b->last, SLICE_LIT("\"s2\""));
	bed_put(b, "{\"theme\":\"A\",\"up\":1,\"mine\":2}");
	b->offline = true;
	bed_step(b);
	decide_change_session(&b->last);
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/mine\":2},\"del\":[\"/n\"]}");
	bed_is(b, RECORD_SERVER, "{\"set\":{},\"del\":[]}");
	bed_is(b, RECORD_TEXT, "{\"theme\":\"A\",\"up\":1,\"mine\":2}");
	bed_is(b, RECORD_SERVER_TAG, "");
	bed_is(b, RECORD_BASE_TAG, "");
	/* what first contact replaced is still to be had */
	bed_is(b, RECORD_FIRST, "{\"set\":{\"/theme\":\"Mine\"},\"del\":[]}");
	b->offline = false;
	b->base = "{\"theme\":\"A\",\"n\":1}";
	b->server = "{\"set\":{\"/theirs\":3},\"del\":[]}";
	bed_step(b);
	assert_string_equal(b->file, "{\"theme\":\"A\",\"mine\":2,\"theirs\":3}");
	bed_is(b, RECORD_OVERRIDES, "{\"set\":{\"/theirs\":3,\"/mine\":2},\"del\":[\"/n\"]}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

TEST_MAIN(T(a_new_file_says_what_the_server_wants), T(nothing_new_is_nothing_to_do),
    T(what_the_server_had_not_heard_of_is_a_conflict),
    T(a_base_from_before_the_upload_is_a_conflict),
    T(an_edit_is_uploaded_as_operations),
    T(a_stale_upload_is_replayed_on_what_the_server_has),
    T(another_s_override_arrives_and_goes), T(offline_edits_become_one_upload),
    T(a_refused_upload_waits_for_another_edit), T(a_refused_upload_waits_for_another_base),
    T(a_plain_server_gets_the_whole_object),
    T(a_broken_file_changes_nothing), T(a_base_or_policy_that_cannot_be_read_is_said),
    T(the_servers_policy_counts_and_is_remembered),
    T(a_bulk_deletion_waits_and_is_confirmed), T(a_bulk_deletion_waits_and_is_undone),
    T(a_further_save_confirms_what_is_held), T(a_server_change_confirms_nothing),
    T(what_first_contact_replaced_can_be_had),
    T(what_first_contact_replaced_can_be_forgotten),
    T(a_migration_is_remembered_until_the_base_follows),
    T(only_what_no_server_has_goes_to_another_session))
