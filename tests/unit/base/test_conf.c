#include "base/conf.h"

#include "tests/lib/test.h"

#include <stdio.h>
#include <unistd.h>

#define ROWS                                                                             \
	CONF(listen, STR, "127.0.0.1:8090", 0, 0, 0, NULL, "ADDR:PORT",                  \
	    "Where to listen.")                                                          \
	CONF(slots, INT, "4", 1, 100, 0, NULL, NULL, "How many instances run at once.")  \
	CONF(slow_start, BOOL, "", 0, 0, CONF_F_RELOAD, NULL, NULL, "Start slowly.")     \
	CONF(nats, LIST, "nats://127.0.0.1:4222", 0, 0, 0, "NATS_URL OLD_NATS_URL",      \
	    "URL", "Servers.")                                                           \
	CONF(log_format, ENUM, "json", 0, 0, CONF_F_RELOAD, NULL, "text|json",           \
	    "Form of a record.")                                                         \
	CONF(api_token, STR, "", 0, 0, CONF_F_SECRET, "USER_API_TOKEN HELIX_API_TOKEN",  \
	    NULL, "The key.")                                                            \
	CONF(pin, INT, "1", 0, 9, CONF_F_SECRET | CONF_F_HIDDEN, NULL, NULL,             \
	    "A secret number.")                                                          \
	CONF(drain, BOOL, "true", 0, 0, 0, NULL, NULL, "Drain at the end.")

struct test_conf {
#define CONF CONF_FIELD
	ROWS
#undef CONF
};

static const struct conf_row rows[] = {
#define CONF(...) CONF_ROW(struct test_conf, __VA_ARGS__)
    ROWS
#undef CONF
};

static const struct conf_spec spec = {.program = "testd",
    .summary = "A program for tests.",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0])};

struct loaded {
	struct test_conf conf;
	const char *print;
	struct conf_list args;
	struct err e;
};

#define ARGS(...) ((char *[]){(char *)(uintptr_t) "testd", __VA_ARGS__, NULL})
#define ENV(...)  ((char *[]){__VA_ARGS__, NULL})
#define NO_ARGS   ((char *[]){(char *)(uintptr_t) "testd", NULL})
#define NO_ENV    ((char *[]){NULL})
#define S(text)   ((char *)(uintptr_t)(text))

static enum conf_outcome load_spec(
    const struct conf_spec *sp, struct loaded *l, char **argv, char **envp)
{
	int argc = 0;

	memset(l, 0, sizeof(*l));
	while (argv[argc])
		argc++;
	return conf_load(sp, argc, argv, envp, &l->conf, &l->print, &l->args, &l->e);
}

static enum conf_outcome load(struct loaded *l, char **argv, char **envp)
{
	return load_spec(&spec, l, argv, envp);
}

static void unload(struct loaded *l)
{
	conf_free(&spec, &l->conf);
	free(l->args.items);
}

static void assert_bad(char **argv, char **envp, const char *wanted)
{
	struct loaded l;

	assert_int_equal(load(&l, argv, envp), CONF_BAD);
	assert_string_equal(l.e.text, wanted);
	assert_null(l.args.items);
	unload(&l);
}

/* A settings file with @text; its name, to be removed and freed. */
static char *write_file(const char *text)
{
	char *path = strdup("/tmp/zedbus-test-conf-XXXXXX");
	int fd;

	assert_non_null(path);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void remove_file(char **path)
{
	unlink(*path);
	free(*path);
}

static void defaults_stand_when_nothing_is_given(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(load(&l, NO_ARGS, NO_ENV), CONF_OK);
	assert_string_equal(l.conf.listen, "127.0.0.1:8090");
	assert_int_equal(l.conf.slots, 4);
	assert_false(l.conf.slow_start);
	assert_true(l.conf.drain);
	assert_int_equal(l.conf.nats.n, 1);
	assert_string_equal(l.conf.log_format, "json");
	assert_null(l.conf.api_token);
	assert_int_equal(l.args.n, 0);
	unload(&l);
}

static void each_source_outranks_the_next(void **state)
{
	AUTO(remove_file)
	char *path = write_file(
	    "{\"listen\":\"file\",\"slots\":5,\"log_format\":\"text\","
	    "\"nats\":[\"f1\",\"f2\"],\"slow_start\":true,\"api_token\":null}");
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, ARGS(S("--slots=7"), S("--config"), path),
		ENV(S("ZEDBUS_SLOTS=6"), S("ZEDBUS_LISTEN=env"), S("NATS_URL=alias"))),
	    CONF_OK);
	assert_int_equal(l.conf.slots, 7);
	assert_string_equal(l.conf.listen, "env");
	assert_string_equal(l.conf.log_format, "text");
	assert_int_equal(l.conf.nats.n, 1);
	assert_string_equal(l.conf.nats.items[0], "alias");
	assert_true(l.conf.slow_start);
	assert_null(l.conf.api_token);
	unload(&l);
}

