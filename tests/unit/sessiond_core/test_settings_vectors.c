/* Merge and ownership, case by case: who wins, what is restored, what becomes an
 * override. Each case starts with a file that is the rendering of B0. */
#include "tests/unit/sessiond_core/sim_case.h"

/* The case goes on without knowing the old base, as a plan on the command line may have
 * to. */
static int setup_no_base0(void **state)
{
	sim_setup(state);
	((struct sim *)*state)->hide_base0 = true;
	return 0;
}

static void a01_nothing_changes_nothing(void **state)
{
	struct sim *s = *state;

	sim_idle(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
}

static void a02_a_base_change_reaches_the_file(void **state)
{
	struct sim *s = *state;

	sim_base_set(s, "/theme", "\"One Light\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "\"One Light\"");
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a03_an_edit_becomes_an_override(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", "\"Solarized\"");
	sim_step(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s), "{\"set\":{\"/theme\":\"Solarized\"},\"del\":[]}");
	sim_idle(s);
}

static void a04_an_override_shadows_the_base(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", "\"Solarized\"");
	sim_step(s);
	sim_base_set(s, "/theme", "\"One Light\"");
	sim_step(s);
	assert_false(s->out.changed);
	assert_int_equal(sim_events(s, "shadowed", "/theme"), 1);
	assert_int_equal(sim_events(s, "conflict", NULL), 0);
	assert_string_equal(sim_u(s), "{\"set\":{\"/theme\":\"Solarized\"},\"del\":[]}");
}

static void a05_both_changed_is_a_conflict_the_user_wins(void **state)
{
	struct sim *s = *state;
	const struct settings_event *e;

	sim_file_set(s, "/theme", "\"X\"");
	sim_base_set(s, "/theme", "\"Y\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "\"X\"");
	assert_int_equal(sim_events(s, "conflict", "/theme"), 1);
	e = s->out.events;
	assert_string_equal(e->rule, "user-wins");
	assert_true(slice_is(e->base->str, "Ayu Dark"));
	assert_true(slice_is(e->helix->str, "Y"));
	assert_true(slice_is(e->user->str, "X"));
	sim_idle(s);
}

static void a06_setting_the_base_value_clears_the_override(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", "\"Solarized\"");
	sim_step(s);
	sim_file_set(s, "/theme", "\"Ayu Dark\"");
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a07_a_base_that_meets_an_override_does_not_clear_it(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", "\"X\"");
	sim_step(s);
	sim_base_set(s, "/theme", "\"X\"");
	sim_step(s);
	sim_base_set(s, "/theme", "\"Z\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "\"X\"");
}

static void a08_a_deleted_key_stays_absent(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/format_on_save", NULL);
	sim_step(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s), "{\"set\":{},\"del\":[\"/format_on_save\"]}");
	sim_base_set(s, "/format_on_save", "\"on\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/format_on_save"), "(absent)");
	assert_int_equal(sim_events(s, "shadowed", "/format_on_save"), 1);
}

static void a09_a_key_put_back_loses_its_tombstone(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/format_on_save", NULL);
	sim_step(s);
	sim_file_set(s, "/format_on_save", "\"off\"");
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a10_a_deleted_reserved_entry_is_restored_last(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers/helix-rag", NULL);
	sim_step(s);
	assert_true(s->out.changed);
	assert_string_equal(sim_at(s, "/context_servers"),
	    "{\"helix-session\":{\"url\":\"http://h/"
	    "ses\"},\"team-x\":{\"command\":\"tx\",\"args\":[\"a\"]},\"helix-rag\":{"
	    "\"url\":"
	    "\"http://h/rag\",\"headers\":{\"Authorization\":\"Bearer T1\"}}}");
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	assert_int_equal(sim_events(s, "restored", "/context_servers/helix-rag"), 1);
	assert_int_equal(sim_events(s, "restored", NULL), 1);
	sim_idle(s);
}

/* As Zed's switch does it. */
static void switch_off(struct sim *s)
{
	sim_file_set(s, "/context_servers/helix-rag/enabled", "false");
	sim_step(s);
}

static void a11_switching_off_is_an_override(void **state)
{
	struct sim *s = *state;

	switch_off(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/context_servers/helix-rag/enabled\":false},\"del\":[]}");
}

static void a12_the_base_goes_on_under_the_switch(void **state)
{
	struct sim *s = *state;
	char *at, *text;

	/* the switch stands first in its entry */
	text = strdup(s->file.p);
	at = strstr(text, "\"url\": \"http://h/rag\"");
	{
		struct buf b = BUF_NULL(SIZE_MAX);

		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, "\"enabled\": false,\n      ");
		buf_adds(&b, at);
		sim_file(s, buf_cstr(&b));
		buf_deinit(&b);
	}
	free(text);
	sim_step(s);
	assert_false(s->out.changed);
	sim_base_set(
	    s, "/context_servers/helix-rag/headers/Authorization", "\"Bearer T2\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/helix-rag"),
	    "{\"enabled\":false,\"url\":\"http://h/"
	    "rag\",\"headers\":{\"Authorization\":\"Bearer "
	    "T2\"}}");
}

