/* zed-runner's parts in start order, and their end.
 *
 * happy path: host, sessiond, agent, adopt what lives, serve; SIGTERM: leave (instances
 * go on) or drain (they are stopped, that is told, then exit) failure modes: the state
 * folder is another's (exit 2); draining without a broker (reports are kept for the next
 * run) */
#include "lifecycle/runner/runner.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/events.h"
#include "lifecycle/runner/agent.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/runner/workload.h"

#define DAEMON_LISTEN_DEFAULT "127.0.0.1:8091"

enum {
	RUNNER_TELL_MS = 5000, /* at the end of a drain, for reports to be stored */
};

/* ---- looking */

struct workload *runner_find(struct runner *r, const char *key)
{
	return map_get(r->by_key, slice_of(key));
}

size_t runner_n_live(const struct runner *r)
{
	size_t n = 0;

	list_for_each (it, &r->workloads) {
		n += workload_is_live(list_entry(it, struct workload, link));
	}
	return n;
}

size_t runner_n_starting(const struct runner *r)
{
	size_t n = 0;

	list_for_each (it, &r->workloads) {
		const struct workload *w = list_entry(it, struct workload, link);

		n += workload_is_live(w) && sup_is_starting(&w->sup);
	}
	return n;
}

/* ---- changes */

static void runner_on_fetch_closed(void *data)
{
	struct runner *r = data;

	r->fetch = NULL;
	daemon_stopped(r->daemon);
}

/* Let go of everything without ending it, then of the daemon. */
static void runner_leave(struct runner *r)
{
	if (r->leaving)
		return;
	r->leaving = true;
	r->change_timer = loop_timer_free(r->change_timer);
	r->exit_timer = loop_timer_free(r->exit_timer);
	list_for_each_safe (it, &r->workloads) {
		struct workload *w = list_entry(it, struct workload, link);

		workload_save(w);
		workload_free(w);
	}
	shim_children_abandon(&r->shims);
	r->sessions = sessions_free(r->sessions);
	if (r->service)
		r->service = service_free(r->service);
	if (r->agent)
		agent_stop(r->agent);
	fetch_close(r->fetch, runner_on_fetch_closed, r);
}

static void runner_on_exit_timer(struct loop_timer *t, void *data)
{
	(void)t;
	runner_leave(data);
}

static void runner_check_drained(struct runner *r)
{
	list_for_each (it, &r->workloads) {
		const struct workload *w = list_entry(it, struct workload, link);

		if (w->adopting || (w->fence && !w->released))
			return;
	}
	if (agent_is_quiet(r->agent))
		loop_timer_start(r->exit_timer, 0, 0);
	else if (!loop_timer_armed(r->exit_timer))
		loop_timer_start(r->exit_timer, RUNNER_TELL_MS, 0);
}

static void runner_stop_all(struct runner *r)
{
	struct stop_request stop = {
	    .grace_ms = -1, .reason = "the runner is being drained"};

	list_for_each_safe (it, &r->workloads) {
		struct workload *w = list_entry(it, struct workload, link);

		if (!w->adopting && workload_is_live(w) && !w->sup.stop_asked)
			workload_stop(w, &stop, REASON_DRAIN);
	}
}

static void runner_look(struct loop_timer *t, void *data)
{
	struct runner *r = data;

	(void)t;
	r->change_due_ms = 0;
	list_for_each_safe (it, &r->workloads) {
		agent_reconcile(r->agent, list_entry(it, struct workload, link));
	}
	metric_set(M_runner_live, (int64_t)runner_n_live(r));
	metric_set(M_runner_starting, (int64_t)runner_n_starting(r));
	if (r->draining) {
		runner_stop_all(r);
		runner_check_drained(r);
	}
}

void runner_look_again(struct runner *r, int64_t delay_ms)
{
	int64_t due = clock_mono_ms() + delay_ms;

	if (r->leaving || (r->change_due_ms && r->change_due_ms <= due))
		return;
	r->change_due_ms = due;
	loop_timer_start(r->change_timer, delay_ms, 0);
}

void runner_on_change(struct runner *r)
{
	runner_look_again(r, 0);
}

/* ---- the daemon's parts */

