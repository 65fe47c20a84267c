/* zed-sim: stands in for Zed in the demo, in tests and under load. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/conf.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/sim_control.h"
#include "tests/sim/sim_events.h"

extern char **environ;

enum {
	EXIT_USAGE = 2,
	SIM_HELP_MAX_BYTES = 64 << 10,
};

static const struct conf_row sim_rows[] = {
#define CONF(...) CONF_ROW(struct sim_conf, __VA_ARGS__)
#include "tests/sim/config.tbl.h"
#undef CONF
};

static const struct conf_spec sim_spec = {
    .program = "zed-sim",
    .summary =
	"Simulates Zed: its connection to sessiond, its threads, its settings.json.",
    .rows = sim_rows,
    .n_rows = ARRAY_LEN(sim_rows),
};

/* ---- crashing on purpose */

/* The way a program dies that was not asked: by a signal, with nothing tidied up. */
static void sim_crash(const struct sim *sim)
{
	static const struct rlimit no_core = {0, 0};

	log_event(EV_sim_crash, LF("after", sim->conf.crash_after));
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGABRT, SIG_DFL);
	abort();
}

void sim_check_crash(const struct sim *sim)
{
	const struct sim_crash *c = &sim->crash;

	if ((c->after_turns && sim->stats.turns_completed >= c->after_turns) ||
	    (c->after_events && sim->stats.events_sent >= c->after_events))
		sim_crash(sim);
}

static void sim_on_crash_timer(struct loop_timer *t, void *data)
{
	(void)t;
	sim_crash(data);
}

static int sim_crash_parse(const char *s, struct sim_crash *out, struct err *e)
{
	char *unit;
	long long n;

	*out = (struct sim_crash){0};
	if (!s || !*s)
		return 0;
	errno = 0;
	n = strtoll(s, &unit, 10);
	if (errno || unit == s || n <= 0)
		unit = "";
	if (strcmp(unit, "ms") == 0)
		out->after_ms = n;
	else if (strcmp(unit, "s") == 0 && n < INT64_MAX / 1000)
		out->after_ms = n * 1000;
	else if (strcmp(unit, "turns") == 0)
		out->after_turns = n;
	else if (strcmp(unit, "events") == 0)
		out->after_events = n;
	else
		return err_set(e, ERROR_INVALID,
		    "--crash-after %s: not a number with ms, s, turns or events", s);
	return 0;
}

/* ---- life */

static void sim_on_ws_closed(void *data)
{
	struct sim *sim = data;

	sim->ws = NULL;
	for (size_t i = 0; i < sim->n_agents; i++)
		sim_agent_deinit(&sim->agents[i]);
	loop_stop(sim->loop);
}

static void sim_stop(void *data)
{
	struct sim *sim = data;

	sim->crash_timer = loop_timer_free(sim->crash_timer);
	sim->control = sim_control_free(sim->control);
	sim->settings = sim_settings_free(sim->settings);
	for (size_t i = 0; i < sim->n_agents; i++)
		sim_agent_stop(&sim->agents[i]);
	if (sim->ws)
		ws_client_ctx_close(sim->ws, sim_on_ws_closed, sim);
	else
		sim_on_ws_closed(sim);
}

static bool sim_wants_connection(const struct sim *sim)
{
	if (sim->env.enabled && sim->env.session[0])
		return true;
	log_event(EV_sim_offline,
	    LF("why", sim->env.enabled ? "HELIX_SESSION_ID is not set"
				       : "ZED_EXTERNAL_SYNC_ENABLED is not true"));
	return false;
}

/* Many Zeds need many descriptors. */
static void sim_raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static int sim_start(struct sim *sim, struct err *e)
{
	int r = 0;

	sim_raise_limit();
	sim->settings = sim_settings_new(sim->loop, sim->env.config_dir, &sim->stats);
	if (sim_wants_connection(sim))
		r = ws_client_ctx_new(sim->loop, NULL, sim->env.skip_verify, &sim->ws, e);
	sim->n_agents = (size_t)sim->conf.agents;
	sim->agents = calloc(sim->n_agents, sizeof *sim->agents);
	must(sim->agents);
	for (size_t i = 0; i < sim->n_agents; i++)
		sim_agent_init(&sim->agents[i], sim, i);
	if (r == 0 && sim->conf.control && *sim->conf.control)
		r = sim_control_new(sim, sim->conf.control, &sim->control, e);
	for (size_t i = 0; i < sim->n_agents && r == 0; i++)
		sim_agent_start(&sim->agents[i]);
	if (sim->crash.after_ms) {
		sim->crash_timer = loop_timer_new(sim->loop, sim_on_crash_timer, sim);
		loop_timer_start(sim->crash_timer, sim->crash.after_ms, 0);
	}
	log_event(EV_sim_started, LF_I("agents", sim->n_agents));
	return r;
}

static int sim_run(struct sim *sim)
{
	struct loop_signals signals = {.stop_cb = sim_stop, .data = sim};
	struct err e = ERR_NULL;
	int exit_code = 0;

	if (sim_crash_parse(sim->conf.crash_after, &sim->crash, &e) != 0 ||
	    sim_answer_source_init(
		&sim->answer, sim->conf.answer, (size_t)sim->conf.size, &e) != 0) {
		fprintf(stderr, "zed-sim: %s\n", e.text);
		return EXIT_USAGE;
	}
	sim_env_read(&sim->env);
	sim->loop = loop_new();
	loop_watch_signals(sim->loop, &signals);
	if (sim_start(sim, &e) != 0) {
		fprintf(stderr, "zed-sim: %s\n", e.text);
		exit_code = e.code == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILURE;
		sim_stop(sim);
	}
	loop_run(sim->loop);
	loop_free(sim->loop);
	free(sim->agents);
	sim_answer_source_deinit(&sim->answer);
	return exit_code;
}

static int sim_print(enum conf_outcome outcome, const struct err *e)
{
	struct buf text = BUF_NULL(SIM_HELP_MAX_BYTES);

	if (outcome == CONF_HELP)
		conf_help(&sim_spec, &text);
	else if (outcome == CONF_VERSION)
		buf_adds(&text, "zed-sim " ZEDBUS_VERSION "\n");
	else if (outcome == CONF_PRINT)
		conf_print(&sim_spec, &text);
	fputs(buf_cstr(&text), stdout);
	buf_deinit(&text);
	if (outcome == CONF_BAD)
		fprintf(stderr, "zed-sim: %s\n", e->text);
	return outcome == CONF_BAD ? EXIT_USAGE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct sim sim;
	struct err e = ERR_NULL;
	const char *print;
	enum log_level level = LOG_INFO;
	enum conf_outcome outcome =
	    conf_load(&sim_spec, argc, argv, environ, &sim.conf, &print, NULL, &e);
	int exit_code;

	if (outcome == CONF_OK) {
		(void)log_level_parse(sim.conf.log_level, &level);
		log_init("zed-sim", level, !isatty(STDERR_FILENO));
		exit_code = sim_run(&sim);
	} else {
		exit_code = sim_print(outcome, &e);
	}
	conf_free(&sim_spec, &sim.conf);
	return exit_code;
}
