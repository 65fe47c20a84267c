/* Parts and what passes between them: the server's news into the sync loop, the sync
 * loop's uploads to the server, and to whoever waits for either. */
#include "sessiond/sidecar/sidecar.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/io/events.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/local.h"
#include "sessiond/sidecar/metrics.h"

enum {
	/* As long as Helix's own daemon tries before it lets the editor start without. */
	SIDECAR_GRACE_MS = 10 * 1000,
};

/* uploads */

static void sidecar_upload(struct sidecar *s)
{
	struct slice body;
	const char *tag;
	int64_t since_us;

	if (server_uploading(s->server) || !sync_get_upload(s->sync, &body, &tag))
		return;
	since_us = sync_upload_since_us(s->sync);
	if (since_us)
		metric_observe_us(M_save_to_posted, clock_mono_us() - since_us);
	server_upload(s->server, body, tag);
}

static void sidecar_on_taken(struct sidecar *s, const struct server_upload_result *r)
{
	log_event(EV_overrides_uploaded, LF_I("revision", r->said.revision),
	    LF_I("took_us", r->took_us));
	metric_observe_us(M_posted_to_acked, r->took_us);
	sync_upload_taken(s->sync, r->tag);
	if (r->said.n_rejected == 0)
		return;
	log_event(EV_overrides_rejected, LF_I("n", r->said.n_rejected),
	    LF("first", r->said.first));
	server_refresh_overrides(s->server);
}

static void sidecar_on_posted(void *data, const struct server_upload_result *r)
{
	struct sidecar *s = data;

	switch (r->what) {
	case SERVER_UPLOAD_TAKEN:
		sidecar_on_taken(s, r);
		break;
	case SERVER_UPLOAD_STALE:
		sync_upload_stale(s->sync);
		server_refresh_overrides(s->server);
		break;
	case SERVER_UPLOAD_REFUSED:
		log_event(EV_overrides_refused, LF("detail", r->why));
		sync_upload_refused(s->sync);
		break;
	}
}

/* the server's news */

static void sidecar_on_base(
    void *data, const struct server_base *b, const char *tag, int64_t since_us)
{
	struct sidecar *s = data;
	struct sync_base base;

	if (!b) {
		sync_base_confirmed(s->sync);
		return;
	}
	base = (struct sync_base){.base = {buf_cstr(&b->base), b->base.n},
	    .policy = {buf_cstr(&b->policy), b->policy.n},
	    .tag = tag,
	    .plain = b->plain,
	    .since_us = since_us};
	sync_set_base(s->sync, &base);
}

static void sidecar_on_overrides(
    void *data, const struct server_overrides *o, const char *tag, bool reset)
{
	struct sidecar *s = data;

	if (o)
		sync_set_overrides(s->sync, buf_slice(&o->text), tag, reset);
	else
		sync_overrides_confirmed(s->sync);
}

/* The agent is waiting to hear that the file says so, or that it could not be fetched. */
static void sidecar_check_switch(struct sidecar *s)
{
	struct server_status st;

	if (!s->agent_switched)
		return;
	server_get_status(s->server, &st);
	if (st.n_failed == s->switched_at_failed &&
	    (st.n_answered == s->switched_at_answered || !sync_is_settled(s->sync)))
		return;
	s->agent_switched = false;
	server_report_applied(s->server);
}

static void sidecar_on_agent_switched(void *data)
{
	struct sidecar *s = data;
	struct server_status st;

	server_get_status(s->server, &st);
	s->agent_switched = true;
	s->switched_at_answered = st.n_answered;
	s->switched_at_failed = st.n_failed;
}

static void sidecar_log_server(struct sidecar *s, const struct server_status *st)
{
	if (st->state != s->server_state) {
		if (st->state == SERVER_ONLINE)
			log_event(EV_server_online, LF_I("version", st->version));
		else if (st->state == SERVER_AWAY)
			log_event(EV_server_away, LF("detail", st->problem));
	}
	if (st->pushed != s->pushed) {
		if (st->pushed)
			log_event(EV_push_connected, LF_NONE);
		else
			log_event(EV_push_lost, LF("detail", st->push_problem));
	}
	s->server_state = st->state;
	s->pushed = st->pushed;
	metric_set(M_server_online, st->state == SERVER_ONLINE);
	metric_set(M_push_connected, st->pushed);
}

static void sidecar_progress(struct sidecar *s)
{
	const char *why;

	sidecar_check_switch(s);
	sidecar_upload(s);
	(void)sidecar_is_healthy(s, &why);
	local_progress(s->local);
}

static void sidecar_on_changed(void *data)
{
	struct sidecar *s = data;
	struct server_status st;

	server_get_status(s->server, &st);
	sidecar_log_server(s, &st);
	sync_set_online(s->sync, st.state == SERVER_ONLINE);
	sidecar_progress(s);
}

static void sidecar_on_settled(void *data)
{
	struct sidecar *s = data;

	if (s->server)
		sidecar_progress(s);
}

void sidecar_reload(struct sidecar *s)
{
	server_refresh(s->server);
	sync_kick(s->sync, clock_mono_us());
}

/* health */

static void sidecar_on_grace(struct loop_timer *t, void *data)
{
	struct sidecar *s = data;

	(void)t;
	s->grace_over = true;
	sidecar_progress(s);
}

