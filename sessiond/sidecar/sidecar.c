/* Parts and what passes between them: the server's news into the sync loop, the sync
 * loop's uploads to the server, and to whoever waits for either. */
#include "sessiond/sidecar/sidecar.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/io/events.h"
#include "sessiond/sidecar/desktop.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/helix_rules.h"
#include "sessiond/sidecar/held.h"
#include "sessiond/sidecar/local.h"
#include "sessiond/sidecar/metrics.h"

enum {
	/* As long as Helix's own daemon tries before it lets the editor start without. */
	SIDECAR_GRACE_MS = 10 * 1000,
};

/* uploads */

/* Helix is told in its own words. */
static void sidecar_send(struct sidecar *s, struct slice body, const char *tag)
{
	AUTO(buf_deinit) struct buf undone = BUF_NULL(RECORD_FIELD_MAX);
	struct server_status st;

	server_get_status(s->server, &st);
	if (st.plain)
		helix_upload_undo(body, &s->helix, slice_of(s->helix_host), &undone);
	server_upload(s->server,
	    st.plain && !buf_check(&undone) ? buf_slice(&undone) : body, tag);
}

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
	sidecar_send(s, body, tag);
}

static void sidecar_on_taken(struct sidecar *s, const struct server_upload_result *r)
{
	log_event(EV_overrides_uploaded, LF_I("revision", r->said.revision),
	    LF_I("took_us", r->took_us));
	metric_observe_us(M_posted_to_acked, r->took_us);
	sync_upload_taken(s->sync, r->tag);
	if (r->said.n_superseded)
		log_event(EV_overrides_superseded, LF_I("n", r->said.n_superseded),
		    LF_I("revision", r->said.revision));
	if (r->said.n_rejected == 0)
		return;
	log_event(EV_overrides_rejected, LF_I("n", r->said.n_rejected),
	    LF("first", r->said.first));
	server_reread_overrides(s->server);
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
		server_reread_overrides(s->server);
		break;
	case SERVER_UPLOAD_REFUSED:
		log_event(EV_overrides_refused, LF("detail", r->why));
		sync_upload_refused(s->sync);
		break;
	}
}

/* the server's news */

/* Whether somebody is signed in to what the agent may be, as far as files tell. True: it
 * is another answer than before. */
static bool sidecar_look_signed_in(struct sidecar *s)
{
	struct helix_base_conf was = s->helix;
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/.claude/.credentials.json", s->home);
	s->helix.claude_signed_in = access(path, F_OK) == 0;
	snprintf(path, sizeof(path), "%s/.codex/auth.json", s->home);
	s->helix.codex_signed_in = access(path, F_OK) == 0;
	return s->helix.claude_signed_in != was.claude_signed_in ||
	       s->helix.codex_signed_in != was.codex_signed_in;
}

static void sidecar_on_base(
    void *data, const struct server_base *b, const char *tag, int64_t since_us)
{
	struct sidecar *s = data;
	struct sync_base base;

	held_look(s->held);
	if (s->desktop)
		desktop_on_base(s->desktop, b);
	if (sidecar_look_signed_in(s) && !desktop_is_looking(s->desktop))
		server_refresh(s->server); /* what was made of the answer is old */
	if (!b) {
		s->base_due = false;
		sync_base_confirmed(s->sync);
		return;
	}
	if (b->host[0])
		memcpy(s->helix_host, b->host, sizeof(s->helix_host));
	/* Nothing is written that is to be taken back in a moment. */
	s->base_due = b->plain && desktop_is_looking(s->desktop);
	if (s->base_due)
		return;
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
	else if (!sync_overrides_confirmed(s->sync, tag))
		server_reread_overrides(s->server);
}

static void sidecar_on_user_changed(void *data)
{
	struct sidecar *s = data;

	held_look(s->held);
}

void sidecar_on_signed_in(struct sidecar *s, bool changed)
{
	changed = sidecar_look_signed_in(s) || changed;
	if (!changed && !(s->base_due && !desktop_is_looking(s->desktop)))
		return;
	s->base_due = true;
	server_refresh(s->server);
}

/* what waits until the file says what the server says */

static void sidecar_await(struct sidecar *s, struct sidecar_due *due)
{
	struct server_status st;

	server_get_status(s->server, &st);
	*due = (struct sidecar_due){
	    .due = true, .answered = st.n_answered, .failed = st.n_failed};
}