/* Found by `nats micro ls` and its like; it answers no requests of its own. */
static int runner_make_service(struct runner *r, struct err *e)
{
	const struct service_conf conf = {.name = "zed-runner",
	    .id = r->id.s,
	    .version = ZEDBUS_VERSION,
	    .description =
		"Starts, supervises and stops the instances assigned to a host."};

	return service_new(r->bus, &conf, &r->service, e);
}

static int runner_start(struct daemon *d, struct err *e)
{
	struct runner *r = calloc(1, sizeof *r);
	int code;

	must(r);
	daemon_set_data(d, r);
	r->daemon = d;
	r->loop = daemon_loop(d);
	r->bus = daemon_bus(d);
	r->store = daemon_store(d);
	r->conf = daemon_conf(d);
	r->epoch = (uint64_t)clock_unix_ms();
	r->drain_on_term =
	    r->conf->on_term ? strcmp(r->conf->on_term, "drain") == 0 : getpid() == 1;
	list_init(&r->workloads);
	shim_children_init(&r->shims);
	r->change_timer = loop_timer_new(r->loop, runner_look, r);
	r->exit_timer = loop_timer_new(r->loop, runner_on_exit_timer, r);
	r->fetch = fetch_new(r->loop, r->conf->session_ca, false);
	r->sessions = sessions_new(r->loop, r->fetch,
	    &(struct sessions_conf){r->session_url, r->conf->session_token_file});
	code = runner_host_init(r, e);
	code = code ? code : agent_new(r, &r->agent, e);
	code = code ? code : runner_make_service(r, e);
	if (code)
		return code;
	metric_set(M_runner_slots, r->conf->slots);
	for (size_t i = 0; i < r->limits.n_problems; i++)
		log_event(EV_runner_degraded, LF("detail", r->limits.problems[i]));
	runner_adopt_all(r);
	return 0;
}

static void runner_bus_event(struct daemon *d, enum bus_event ev)
{
	struct runner *r = daemon_data(d);

	if (r->agent && !r->leaving)
		agent_on_bus(r->agent, ev);
}

static void runner_not_ready(struct daemon *d, struct buf *reasons)
{
	struct runner *r = daemon_data(d);

	if (!r->agent)
		return;
	agent_not_ready(r->agent, reasons);
	if (!r->profiles.n_offers)
		buf_addf(reasons, "no profile in %s can be run\n", r->conf->profiles);
	if (r->draining)
		buf_adds(reasons, "draining\n");
}

static void runner_reload(struct daemon *d)
{
	struct runner *r = daemon_data(d);

	profiles_deinit(&r->profiles);
	profiles_load(&r->profiles_env, &r->profiles);
	agent_tell_record(r->agent);
}

static void runner_stop(struct daemon *d)
{
	struct runner *r = daemon_data(d);

	if (!r->agent || !r->drain_on_term) {
		runner_leave(r);
		return;
	}
	r->draining = true;
	log_event(EV_drain_begun, LF_I("instances", (int64_t)runner_n_live(r)));
	agent_tell_record(r->agent);
	runner_on_change(r);
}

static void runner_free(struct daemon *d)
{
	struct runner *r = daemon_data(d);

	agent_free(r->agent);
	runner_host_deinit(r);
	map_clear(&r->by_key);
	free(r);
}

int runner_main(int argc, char **argv)
{
	static const struct conf_row rows[] = {
#define CONF(...) CONF_ROW(struct daemon_conf, __VA_ARGS__)
#include "base/io/broker.tbl.h"
#include "base/io/daemon.tbl.h"
#undef CONF
#define CONF(...) CONF_ROW(struct runner_conf, __VA_ARGS__)
#include "lifecycle/runner/config.tbl.h"
#undef CONF
	};
	static const struct log_event *const *const events[] = {
	    io_events, runner_events, NULL};
	static struct metric *const *const metrics[] = {runner_metrics, NULL};
	static const struct daemon_def def = {
	    .spec = {.program = "zed-runner",
		.summary =
		    "Starts, supervises and stops the instances assigned to this host.",
		.rows = rows,
		.n_rows = ARRAY_LEN(rows)},
	    .conf_size = sizeof(struct runner_conf),
	    .broker = &daemon_nats,
	    .events = events,
	    .metrics = metrics,
	    .start = runner_start,
	    .bus_event = runner_bus_event,
	    .not_ready = runner_not_ready,
	    .reload = runner_reload,
	    .stop = runner_stop,
	    .free = runner_free,
	};

	return daemon_main(&def, argc, argv);
}
