/* How turns end, what a Zed that comes back is asked, and what is history, as golden
 * traces. */
#include "tests/lib/test.h"

#include "tests/unit/sessiond_core/talk.h"

#define TRACE(t, text) assert_string_equal(talk_trace(t), text)

/* ---- endings ---- */

static void an_empty_answer_is_an_error(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a error (empty response): Agent unresponsive: it "
		  "returned an "
		  "empty response.\n");
	talk_deinit(&t);
}

static void a_reported_error_is_kept_over_the_empty_completion_after_it(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_input(&t, CHAT_FAILED, "a", "no credit");
	TRACE(&t, "link-freed\nended a error (reported by Zed): no credit\n");
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "");
	talk_deinit(&t);
}

static void a_second_completion_changes_nothing(void **s)
{
	struct talk t;
	struct turn *turn;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	assert_int_equal(chat_route_end(&t.chat, "first", &turn), CHAT_ROUTE_STALE);
	assert_int_equal(chat_route_end(&t.chat, "unknown", &turn), CHAT_ROUTE_STALE);
	assert_int_equal(chat_route_end(&t.chat, "", &turn), CHAT_ROUTE_TURN);
	assert_int_equal(chat_route_end(&t.chat, "a", &turn), CHAT_ROUTE_TURN);
	talk_deinit(&t);
}

static void a_missing_thread_begins_a_new_one_once(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_input(&t, CHAT_NO_THREAD, "a", "T1");
	TRACE(&t, "bind none\nlink-freed\nstore-hand a\nsend a into a new thread\n");
	talk_input(&t, CHAT_NO_THREAD, "a", "T1");
	TRACE(&t, "ended a error (thread missing): Zed cannot find the session's thread, "
		  "nor start "
		  "a new one.\n");
	talk_deinit(&t);
}

static void another_load_failure_fails_the_turn_and_keeps_the_thread(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_input(&t, CHAT_LOAD_FAILED, "a", "401");
	TRACE(&t,
	    "link-freed\nended a error (thread load failed): Thread load failed: 401\n");
	assert_string_equal(t.chat.thread_id, "T1");
	talk_deinit(&t);
}

static void a_load_failure_does_not_touch_a_turn_that_speaks(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_trace(&t);
	talk_input(&t, CHAT_LOAD_FAILED, "a", "busy");
	talk_input(&t, CHAT_NO_THREAD, "a", "T0");
	TRACE(&t, "");
	talk_deinit(&t);
}

static void missing_thread_texts_are_told_from_others(void **s)
{
	(void)s;
	assert_true(chat_error_is_no_thread("x no rollout found for thread id T1", "T1"));
	assert_true(chat_error_is_no_thread(
	    "Failed to load thread: no thread found with ID: SessionId(\"T1\")", "T1"));
	assert_true(chat_error_is_no_thread(
	    "Failed to load thread: Resource not found: T1: {\"uri\":\"T1\"}", "T1"));
	assert_false(chat_error_is_no_thread(
	    "Failed to load thread: Resource not found: T1: {\"uri\":\"/etc/x\"}", "T1"));
	assert_false(chat_error_is_no_thread(
	    "Failed to load thread: Resource not found: T1: {\"uri\":\"T1\",\"a\":1}",
	    "T1"));
	assert_false(chat_error_is_no_thread("no rollout found for thread id T2", "T1"));
	assert_false(
	    chat_error_is_no_thread("Failed to load thread: 401 Unauthorized", "T1"));
	assert_false(chat_error_is_no_thread("", "T1"));
	assert_false(chat_error_is_no_thread("no rollout found for thread id ", ""));
}

/* ---- coming back ---- */

static void a_zed_that_still_has_the_turn_is_not_sent_it_again(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_down(&t);
	talk_trace(&t);
	talk_up(&t);
	talk_ready_knowing(&t, "a", NULL);
	TRACE(&t, "");
	talk_wait(&t, 3600 * 1000);
	TRACE(&t, "");
	talk_deinit(&t);
}

static void a_zed_without_the_turn_is_sent_it_again_at_most_twice(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	for (int i = 0; i < 2; i++) {
		talk_down(&t);
		talk_up(&t);
		talk_trace(&t);
		talk_ready_knowing(&t, NULL);
		TRACE(&t, "store-hand a\nsend a into T1\n");
	}
	talk_down(&t);
	talk_up(&t);
	talk_ready_knowing(&t, NULL);
	TRACE(&t,
	    "ended a error (undeliverable): Zed took the prompt several times and never "
	    "answered.\n");
	talk_deinit(&t);
}

static void a_turn_that_spoke_is_concluded_not_sent_again(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_down(&t);
	talk_up(&t);
	talk_trace(&t);
	talk_ready_knowing(&t, NULL);
	TRACE(&t, "ended a complete (its end was missed while Zed was away)\n");
	talk_deinit(&t);
}

