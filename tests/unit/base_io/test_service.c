/* Discovery, asked over a real broker. */
#include "tests/lib/bus_fixture.h"

#include <string.h>

#include "base/clock.h"
#include "base/io/service.h"
#include "base/jsn.h"
#include "base/log.h"

static const struct service_endpoint endpoints[] = {
    {"start", "lifecycle.v1.api.start", "lifecycled"},
    {"bell", "lifecycle.v1.bell.*", NULL},
};

static const struct service_conf conf = {
    .name = "lifecycled",
    .id = "replica-1",
    .version = "1.2.3",
    .description = "Decides \"where\" instances run",
    .endpoints = endpoints,
    .n_endpoints = ARRAY_LEN(endpoints),
};

struct service_test {
	struct bus_fixture bus; /* first: its setup and teardown serve */
	struct service *service;
	struct jsn *answer;
	int code;
	size_t n_answers;
};

static int setup_service(void **state)
{
	struct service_test *t = calloc(1, sizeof(*t));
	struct err e = ERR_NULL;

	nats_fixture_init(&t->bus.broker, NULL);
	nats_fixture_start(&t->bus.broker);
	bus_fixture_open(&t->bus);
	assert_int_equal(service_new(t->bus.bus, &conf, &t->service, &e), 0);
	bus_fixture_start(&t->bus);
	bus_fixture_wait(&t->bus);
	*state = t;
	return 0;
}

static int teardown_service(void **state)
{
	struct service_test *t = *state;

	jsn_free(t->answer);
	service_free(t->service);
	bus_fixture_close(&t->bus);
	return bus_fixture_teardown(state);
}

static void on_answer(void *data, int code, const struct bus_msg *m)
{
	struct service_test *t = data;
	struct err e = ERR_NULL;

	t->code = code;
	t->n_answers++;
	jsn_free(t->answer);
	t->answer = NULL;
	if (m && jsn_parse(m->data.p, m->data.n, &t->answer, &e))
		fail_msg("%s", e.text);
}

static int ask(struct service_test *t, const char *subject)
{
	const struct bus_request r = {
	    .subject = subject, .timeout_ms = 5000, .cb = on_answer, .cb_data = t};

	bus_request(t->bus.bus, &r);
	assert_true(run_until_n(t->bus.loop, &t->n_answers, t->n_answers + 1, LIMIT_MS));
	return t->code;
}

static void assert_who(struct service_test *t, const char *type)
{
	assert_string_equal(jsn_get_string(t->answer, "type"), type);
	assert_string_equal(jsn_get_string(t->answer, "name"), "lifecycled");
	assert_string_equal(jsn_get_string(t->answer, "id"), "replica-1");
	assert_string_equal(jsn_get_string(t->answer, "version"), "1.2.3");
	assert_int_equal(jsn_type(jsn_get(t->answer, "metadata")), JSN_OBJECT);
}

static void a_ping_is_answered_for_all_for_the_name_and_for_the_id(void **state)
{
	struct service_test *t = *state;

	assert_int_equal(ask(t, "$SRV.PING"), 0);
	assert_who(t, "io.nats.micro.v1.ping_response");
	assert_null(jsn_get(t->answer, "endpoints"));
	assert_int_equal(ask(t, "$SRV.PING.lifecycled"), 0);
	assert_who(t, "io.nats.micro.v1.ping_response");
	assert_int_equal(ask(t, "$SRV.PING.lifecycled.replica-1"), 0);
	assert_who(t, "io.nats.micro.v1.ping_response");
	assert_int_equal(ask(t, "$SRV.PING.other"), ERROR_UNAVAILABLE);
	assert_int_equal(ask(t, "$SRV.PING.lifecycled.replica-2"), ERROR_UNAVAILABLE);
}

static void info_names_the_endpoints(void **state)
{
	struct service_test *t = *state;
	const struct jsn *e;

	assert_int_equal(ask(t, "$SRV.INFO.lifecycled"), 0);
	assert_who(t, "io.nats.micro.v1.info_response");
	assert_string_equal(jsn_get_string(t->answer, "description"), conf.description);
	e = jsn_get(t->answer, "endpoints");
	assert_int_equal(jsn_count(e), 2);
	assert_string_equal(jsn_get_string(jsn_first(e), "name"), "start");
	assert_string_equal(
	    jsn_get_string(jsn_first(e), "subject"), "lifecycle.v1.api.start");
	assert_string_equal(jsn_get_string(jsn_first(e), "queue_group"), "lifecycled");
	assert_string_equal(jsn_get_string(jsn_next(jsn_first(e)), "queue_group"), "");
}

static void stats_count_requests_errors_and_time(void **state)
{
	struct service_test *t = *state;
	const struct jsn *e;
	int64_t started;

	service_count(t->service, 0, 3000, NULL);
	service_count(t->service, 0, 5000, "400: bad");
	assert_int_equal(ask(t, "$SRV.STATS.lifecycled.replica-1"), 0);
	assert_who(t, "io.nats.micro.v1.stats_response");
	assert_true(clock_parse_rfc3339(jsn_get_string(t->answer, "started"), &started));
	assert_true(clock_unix_ms() - started < 60000);
	e = jsn_first(jsn_get(t->answer, "endpoints"));
	assert_int_equal(jsn_get_int(e, "num_requests", -1), 2);
	assert_int_equal(jsn_get_int(e, "num_errors", -1), 1);
	assert_string_equal(jsn_get_string(e, "last_error"), "400: bad");
	assert_int_equal(jsn_get_int(e, "processing_time", -1), 8000);
	assert_int_equal(jsn_get_int(e, "average_processing_time", -1), 4000);
	e = jsn_next(e);
	assert_string_equal(jsn_get_string(e, "name"), "bell");
	assert_int_equal(jsn_get_int(e, "num_requests", -1), 0);
	assert_int_equal(jsn_get_int(e, "average_processing_time", -1), 0);
}

static void a_freed_service_answers_nothing(void **state)
{
	struct service_test *t = *state;
	const struct bus_request r = {
	    .subject = "$SRV.PING", .timeout_ms = 200, .cb = on_answer, .cb_data = t};

	t->service = service_free(t->service);
	bus_request(t->bus.bus, &r);
	assert_true(run_until_n(t->bus.loop, &t->n_answers, 1, LIMIT_MS));
	assert_int_equal(t->code, ERROR_TIMEOUT);
}

static void names_that_are_no_tokens_are_refused(void **state)
{
	struct service_test *t = *state;
	struct service_conf bad = conf;
	struct service *s = NULL;
	struct err e = ERR_NULL;

	bad.name = "a.b";
	assert_int_equal(service_new(t->bus.bus, &bad, &s, &e), ERROR_INVALID);
	bad = conf;
	bad.id = "*";
	assert_int_equal(service_new(t->bus.bus, &bad, &s, &e), ERROR_INVALID);
	bad.id = NULL;
	assert_int_equal(service_new(t->bus.bus, &bad, &s, &e), 0);
	assert_int_equal(strlen(service_id(s)), 26);
	service_free(s);
}

#define SERVICE_TEST(test)                                                               \
	cmocka_unit_test_setup_teardown(test, setup_service, teardown_service)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SERVICE_TEST(a_ping_is_answered_for_all_for_the_name_and_for_the_id),
	    SERVICE_TEST(info_names_the_endpoints),
	    SERVICE_TEST(stats_count_requests_errors_and_time),
	    SERVICE_TEST(a_freed_service_answers_nothing),
	    SERVICE_TEST(names_that_are_no_tokens_are_refused),
	};

	log_init("test_service", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
