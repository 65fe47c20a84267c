/* Both planes and the broker at a glance. What is away is shown, not an error that hides
 * the rest. */
#include <inttypes.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/lc.h"
#include "zedctl/render.h"
#include "zedctl/watch.h"
#include "zedctl/web.h"

enum {
	STATUS_SERVICES_MS =
	    300, /* how long services are waited for: nobody knows how many there are */
};

static int status_worse(int a, int b)
{
	return a > b ? a : b;
}

/* ---- the broker and the services on it */

static int status_broker(struct ctl *c, struct jsn *out)
{
	struct jsn *o = jsn_new_object();
	int exit_code = ctl_connect(c);

	jsn_set_bool(o, "connected", exit_code == CTL_DONE);
	jsn_set_string(o, "server", exit_code == CTL_DONE ? bus_server(c->bus) : NULL);
	jsn_set_string(
	    o, "version", exit_code == CTL_DONE ? bus_server_version(c->bus) : NULL);
	jsn_set(out, "broker", o);
	return exit_code;
}

struct status_services {
	struct jsn *list;
	bool done;
};

static void status_on_service(void *data, int code, const struct bus_msg *m)
{
	struct status_services *s = data;
	struct jsn *v = NULL;

	if (code != 0)
		s->done = true;
	else if (jsn_parse(m->data.p, m->data.n, &v, NULL) == 0)
		jsn_push(s->list, v);
}

/* Whoever answers NATS micro-service discovery. */
static void status_services(struct ctl *c, struct jsn *out)
{
	struct status_services s = {.list = jsn_new_array()};
	struct bus_request r = {
	    .subject = "$SRV.PING",
	    .timeout_ms = STATUS_SERVICES_MS,
	    .cb = status_on_service,
	    .cb_data = &s,
	};

	bus_request_many(c->bus, &r);
	ctl_wait(c, &s.done, -1);
	jsn_set(out, "services", s.list);
}

/* ---- the planes */

static int status_lifecycle(struct ctl *c, struct jsn *out)
{
	static const char *const verbs_asked[] = {"runners", "scale"};
	struct jsn *reply = NULL;
	int worst = CTL_DONE;

	for (size_t i = 0; i < ARRAY_LEN(verbs_asked); i++) {
		int exit_code = lc_request(
		    c, verbs_asked[i], jsn_new_object(), LC_TIMEOUT_MS, &reply);

		if (exit_code == CTL_DONE && i == 0)
			jsn_set(out, "runners", jsn_copy(jsn_get(reply, "runners")));
		else if (exit_code == CTL_DONE)
			jsn_set(out, "scale", jsn_copy(reply));
		worst = status_worse(worst, exit_code);
		jsn_free(reply);
		reply = NULL;
		if (exit_code != CTL_DONE)
			break;
	}
	return worst;
}

static int status_sessiond(struct ctl *c, struct jsn *out)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct web_request r = {.method = "GET", .path = "/readyz"};
	struct jsn *o = jsn_new_object();
	int exit_code = web_ask(c, &r, &answer);

	jsn_set_string(o, "url", c->server);
	jsn_set_bool(o, "reachable", exit_code == CTL_DONE);
	jsn_set_bool(o, "ready", answer.status == 200);
	jsn_set_string(o, "says", exit_code == CTL_DONE ? buf_cstr(&answer.body) : NULL);
	jsn_set(out, "sessiond", o);
	if (exit_code == CTL_DONE && answer.status != 200)
		exit_code = CTL_REFUSED;
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- showing */

static void status_print_head(
    const struct ctl *c, const char *name, bool good, const char *word)
{
	printf("%-10s %s%s%s", name,
	    render_colour(good ? RENDER_GOOD : RENDER_BAD, c->is_tty), word,
	    render_reset(c->is_tty));
}

static void status_print_lifecycle(const struct ctl *c, const struct jsn *s)
{
	const struct jsn *scale = jsn_get(s, "scale"), *runners = jsn_get(s, "runners");
	int64_t n_pending = 0, n;

	status_print_head(c, "lifecycle", runners != NULL, runners ? "answers" : "away");
	if (scale) {
		jsn_for_each (v, jsn_get(scale, "pending_by_reason")) {
			if (jsn_int(v, &n))
				n_pending += n;
		}
		printf(", %zu runners, %" PRId64 " free slots, %" PRId64
		       " running, %" PRId64 " starting, %" PRId64 " pending",
		    jsn_count(runners), jsn_get_int(scale, "free_slots", 0),
		    jsn_get_int(scale, "running", 0), jsn_get_int(scale, "starting", 0),
		    n_pending);
	}
	putchar('\n');
}

static void status_print_services(const struct jsn *s)
{
	struct table t;

	if (jsn_count(jsn_get(s, "services")) == 0)
		return;
	table_init(&t, "SERVICE ID VERSION");
	jsn_for_each (v, jsn_get(s, "services")) {
		table_add(&t, jsn_get_string(v, "name"));
		table_add(&t, jsn_get_string(v, "id"));
		table_add(&t, jsn_get_string(v, "version"));
	}
	putchar('\n');
	table_print(&t, false);
}

static void status_print(const struct ctl *c, const struct jsn *s)
{
	const struct jsn *broker = jsn_get(s, "broker"),
			 *sessiond = jsn_get(s, "sessiond");
	bool connected = jsn_get_bool(broker, "connected", false);
	bool ready = jsn_get_bool(sessiond, "ready", false);
	const char *says = jsn_get_string(sessiond, "says");

	status_print_head(c, "broker", connected, connected ? "connected" : "away");
	if (connected)
		printf(", %s, nats-server %s", jsn_get_string(broker, "server"),
		    jsn_get_string(broker, "version"));
	putchar('\n');
	status_print_lifecycle(c, s);
	status_print_head(c, "sessiond", ready,
	    ready                                        ? "ready"
	    : jsn_get_bool(sessiond, "reachable", false) ? "not ready"
							 : "away");
	printf(", %s%s%s\n", c->server, ready || !says ? "" : ": ",
	    ready || !says ? "" : says);
	status_print_services(s);
}

static int status_show(struct ctl *c, const struct args *a)
{
	struct jsn *out = jsn_new_object();
	int worst = status_broker(c, out);

	(void)a;
	if (worst == CTL_DONE) {
		worst = status_lifecycle(c, out);
		status_services(c, out);
	}
	worst = status_worse(worst, status_sessiond(c, out));
	if (c->output == CTL_JSON)
		ctl_print_json(c, out);
	else
		status_print(c, out);
	jsn_free(out);
	return worst;
}

int cmd_status(struct ctl *c, const struct args *a)
{
	return watch_run(c, a, NULL, status_show);
}