static void a13_a_restored_entry_keeps_the_users_leaves(void **state)
{
	struct sim *s = *state;

	switch_off(s);
	sim_file_set(s, "/context_servers/helix-rag", NULL);
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/helix-rag/enabled"), "false");
	assert_string_equal(
	    sim_at(s, "/context_servers/helix-rag/url"), "\"http://h/rag\"");
	sim_idle(s);
}

static void a14_switching_on_again_is_explicit(void **state)
{
	struct sim *s = *state;

	switch_off(s);
	sim_file_set(s, "/context_servers/helix-rag/enabled", "true");
	sim_step(s);
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/context_servers/helix-rag/enabled\":true},\"del\":[]}");
}

static void a15_taking_the_switch_away_clears_it(void **state)
{
	struct sim *s = *state;

	switch_off(s);
	sim_file_set(s, "/context_servers/helix-rag/enabled", NULL);
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
}

static void a16_an_owned_leaf_is_reverted(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers/helix-session/url", "\"http://evil\"");
	sim_step(s);
	assert_true(s->out.changed);
	assert_string_equal(
	    sim_at(s, "/context_servers/helix-session/url"), "\"http://h/ses\"");
	assert_int_equal(
	    sim_events(s, "rejected", "/context_servers/helix-session/url"), 1);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a17_owned_and_free_leaves_of_one_object(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/agent/default_model/model", "\"m2\"");
	sim_file_set(s, "/agent/show_onboarding", "true");
	sim_step(s);
	assert_string_equal(sim_at(s, "/agent"),
	    "{\"default_model\":{\"provider\":\"openai\",\"model\":"
	    "\"m1\"},\"show_onboarding\":true}");
	assert_string_equal(
	    sim_u(s), "{\"set\":{\"/agent/show_onboarding\":true},\"del\":[]}");
}

static void a18_a_deleted_object_keeps_its_owned_part(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/agent", NULL);
	sim_step(s);
	assert_string_equal(sim_at(s, "/agent"),
	    "{\"default_model\":{\"provider\":\"openai\",\"model\":\"m1\"}}");
	assert_string_equal(
	    sim_u(s), "{\"set\":{},\"del\":[\"/agent/show_onboarding\"]}");
	sim_idle(s);
}

static void a19_an_owned_leaf_behind_a_platform_is_removed(void **state)
{
	struct sim *s = *state;

	sim_file_set(
	    s, "/linux/agent/default_model", "{\"provider\":\"x\",\"model\":\"y\"}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/linux"), "(absent)");
	assert_int_equal(sim_events(s, "rejected", NULL), 2);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
	sim_file_set(
	    s, "/linux/agent/default_model", "{\"provider\":\"x\",\"model\":\"y\"}");
	sim_file_set(s, "/linux/buffer_font_size", "12");
	sim_step(s);
	assert_string_equal(sim_at(s, "/linux"), "{\"buffer_font_size\":12}");
	assert_string_equal(
	    sim_u(s), "{\"set\":{\"/linux/buffer_font_size\":12},\"del\":[]}");
}

static void a20_an_owned_leaf_in_a_profile_is_removed_the_profile_stays(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/profiles",
	    "{\"p\":{\"settings\":{\"agent\":{\"default_model\":null}}}}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/profiles"), "{\"p\":{\"settings\":{}}}");
	sim_idle(s);
}

static void add_mine(struct sim *s)
{
	sim_file_set(s, "/context_servers/mine", "{\"command\":\"m\",\"args\":[]}");
	sim_step(s);
}