static void an_old_zed_is_asked_again_only_after_three_silent_minutes(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_down(&t);
	talk_up(&t);
	talk_trace(&t);
	talk_ready(&t);
	talk_wait(&t, CHAT_SILENT_MS - 1);
	TRACE(&t, "");
	talk_wait(&t, 1);
	TRACE(&t, "link-freed\nstore-hand a\nsend a into T1\n");
	talk_wait(&t, CHAT_SILENT_MS);
	TRACE(&t, "link-freed\nstore-hand a\nsend a into T1\n");
	talk_wait(&t, CHAT_SILENT_MS);
	TRACE(&t, "link-freed\nended a error (undeliverable): Zed took the prompt "
		  "several times and "
		  "never answered.\n");
	talk_deinit(&t);
}

static void five_reconnects_in_eight_minutes_send_nothing_extra(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	for (int i = 0; i < 5; i++) {
		talk_down(&t);
		talk_wait(&t, 1000);
		talk_up(&t);
		talk_ready(&t);
		talk_wait(&t, 95 * 1000);
	}
	TRACE(&t, "");
	talk_deinit(&t);
}

static void any_word_about_a_turn_stops_the_asking_again(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_up(&t);
	talk_ready(&t);
	talk_prompt(&t, "a");
	talk_input(&t, CHAT_THREAD, "a", "T1");
	talk_trace(&t);
	talk_wait(&t, 3600 * 1000);
	TRACE(&t, "");
	talk_deinit(&t);
}

static void an_old_zed_that_finished_unheard_is_concluded(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_down(&t);
	talk_up(&t);
	talk_trace(&t);
	talk_ready(&t);
	talk_wait(&t, CHAT_INFER_MS - 1);
	TRACE(&t, "");
	talk_wait(&t, 1);
	TRACE(
	    &t, "link-freed\nended a complete (its end was missed while Zed was away)\n");
	/* It was only thinking: it goes on, and nothing is lost. */
	talk_say(&t, "a", "3", "A and more");
	TRACE(&t, "changed a streaming\nstore a\n");
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "ended a complete (completed)\n");
	assert_string_equal(talk_turn(&t, "a")->entries.v[0].content, "A and more");
	talk_deinit(&t);
}

static void a_running_tool_is_waited_for_longer(void **s)
{
	struct talk t;
	struct entry_update u = {.message_id = "3",
	    .type = "tool_call",
	    .tool_name = "make",
	    .tool_status = "In Progress",
	    .content = SLICE_LIT("**Tool Call: make**")};

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	(void)entries_put(&talk_turn(&t, "a")->entries, &u);
	talk_input(&t, CHAT_OUTPUT, "a", NULL);
	talk_down(&t);
	talk_up(&t);
	talk_ready(&t);
	talk_trace(&t);
	talk_wait(&t, CHAT_AWAY_MS - 1);
	TRACE(&t, "");
	talk_wait(&t, 1);
	TRACE(&t, "link-freed\nended a lost (Zed did not come back)\n");
	talk_deinit(&t);
}

static void a_zed_that_stays_away_loses_the_turn_until_it_is_back(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_down(&t);
	talk_trace(&t);
	talk_wait(&t, CHAT_AWAY_MS);
	TRACE(&t, "ended a lost (Zed did not come back)\n");
	talk_up(&t);
	talk_ready(&t);
	talk_say(&t, "a", "3", "A");
	TRACE(&t, "changed a streaming\nstore a\n");
	talk_deinit(&t);
}

static void a_restart_in_the_middle_goes_on(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_prompt(&t, "b");
	talk_say(&t, "a", "3", "A");
	talk_trace(&t);
	talk_restart(&t);
	TRACE(&t, "wanted\n");
	talk_up(&t);
	talk_ready(&t);
	TRACE(&t, "");
	talk_say(&t, "a", "3", "A whole");
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t,
	    "link-freed\nended a complete (completed)\nchanged b waiting\nstore-hand b\n"
	    "send b into T1\n");
	talk_deinit(&t);
}

static void an_end_is_told_when_it_is_stored(void **s)
{
	struct talk t;
	const struct turn *turn;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "words");
	t.hold_stores = true;
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	turn = talk_turn(&t, "a");
	assert_int_equal(turn->state, TURN_COMPLETE);
	assert_int_equal(turn_told_state(turn), TURN_STREAMING);
	talk_stored(&t);
	assert_int_equal(turn_told_state(turn), TURN_COMPLETE);
	talk_deinit(&t);
}

static void a_turn_that_lives_on_must_be_stored_again_to_have_ended(void **s)
{
	struct talk t;
	const struct turn *turn;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "words");
	talk_down(&t);
	talk_wait(&t, CHAT_AWAY_MS);
	turn = talk_turn(&t, "a");
	assert_int_equal(turn_told_state(turn), TURN_LOST);
	talk_up(&t);
	talk_ready(&t);
	talk_say(&t, "a", "3", "words and more");
	assert_int_equal(turn->state, TURN_STREAMING);
	t.hold_stores = true;
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	assert_int_equal(turn_told_state(turn), TURN_STREAMING);
	talk_stored(&t);
	assert_int_equal(turn_told_state(turn), TURN_COMPLETE);
	talk_deinit(&t);
}

