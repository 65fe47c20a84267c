/* What an instance needs of others: companions that are waited for, and sessiond, which
 * gives its token and says whether its agent is ready. Both are played by this test. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io/http.h"

static void stop_and_check(struct runner_fixture *f, const char *instance)
{
	rf_stop(f, instance, 500, false);
	rf_wait(f, instance, STATE_STOPPED);
	assert_int_equal(rf_processes(f, instance), 0);
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, line, n) == 0 && (p[n] == '\n' || p[n] == '\0'))
			return true;
	}
	return false;
}

static void assert_line(const char *text, const char *line)
{
	if (!has_line(text, line))
		fail_msg("no line \"%s\" in\n%s", line, text);
}

/* A server in this process: what companions' ready_http and sessiond are to the runner.
 */
struct web {
	struct http_server *server;
	size_t n_ready, n_token, n_revoked, n_agent;
	bool is_ready, is_broken, agent_is_ready, closed;
	char auth[100], path[200];
	uint16_t port;
};

static enum http_decision web_on_headers(void *data, struct http_req *r)
{
	(void)data;
	(void)r;
	return HTTP_ACCEPT;
}

static void web_answer(struct http_req *r, int status, const char *body)
{
	http_reply(r, status, "application/json", NULL, 0, slice_of(body));
}

static void web_on_request(void *data, struct http_req *r)
{
	const char *auth = http_req_header(r, "authorization"),
		   *method = http_req_method(r);
	struct web *w = data;

	snprintf(w->auth, sizeof w->auth, "%s", auth ? auth : "");
	if (strcmp(http_req_path(r), "/ready") == 0) {
		w->n_ready++;
		web_answer(r, w->is_ready ? 200 : 503, "{}");
	} else if (strcmp(method, "GET") == 0) {
		w->n_agent++;
		web_answer(r, 200,
		    w->agent_is_ready ? "{\"agent\":{\"id\":\"a\",\"state\":\"ready\"}}"
				      : "{\"agent\":null}");
	} else if (w->is_broken) {
		web_answer(r, 500,
		    "{\"error\":{\"code\":\"INTERNAL\",\"message\":\"out of tokens\"}}");
	} else {
		snprintf(w->path, sizeof w->path, "%s", http_req_path(r));
		w->n_token += strcmp(method, "POST") == 0;
		w->n_revoked += strcmp(method, "DELETE") == 0;
		web_answer(r, 201, "{\"token\":\"secret-1\",\"expires_at\":null}");
	}
}

static void web_on_closed(void *data)
{
	((struct web *)data)->closed = true;
}

static void web_close(struct runner_fixture *f)
{
	struct web *w = f->cleanup_data;

	http_server_close(w->server, web_on_closed, w);
	assert_true(run_until(f->store.bus.loop, &w->closed, RF_LIMIT_MS));
	free(w);
}

static struct web *web_open(struct runner_fixture *f)
{
	struct web *w = calloc(1, sizeof *w);
	const struct http_conf conf = {.listen = "127.0.0.1:0"};
	const struct http_handlers h = {
	    .headers = web_on_headers, .request = web_on_request, .data = w};
	struct err e = ERR_NULL;

	assert_non_null(w);
	f->cleanup = web_close;
	f->cleanup_data = w;
	if (http_server_new(f->store.bus.loop, &conf, &h, &w->server, &e))
		fail_msg("%s", e.text);
	w->port = http_server_port(w->server);
	return w;
}

static void companions_come_first_are_waited_for_and_end_last(void **state)
{
	struct runner_fixture *f = *state;
	char more[600], args[200];
	struct web *w = web_open(f);
	int64_t pid;

	snprintf(args, sizeof args, "\"--touch\",\"%s\"", rf_path(f, "t/main"));
	snprintf(more, sizeof more,
	    ",\"companions\":[{\"name\":\"side\",\"command\":[\"%s/../tests/"
	    "runner_child\",\"--env\",\"%s\","
	    "\"--note-term\",\"%s\",\"--stamp\",\"%s\"],\"ready_http\":\"http://"
	    "127.0.0.1:%u/ready\"}]",
	    getenv("ZEDBUS_BIN_DIR"), rf_path(f, "t/env"), rf_path(f, "t/termed"),
	    rf_path(f, "t/stamps"), w->port);
	rf_profile(f, "pair", args, more);
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "pair");
	rf_wait_file(f, rf_path(f, "t/stamps"));
	assert_true(run_until_n(f->store.bus.loop, &w->n_ready, 3, RF_LIMIT_MS));
	assert_int_equal(access(rf_path(f, "t/main"), F_OK), -1);
	w->is_ready = true;
	pid = rf_wait(f, "zi1", STATE_RUNNING)->pid;
	rf_wait_file(f, rf_path(f, "t/main"));
	{
		char *env = rf_read(rf_path(f, "t/env")),
		     *stamps = rf_read(rf_path(f, "t/stamps"));
		pid_t side = (pid_t)strtol(strchr(stamps, ' '), NULL, 10);

		assert_non_null(strstr(env, "SETTINGS_SYNC_PORT="));
		assert_line(env, "USER_API_TOKEN=none");
		assert_line(env, "HELIX_API_URL=http://127.0.0.1:8080");
		/* Killed, it is started again, alone; its stamp says it is ready to be
		 * stopped. */
		assert_int_equal(unlink(rf_path(f, "t/stamps")), 0);
		kill(side, SIGKILL);
		free(env);
		free(stamps);
	}
	rf_wait_file(f, rf_path(f, "t/stamps"));
	rf_wait_processes(f, "zi1", 2);
	assert_int_equal(rf_report(f, "zi1")->state, STATE_RUNNING);
	assert_int_equal(rf_report(f, "zi1")->pid, pid);
	stop_and_check(f, "zi1");
	assert_int_equal(access(rf_path(f, "t/termed"), F_OK), 0);
}