static void a21_a_users_own_entry_is_set_leaf_by_leaf(void **state)
{
	struct sim *s = *state;

	add_mine(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/context_servers/mine/command\":\"m\",\"/"
	    "context_servers/mine/args\":[]},\"del\":[]}");
	sim_base_set(s, "/context_servers/team-x", NULL);
	sim_step(s);
	assert_string_equal(
	    sim_at(s, "/context_servers/mine"), "{\"command\":\"m\",\"args\":[]}");
}

static void a22_a_users_own_entry_leaves_nothing_behind(void **state)
{
	struct sim *s = *state;

	add_mine(s);
	sim_file_set(s, "/context_servers/mine", NULL);
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a23_a_deleted_base_entry_stays_absent(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers/team-x", NULL);
	sim_step(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s), "{\"set\":{},\"del\":[\"/context_servers/team-x/"
				      "command\",\"/context_servers/team-x/args\"]}");
	sim_base_set(s, "/context_servers/team-x/args", "[\"z\"]");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	sim_base_set(s, "/context_servers/team-x/env", "{\"K\":\"v\"}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	sim_idle(s);
}

static void a24_an_entry_the_base_drops_goes(void **state)
{
	struct sim *s = *state;

	sim_base_set(s, "/context_servers/team-x", NULL);
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
}

static void a25_an_overridden_entry_the_base_drops_becomes_the_users(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers/team-x/args", "[\"b\"]");
	sim_step(s);
	sim_base_set(s, "/context_servers/team-x", NULL);
	sim_step(s);
	assert_false(s->out.changed);
	assert_string_equal(sim_at(s, "/context_servers/team-x"),
	    "{\"command\":\"tx\",\"args\":[\"b\"]}");
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/context_servers/team-x/args\":[\"b\"],\"/"
	    "context_servers/team-x/command\":\"tx\"},\"del\":[]}");
	sim_idle(s);
}

static void a26_a27_an_override_sleeps_while_its_base_is_away(void **state)
{
	struct sim *s = *state;

	switch_off(s);
	sim_base_set(s, "/context_servers/helix-rag", NULL);
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/helix-rag"), "(absent)");
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/context_servers/helix-rag/enabled\":false},\"del\":[]}");
	sim_idle(s);
	sim_base_set(s, "/context_servers/helix-rag", "{\"url\":\"u2\"}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/helix-rag"),
	    "{\"url\":\"u2\",\"enabled\":false}");
}

static void a28_deleting_all_servers_restores_the_reserved_ones(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers", NULL);
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	assert_string_equal(
	    sim_at(s, "/context_servers/helix-session"), "{\"url\":\"http://h/ses\"}");
	assert_string_not_equal(sim_at(s, "/context_servers/helix-rag"), "(absent)");
	assert_string_equal(sim_u(s), "{\"set\":{},\"del\":[\"/context_servers/team-x/"
				      "command\",\"/context_servers/team-x/args\"]}");
	sim_idle(s);
}

static void a29_arrays_are_one_value(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/context_servers/team-x/args", "[\"a\",\"b\"]");
	sim_base_set(s, "/context_servers/team-x/args", "[\"c\"]");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x/args"), "[\"a\",\"b\"]");
	assert_int_equal(sim_events(s, "conflict", "/context_servers/team-x/args"), 1);
}

static void a30_keyed_arrays_merge_by_element(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s,
	    "{\"language_models\":{\"openai\":{\"available_models\":[{\"name\":\"m1\"}]}}"
	    "}",
	    "{\"arrays\":[{\"path\":\"/language_models/*/"
	    "available_models\",\"merge\":\"keyed\",\"by\":\"name\"}]}");
	sim_file_set(&s, "/language_models/openai/available_models",
	    "[{\"name\":\"m1\"},{\"name\":\"mU\"}]");
	sim_base_set(&s, "/language_models/openai/available_models",
	    "[{\"name\":\"m1\"},{\"name\":\"m2\"}]");
	sim_step(&s);
	assert_string_equal(sim_at(&s, "/language_models/openai/available_models"),
	    "[{\"name\":\"m1\"},{\"name\":\"m2\"},{\"name\":\"mU\"}]");
	sim_idle(&s);
	sim_base_set(&s, "/language_models/openai/available_models",
	    "[{\"name\":\"m2\"},{\"name\":\"m3\"}]");
	sim_step(&s);
	assert_string_equal(sim_at(&s, "/language_models/openai/available_models"),
	    "[{\"name\":\"m2\"},{\"name\":\"m3\"},{\"name\":\"mU\"}]");
	sim_deinit(&s);
}

