/* The conversation, as golden traces: what goes in, what comes out. */
#include "tests/lib/test.h"

#include "tests/unit/sessiond_core/talk.h"

#define TRACE(t, text) assert_string_equal(talk_trace(t), text)

/* ---- handing over ---- */

static void a_prompt_waits_for_a_zed_that_is_ready(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_prompt(&t, "a");
	TRACE(&t, "changed a waiting\nwanted\n");
	talk_up(&t);
	TRACE(&t, "");
	talk_ready(&t);
	TRACE(&t, "store-hand a\nsend a into a new thread\n");
	talk_input(&t, CHAT_THREAD, "a", "T1");
	TRACE(&t, "bind T1\n");
	talk_say(&t, "a", "1", "hi");
	TRACE(&t, "changed a streaming\n");
	talk_say(&t, "a", "1", "hi there");
	TRACE(&t, "");
	talk_input(&t, CHAT_COMPLETED, "a", "{\"total_tokens\":3}");
	TRACE(&t, "ended a complete (completed)\n");
	assert_string_equal(talk_turn(&t, "a")->usage, "{\"total_tokens\":3}");
	talk_deinit(&t);
}

static void nothing_is_sent_before_it_is_stored(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_up(&t);
	talk_ready(&t);
	t.hold_stores = true;
	talk_prompt(&t, "a");
	TRACE(&t, "changed a waiting\nstore-hand a\n");
	talk_stored(&t);
	TRACE(&t, "send a into a new thread\n");
	talk_deinit(&t);
}

static void a_zed_that_left_while_the_hand_over_was_stored_gets_nothing(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_up(&t);
	talk_ready(&t);
	t.hold_stores = true;
	talk_prompt(&t, "a");
	talk_down(&t);
	talk_trace(&t);
	talk_stored(&t);
	TRACE(&t, "wanted\n");
	assert_int_equal(talk_turn(&t, "a")->n_sent, 0);
	talk_up(&t);
	talk_ready(&t);
	TRACE(&t, "store-hand a\nsend a into a new thread\n");
	talk_deinit(&t);
}

static void one_turn_at_a_time_in_order(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	TRACE(&t, "changed a waiting\nstore-hand a\nsend a into T1\n");
	talk_prompt(&t, "b");
	TRACE(&t, "changed b queued\n");
	talk_prompt(&t, "c");
	TRACE(&t, "changed c queued\n");
	assert_int_equal(chat_position(&t.chat, talk_turn(&t, "a")), 0);
	assert_int_equal(chat_position(&t.chat, talk_turn(&t, "b")), 1);
	assert_int_equal(chat_position(&t.chat, talk_turn(&t, "c")), 2);
	talk_say(&t, "a", "3", "A");
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "changed a streaming\nlink-freed\nended a complete (completed)\n"
		  "changed b waiting\nstore-hand b\nsend b into T1\n");
	talk_deinit(&t);
}

static void the_next_is_not_handed_over_before_the_end_is_stored(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_prompt(&t, "b");
	talk_say(&t, "a", "3", "A");
	talk_trace(&t);
	t.hold_stores = true;
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a complete (completed)\nchanged b waiting\n");
	talk_stored(&t);
	TRACE(&t, "store-hand b\nsend b into T1\n");
	talk_deinit(&t);
}

static void a_paused_session_hands_nothing_over(void **s)
{
	struct talk t;
	int64_t since;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	t.chat.paused = true;
	talk_prompt(&t, "a");
	TRACE(&t, "changed a waiting\n");
	assert_int_equal(chat_blocked_by(&t.chat, &since), CHAT_BLOCK_PAUSED);
	t.chat.paused = false;
	talk_input(&t, CHAT_LOOK, NULL, NULL);
	TRACE(&t, "store-hand a\nsend a into T1\n");
	talk_deinit(&t);
}

static void one_follow_up_at_a_time_on_a_shared_zed(void **s)
{
	struct talk t, other;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_init(&other);
	other.chat.thread_id = strdup("T2");
	chat_apply(&other.chat,
	    &(struct chat_input){.kind = CHAT_LINK_UP, .link = &t.link}, &other.now,
	    &other.fx);
	talk_prompt(&t, "a");
	talk_prompt(&other, "x");
	TRACE(&other, "changed x waiting\n");
	talk_say(&t, "a", "3", "A");
	talk_trace(&t);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a complete (completed)\n");
	talk_input(&other, CHAT_LOOK, NULL, NULL);
	TRACE(&other, "store-hand x\nsend x into T2\n");
	talk_deinit(&other);
	talk_deinit(&t);
}

/* ---- interrupting and cancelling ---- */

static void an_interrupting_prompt_cancels_and_goes_first(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_prompt(&t, "b");
	talk_trace(&t);
	talk_interrupt(&t, "i");
	TRACE(&t, "changed i queued\nstore a\nsend-cancel a\n");
	talk_input(&t, CHAT_CANCELLED, "a", NULL);
	TRACE(&t, "");
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a interrupted (cancelled)\nchanged i waiting\n"
		  "store-hand i\nsend i into T1\n");
	talk_deinit(&t);
}

static void an_unanswered_cancel_holds_an_interrupt_three_seconds(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_interrupt(&t, "i");
	talk_trace(&t);
	talk_wait(&t, 2999);
	TRACE(&t, "");
	talk_wait(&t, 1);
	TRACE(&t, "link-freed\nended a interrupted (cancel was not answered)\nchanged i "
		  "waiting\n"
		  "store-hand i\nsend i into T1\n");
	talk_deinit(&t);
}

