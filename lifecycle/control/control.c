/* The parts of lifecycled in the order they start, and how the broker's coming and going
 * moves them.
 *
 * happy path: subscribe, watch; connected: streams and buckets, listings, then everything
 * works
 *
 * failure modes: broker away: said in /readyz, nothing is judged, commands wait in
 * the stream; a stream differs from what it should be: exit 1 at the first look, not
 * ready at a later one */
#include "lifecycle/control/control.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/io/events.h"
#include "lifecycle/control/api.h"
#include "lifecycle/control/commands.h"
#include "lifecycle/control/desk.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/janitor.h"
#include "lifecycle/control/metrics.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	STOP_WAIT_MS = 2000, /* for work under way */
	STOP_LOOK_MS = 20,
	WHEEL_TICK_MS = 50,
};

#define DAEMON_LISTEN_DEFAULT "127.0.0.1:8090"

static const struct conf_row rows[] = {
#define CONF(...) CONF_ROW(struct daemon_conf, __VA_ARGS__)
#include "base/io/broker.tbl.h"
#include "base/io/daemon.tbl.h"
#undef CONF
#define CONF(...) CONF_ROW(struct control_conf, __VA_ARGS__)
#include "lifecycle/control/config.tbl.h"
#undef CONF
};

bool control_may_log(struct control *c)
{
	if (c->log_budget == 0)
		return false;
	c->log_budget--;
	return true;
}

void control_count(
    struct control *c, enum control_endpoint endpoint, int64_t took_us, int code)
{
	if (c->service)
		service_count(
		    c->service, endpoint, took_us * 1000, code ? error_name(code) : NULL);
}

/* --- what comes in beside commands and requests --- */

static void on_heartbeat(void *data, const struct bus_msg *msg)
{
	struct control *c = data;
	struct heartbeat h;
	struct err e = ERR_NULL;
	struct slice t[SUBJECT_TOKENS_MAX];
	size_t n = subject_split(msg->subject, t, ARRAY_LEN(t));

	int r = wire_heartbeat_decode(msg->data, &h, &e);

	if (!r && (n != 4 || !slice_is(t[3], h.runner.s)))
		r = err_set(&e, ERROR_INVALID, "runner: differs from the subject");
	if (!r)
		mirror_heartbeat(&c->mirror, &h, clock_boot_ms(), clock_unix_ms());
	else if (control_may_log(c))
		log_event(
		    EV_heartbeat_bad, LF("subject", msg->subject), LF("detail", e.text));
}

static void on_peer(void *data, const struct bus_msg *msg)
{
	struct control *c = data;
	struct id id;

	if (id_parse(msg->data, &id))
		peers_heard(&c->peers, &id, clock_boot_ms());
}

/* An event was published, here or by another replica: what followed from its record was
 * done. */
static void on_event(void *data, const struct bus_msg *msg)
{
	struct control *c = data;
	const char *id = bus_msg_header(msg, "Nats-Msg-Id");
	struct slice t[SUBJECT_TOKENS_MAX];
	const char *dot = id ? strrchr(id, '.') : NULL;
	uint64_t no = dot ? strtoull(dot + 1, NULL, 10) : 0;
	struct id tenant, instance;
	struct entry *e;

	if (subject_split(msg->subject, t, ARRAY_LEN(t)) != 6 ||
	    !id_parse(t[3], &tenant) || !id_parse(t[4], &instance))
		return;
	e = mirror_find(&c->mirror, &tenant, &instance);
	if (e)
		mirror_told(e, no);
}

/* --- streams and buckets --- */

static void on_schema(void *data, int code, const char *detail)
{
	struct control *c = data;
	struct err e = ERR_NULL;

	err_set(&e, code, "%s", detail);
	if (code && !c->was_ready)
		daemon_fail(c->d, 1, &e);
	if (code)
		return;
	c->was_ready = true;
	c->cmd_seen_seq = 0;
	c->cmd_stream_ms = schema_cmd_stream_ms(c->schema);
	if (!c->schema_said)
		log_event(EV_schema_ready, LF("server", bus_server(c->bus)),
		    LF("version", bus_server_version(c->bus)));
	c->schema_said = true;
	if (c->conf->init)
		daemon_finish(c->d);
}

void control_doubt_stream(struct control *c)
{
	c->cmd_stream_ms = 0;
	schema_recheck(c->schema);
}

static void on_init_late(struct loop_timer *t, void *data)
{
	struct control *c = data;
	struct err e = ERR_NULL;

	(void)t;
	err_set(&e, ERROR_TIMEOUT, "--init: gave up after %lld s: %s",
	    (long long)c->conf->init_timeout,
	    bus_connected(c->bus) ? schema_problem(c->schema) : bus_problem(c->bus));
	daemon_fail(c->d, 1, &e);
}

/* --- starting --- */

static const struct service_endpoint endpoints[] = {
    [ENDPOINT_API] = {"api", "lifecycle.v1.api.>", "lifecycled"},
    [ENDPOINT_COMMANDS] = {"commands", "lifecycle.v1.cmd.>", "lifecycled"},
};