static void d08_a_bad_base_entry_keeps_its_last_good_value(void **state)
{
	struct sim *s = *state;

	sim_base_set(s, "/context_servers/team-x/args", "null");
	sim_base_set(s, "/context_servers/new", "{\"command\":\"c\"}");
	sim_base_set(s, "/theme", "\"One Light\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"),
	    "{\"command\":\"tx\",\"args\":[\"a\"]}");
	assert_string_equal(sim_at(s, "/context_servers/new"), "(absent)");
	assert_string_equal(sim_at(s, "/theme"), "\"One Light\"");
	assert_int_equal(sim_events(s, "base_invalid", NULL), 2);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
}

static void a_map_of_bad_entries_alone_is_not_written(void **state)
{
	struct sim *s = *state;

	sim_base_set(s, "/lsp", "{\"x\":5}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/lsp"), "(absent)");
	sim_idle(s);
}

static void a_wiped_file_is_held_and_can_be_confirmed_or_undone(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/vim_mode", "true");
	sim_step(s);
	sim_file(s, "{}");
	sim_step(s);
	/* reserved and owned entries are back, the rest is missing but not deleted */
	assert_string_not_equal(sim_at(s, "/context_servers/helix-rag"), "(absent)");
	assert_string_equal(sim_at(s, "/theme"), "(absent)");
	assert_string_equal(sim_u(s), "{\"set\":{\"/vim_mode\":true},\"del\":[]}");
	assert_true(sim_events(s, "held", NULL) > 3);
	sim_idle(s);
	settings_confirm(&s->a, &s->u, &s->held, s->base);
	s->held = overrides_new(&s->a);
	sim_idle(s);
	assert_non_null(strstr(sim_u(s), "\"/agent/show_onboarding\""));
	assert_null(strstr(sim_u(s), "vim_mode"));
}

static void what_is_held_comes_back_when_it_is_undone(void **state)
{
	struct sim *s = *state;

	sim_file(s, "{}");
	sim_step(s);
	s->held = overrides_new(&s->a);
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "\"Ayu Dark\"");
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
}

#define CASE(name)                                                                       \
	SIM_CASE(name),                                                                  \
	    cmocka_unit_test_setup_teardown(name, setup_no_base0, sim_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a01_nothing_changes_nothing),
	    CASE(a02_a_base_change_reaches_the_file),
	    CASE(a03_an_edit_becomes_an_override),
	    CASE(a04_an_override_shadows_the_base),
	    CASE(a05_both_changed_is_a_conflict_the_user_wins),
	    CASE(a06_setting_the_base_value_clears_the_override),
	    CASE(a07_a_base_that_meets_an_override_does_not_clear_it),
	    CASE(a08_a_deleted_key_stays_absent),
	    CASE(a09_a_key_put_back_loses_its_tombstone),
	    CASE(a10_a_deleted_reserved_entry_is_restored_last),
	    CASE(a11_switching_off_is_an_override),
	    CASE(a12_the_base_goes_on_under_the_switch),
	    CASE(a13_a_restored_entry_keeps_the_users_leaves),
	    CASE(a14_switching_on_again_is_explicit),
	    CASE(a15_taking_the_switch_away_clears_it),
	    CASE(a16_an_owned_leaf_is_reverted),
	    CASE(a17_owned_and_free_leaves_of_one_object),
	    CASE(a18_a_deleted_object_keeps_its_owned_part),
	    CASE(a19_an_owned_leaf_behind_a_platform_is_removed),
	    CASE(a20_an_owned_leaf_in_a_profile_is_removed_the_profile_stays),
	    CASE(a21_a_users_own_entry_is_set_leaf_by_leaf),
	    CASE(a22_a_users_own_entry_leaves_nothing_behind),
	    CASE(a23_a_deleted_base_entry_stays_absent),
	    CASE(a24_an_entry_the_base_drops_goes),
	    CASE(a25_an_overridden_entry_the_base_drops_becomes_the_users),
	    CASE(a26_a27_an_override_sleeps_while_its_base_is_away),
	    CASE(a28_deleting_all_servers_restores_the_reserved_ones),
	    CASE(a29_arrays_are_one_value),
	    CASE(d08_a_bad_base_entry_keeps_its_last_good_value),
	    CASE(a_map_of_bad_entries_alone_is_not_written),
	    CASE(a_wiped_file_is_held_and_can_be_confirmed_or_undone),
	    CASE(what_is_held_comes_back_when_it_is_undone),
	    cmocka_unit_test(a30_keyed_arrays_merge_by_element),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