static void the_file_may_be_named_by_the_environment(void **state)
{
	AUTO(remove_file) char *path = write_file("{\"slots\":5}");
	char env[128];
	struct loaded l;

	(void)state;
	snprintf(env, sizeof(env), "ZEDBUS_CONFIG=%s", path);
	assert_int_equal(load(&l, NO_ARGS, ENV(env)), CONF_OK);
	assert_int_equal(l.conf.slots, 5);
	unload(&l);
}

static void aliases_rank_in_the_order_they_are_listed(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, NO_ARGS, ENV(S("OLD_NATS_URL=old"), S("HELIX_API_TOKEN=h"))),
	    CONF_OK);
	assert_string_equal(l.conf.nats.items[0], "old");
	assert_string_equal(l.conf.api_token, "h");
	unload(&l);
	assert_int_equal(
	    load(&l, NO_ARGS,
		ENV(S("OLD_NATS_URL=old"), S("NATS_URL=new"), S("ZEDBUS_NATS=own"),
		    S("HELIX_API_TOKEN=h"), S("USER_API_TOKEN=u"))),
	    CONF_OK);
	assert_string_equal(l.conf.nats.items[0], "own");
	assert_string_equal(l.conf.api_token, "u");
	unload(&l);
}

static void an_empty_variable_is_not_given(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, NO_ARGS, ENV(S("ZEDBUS_SLOTS="), S("ZEDBUS_NATS="))), CONF_OK);
	assert_int_equal(l.conf.slots, 4);
	assert_int_equal(l.conf.nats.n, 1);
	unload(&l);
}

static void lists_repeat_on_the_command_line_and_split_in_the_environment(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, ARGS(S("--nats"), S("a,b"), S("--nats=c")), ENV(S("ZEDBUS_NATS=x"))),
	    CONF_OK);
	assert_int_equal(l.conf.nats.n, 2);
	assert_string_equal(l.conf.nats.items[0], "a,b");
	assert_string_equal(l.conf.nats.items[1], "c");
	unload(&l);
	assert_int_equal(load(&l, NO_ARGS, ENV(S("ZEDBUS_NATS= x , y,,z ,"))), CONF_OK);
	assert_int_equal(l.conf.nats.n, 3);
	assert_string_equal(l.conf.nats.items[1], "y");
	assert_string_equal(l.conf.nats.items[2], "z");
	unload(&l);
	assert_int_equal(load(&l, ARGS(S("--nats=")), NO_ENV), CONF_OK);
	assert_int_equal(l.conf.nats.n, 0);
	unload(&l);
}

static void booleans_have_their_forms(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, ARGS(S("--slow-start"), S("--no-drain")), NO_ENV), CONF_OK);
	assert_true(l.conf.slow_start);
	assert_false(l.conf.drain);
	unload(&l);
	assert_int_equal(load(&l, ARGS(S("--slow-start=false"), S("--drain=yes")),
			     ENV(S("ZEDBUS_SLOW_START=1"), S("ZEDBUS_DRAIN=off"))),
	    CONF_OK);
	assert_false(l.conf.slow_start);
	assert_true(l.conf.drain);
	unload(&l);
	assert_bad(ARGS(S("--slow-start=maybe")), NO_ENV,
	    "--slow-start: 'maybe' is neither true nor false (from the command line)");
	assert_bad(ARGS(S("--no-slow-start=true")), NO_ENV,
	    "--no-slow-start: takes no value (from the command line)");
	assert_bad(ARGS(S("--no-slots")), NO_ENV,
	    "--no-slots: no such flag; testd --help lists them");
}

