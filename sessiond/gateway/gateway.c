/* sessiond: its parts in start order, and what happens when the broker comes and goes. */
#include "sessiond/gateway/gateway.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/io/events.h"
#include "base/io/service.h"
#include "base/must.h"
#include "sessiond/events.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/program.h"
#include "sessiond/gateway/requests.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/settings.h"
#include "sessiond/gateway/turn_store.h"
#include "sessiond/metrics.h"

/* ---- timers ---- */

static void gateway_on_tick(struct loop_timer *t, void *data)
{
	struct gateway *g = data;

	wheel_turn(&g->wheel, clock_mono_ms());
	if (g->wheel.n_armed == 0)
		loop_timer_stop(t);
}

static void gateway_on_fine_tick(struct loop_timer *t, void *data)
{
	struct gateway *g = data;

	wheel_turn(&g->fine, clock_mono_ms());
	if (g->fine.n_armed == 0)
		loop_timer_stop(t);
}

/* A wheel that stood still is behind: turn it before arming, or the timer would be early.
 */
static void gateway_arm_on(struct wheel *w, struct loop_timer *lt, int64_t tick_ms,
    struct wheel_timer *t, int64_t delay_ms)
{
	if (!lt)
		return; /* stopping */
	if (!loop_timer_armed(lt)) {
		wheel_turn(w, clock_mono_ms());
		loop_timer_start(lt, tick_ms, tick_ms);
	}
	wheel_arm(w, t, delay_ms);
}

void gateway_arm(struct gateway *g, struct wheel_timer *t, int64_t delay_ms)
{
	gateway_arm_on(&g->wheel, g->wheel_timer, GATEWAY_TICK_MS, t, delay_ms);
}

void gateway_arm_fine(struct gateway *g, struct wheel_timer *t, int64_t delay_ms)
{
	gateway_arm_on(&g->fine, g->fine_timer, GATEWAY_FINE_TICK_MS, t, delay_ms);
}

void gateway_disarm(struct gateway *g, struct wheel_timer *t)
{
	wheel_cancel(&g->wheel, t);
}

void gateway_disarm_fine(struct gateway *g, struct wheel_timer *t)
{
	wheel_cancel(&g->fine, t);
}

/* ---- state ---- */

bool gateway_warm(const struct gateway *g)
{
	return g->streams_ready && turns_recovered(g->turns);
}

bool gateway_can_store(const struct gateway *g)
{
	return g->broker_up && gateway_warm(g) && !daemon_stopping(g->daemon);
}

static void gateway_bus_event(struct daemon *d, enum bus_event ev)
{
	struct gateway *g = daemon_data(d);

	switch (ev) {
	case BUS_CONNECTED:
		g->broker_up = true;
		gateway_streams_ensure(g);
		turns_on_connected(g->turns);
		break;
	case BUS_DISCONNECTED:
		g->broker_up = false;
		settings_cut_off(g->settings);
		break;
	case BUS_GAP:
		/* the store lists its watched buckets again by itself */
		settings_missed(g->settings);
		break;
	}
}

static void gateway_not_ready(struct daemon *d, struct buf *reasons)
{
	struct gateway *g = daemon_data(d);

	if (g->streams_problem[0])
		buf_addf(reasons, "streams: %s\n", g->streams_problem);
	else if (!g->streams_ready)
		buf_adds(reasons, "streams are not there yet\n");
	if (!turns_recovered(g->turns))
		buf_adds(reasons, "sessions are not read yet\n");
	if (!settings_ready(g->settings))
		buf_adds(reasons, "settings are not read yet\n");
}

/* ---- start and stop ---- */

static const struct service_conf gateway_service = {.name = "sessiond",
    .version = ZEDBUS_VERSION,
    .description = "Carries what is said in Zed sessions, and their settings."};

static int gateway_start(struct daemon *d, struct err *e)
{
	struct gateway *g = calloc(1, sizeof(*g));
	struct id epoch = id_make("");
	int r;

	must(g);
	daemon_set_data(d, g);
	g->daemon = d;
	g->loop = daemon_loop(d);
	g->store = daemon_store(d);
	g->conf = daemon_conf(d);
	memcpy(g->epoch, epoch.s, GATEWAY_EPOCH_LEN);
	wheel_init(&g->wheel, GATEWAY_TICK_MS, clock_mono_ms());
	wheel_init(&g->fine, GATEWAY_FINE_TICK_MS, clock_mono_ms());
	g->wheel_timer = loop_timer_new(g->loop, gateway_on_tick, g);
	g->fine_timer = loop_timer_new(g->loop, gateway_on_fine_tick, g);
	g->fanout = fanout_new(g);
	g->agents = agents_new(g);
	g->turns = turns_new(g);
	g->requests = requests_new(g);
	g->sessions = sessions_new(g);
	g->settings = settings_new(g);
	g->router = router_new(g);
	r = sessions_watch(g->sessions, e);
	if (!r)
		r = turns_watch(g->turns, e);
	return r ? r : service_new(daemon_bus(d), &gateway_service, &g->service, e);
}

static void gateway_stop(struct daemon *d)
{
	struct gateway *g = daemon_data(d);

	agents_stop(g->agents);
	fanout_stop(g->fanout);
	gateway_streams_stop(g);
	settings_stop(g->settings);
	g->service = service_free(g->service); /* while there is a bus */
	g->wheel_timer = loop_timer_free(g->wheel_timer);
	g->fine_timer = loop_timer_free(g->fine_timer);
	daemon_stopped(d);
}

static void gateway_free(struct daemon *d)
{
	struct gateway *g = daemon_data(d);

	if (!g)
		return;
	g->router = router_free(g->router);
	g->settings = settings_free(g->settings);
	g->sessions = sessions_free(g->sessions);
	g->requests = requests_free(g->requests);
	g->turns = turns_free(g->turns);
	g->agents = agents_free(g->agents);
	g->fanout = fanout_free(g->fanout);
	free(g);
}

static void gateway_reload(struct daemon *d)
{
	(void)d; /* tokens and origins are looked up at each request */
}

/* ---- the program ---- */

static const struct conf_row gateway_rows[] = {
#define CONF(...) CONF_ROW(struct daemon_conf, __VA_ARGS__)
#include "base/io/broker.tbl.h"
#include "base/io/daemon.tbl.h"
#undef CONF
#define CONF(...) CONF_ROW(struct gateway_conf, __VA_ARGS__)
#include "sessiond/gateway/config.tbl.h"
#undef CONF
};

static const struct log_event *const *const gateway_events[] = {
    io_events, sessiond_events, NULL};
static struct metric *const *const gateway_metrics[] = {sessiond_metrics, NULL};

const struct daemon_def sessiond_def = {
    .spec = {.program = "sessiond",
	.summary = "Carries what is said in Zed sessions, and their settings.",
	.rows = gateway_rows,
	.n_rows = ARRAY_LEN(gateway_rows)},
    .conf_size = sizeof(struct gateway_conf),
    .broker = &daemon_nats,
    .events = gateway_events,
    .metrics = gateway_metrics,
    .start = gateway_start,
    .bus_event = gateway_bus_event,
    .not_ready = gateway_not_ready,
    .reload = gateway_reload,
    .stop = gateway_stop,
    .free = gateway_free,
};
