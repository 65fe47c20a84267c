/* Rules that meet: migrations of the editor, tombs over objects, guards while deletions
 * are held, texts that would grow over a limit. */
#include "tests/unit/sessiond_core/sim_case.h"

/* The editor calls it otherwise from now on. */
static void migrate(struct sim *s, const char *from, const char *to, const char *value)
{
	sim_file_set(s, from, NULL);
	sim_file_set(s, to, value);
	s->migrating = true;
	sim_step(s);
}

static void overrides_are(struct sim *s, const char *text)
{
	struct json_doc d;

	assert_int_equal(json_doc_parse(&s->a, slice_of(text), &d), JSON_DOC_OK);
	assert_null(overrides_parse(&s->a, d.root, &s->u));
}

/* ---- migrations ---- */

static void a_renamed_key_is_neither_deleted_nor_set(void **state)
{
	struct sim *s = *state;

	migrate(s, "/format_on_save", "/format_when_saved", "\"off\"");
	assert_false(s->out.changed);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	assert_int_equal(sim_events(s, "migrated", "/format_on_save"), 1);
	assert_string_equal(s->out.events->message, "/format_when_saved");
	sim_idle(s);
	/* Helix goes on with the old name: its value is meant for the new one */
	sim_base_set(s, "/format_on_save", "\"on\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/format_on_save"), "(absent)");
	assert_string_equal(sim_at(s, "/format_when_saved"), "\"on\"");
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_idle(s);
	/* and says it by the new name in the end */
	sim_base_set(s, "/format_on_save", NULL);
	sim_base_set(s, "/format_when_saved", "\"on\"");
	sim_step(s);
	assert_false(s->out.changed);
	assert_int_equal(s->migrated->n, 0);
	sim_idle(s);
}

static void an_edit_of_a_renamed_key_is_an_override_there(void **state)
{
	struct sim *s = *state;

	migrate(s, "/format_on_save", "/format_when_saved", "\"off\"");
	sim_file_set(s, "/format_when_saved", "\"mine\"");
	sim_step(s);
	assert_string_equal(
	    sim_u(s), "{\"set\":{\"/format_when_saved\":\"mine\"},\"del\":[]}");
	sim_file_set(s, "/format_when_saved", "\"off\"");
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
}

static void an_override_moves_with_its_key(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", "\"X\"");
	sim_step(s);
	migrate(s, "/theme", "/look", "\"X\"");
	assert_string_equal(sim_u(s), "{\"set\":{\"/look\":\"X\"},\"del\":[]}");
	assert_int_equal(sim_events(s, "conflict", NULL), 0);
	sim_idle(s);
}

static void a_whole_object_is_renamed_leaf_by_leaf(void **state)
{
	struct sim *s = *state;

	sim_base_set(s, "/old", "{\"x\":1,\"y\":1,\"z\":{\"w\":1}}");
	sim_step(s);
	migrate(s, "/old", "/fresh", "{\"y\":1,\"z\":{\"w\":1},\"x\":1}");
	assert_int_equal(sim_events(s, "migrated", NULL), 3);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	sim_base_set(s, "/old/y", "2");
	sim_step(s);
	assert_string_equal(sim_at(s, "/fresh"), "{\"y\":2,\"z\":{\"w\":1},\"x\":1}");
	assert_string_equal(sim_at(s, "/old"), "(absent)");
}

static void without_a_migration_it_is_an_edit(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/format_on_save", NULL);
	sim_file_set(s, "/format_when_saved", "\"off\"");
	sim_step(s);
	assert_string_equal(sim_u(s),
	    "{\"set\":{\"/format_when_saved\":\"off\"},\"del\":[\"/format_on_save\"]}");
}

static void a_migration_takes_nothing_from_an_owner(void **state)
{
	struct sim *s = *state;

	migrate(s, "/agent/default_model/model", "/agent/model", "\"m1\"");
	assert_string_equal(sim_at(s, "/agent/default_model/model"), "\"m1\"");
	assert_string_equal(sim_u(s), "{\"set\":{\"/agent/model\":\"m1\"},\"del\":[]}");
	assert_int_equal(sim_events(s, "migrated", NULL), 0);
	sim_idle(s);
}

/* ---- tombs ---- */

static void a_tomb_over_an_object_counts_for_its_leaves(void **state)
{
	struct sim *s = *state;

	overrides_are(s, "{\"del\":[\"/context_servers/team-x\",\"/agent\"]}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	assert_string_equal(sim_at(s, "/agent"),
	    "{\"default_model\":{\"provider\":\"openai\",\"model\":\"m1\"}}");
	assert_string_equal(sim_u(s),
	    "{\"set\":{},\"del\":[\"/context_servers/team-x/command\",\"/context_servers/"
	    "team-x/args\",\"/agent/show_onboarding\"]}");
	sim_idle(s);
}

static void a_tomb_over_all_servers_spares_the_reserved(void **state)
{
	struct sim *s = *state;

	overrides_are(s, "{\"del\":[\"/context_servers\"]}");
	sim_step(s);
	assert_string_not_equal(sim_at(s, "/context_servers/helix-rag"), "(absent)");
	assert_string_not_equal(sim_at(s, "/context_servers/helix-session"), "(absent)");
	assert_string_equal(sim_at(s, "/context_servers/team-x"), "(absent)");
	assert_string_equal(sim_u(s), "{\"set\":{},\"del\":[\"/context_servers/team-x/"
				      "command\",\"/context_servers/team-x/args\"]}");
}

