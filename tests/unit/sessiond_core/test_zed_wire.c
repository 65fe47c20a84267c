/* What Zed says and is told: both forms of events, what is missing, what is too long, and
 * every command. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "sessiond/core/thread_map.h"
#include "sessiond/core/zed_command.h"
#include "sessiond/core/zed_event.h"

static int decode(const char *text, struct zed_event *ev)
{
	struct err e = ERR_NULL;

	return zed_event_decode(slice_of(text), ev, &e);
}

static void todays_form_is_understood(void **s)
{
	struct zed_event ev;

	(void)s;
	assert_int_equal(
	    decode("{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":\"T\","
		   "\"message_id\":\"2\",\"role\":\"assistant\",\"content\":\"\","
		   "\"request_id\":\"r\",\"timestamp\":17,\"entry_type\":\"tool_call\","
		   "\"tool_name\":\"n\",\"tool_status\":\"Pending\"}}",
		&ev),
	    0);
	assert_int_equal(ev.kind, ZED_MESSAGE_ADDED);
	assert_string_equal(ev.thread_id, "T");
	assert_string_equal(ev.message_id, "2");
	assert_string_equal(ev.content, "");
	assert_string_equal(ev.request_id, "r");
	assert_string_equal(ev.entry_type, "tool_call");
	assert_string_equal(ev.tool_status, "Pending");
	zed_event_deinit(&ev);
}

static void older_forms_are_understood(void **s)
{
	struct zed_event ev;

	(void)s;
	assert_int_equal(decode("{\"type\":\"context_created\",\"session_id\":\"ses_1\","
				"\"timestamp\":5,\"context_id\":\"T\",\"title\":\"x\"}",
			     &ev),
	    0);
	assert_int_equal(ev.kind, ZED_THREAD_CREATED);
	assert_string_equal(ev.thread_id, "T");
	assert_string_equal(ev.session_id, "ses_1");
	assert_string_equal(ev.title, "x");
	zed_event_deinit(&ev);
	assert_int_equal(decode("{\"event_type\":\"chat_response_chunk\",\"data\":"
				"{\"request_id\":\"r\",\"chunk\":\"c\"}}",
			     &ev),
	    0);
	assert_int_equal(ev.kind, ZED_RESPONSE_CHUNK);
	assert_string_equal(ev.content, "c");
	zed_event_deinit(&ev);
}

static void every_kind_has_its_name(void **s)
{
	struct zed_event ev;

	(void)s;
	for (int k = ZED_PING; k < ZED_EVENT_N_; k++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"event_type\":\"%s\",\"data\":{\"acp_thread_id\":\"T\",\"message_"
		    "id\":\"1\","
		    "\"role\":\"user\",\"content\":\"c\",\"request_id\":\"r\",\"title\":"
		    "\"t\","
		    "\"error\":\"e\",\"status\":\"noop\"}}",
		    zed_event_name((enum zed_event_kind)k));
		assert_int_equal(decode(text, &ev), 0);
		assert_int_equal(ev.kind, k);
		zed_event_deinit(&ev);
	}
}

static void what_is_missing_is_named(void **s)
{
	static const struct {
		const char *text, *names;
	} bad[] = {
	    {"{\"event_type\":\"message_added\",\"data\":{\"message_id\":\"1\",\"role\":"
	     "\"user\","
	     "\"content\":\"c\"}}",
		"acp_thread_id"},
	    {"{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":\"T\","
	     "\"role\":\"user\","
	     "\"content\":\"c\"}}",
		"message_id"},
	    {"{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":\"T\","
	     "\"message_id\":\"1\",\"content\":\"c\"}}",
		"role"},
	    {"{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":\"T\","
	     "\"message_id\":\"1\",\"role\":\"user\",\"content\":null}}",
		"content"},
	    {"{\"event_type\":\"thread_created\",\"data\":{\"acp_thread_id\":7}}",
		"acp_thread_id"},
	    {"{\"event_type\":\"thread_created\",\"data\":{\"acp_thread_id\":\"\"}}",
		"acp_thread_id"},
	    {"{\"event_type\":\"turn_cancelled\",\"data\":{\"request_id\":\"r\"}}",
		"status"},
	    {"{\"event_type\":\"chat_response_error\",\"data\":{\"error\":\"e\"}}",
		"request_id"},
	    {"{\"event_type\":\"thread_load_error\",\"data\":{\"acp_thread_id\":\"T\"}}",
		"error"},
	};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct zed_event ev;
		struct err e = ERR_NULL;

		assert_int_equal(zed_event_decode(slice_of(bad[i].text), &ev, &e),
		    ERROR_UNPROCESSABLE);
		assert_non_null(strstr(e.text, bad[i].names));
		zed_event_deinit(&ev);
	}
}

static void nonsense_is_refused(void **s)
{
	static const char *const bad[] = {"", "{", "[]", "7", "\"x\"", "null",
	    "{\"data\":{}}", "{\"event_type\":7}", "{\"event_type\":\"ping\"} x", "\x01",
	    "{\"event_type\":\"ping\"", "{\"event_type\":null,\"type\":null}"};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct zed_event ev;

		assert_int_equal(decode(bad[i], &ev), ERROR_INVALID);
		zed_event_deinit(&ev);
	}
}

static void strange_members_are_passed_over(void **s)
{
	struct zed_event ev;

	(void)s;
	assert_int_equal(
	    decode("{\"event_type\":\"ping\",\"data\":null,\"x\":[1,{}]}", &ev), 0);
	assert_int_equal(ev.kind, ZED_PING);
	zed_event_deinit(&ev);
	assert_int_equal(
	    decode("{\"event_type\":\"thread_updated\",\"data\":[]}", &ev), 0);
	assert_int_equal(ev.kind, ZED_UNKNOWN);
	zed_event_deinit(&ev);
	assert_int_equal(
	    decode(
		"{\"event_type\":\"message_completed\",\"data\":{\"acp_thread_id\":\"T\","
		"\"request_id\":null,\"usage\":null}}",
		&ev),
	    0);
	assert_null(ev.request_id);
	assert_null(ev.usage);
	zed_event_deinit(&ev);
}

static void active_turns_absent_is_not_empty(void **s)
{
	struct zed_event ev;

	(void)s;
	assert_int_equal(
	    decode("{\"event_type\":\"agent_ready\",\"data\":{\"agent_name\":\"a\","
		   "\"thread_id\":null}}",
		&ev),
	    0);
	assert_null(ev.active_turns);
	zed_event_deinit(&ev);
	assert_int_equal(
	    decode("{\"event_type\":\"agent_ready\",\"data\":{\"agent_name\":\"a\","
		   "\"active_turns\":[\"r1\",{\"request_id\":\"r2\"},7]}}",
		&ev),
	    0);
	assert_int_equal(jsn_count(ev.active_turns), 3);
	assert_string_equal(zed_active_turn_id(jsn_first(ev.active_turns)), "r1");
	assert_string_equal(
	    zed_active_turn_id(jsn_next(jsn_first(ev.active_turns))), "r2");
	zed_event_deinit(&ev);
}

static void ids_too_long_are_refused(void **s)
{
	struct buf b = BUF_NULL(4096);
	struct zed_event ev;

	(void)s;
	buf_adds(&b, "{\"event_type\":\"thread_created\",\"data\":{\"acp_thread_id\":\"");
	for (int i = 0; i < 257; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "\"}}");
	assert_int_equal(decode(buf_cstr(&b), &ev), ERROR_UNPROCESSABLE);
	zed_event_deinit(&ev);
	buf_deinit(&b);
}

/* ---- commands ---- */