static void mistakes_name_setting_value_and_source(void **state)
{
	(void)state;
	assert_bad(ARGS(S("--slots"), S("abc")), NO_ENV,
	    "--slots: 'abc' is not a whole number (from the command line)");
	assert_bad(ARGS(S("--slots="), S("--x")), NO_ENV,
	    "--slots: '' is not a whole number (from the command line)");
	assert_bad(NO_ARGS, ENV(S("ZEDBUS_SLOTS=0")),
	    "ZEDBUS_SLOTS: '0' is not in 1 to 100 (from the environment)");
	assert_bad(ARGS(S("--slots"), S("99999999999999999999")), NO_ENV,
	    "--slots: '99999999999999999999' is not in 1 to 100 (from the command line)");
	assert_bad(ARGS(S("--slots=4 ")), NO_ENV,
	    "--slots: '4 ' is not a whole number (from the command line)");
	assert_bad(ARGS(S("--log-format=xml")), NO_ENV,
	    "--log-format: 'xml' is not one of text|json (from the command line)");
	assert_bad(ARGS(S("--log-format=tex")), NO_ENV,
	    "--log-format: 'tex' is not one of text|json (from the command line)");
	assert_bad(
	    ARGS(S("--slots")), NO_ENV, "--slots: needs a value (from the command line)");
	assert_bad(ARGS(S("--slots"), S("--drain")), NO_ENV,
	    "--slots: needs a value (from the command line)");
	assert_bad(ARGS(S("--slotz=4")), NO_ENV,
	    "--slotz: no such flag; testd --help lists them");
	assert_bad(ARGS(S("-x")), NO_ENV, "-x: no such flag; testd --help lists them");
	assert_bad(
	    ARGS(S("stray")), NO_ENV, "'stray': not expected (from the command line)");
	assert_bad(ARGS(S("--config=/nonexistent/x")), NO_ENV,
	    "--config: cannot read '/nonexistent/x': No such file or directory (from the "
	    "command line)");
	assert_bad(NO_ARGS, ENV(S("ZEDBUS_CONFIG=/")),
	    "ZEDBUS_CONFIG: cannot read '/': Is a directory (from the environment)");
}

static void secrets_never_show_in_mistakes(void **state)
{
	(void)state;
	assert_bad(ARGS(S("--pin=hunter2")), NO_ENV,
	    "--pin: '***' is not a whole number (from the command line)");
	assert_bad(ARGS(S("--slots=nats://u:hunter2@h")), NO_ENV,
	    "--slots: 'nats://***@h' is not a whole number (from the command line)");
	assert_bad(ARGS(S("nats://u:hunter2@h")), NO_ENV,
	    "'nats://***@h': not expected (from the command line)");
	assert_bad(ARGS(S("--natz=nats://u:hunter2@h")), NO_ENV,
	    "--natz: no such flag; testd --help lists them");
}

static void assert_file_bad(const char *text, const char *wanted)
{
	struct test_conf conf = {0};
	struct err e = ERR_NULL;

	assert_int_equal(conf_apply_json(&spec, &conf, text, strlen(text), "x.json", &e),
	    ERROR_INVALID);
	assert_string_equal(e.text, wanted);
	conf_free(&spec, &conf);
}

static void mistakes_in_the_file_are_named(void **state)
{
	(void)state;
	assert_file_bad(
	    "{\"slots\":4", "x.json: not valid JSON at byte 10: ',' or '}' expected");
	assert_file_bad("[]", "x.json: not a JSON object");
	assert_file_bad("{\"slotz\":4}", "slotz: no such setting (from x.json)");
	assert_file_bad(
	    "{\"nats://u:p@h\":4}", "nats://***@h: no such setting (from x.json)");
	assert_file_bad(
	    "{\"slots\":\"4\"}", "slots: '4' is not a whole number (from x.json)");
	assert_file_bad(
	    "{\"slots\":4.5}", "slots: '4.5' is not a whole number (from x.json)");
	assert_file_bad(
	    "{\"slots\":400}", "slots: '400' is not in 1 to 100 (from x.json)");
	assert_file_bad("{\"listen\":4}", "listen: '4' is not a string (from x.json)");
	assert_file_bad(
	    "{\"drain\":\"yes\"}", "drain: 'yes' is not true or false (from x.json)");
	assert_file_bad(
	    "{\"nats\":\"a\"}", "nats: not an array of strings (from x.json)");
	assert_file_bad(
	    "{\"nats\":[\"a\",1]}", "nats: item 2 is not a string (from x.json)");
	assert_file_bad("{\"log_format\":\"\"}",
	    "log_format: '' is not one of text|json (from x.json)");
	assert_file_bad("{\"api_token\":{\"a\":\"hunter2\"}}",
	    "api_token: '***' is not a string (from x.json)");
}

static void a_file_too_large_is_refused(void **state)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(4 << 20);
	AUTO(remove_file) char *path = NULL;
	struct loaded l;

	(void)state;
	for (int i = 0; i < (1 << 20) + 1; i++)
		buf_addc(&text, ' ');
	path = write_file(buf_cstr(&text));
	assert_int_equal(load(&l, ARGS(S("--config"), path), NO_ENV), CONF_BAD);
	assert_non_null(strstr(l.e.text, "is over 1048576 bytes"));
	unload(&l);
}