static void what_the_user_removed_stays_removed_as_an_object(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/theme", NULL);
	sim_step(s);
	sim_base_set(s, "/theme", "{\"mode\":\"dark\",\"light\":\"a\",\"dark\":\"b\"}");
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "(absent)");
	assert_int_equal(sim_events(s, "shadowed", NULL), 3);
	sim_base_set(s, "/theme", "\"One\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/theme"), "(absent)");
}

static void a_tomb_goes_with_what_it_removed(void **state)
{
	struct sim *s = *state;

	sim_file_set(s, "/format_on_save", NULL);
	sim_file_set(s, "/context_servers/helix-rag/headers", NULL);
	sim_step(s);
	sim_base_set(s, "/format_on_save", NULL);
	sim_base_set(s, "/context_servers/helix-rag", NULL);
	sim_step(s);
	/* an entry may come back: what was removed in it is remembered */
	assert_string_equal(sim_u(s),
	    "{\"set\":{},\"del\":[\"/context_servers/helix-rag/headers/Authorization\"]}");
	sim_base_set(s, "/format_on_save", "\"on\"");
	sim_step(s);
	assert_string_equal(sim_at(s, "/format_on_save"), "\"on\"");
}

/* ---- guards and limits ---- */

static void while_deletions_are_held_nothing_is_switched_off(void **state)
{
	struct sim *s = *state;

	s->policy.disable_on_delete = true;
	sim_file(s, "{}");
	sim_step(s);
	assert_string_equal(sim_u(s), SIM_NO_OVERRIDES);
	assert_string_equal(sim_at(s, "/context_servers/helix-rag/enabled"), "(absent)");
	assert_true(sim_events(s, "held", NULL) > 3);
}

static void what_is_the_users_for_good_is_not_contended(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, "{\"theme\":\"A\",\"x\":1}",
	    "{\"rules\":[{\"path\":\"/theme\",\"class\":\"default-once\"}]}");
	sim_file_set(&s, "/theme", "\"U\"");
	sim_base_set(&s, "/theme", "\"H\"");
	sim_step(&s);
	assert_string_equal(sim_at(&s, "/theme"), "\"U\"");
	assert_null(s.out.events);
	sim_file_set(&s, "/theme", NULL);
	sim_base_set(&s, "/theme", "\"I\"");
	sim_step(&s);
	assert_string_equal(sim_at(&s, "/theme"), "(absent)");
	assert_null(s.out.events);
	sim_deinit(&s);
}

static void a_text_that_would_grow_over_the_limit_stays(void **state)
{
	struct sim *s = *state;
	struct buf b = BUF_NULL(2 << 20);

	buf_adds(&b, "\"");
	for (size_t i = 0; i < 700 * 1000; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "\"");
	sim_file_set(s, "/mine", buf_cstr(&b));
	sim_step(s);
	sim_base_set(s, "/theirs", buf_cstr(&b));
	buf_deinit(&b);
	sim_step(s);
	assert_int_equal(s->out.state, SETTINGS_TOO_LARGE);
	assert_false(s->out.changed);
	assert_true(s->out.doc.error.message[0] != '\0');
	sim_base_set(s, "/theirs", NULL);
	sim_idle(s);
	assert_int_equal(s->out.state, SETTINGS_OK);
}

static void odd_texts_are_pointed_at(void **state)
{
	struct sim *s = *state;

	sim_file(s, "\xef\xbb\xbf{\"a\":1,\"o\":{\"b\":[{\"x\":1,\"x\":2}]},\"a\":2}");
	sim_step(s);
	assert_string_equal(s->out.events->rule, "bom");
	assert_string_equal(s->out.events->next->rule, "duplicate_key");
	assert_true(slice_is(s->out.events->next->path, "/a"));
	sim_file(s, "{\"o\":{\"b\":[{\"x\":1,\"x\":2}]}}");
	sim_step(s);
	assert_int_equal(sim_events(s, "warning", "/o/b"), 1);
}

TEST_MAIN(SIM_CASE(a_renamed_key_is_neither_deleted_nor_set),
    SIM_CASE(an_edit_of_a_renamed_key_is_an_override_there),
    SIM_CASE(an_override_moves_with_its_key), SIM_CASE(a_whole_object_is_renamed_leaf_by_leaf),
    SIM_CASE(without_a_migration_it_is_an_edit), SIM_CASE(a_migration_takes_nothing_from_an_owner),
    SIM_CASE(a_tomb_over_an_object_counts_for_its_leaves),
    SIM_CASE(a_tomb_over_all_servers_spares_the_reserved),
    SIM_CASE(what_the_user_removed_stays_removed_as_an_object),
    SIM_CASE(a_tomb_goes_with_what_it_removed),
    SIM_CASE(while_deletions_are_held_nothing_is_switched_off),
    SIM_CASE(what_is_the_users_for_good_is_not_contended),
    SIM_CASE(a_text_that_would_grow_over_the_limit_stays), SIM_CASE(odd_texts_are_pointed_at))
