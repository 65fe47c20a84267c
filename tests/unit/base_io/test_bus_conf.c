/* Settings of the broker connection, and brokers that ask for credentials. */
#include "tests/lib/bus_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/bus_conf.h"
#include "base/log.h"

/* settings */

static void loopback_is_told_from_other_addresses(void **state)
{
	(void)state;
	assert_true(bus_url_is_loopback("nats://127.0.0.1:4222"));
	assert_true(bus_url_is_loopback("127.8.8.8"));
	assert_true(bus_url_is_loopback("tls://localhost"));
	assert_true(bus_url_is_loopback("nats://u:p@w@localhost:1,nats://[::1]:2"));
	assert_true(bus_url_is_loopback("nats://[::1]"));
	assert_false(bus_url_is_loopback("nats://127.0.0.1:4222,nats://10.0.0.1:4222"));
	assert_false(bus_url_is_loopback("nats://127.0.0.1@example.org:4222"));
	assert_false(bus_url_is_loopback("nats://127.0.0.1.example.org"));
	assert_false(bus_url_is_loopback("nats://:4222"));
	assert_false(bus_url_is_loopback("http://127.0.0.1/"));
	assert_false(bus_url_is_loopback(""));
}

static void assert_refused(struct bus_conf conf, const char *word)
{
	struct loop *l = loop_new();
	struct bus *b = NULL;
	struct err e = ERR_NULL;

	if (!conf.url)
		conf.url = "nats://127.0.0.1:1";
	assert_int_equal(bus_new(l, &conf, NULL, NULL, &b, &e), ERROR_INVALID);
	if (!strstr(e.text, word))
		fail_msg("'%s' does not name '%s'", e.text, word);
	assert_null(strstr(e.text, "hunter2"));
	loop_free(l);
}

static void settings_that_cannot_work_are_refused_by_name(void **state)
{
	(void)state;
	assert_refused((struct bus_conf){.url = "nats://u:hunter2@host:99999"}, "nats");
	assert_refused((struct bus_conf){.url = "nats://host:4222,"}, "nats");
	assert_refused((struct bus_conf){.user = "u", .password_file = "/nonexistent"},
	    "nats_password_file: /nonexistent");
	assert_refused((struct bus_conf){.user = "u", .password_file = "/dev/null"},
	    "nats_password_file");
	assert_refused(
	    (struct bus_conf){.token_file = "/nonexistent"}, "nats_token_file");
	assert_refused((struct bus_conf){.nkey = "/etc/passwd"}, "nats_nkey");
	assert_refused((struct bus_conf){.creds = "/etc/passwd"}, "nats_creds");
	assert_refused((struct bus_conf){.ca = "/etc/passwd"}, "nats_ca");
	assert_refused((struct bus_conf){.cert = "/etc/passwd"}, "nats_key");
	assert_refused((struct bus_conf){.inbox_prefix = "a.*"}, "nats_inbox_prefix");
	assert_refused((struct bus_conf){.inbox_prefix = "a b"}, "nats_inbox_prefix");
}

/* The seed and key of nats.io's own documentation. */
static const char seed[] = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
static const char seed_public[] =
    "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

static void the_public_key_of_a_seed_is_derived(void **state)
{
	char key[BUS_NKEY_PUBLIC_LEN + 1], bad[sizeof(seed)];

	(void)state;
	assert_true(bus_nkey_public(seed, key));
	assert_string_equal(key, seed_public);
	for (size_t i = 0; i < strlen(seed); i++) {
		memcpy(bad, seed, sizeof(bad));
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_false(bus_nkey_public(bad, key));
	}
	assert_false(bus_nkey_public(seed_public, key));
	assert_false(bus_nkey_public("", key));
}

/* credentials */