static void before_the_first_thread_even_an_interrupt_waits(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_up(&t);
	talk_ready(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_interrupt(&t, "i");
	TRACE(&t, "changed i queued\n");
	talk_input(&t, CHAT_THREAD, "a", "T1");
	TRACE(&t, "bind T1\nstore a\nsend-cancel a\n");
	talk_deinit(&t);
}

static void the_first_prompt_precedes_an_interrupt_sent_during_boot(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_prompt(&t, "a");
	talk_interrupt(&t, "i");
	talk_trace(&t);
	talk_up(&t);
	talk_ready(&t);
	TRACE(&t, "store-hand a\nsend a into a new thread\n");
	talk_deinit(&t);
}

static void cancelling_what_zed_has_not_got_sends_nothing(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_prompt(&t, "a");
	talk_trace(&t);
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	TRACE(&t, "ended a interrupted (cancelled before it was handed over)\n");
	talk_deinit(&t);
}

static void cancelling_while_the_hand_over_is_stored_sends_nothing(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_up(&t);
	talk_ready(&t);
	t.hold_stores = true;
	talk_prompt(&t, "a");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_trace(&t);
	talk_stored(&t);
	TRACE(&t, "ended a interrupted (cancelled before it was handed over)\n");
	talk_deinit(&t);
}

static void the_last_words_of_a_cancelled_turn_are_kept(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_input(&t, CHAT_CANCELLED, "a", NULL);
	talk_say(&t, "a", "3", "A b");
	talk_trace(&t);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "link-freed\nended a interrupted (cancelled)\n");
	assert_string_equal(talk_turn(&t, "a")->entries.v[0].content, "A b");
	talk_deinit(&t);
}

static void a_confirmed_cancel_ends_without_a_completion(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_input(&t, CHAT_CANCELLED, "a", NULL);
	talk_trace(&t);
	talk_wait(&t, CHAT_CANCEL_DRAIN_MS);
	TRACE(&t, "link-freed\nended a interrupted (cancelled)\n");
	talk_deinit(&t);
}

static void a_completion_that_overtook_the_cancels_answer_waits_for_it(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_trace(&t);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	TRACE(&t, "");
	talk_input(&t, CHAT_CANCELLED, "a", NULL);
	TRACE(&t, "link-freed\nended a interrupted (cancelled)\n");
	talk_deinit(&t);
}

static void a_completion_with_a_noop_is_a_completion(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_say(&t, "a", "3", "A");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_input(&t, CHAT_COMPLETED, "a", NULL);
	talk_trace(&t);
	talk_input(&t, CHAT_CANCEL_NOOP, "a", NULL);
	TRACE(&t, "answer-noop a\nlink-freed\nended a complete (completed)\n");
	talk_deinit(&t);
}

static void a_noop_ends_a_turn_that_stays_silent(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_trace(&t);
	talk_input(&t, CHAT_CANCEL_NOOP, "a", NULL);
	TRACE(&t, "answer-noop a\n");
	talk_wait(&t, CHAT_CANCEL_NOOP_MS);
	TRACE(&t, "link-freed\nended a interrupted (cancel was not answered)\n");
	talk_deinit(&t);
}

static void a_cancel_survives_a_disconnect(void **s)
{
	struct talk t;

	(void)s;
	talk_init(&t);
	talk_begun(&t);
	talk_prompt(&t, "a");
	talk_input(&t, CHAT_CANCEL, "a", NULL);
	talk_down(&t);
	talk_trace(&t);
	talk_up(&t);
	TRACE(&t, "");
	talk_ready(&t);
	TRACE(&t, "send-cancel a\n");
	talk_deinit(&t);
}

TEST_MAIN(cmocka_unit_test(a_prompt_waits_for_a_zed_that_is_ready),
    cmocka_unit_test(nothing_is_sent_before_it_is_stored),
    cmocka_unit_test(a_zed_that_left_while_the_hand_over_was_stored_gets_nothing),
    cmocka_unit_test(one_turn_at_a_time_in_order),
    cmocka_unit_test(the_next_is_not_handed_over_before_the_end_is_stored),
    cmocka_unit_test(a_paused_session_hands_nothing_over),
    cmocka_unit_test(one_follow_up_at_a_time_on_a_shared_zed),
    cmocka_unit_test(an_interrupting_prompt_cancels_and_goes_first),
    cmocka_unit_test(an_unanswered_cancel_holds_an_interrupt_three_seconds),
    cmocka_unit_test(before_the_first_thread_even_an_interrupt_waits),
    cmocka_unit_test(the_first_prompt_precedes_an_interrupt_sent_during_boot),
    cmocka_unit_test(cancelling_what_zed_has_not_got_sends_nothing),
    cmocka_unit_test(cancelling_while_the_hand_over_is_stored_sends_nothing),
    cmocka_unit_test(the_last_words_of_a_cancelled_turn_are_kept),
    cmocka_unit_test(a_confirmed_cancel_ends_without_a_completion),
    cmocka_unit_test(a_completion_that_overtook_the_cancels_answer_waits_for_it),
    cmocka_unit_test(a_completion_with_a_noop_is_a_completion),
    cmocka_unit_test(a_noop_ends_a_turn_that_stays_silent),
    cmocka_unit_test(a_cancel_survives_a_disconnect))