static void commands_are_as_zed_reads_them(void **s)
{
	struct buf b = BUF_NULL(4096);
	struct zed_chat_message m = {.message = "say \"hi\"",
	    .n_message = 8,
	    .request_id = "r",
	    .session_id = "ses_1"};

	(void)s;
	zed_add_chat_message(&b, &m);
	assert_string_equal(buf_cstr(&b),
	    "{\"type\":\"chat_message\",\"data\":{\"message\":\"say "
	    "\\\"hi\\\"\",\"request_id\":\"r\","
	    "\"acp_thread_id\":null,\"interrupt\":false,\"interaction_id\":\"r\","
	    "\"session_id\":\"ses_1\"}}");
	assert_null(strstr(buf_cstr(&b), "role"));
	buf_reset(&b);
	m.thread_id = "T";
	m.agent_name = "claude";
	m.interrupt = true;
	zed_add_chat_message(&b, &m);
	assert_string_equal(buf_cstr(&b),
	    "{\"type\":\"chat_message\",\"data\":{\"message\":\"say "
	    "\\\"hi\\\"\",\"request_id\":\"r\","
	    "\"acp_thread_id\":\"T\",\"agent_name\":\"claude\",\"interrupt\":true,"
	    "\"interaction_id\":\"r\",\"session_id\":\"ses_1\"}}");
	buf_reset(&b);
	zed_add_open_thread(&b, "T", "ses_1", "r", NULL);
	assert_string_equal(buf_cstr(&b),
	    "{\"type\":\"open_thread\",\"data\":{\"acp_thread_id\":\"T\","
	    "\"session_id\":\"ses_1\",\"request_id\":\"r\"}}");
	buf_reset(&b);
	zed_add_cancel(&b, "r");
	assert_string_equal(buf_cstr(&b),
	    "{\"type\":\"cancel_current_turn\",\"data\":{\"request_id\":\"r\"}}");
	buf_deinit(&b);
}

/* ---- threads ---- */

static void threads_find_their_session_in_order_of_priority(void **s)
{
	int a, b, c, d;
	struct thread_facts f = {.first = &a,
	    .envelope = true,
	    .by_envelope = &b,
	    .by_thread = &c,
	    .again = &d};
	void *to;

	(void)s;
	assert_int_equal(thread_decide(&f, &to), THREAD_FIRST);
	assert_ptr_equal(to, &a);
	f.first = NULL;
	assert_int_equal(thread_decide(&f, &to), THREAD_ENVELOPE);
	assert_ptr_equal(to, &b);
	f.by_envelope = NULL;
	assert_int_equal(thread_decide(&f, &to), THREAD_REFUSED);
	assert_null(to);
	f.envelope = false;
	assert_int_equal(thread_decide(&f, &to), THREAD_KNOWN);
	assert_ptr_equal(to, &c);
	f.by_thread = NULL;
	assert_int_equal(thread_decide(&f, &to), THREAD_AGAIN);
	assert_ptr_equal(to, &d);
	f.foreign_thread = true;
	assert_int_equal(thread_decide(&f, &to), THREAD_REFUSED);
	f = (struct thread_facts){0};
	assert_int_equal(thread_decide(&f, &to), THREAD_NEW);
}

TEST_MAIN(cmocka_unit_test(todays_form_is_understood),
    cmocka_unit_test(older_forms_are_understood),
    cmocka_unit_test(every_kind_has_its_name), cmocka_unit_test(what_is_missing_is_named),
    cmocka_unit_test(nonsense_is_refused),
    cmocka_unit_test(strange_members_are_passed_over),
    cmocka_unit_test(active_turns_absent_is_not_empty),
    cmocka_unit_test(ids_too_long_are_refused),
    cmocka_unit_test(commands_are_as_zed_reads_them),
    cmocka_unit_test(threads_find_their_session_in_order_of_priority))