bool sidecar_is_healthy(struct sidecar *s, const char **why_out)
{
	struct server_status server;
	struct sync_status sync;
	bool tried;

	if (s->healthy)
		return true;
	server_get_status(s->server, &server);
	sync_get_status(s->sync, &sync);
	/* With what was known the last time one failure is enough to start on that. */
	tried = server.state == SERVER_ONLINE || s->grace_over ||
		(server.n_failed > 0 && sync.base_known);
	*why_out = !sync.exists ? "there is no settings file yet"
		   : !tried     ? "the settings server has not answered yet"
				: "the settings file is being brought up to date";
	s->healthy = sync.exists && tried && (sync_is_settled(s->sync) || s->grace_over);
	return s->healthy;
}

/* the daemon's questions */

static void sidecar_not_ready(struct daemon *d, struct buf *reasons)
{
	struct sidecar *s = daemon_data(d);
	struct server_status server;
	struct sync_status sync;

	server_get_status(s->server, &server);
	sync_get_status(s->sync, &sync);
	if (server.state != SERVER_ONLINE)
		buf_addf(reasons, "settings server: %s\n",
		    server.problem[0] ? server.problem : "not answered yet");
	if (sync.file != SYNC_FILE_OK)
		buf_addf(reasons, "settings file: %s: %s\n",
		    sync_file_state_name(sync.file), sync.problem);
}

/* Reading the system's certificates takes longer than all the rest of a start: only for
 * a server that is verified with them. */
static bool sidecar_verifies(const struct sidecar_conf *c)
{
	return strncasecmp(c->api_url, "https:", 6) == 0 && !c->tls_skip_verify;
}

static int sidecar_start_server(struct sidecar *s, struct err *e)
{
	const struct server_conf c = {.loop = s->loop,
	    .api_url = s->conf->api_url,
	    .session_id = s->conf->session_id,
	    .bearer = sidecar_conf_bearer(s->conf),
	    .tls_ca = s->conf->tls_ca,
	    .tls_skip_verify = !sidecar_verifies(s->conf),
	    .base = sidecar_on_base,
	    .overrides = sidecar_on_overrides,
	    .posted = sidecar_on_posted,
	    .agent_switched = sidecar_on_agent_switched,
	    .changed = sidecar_on_changed,
	    .data = s};

	return server_new(&c, &s->server, e);
}

static int sidecar_start_sync(struct sidecar *s, struct err *e)
{
	const struct sync_conf c = {.loop = s->loop,
	    .settings = s->conf->settings,
	    .state_dir = s->conf->state_dir,
	    .session_id = s->conf->session_id,
	    .mode = file_write_mode_parse(s->conf->write_mode),
	    .settled = sidecar_on_settled,
	    .data = s};

	return sync_new(&c, &s->sync, e);
}

static int sidecar_start(struct daemon *d, struct err *e)
{
	struct sidecar *s = calloc(1, sizeof(*s));
	struct sync_status st;
	int r;

	must(s);
	daemon_set_data(d, s);
	s->daemon = d;
	s->loop = daemon_loop(d);
	s->conf = daemon_conf(d);
	r = sidecar_start_sync(s, e);
	if (!r)
		r = sidecar_start_server(s, e);
	if (r)
		return r;
	s->local = local_new(s);
	s->grace = loop_timer_new(s->loop, sidecar_on_grace, s);
	loop_timer_start(s->grace, SIDECAR_GRACE_MS, 0);
	sync_get_status(s->sync, &st);
	server_start(s->server, record_str(st.record, RECORD_BASE_TAG),
	    record_str(st.record, RECORD_SERVER_TAG));
	sync_start(s->sync);
	return 0;
}

/* stopping: the server first, so that nothing new begins */

static void sidecar_part_closed(void *data)
{
	struct sidecar *s = data;

	if (--s->n_closing == 0)
		daemon_stopped(s->daemon);
}

static void sidecar_stop(struct daemon *d)
{
	struct sidecar *s = daemon_data(d);

	s->n_closing = 1;
	s->grace = loop_timer_free(s->grace);
	if (s->local)
		local_stop(s->local);
	if (s->server) {
		s->n_closing++;
		server_close(s->server, sidecar_part_closed, s);
	}
	s->server = NULL; /* taken by server_close */
	if (s->sync) {
		s->n_closing++;
		sync_close(s->sync, sidecar_part_closed, s);
	}
	sidecar_part_closed(s);
}

static void sidecar_free(struct daemon *d)
{
	struct sidecar *s = daemon_data(d);

	if (s)
		local_free(s->local);
	free(s);
}

static const struct log_event *const *const sidecar_event_lists[] = {
    io_events, sidecar_events, NULL};
static struct metric *const *const sidecar_metric_lists[] = {sidecar_metrics, NULL};

struct daemon_def sidecar_daemon_def(void)
{
	return (struct daemon_def){.spec = sidecar_conf_spec,
	    .conf_size = sizeof(struct sidecar_conf),
	    .events = sidecar_event_lists,
	    .metrics = sidecar_metric_lists,
	    .protected = sidecar_conf_protected,
	    .check = sidecar_conf_check,
	    .start = sidecar_start,
	    .not_ready = sidecar_not_ready,
	    .stop = sidecar_stop,
	    .free = sidecar_free};
}