/* ---- tokens */

static void a_token_is_fetched_given_and_revoked(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "env");
	char args[200], url[64], *env;
	struct web *w = web_open(f);
	int fd;

	w->is_broken = true;
	snprintf(url, sizeof url, "http://127.0.0.1:%u", w->port);
	fd = open(rf_path(f, "t/service"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "service-secret\n", 15), 15);
	close(fd);
	f->flags[0] = "--session-url";
	f->flags[1] = url;
	f->flags[2] = "--session-token-file";
	f->flags[3] = rf_path(f, "t/service");
	snprintf(args, sizeof args, "\"--env\",\"%s\",\"--touch\",\"%s\"",
	    rf_path(f, "t/env"), rf_path(f, "t/done"));
	rf_profile(f, "env", args, ",\"ready\":{\"kind\":\"agent\"}");
	rf_runner_start(f);
	assert_true(id_parse(slice_of("ses_9"), &s.session_id));
	rf_start(f, &s);
	rf_wait(f, "zi1", STATE_STARTING);
	for (int i = 0; i < 500 && !strstr(rf_report(f, "zi1")->detail, "out of tokens");
	     i++)
		run_for(f->store.bus.loop, 10);
	assert_string_equal(
	    rf_report(f, "zi1")->detail, "sessiond answered 500: out of tokens");
	assert_int_equal(rf_processes(f, "zi1"), 0);
	w->is_broken = false;
	rf_wait_file(f, rf_path(f, "t/done"));
	assert_string_equal(w->path, "/api/v1/sessions/ses_9/agent-token");
	assert_string_equal(w->auth, "Bearer service-secret");
	env = rf_read(rf_path(f, "t/env"));
	assert_line(env, "ZED_HELIX_TOKEN=secret-1");
	free(env);
	/* Ready by its agent: the session says so. */
	assert_true(run_until_n(f->store.bus.loop, &w->n_agent, 2, RF_LIMIT_MS));
	assert_int_equal(rf_report(f, "zi1")->state, STATE_STARTING);
	w->agent_is_ready = true;
	rf_wait(f, "zi1", STATE_RUNNING);
	stop_and_check(f, "zi1");
	assert_true(run_until_n(f->store.bus.loop, &w->n_revoked, 1, RF_LIMIT_MS));
	assert_int_equal(w->n_token, 1);
}

static void a_companion_that_does_not_stay_is_named(void **state)
{
	struct runner_fixture *f = *state;
	struct spec s = rf_spec("zi1", "pair");
	char more[400];

	snprintf(more, sizeof more,
	    ",\"companions\":[{\"name\":\"side\",\"command\":[\"%s/../tests/"
	    "runner_child\","
	    "\"--exit\",\"4\"],\"ready_http\":\"http://127.0.0.1:{port}/\"}]",
	    getenv("ZEDBUS_BIN_DIR"));
	rf_profile(f, "pair", "", more);
	rf_runner_start(f);
	s.ready_timeout_ms = 1500;
	s.restart.policy = RESTART_NEVER;
	rf_start(f, &s);
	assert_int_equal(rf_wait(f, "zi1", STATE_FAILED)->reason, REASON_READY_TIMEOUT);
	assert_string_equal(rf_report(f, "zi1")->detail,
	    "companions not ready within 1500 ms; companion side ended with exit code 4");
}

static void a_taken_port_is_given_up_for_another(void **state)
{
	struct runner_fixture *f = *state;
	char more[500], *env, *port;
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	snprintf(more, sizeof more,
	    ",\"companions\":[{\"name\":\"side\",\"command\":[\"%s/../tests/"
	    "runner_child\","
	    "\"--env\",\"%s\",\"--touch\",\"%s\",\"--wait-file\",\"%s\",\"--exit\",\"1\"]"
	    "}]",
	    getenv("ZEDBUS_BIN_DIR"), rf_path(f, "t/env"), rf_path(f, "t/up"),
	    rf_path(f, "t/go"));
	rf_profile(f, "pair", "", more);
	rf_runner_start(f);
	rf_start_simple(f, "zi1", "pair");
	rf_wait_file(f, rf_path(f, "t/up"));
	env = rf_read(rf_path(f, "t/env"));
	port = strstr(env, "SETTINGS_SYNC_PORT=") + strlen("SETTINGS_SYNC_PORT=");
	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	free(env);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	unlink(rf_path(f, "t/up"));
	rf_profile_text(f, "../t/go", "");
	rename(rf_path(f, "t/go.json"), rf_path(f, "t/go"));
	rf_wait_file(f, rf_path(f, "t/up"));
	env = rf_read(rf_path(f, "t/env"));
	port = strstr(env, "SETTINGS_SYNC_PORT=") + strlen("SETTINGS_SYNC_PORT=");
	assert_int_not_equal(htons((uint16_t)strtoul(port, NULL, 10)), a.sin_port);
	free(env);
	close(fd);
	stop_and_check(f, "zi1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNNER_TEST(companions_come_first_are_waited_for_and_end_last),
	    RUNNER_TEST(a_companion_that_does_not_stay_is_named),
	    RUNNER_TEST(a_taken_port_is_given_up_for_another),
	    RUNNER_TEST(a_token_is_fetched_given_and_revoked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