static void write_file(
    const char *dir, const char *name, const char *text, char *path, size_t cap)
{
	FILE *file;

	snprintf(path, cap, "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void a_refused_password_is_reported_and_tried_again_from_its_file(void **state)
{
	struct bus_fixture *f = *state;
	char path[128];
	struct bus_conf conf = {.url = f->broker.url, .user = "u", .password_file = path};
	bool refused = false;

	nats_fixture_configure(&f->broker, "authorization { user: u, password: right }");
	nats_fixture_start(&f->broker);
	write_file(f->broker.dir, "password", "wrong\n", path, sizeof(path));
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	for (int i = 0; i < 100 && !refused; i++) {
		run_for(f->loop, 50);
		refused = strcasestr(bus_problem(f->bus), "authorization") != NULL;
	}
	assert_true(refused);
	assert_false(bus_connected(f->bus));
	write_file(f->broker.dir, "password", "right\n", path, sizeof(path));
	bus_fixture_wait(f);
	bus_fixture_close(f);
}

static void credentials_changed_at_the_broker_are_tried_until_they_work(void **state)
{
	struct bus_fixture *f = *state;
	char path[128];
	struct bus_conf conf = {.url = f->broker.url, .token_file = path};

	nats_fixture_configure(&f->broker, "authorization { token: one }");
	nats_fixture_start(&f->broker);
	write_file(f->broker.dir, "token", "one", path, sizeof(path));
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	nats_fixture_kill(&f->broker);
	nats_fixture_configure(&f->broker, "authorization { token: two }");
	nats_fixture_start(&f->broker);
	assert_true(run_until(f->loop, &f->disconnected, LIMIT_MS));
	run_for(f->loop, 1500); /* nats.c by itself gives up after two refusals */
	assert_false(bus_connected(f->bus));
	nats_fixture_kill(&f->broker);
	nats_fixture_configure(&f->broker, "authorization { token: one }");
	nats_fixture_start(&f->broker);
	bus_fixture_wait(f);
	bus_fixture_close(f);
}

static void an_nkey_seed_file_is_enough(void **state)
{
	struct bus_fixture *f = *state;
	char path[128], config[256], text[256];
	struct bus_conf conf = {.url = f->broker.url, .nkey = path};

	snprintf(config, sizeof(config), "authorization { users: [ { nkey: %s } ] }",
	    seed_public);
	nats_fixture_configure(&f->broker, config);
	nats_fixture_start(&f->broker);
	snprintf(text, sizeof(text), "%s\n", seed);
	write_file(f->broker.dir, "nkey", text, path, sizeof(path));
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	bus_fixture_close(f);
}

static void make_certificate(const char *dir)
{
	char command[512];

	snprintf(command, sizeof(command),
	    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
	    "-addext "
	    "subjectAltName=DNS:localhost -keyout %s/key.pem -out %s/cert.pem "
	    "2>/dev/null",
	    dir, dir);
	assert_int_equal(system(command), 0);
}

static void tls_is_spoken_when_a_ca_is_given(void **state)
{
	struct bus_fixture *f = *state;
	char url[64], ca[128], config[512];
	struct bus_conf conf = {.url = url, .ca = ca};

	make_certificate(f->broker.dir);
	snprintf(ca, sizeof(ca), "%s/cert.pem", f->broker.dir);
	snprintf(config, sizeof(config),
	    "tls { cert_file: \"%s\", key_file: \"%s/key.pem\" }", ca, f->broker.dir);
	nats_fixture_configure(&f->broker, config);
	nats_fixture_start(&f->broker);
	snprintf(url, sizeof(url), "tls://localhost:%u", (unsigned)f->broker.port);
	bus_fixture_open_conf(f, &conf);
	bus_fixture_subscribe(f, "a", NULL);
	bus_fixture_start(f);
	bus_fixture_wait(f);
	assert_true(*bus_server_version(f->bus));
	assert_int_equal(bus_fixture_publish(f, "a", "secret"), 0);
	assert_true(run_until_n(f->loop, &f->n_messages, 1, LIMIT_MS));
	bus_fixture_close(f);
}

static void a_certificate_of_another_ca_is_refused(void **state)
{
	struct bus_fixture *f = *state;
	char url[64], config[512];
	struct bus_conf conf = {.url = url};

	make_certificate(f->broker.dir);
	snprintf(config, sizeof(config),
	    "tls { cert_file: \"%s/cert.pem\", key_file: \"%s/key.pem\" }", f->broker.dir,
	    f->broker.dir);
	nats_fixture_configure(&f->broker, config);
	nats_fixture_start(&f->broker);
	snprintf(url, sizeof(url), "tls://localhost:%u", (unsigned)f->broker.port);
	bus_fixture_open_conf(f, &conf);
	bus_fixture_start(f);
	run_for(f->loop, 1000);
	assert_false(bus_connected(f->bus));
	assert_non_null(strcasestr(bus_problem(f->bus), "certificate"));
	bus_fixture_close(f);
}

static void a_request_on_a_forbidden_subject_fails_at_once(void **state)
{
	struct bus_fixture *f = *state;
	char url[96];
	struct bus_conf conf = {.url = url};
	int64_t begin_ms;

	nats_fixture_configure(&f->broker,
	    "authorization { users: [ { user: u, password: hunter2, permissions: {"
	    " publish: [\"ok\"], subscribe: [\"_INBOX.>\", \"ok\"] } } ] }");
	nats_fixture_start(&f->broker);
	snprintf(
	    url, sizeof(url), "nats://u:hunter2@127.0.0.1:%u", (unsigned)f->broker.port);
	bus_fixture_open_conf(f, &conf);
	bus_fixture_subscribe(
	    f, "forbidden", NULL); /* refused too; the connection lives */
	bus_fixture_start(f);
	bus_fixture_wait(f);
	assert_null(strstr(bus_server(f->bus), "hunter2"));
	begin_ms = clock_mono_ms();
	bus_fixture_request(f, "no", 60000);
	assert_true(run_until(f->loop, &f->answered, LIMIT_MS));
	assert_int_equal(f->outcomes[0], ERROR_FORBIDDEN);
	assert_true(clock_mono_ms() - begin_ms < 2000);
	assert_true(bus_connected(f->bus));
	bus_fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(loopback_is_told_from_other_addresses),
	    cmocka_unit_test(settings_that_cannot_work_are_refused_by_name),
	    cmocka_unit_test(the_public_key_of_a_seed_is_derived),
	    WITHOUT_BROKER(a_refused_password_is_reported_and_tried_again_from_its_file),
	    WITHOUT_BROKER(credentials_changed_at_the_broker_are_tried_until_they_work),
	    WITHOUT_BROKER(an_nkey_seed_file_is_enough),
	    WITHOUT_BROKER(tls_is_spoken_when_a_ca_is_given),
	    WITHOUT_BROKER(a_certificate_of_another_ca_is_refused),
	    WITHOUT_BROKER(a_request_on_a_forbidden_subject_fails_at_once),
	};

	log_init("test_bus_conf", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