static void positional_arguments_are_collected_when_wanted(void **state)
{
	struct conf_spec with = spec;
	struct loaded l;

	(void)state;
	with.positional = "ID...";
	assert_int_equal(
	    load_spec(&with, &l,
		ARGS(S("a"), S("--slots"), S("5"), S("-"), S("--"), S("--b")), NO_ENV),
	    CONF_OK);
	assert_int_equal(l.args.n, 3);
	assert_string_equal(l.args.items[0], "a");
	assert_string_equal(l.args.items[1], "-");
	assert_string_equal(l.args.items[2], "--b");
	assert_int_equal(l.conf.slots, 5);
	unload(&l);
}

static void questions_are_answered_without_looking_further(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(
	    load(&l, ARGS(S("--help"), S("--slotz")), ENV(S("ZEDBUS_SLOTS=x"))),
	    CONF_HELP);
	unload(&l);
	assert_int_equal(
	    load(&l, ARGS(S("--version")), ENV(S("ZEDBUS_SLOTS=x"))), CONF_VERSION);
	unload(&l);
	assert_int_equal(load(&l, ARGS(S("--print"), S("config")), NO_ENV), CONF_PRINT);
	assert_string_equal(l.print, "config");
	unload(&l);
	assert_bad(
	    ARGS(S("--print")), NO_ENV, "--print: needs a value (from the command line)");
}

static void reload_moves_only_what_may_move(void **state)
{
	AUTO(buf_deinit) struct buf kept = BUF_NULL(1000);
	struct loaded l, fresh;

	(void)state;
	assert_int_equal(load(&l, NO_ARGS, NO_ENV), CONF_OK);
	assert_int_equal(
	    load(&fresh,
		ARGS(S("--slots=9"), S("--log-format=text"), S("--slow-start"),
		    S("--nats=x"), S("--listen=127.0.0.1:8090")),
		NO_ENV),
	    CONF_OK);
	conf_reload(&spec, &l.conf, &fresh.conf, &kept);
	assert_string_equal(buf_cstr(&kept), "slots nats");
	assert_int_equal(l.conf.slots, 4);
	assert_string_equal(l.conf.log_format, "text");
	assert_true(l.conf.slow_start);
	assert_string_equal(l.conf.nats.items[0], "nats://127.0.0.1:4222");
	unload(&l);
	unload(&fresh);
}

static void help_and_reference_come_from_the_table(void **state)
{
	AUTO(buf_deinit) struct buf help = BUF_NULL(1 << 16), print = BUF_NULL(1 << 16);

	(void)state;
	conf_help(&spec, &help);
	conf_print(&spec, &print);
	assert_int_equal(buf_check(&help) + buf_check(&print), 0);
	assert_true(slice_starts(
	    buf_slice(&help), SLICE_LIT("Usage: testd [flags]\nA program for tests.\n")));
	assert_non_null(strstr(buf_cstr(&help), "  --listen ADDR:PORT              Where "
						"to listen. (default 127.0.0.1:8090)\n"));
	assert_non_null(
	    strstr(buf_cstr(&help), "  --slow-start                    Start slowly.\n"));
	assert_non_null(strstr(buf_cstr(&help), "  --no-drain "));
	assert_non_null(strstr(buf_cstr(&help),
	    "  --nats URL                      Servers. May be repeated."));
	assert_null(strstr(buf_cstr(&help), "--pin"));
	assert_non_null(strstr(buf_cstr(&print),
	    "| `--log-format` | `ZEDBUS_LOG_FORMAT` | `json` | one of "
	    "text\\|json | Form of a record. Re-read at SIGHUP. |\n"));
	assert_non_null(
	    strstr(buf_cstr(&print), "`ZEDBUS_NATS` (`NATS_URL OLD_NATS_URL`)"));
	assert_non_null(strstr(buf_cstr(&print), "number 1...100"));
}

TEST_MAIN(cmocka_unit_test(defaults_stand_when_nothing_is_given),
    cmocka_unit_test(each_source_outranks_the_next),
    cmocka_unit_test(the_file_may_be_named_by_the_environment),
    cmocka_unit_test(aliases_rank_in_the_order_they_are_listed),
    cmocka_unit_test(an_empty_variable_is_not_given),
    cmocka_unit_test(lists_repeat_on_the_command_line_and_split_in_the_environment),
    cmocka_unit_test(booleans_have_their_forms),
    cmocka_unit_test(mistakes_name_setting_value_and_source),
    cmocka_unit_test(secrets_never_show_in_mistakes),
    cmocka_unit_test(mistakes_in_the_file_are_named),
    cmocka_unit_test(a_file_too_large_is_refused),
    cmocka_unit_test(positional_arguments_are_collected_when_wanted),
    cmocka_unit_test(questions_are_answered_without_looking_further),
    cmocka_unit_test(reload_moves_only_what_may_move),
    cmocka_unit_test(help_and_reference_come_from_the_table))