static int make_service(struct control *c, struct err *e)
{
	const struct service_conf conf = {.name = "lifecycled",
	    .id = c->id.s,
	    .version = ZEDBUS_VERSION,
	    .description = control_def.spec.summary,
	    .endpoints = endpoints,
	    .n_endpoints = ARRAY_LEN(endpoints)};

	return service_new(c->bus, &conf, &c->service, e);
}

static int subscribe(struct control *c, struct err *e)
{
	int r = api_new(c, &c->api, e);

	if (!r)
		r = make_service(c, e);

	if (!r)
		r = bus_subscribe(c->bus, SUBJ_hb_all, NULL, on_heartbeat, c, e);
	if (!r)
		r = bus_subscribe(c->bus, SUBJ_peer, NULL, on_peer, c, e);
	if (!r)
		r = bus_subscribe(c->bus, SUBJ_evt_all, NULL, on_event, c, e);
	if (!r)
		r = mirror_watch(&c->mirror, c->store, e);
	if (!r)
		r = commands_subscribe(c, e);
	return r;
}

static int control_start(struct daemon *d, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));
	struct mirror_callbacks cb = {.entry_changed = janitor_entry_changed,
	    .runner_changed = janitor_runner_changed,
	    .room = janitor_room,
	    .synced = janitor_synced,
	    .data = c};

	must(c);
	c->d = d;
	c->loop = daemon_loop(d);
	c->bus = daemon_bus(d);
	c->store = daemon_store(d);
	c->conf = daemon_conf(d);
	c->id = id_make("lc_");
	daemon_set_data(d, c);
	list_init(&c->unsettled);
	wheel_init(&c->wheel, WHEEL_TICK_MS, clock_mono_ms());
	mirror_init(&c->mirror, &cb);
	peers_init(&c->peers, &c->id);
	c->schema =
	    schema_new(c->loop, c->bus, c->store, c->conf->replicas, on_schema, c);
	if (c->conf->init) {
		c->stop_timer = loop_timer_new(c->loop, on_init_late, c);
		loop_timer_start(c->stop_timer, c->conf->init_timeout * 1000, 0);
		return 0;
	}
	janitor_start(c);
	return subscribe(c, e);
}

static void control_bus_event(struct daemon *d, enum bus_event ev)
{
	struct control *c = daemon_data(d);

	if (ev == BUS_CONNECTED) {
		mirror_connected(&c->mirror, clock_boot_ms());
		schema_check(c->schema);
	} else if (ev == BUS_DISCONNECTED) {
		c->schema_said = false;
		mirror_disconnected(&c->mirror);
		schema_stop(c->schema);
	}
}

static void control_not_ready(struct daemon *d, struct buf *reasons)
{
	const struct control *c = daemon_data(d);

	if (!bus_connected(c->bus))
		return; /* said by the daemon */
	if (!schema_is_ready(c->schema))
		buf_addf(reasons, "%s\n", schema_problem(c->schema));
	else if (!mirror_is_synced(&c->mirror))
		buf_adds(reasons, "records are still being read\n");
}

/* --- stopping: answer who waits, let writes under way end, go --- */

static void control_end(struct control *c)
{
	c->stop_timer = loop_timer_free(c->stop_timer);
	janitor_stop(c);
	schema_close(c->schema);
	c->service = service_free(c->service);
	daemon_stopped(c->d);
}

static void on_stop_look(struct loop_timer *t, void *data)
{
	struct control *c = data;

	(void)t;
	if (c->n_desks == 0 || !bus_connected(c->bus) ||
	    clock_mono_ms() - c->stop_mono_ms >= STOP_WAIT_MS)
		control_end(c);
}

static void control_stop(struct daemon *d)
{
	struct control *c = daemon_data(d);

	c->stopping = true;
	c->stop_mono_ms = clock_mono_ms();
	if (c->api)
		api_close(c->api);
	loop_timer_free(c->stop_timer);
	c->stop_timer = loop_timer_new(c->loop, on_stop_look, c);
	loop_timer_start(c->stop_timer, 0, STOP_LOOK_MS);
}

/* The store is gone, and with it every answer that could still have come. */
static void control_free(struct daemon *d)
{
	struct control *c = daemon_data(d);

	if (!c)
		return;
	desks_free(c);
	api_free(c->api);
	mirror_deinit(&c->mirror);
	schema_free(c->schema);
	free(c);
}

static bool control_headless(const void *conf)
{
	return ((const struct control_conf *)conf)->init;
}

static const struct log_event *const *const all_events[] = {
    io_events, control_events, NULL};
static struct metric *const *const all_metrics[] = {control_metrics, NULL};

const struct daemon_def control_def = {
    .spec = {.program = "lifecycled",
	.summary = "Decides which Zed instances exist, where, and in what state.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows)},
    .conf_size = sizeof(struct control_conf),
    .broker = &daemon_nats,
    .events = all_events,
    .metrics = all_metrics,
    .headless = control_headless,
    .start = control_start,
    .bus_event = control_bus_event,
    .not_ready = control_not_ready,
    .stop = control_stop,
    .free = control_free,
};
