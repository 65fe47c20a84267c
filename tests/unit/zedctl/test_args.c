#include "zedctl/args.h"

#include "tests/lib/test.h"

static struct args args;
static struct err refusal;

/* Parse "zedctl" and the words of @line. */
static int parse(const char *line)
{
	static char text[1024];
	static char *argv[64];
	int argc = 1;

	snprintf(text, sizeof text, "%s", line);
	argv[0] = (char[]){"zedctl"};
	for (char *rest = text, *word; (word = strsep(&rest, " "));)
		argv[argc++] = word;
	refusal = ERR_NULL;
	return args_parse(argc, argv, &args, &refusal);
}

static void words_flags_and_operands_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(
	    parse(
		"-o json start --profile sim zi_1 --env A=1 --env=B=2 --wait --grace 5"),
	    0);
	assert_string_equal(args.verb->id, "start");
	assert_int_equal(args.n_operands, 1);
	assert_string_equal(args.operands[0], "zi_1");
	assert_string_equal(args_get(&args, "output"), "json");
	assert_string_equal(args_nth(&args, "env", 0), "A=1");
	assert_string_equal(args_nth(&args, "env", 1), "B=2");
	assert_null(args_nth(&args, "env", 2));
	assert_true(args_has(&args, "wait"));
	assert_int_equal(args_int(&args, "grace", 0), 5);
	assert_int_equal(args_int(&args, "timeout", 7), 7);
}

static void verbs_of_two_words_are_found(void **state)
{
	(void)state;
	assert_int_equal(parse("session new --name x"), 0);
	assert_string_equal(args.verb->id, "session_new");
	assert_int_equal(parse("settings set ses_1 /a -5"), 0);
	assert_string_equal(args.operands[2], "-5");
	assert_int_equal(parse("chat ses_1 -- --help"), 0);
	assert_string_equal(args.operands[1], "--help");
}

static void flags_of_the_broker_are_global(void **state)
{
	(void)state;
	assert_int_equal(parse("--nats nats://h:1 --nats-password-file f ls"), 0);
	assert_string_equal(args_get(&args, "nats"), "nats://h:1");
	assert_string_equal(args_get(&args, "nats_password_file"), "f");
	assert_string_equal(args_get(&args, "nats-password-file"), "f");
}

static void wrong_usage_is_refused_in_one_line(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
	    {"frobnicate", "unknown verb"},
	    {"session", "unknown verb"},
	    {"session frobnicate", "unknown verb"},
	    {"start zi_1", "--profile P is required"},
	    {"start --profile sim", "usage: zedctl start ID"},
	    {"stop a b", "one argument too many"},
	    {"stop a --profile x", "unknown flag"},
	    {"stop a --grace soon", "not a whole number"},
	    {"stop a --grace", "a value is missing"},
	    {"stop a --force=1", "takes no value"},
	    {"stop a -xy", "unknown flag"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (parse(cases[i].line) != ERROR_INVALID)
			fail_msg("\"%s\" was taken", cases[i].line);
		if (!strstr(refusal.text, cases[i].says))
			fail_msg("\"%s\": %s", cases[i].line, refusal.text);
		assert_null(strchr(refusal.text, '\n'));
	}
}

static void help_needs_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(parse("start --help"), 0);
	assert_true(args_has(&args, "help"));
	assert_int_equal(parse("--help"), 0);
	assert_null(args.verb);
}

static void every_verb_and_flag_has_its_sentence(void **state)
{
	struct buf text = BUF_NULL(1 << 20);

	(void)state;
	help_all(&text);
	for (size_t i = 0; i < n_verbs; i++) {
		assert_non_null(strstr(buf_cstr(&text), verbs[i].sentence));
		assert_true(
		    verbs[i].max <= ARGS_OPERANDS_MAX && verbs[i].min <= verbs[i].max);
		buf_reset(&text);
		help_verb(&verbs[i], &text);
		for (size_t k = 0; k < n_flags; k++) {
			if (strcmp(flags[k].verb, verbs[i].id) == 0)
				assert_non_null(
				    strstr(buf_cstr(&text), flags[k].sentence));
		}
		buf_reset(&text);
		help_all(&text);
	}
	for (size_t k = 0; k < n_flags; k++) {
		bool known = strcmp(flags[k].verb, "global") == 0;

		for (size_t i = 0; i < n_verbs; i++)
			known = known || strcmp(flags[k].verb, verbs[i].id) == 0;
		if (!known)
			fail_msg("--%s belongs to no verb", flags[k].name);
	}
	buf_deinit(&text);
}

static void completion_is_for_three_shells(void **state)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};
	struct buf text = BUF_NULL(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		buf_reset(&text);
		assert_true(completion_print(shells[i], &text));
		assert_non_null(strstr(buf_cstr(&text), "zedctl"));
		assert_non_null(strstr(buf_cstr(&text), "runners"));
		assert_non_null(strstr(buf_cstr(&text), "merged"));
	}
	assert_false(completion_print("tcsh", &text));
	buf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_flags_and_operands_are_told_apart),
	    cmocka_unit_test(verbs_of_two_words_are_found),
	    cmocka_unit_test(flags_of_the_broker_are_global),
	    cmocka_unit_test(wrong_usage_is_refused_in_one_line),
	    cmocka_unit_test(help_needs_nothing_else),
	    cmocka_unit_test(every_verb_and_flag_has_its_sentence),
	    cmocka_unit_test(completion_is_for_three_shells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
