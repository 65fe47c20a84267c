#include "base/log.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsn.h"

#define ROWS                                                                             \
	EVENT(runner_seen, INFO, "A runner was heard of for the first time.")            \
	EVENT(detail, DEBUG, "Something small.")                                         \
	EVENT(broken, ERROR, "Something is wrong.")

#define EVENT LOG_EVENT_DECLARE
ROWS
#undef EVENT
#define EVENT LOG_EVENT_DEFINE
    ROWS
#undef EVENT
#define EVENT LOG_EVENT_LIST
    static const struct log_event *const events[] = {ROWS NULL};
#undef EVENT

/* stderr, caught in a pipe while one record is logged */
struct capture {
	int fds[2], saved;
};

static void capture_begin(struct capture *c)
{
	assert_int_equal(pipe(c->fds), 0);
	c->saved = dup(STDERR_FILENO);
	dup2(c->fds[1], STDERR_FILENO);
	close(c->fds[1]);
	assert_int_equal(fcntl(c->fds[0], F_SETFL, O_NONBLOCK), 0);
}

static size_t capture_end(struct capture *c, char *text, size_t size)
{
	ssize_t n;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	n = read(c->fds[0], text, size - 1);
	close(c->fds[0]);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void json_records_are_one_line_each(void **state)
{
	AUTO(jsn_freep) struct jsn *v = NULL;
	struct err e = ERR_NULL;
	struct capture c;
	char text[4096];
	int64_t ms;
	size_t n;

	(void)state;
	log_init("testd", LOG_INFO, true);
	capture_begin(&c);
	log_event(EV_runner_seen, LF("runner", "r\n\"1\""), LF_I("slots", -4),
	    LF("none", NULL));
	n = capture_end(&c, text, sizeof(text));
	assert_true(n > 0 && text[n - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	assert_int_equal(jsn_parse(text, n, &v, &e), 0);
	assert_true(clock_parse_rfc3339(jsn_get_string(v, "ts"), &ms));
	assert_in_range(ms, clock_unix_ms() - 10000, clock_unix_ms());
	assert_string_equal(jsn_get_string(v, "level"), "info");
	assert_string_equal(jsn_get_string(v, "program"), "testd");
	assert_string_equal(jsn_get_string(v, "event"), "runner_seen");
	assert_string_equal(jsn_get_string(v, "runner"), "r\n\"1\"");
	assert_int_equal(jsn_get_int(v, "slots", 0), -4);
	assert_non_null(jsn_get(v, "none"));
	assert_int_equal(jsn_type(jsn_get(v, "none")), JSN_NULL);
	assert_int_equal(jsn_count(v), 7);
}

static void text_records_quote_what_is_no_word(void **state)
{
	struct capture c;
	char text[4096];

	(void)state;
	log_init("testd", LOG_INFO, false);
	capture_begin(&c);
	log_event(EV_broken, LF("a", "plain"), LF("b", "two words\n"), LF("c", ""),
	    LF("d", "x=\"y"), LF("e", NULL), LF_I("f", 7));
	capture_end(&c, text, sizeof(text));
	assert_string_equal(text + CLOCK_RFC3339_LEN,
	    " error testd broken a=plain b=\"two words\\n\" "
	    "c=\"\" d=\"x=\\\"y\" e=- f=7\n");
}

static void levels_filter_and_parse(void **state)
{
	enum log_level level = LOG_ERROR;
	struct capture c;
	char text[256];

	(void)state;
	log_init("testd", LOG_INFO, true);
	capture_begin(&c);
	log_event(EV_detail, LF_NONE);
	assert_int_equal(capture_end(&c, text, sizeof(text)), 0);
	assert_true(log_enabled(LOG_WARN) && !log_enabled(LOG_DEBUG));
	assert_true(log_level_parse("debug", &level));
	log_init("testd", level, true);
	capture_begin(&c);
	log_event(EV_detail, LF_NONE);
	assert_true(capture_end(&c, text, sizeof(text)) > 0);
	assert_false(log_level_parse("DEBUG", &level));
	assert_false(log_level_parse("", &level));
	assert_ptr_equal(events[1], EV_detail);
}

static void long_values_are_cut_between_characters(void **state)
{
	static char value[100001], text[1 << 16];
	AUTO(jsn_freep) struct jsn *v = NULL;
	struct err e = ERR_NULL;
	struct capture c;
	const char *got;
	size_t n;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(value); i += 2)
		memcpy(value + i, "\xC3\xA9", 2);
	memmove(value + 1, value, sizeof(value) - 2);
	value[0] = 'x';
	log_init("testd", LOG_INFO, true);
	capture_begin(&c);
	log_event(EV_broken, LF("v", value));
	n = capture_end(&c, text, sizeof(text));
	assert_int_equal(jsn_parse(text, n, &v, &e), 0);
	got = jsn_get_string(v, "v");
	assert_int_equal(strlen(got), 4095 + 3);
	assert_string_equal(got + 4093, "\xC3\xA9...");
	assert_null(strstr(got, "\xEF\xBF\xBD"));
}

static void records_a_full_pipe_refused_are_counted_in_the_next(void **state)
{
	static char sink[1 << 17];
	struct capture c;
	char text[512];

	(void)state;
	log_init("testd", LOG_INFO, true);
	capture_begin(&c);
	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
	memset(sink, 'x', sizeof(sink));
	while (write(STDERR_FILENO, sink, sizeof(sink)) > 0)
		;
	while (write(STDERR_FILENO, sink, 1) > 0)
		;
	log_event(EV_broken, LF_NONE);
	log_event(EV_broken, LF_NONE);
	while (read(c.fds[0], sink, sizeof(sink)) > 0)
		;
	log_event(EV_broken, LF_NONE);
	capture_end(&c, text, sizeof(text));
	assert_non_null(strstr(text, "\"records_lost\":2"));
	capture_begin(&c);
	log_event(EV_broken, LF_NONE);
	capture_end(&c, text, sizeof(text));
	assert_null(strstr(text, "records_lost"));
}

static void a_torn_record_does_not_spoil_the_next(void **state)
{
	static char value[9000], sink[1 << 17];
	struct capture c;
	char text[512];
	ssize_t room;

	(void)state;
	log_init("testd", LOG_INFO, true);
	capture_begin(&c);
	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
	memset(sink, 'x', sizeof(sink));
	room = write(STDERR_FILENO, sink, sizeof(sink));
	assert_true(room > 0);
	assert_int_equal(read(c.fds[0], sink, 4096), 4096);
	memset(value, 'v', 4000);
	/* over 8192 bytes: a page of it fits */
	log_event(EV_broken, LF("a", value), LF("b", value), LF("c", value));
	while (read(c.fds[0], sink, sizeof(sink)) > 0)
		;
	log_event(EV_broken, LF_NONE);
	capture_end(&c, text, sizeof(text));
	assert_memory_equal(text, "\n{\"ts\":", 7);
	assert_non_null(strstr(text, "\"records_lost\":1"));
}

TEST_MAIN(cmocka_unit_test(json_records_are_one_line_each),
    cmocka_unit_test(text_records_quote_what_is_no_word),
    cmocka_unit_test(levels_filter_and_parse),
    cmocka_unit_test(long_values_are_cut_between_characters),
    cmocka_unit_test(a_torn_record_does_not_spoil_the_next),
    cmocka_unit_test(records_a_full_pipe_refused_are_counted_in_the_next))