/* It does, or it could not be fetched: told once. */
static bool sidecar_has_come(struct sidecar *s, struct sidecar_due *due)
{
	struct server_status st;

	if (!due->due)
		return false;
	server_get_status(s->server, &st);
	if (st.n_failed == due->failed && (st.n_answered == due->answered ||
					      s->base_due || !sync_is_settled(s->sync)))
		return false;
	due->due = false;
	return true;
}

static void sidecar_on_agent_switched(void *data)
{
	struct sidecar *s = data;

	sidecar_await(s, &s->agent_switched);
}

static void sidecar_on_agent_restart(void *data)
{
	struct sidecar *s = data;

	/* Without --helix-desktop the editor is somebody else's. */
	if (s->desktop)
		sidecar_await(s, &s->agent_restart);
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

	if (sidecar_has_come(s, &s->agent_switched))
		server_report_applied(s->server);
	if (sidecar_has_come(s, &s->agent_restart))
		desktop_restart_editor(s->desktop);
	sidecar_upload(s);
	held_progress(s->held);
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

static void sidecar_on_remembered(void *data)
{
	struct sidecar *s = data;

	if (s->server)
		sidecar_upload(s);
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
	sync_retry(s->sync);
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
	bool tried, hopeless;

	if (s->healthy)
		return true;
	server_get_status(s->server, &server);
	sync_get_status(s->sync, &sync);
	/* With what was known the last time one failure is enough to start on that. */
	tried = server.state == SERVER_ONLINE || s->grace_over ||
		(server.n_failed > 0 && sync.base_known);
	/* None can be made: an editor on its defaults is better than none. */
	hopeless = !sync.exists && (sync.file == SYNC_FILE_NOT_WRITABLE ||
				       sync.file == SYNC_FILE_UNREADABLE);
	*why_out = !sync.exists ? "there is no settings file yet"
		   : !tried     ? "the settings server has not answered yet"
				: "the settings file is being brought up to date";
	s->healthy = (sync.exists || hopeless) && tried &&
		     ((sync_is_settled(s->sync) && !s->base_due) || s->grace_over);
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

static void sidecar_init_helix(struct sidecar *s)
{
	const char *home = getenv("HOME");

	snprintf(s->home, sizeof(s->home), "%s", home ? home : "");
	s->helix = (struct helix_base_conf){.api_url = s->conf->api_url,
	    .user_token = s->conf->user_api_token,
	    .home = s->home};
	(void)sidecar_look_signed_in(s);
}

/* This file on this host: the same after a restart. */
static void sidecar_init_client(struct sidecar *s)
{
	char host[256] = "", digest[DIGEST_HEX_LEN + 1];
	AUTO(buf_deinit) struct buf text = BUF_NULL(8192);

	(void)gethostname(host, sizeof(host) - 1);
	buf_addf(&text, "%s %s %s", host, s->conf->session_id,
	    s->conf->settings ? s->conf->settings : s->home);
	digest_hex(buf_slice(&text), digest);
	memcpy(s->client, digest, SIDECAR_CLIENT_LEN);
}

static int sidecar_start_server(struct sidecar *s, struct err *e)
{
	const struct server_conf c = {.loop = s->loop,
	    .api_url = s->conf->api_url,
	    .session_id = s->conf->session_id,
	    .bearer = sidecar_conf_bearer(s->conf),
	    .helix = &s->helix,
	    .tls_ca = s->conf->tls_ca,
	    .tls_skip_verify = !sidecar_verifies(s->conf),
	    .base = sidecar_on_base,
	    .overrides = sidecar_on_overrides,
	    .user_changed = sidecar_on_user_changed,
	    .posted = sidecar_on_posted,
	    .agent_switched = sidecar_on_agent_switched,
	    .agent_restart = sidecar_on_agent_restart,
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
	    .client = s->client,
	    .mode = file_write_mode_parse(s->conf->write_mode),
	    .offer_restore_ms = s->conf->offer_restore_ms,
	    .remembered = sidecar_on_remembered,
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
	sidecar_init_helix(s);
	sidecar_init_client(s);
	if (s->conf->helix_desktop)
		s->desktop = desktop_new(s);
	r = sidecar_start_sync(s, e);
	if (!r)
		r = sidecar_start_server(s, e);
	if (r)
		return r;
	s->local = local_new(s);
	s->held = held_new(s);
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
	if (s->desktop)
		desktop_stop(s->desktop);
	if (s->held)
		held_stop(s->held);
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

	if (s) {
		local_free(s->local);
		desktop_free(s->desktop);
		held_free(s->held);
	}
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