static void a_restart_between_storing_and_sending_does_not_send_blindly(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	t.hold_stores = true;
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_restart(&t);
	talk_up(&t);
	talk_ready(&t);
	TRACE(&t, "");
	talk_wait(&t, CHAT_SILENT_MS);
	TRACE(&t, "link-freed\nstore-hand a\nsend a into T1\n");
	talk_deinit(&t);
}

/* ---- history ---- */

static void replayed_history_is_no_part_of_the_answer(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_say(&t, "a", "1", "hello");
	TRACE(&t, "replayed 1\n");
	talk_say(&t, "a", "1", "another answer under the same id");
	TRACE(&t, "changed a streaming\n");
	/* From here on its own words are never history. */
	talk_say(&t, "a", "1", "hello");
	TRACE(&t, "");
	assert_string_equal(talk_turn(&t, "a")->entries.v[0].content, "hello");
	talk_deinit(&t);
}

static void the_same_short_answer_again_is_an_answer(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "1", "hello");
	talk_trace(&t);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a complete (completed)\n");
	assert_string_equal(talk_turn(&t, "a")->entries.v[0].content, "hello");
	talk_deinit(&t);
}

static void late_words_of_an_ended_turn_do_not_reach_the_next(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_say(&t, "first", "1", "hello, corrected");
	TRACE(&t, "stale 1\n");
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_say(&t, "first", "1", "hello, corrected again");
	TRACE(&t, "stale 1\n");
	/* A new entry with an old request id is the thread's news: agents tag it with the
	 * last id they saw. */
	talk_say(&t, "first", "9", "background news");
	TRACE(&t, "changed a streaming\n");
	talk_deinit(&t);
}

static void words_of_a_turn_not_handed_over_are_nobodys(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_say(&t, "a", "1", "x");
	TRACE(&t, "stale 1\n");
	talk_say(&t, "", "1", "x");
	TRACE(&t, "nobody's 1\n");
	talk_deinit(&t);
}

static void states_follow_the_table(void **s)
{
	(void)s;
	assert_true(turn_state_may_follow(TURN_QUEUED, TURN_WAITING));
	assert_true(turn_state_may_follow(TURN_WAITING, TURN_QUEUED));
	assert_false(turn_state_may_follow(TURN_INTERRUPTED, TURN_COMPLETE));
	assert_false(turn_state_may_follow(TURN_ERROR, TURN_STREAMING));
	assert_false(turn_state_may_follow(TURN_QUEUED, TURN_STREAMING));
	for (int i = 0; i < TURN_STATE_N_; i++) {
		enum turn_state back;

		assert_true(turn_state_parse(turn_state_name((enum turn_state)i), &back));
		assert_int_equal(back, i);
	}
}

TEST_MAIN(cmocka_unit_test(an_empty_answer_is_an_error),
    cmocka_unit_test(a_reported_error_is_kept_over_the_empty_completion_after_it),
    cmocka_unit_test(a_second_completion_changes_nothing),
    cmocka_unit_test(a_missing_thread_begins_a_new_one_once),
    cmocka_unit_test(another_load_failure_fails_the_turn_and_keeps_the_thread),
    cmocka_unit_test(a_load_failure_does_not_touch_a_turn_that_speaks),
    cmocka_unit_test(missing_thread_texts_are_told_from_others),
    cmocka_unit_test(a_zed_that_still_has_the_turn_is_not_sent_it_again),
    cmocka_unit_test(a_zed_without_the_turn_is_sent_it_again_at_most_twice),
    cmocka_unit_test(a_turn_that_spoke_is_concluded_not_sent_again),
    cmocka_unit_test(an_old_zed_is_asked_again_only_after_three_silent_minutes),
    cmocka_unit_test(five_reconnects_in_eight_minutes_send_nothing_extra),
    cmocka_unit_test(any_word_about_a_turn_stops_the_asking_again),
    cmocka_unit_test(an_old_zed_that_finished_unheard_is_concluded),
    cmocka_unit_test(a_running_tool_is_waited_for_longer),
    cmocka_unit_test(a_zed_that_stays_away_loses_the_turn_until_it_is_back),
    cmocka_unit_test(a_restart_in_the_middle_goes_on),
    cmocka_unit_test(an_end_is_told_when_it_is_stored),
    cmocka_unit_test(
	    a_turn_that_lives_on_must_be_stored_again_to_have_ended),
    cmocka_unit_test(a_restart_between_storing_and_sending_does_not_send_blindly),
    cmocka_unit_test(replayed_history_is_no_part_of_the_answer),
    cmocka_unit_test(the_same_short_answer_again_is_an_answer),
    cmocka_unit_test(late_words_of_an_ended_turn_do_not_reach_the_next),
    cmocka_unit_test(words_of_a_turn_not_handed_over_are_nobodys),
    cmocka_unit_test(states_follow_the_table))
