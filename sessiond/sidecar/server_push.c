/* The socket on which the server says that something changed. What changed is fetched, so
 * that a message lost costs time only.
 *
 * happy path: connect, open (fetch, in case something was missed), messages
 * failure modes: refused, cut off, silent for 45 s: connected again after 0.1 to 5 s; a
 * server behind a path that serves this without the path: tried both ways */
#include "sessiond/sidecar/server_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/jsn.h"

enum {
	PUSH_MESSAGE_MAX = 64 * 1024 * 1024, /* all of a session's chat comes by too */
	PUSH_QUEUE_MAX = 64 * 1024,
	PUSH_HANDSHAKE_MS = 10 * 1000,
	PUSH_SILENCE_MS = 45 * 1000, /* three pings of the server */
};

static void push_connect(struct server *s);

static void push_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	push_connect(data);
}

static void push_retry(struct server *s)
{
	loop_timer_start(s->push.timer, server_retry_ms(&s->push.backoff, NULL), 0);
}

static void push_on_opened(void *data)
{
	struct server *s = data;

	s->push.open = true;
	s->push.failing = false;
	s->push.problem[0] = '\0';
	backoff_reset(&s->push.backoff);
	server_refresh(s);
	s->c.changed(s->c.data);
}

static void push_on_event(struct server *s, const struct jsn *m)
{
	const char *type = jsn_get_string(m, "type"), *field = jsn_get_string(m, "field");
	int64_t now_us = clock_mono_us(), revision = jsn_get_int(m, "revision", -1);

	if (!type)
		return;
	if (strcmp(type, "config_changed") == 0) {
		if (field && strcmp(field, "agent") == 0)
			s->c.agent_switched(s->c.data);
		else if (field && strcmp(field, "agent_restart") == 0)
			s->c.agent_restart(s->c.data);
		/* not by its revision: an app's counts apart */
		server_pull_start(&s->pulls[PULL_BASE], now_us);
	} else if (strcmp(type, "user_settings_changed") == 0 && !s->plain) {
		server_pull_version(&s->pulls[PULL_OVERRIDES], revision, now_us);
		s->c.user_changed(s->c.data);
	}
}

static void push_on_message(void *data, struct slice msg, bool is_text)
{
	AUTO(jsn_freep) struct jsn *m = NULL;
	struct err e;

	(void)is_text;
	/* Chat comes by too, and much of it: only what may concern us is parsed. */
	if (!memmem(msg.p, msg.n, "config_changed", 14) &&
	    !memmem(msg.p, msg.n, "user_settings_changed", 21))
		return;
	if (jsn_parse(msg.p, msg.n, &m, &e) == 0)
		push_on_event(data, m);
}

/* A path in front that the socket does not have answers as something that is not there.
 */
static void push_try_other_path(struct server *s, int status)
{
	const char *host = strstr(s->c.api_url, "://") + 3;

	if (strchr(host, '/') && status >= 400 && status < 500 && status != 401 &&
	    status != 403)
		s->push.prefix_dropped = !s->push.prefix_dropped;
}

static void push_on_closed(void *data, int code, int status, const char *why)
{
	struct server *s = data;

	bool was_open = s->push.open;

	s->push.ws = NULL;
	s->push.open = false;
	if (s->closing)
		return;
	if (status)
		snprintf(s->push.problem, sizeof(s->push.problem), "HTTP %d", status);
	else
		snprintf(s->push.problem, sizeof(s->push.problem), "closed (%d) %.150s",
		    code, why ? why : "");
	push_try_other_path(s, status);
	push_retry(s);
	/* Is it away altogether? A connection of the fetches may have been answered a moment
	 * before it went. */
	if (was_open || !s->push.failing || (!status && s->state == SERVER_ONLINE))
		server_refresh(s);
	s->push.failing = true;
	s->c.changed(s->c.data);
}

static void push_url(const struct server *s, char out[static SERVER_URL_MAX])
{
	const char *rest = strstr(s->c.api_url, "://") + 3;
	size_t n = s->push.prefix_dropped ? strcspn(rest, "/") : strlen(rest);

	snprintf(out, SERVER_URL_MAX, "%s://%.*s/api/v1/ws/user?session_id=%s",
	    strncasecmp(s->c.api_url, "https", 5) == 0 ? "wss" : "ws", (int)n, rest,
	    s->c.session_id);
}

static void push_connect(struct server *s)
{
	char url[SERVER_URL_MAX];
	struct ws_client_conf c = {.url = url,
	    .bearer = s->c.bearer,
	    .message_max_bytes = PUSH_MESSAGE_MAX,
	    .queue_max_bytes = PUSH_QUEUE_MAX,
	    .handshake_timeout_ms = PUSH_HANDSHAKE_MS,
	    .silence_timeout_ms = PUSH_SILENCE_MS,
	    .opened = push_on_opened,
	    .message = push_on_message,
	    .closed = push_on_closed,
	    .data = s};
	struct err e = ERR_NULL;

	push_url(s, url);
	if (ws_client_connect(s->push.ctx, &c, &s->push.ws, &e) == 0)
		return;
	snprintf(s->push.problem, sizeof(s->push.problem), "%.190s", e.text);
	push_retry(s);
}

int server_push_init(struct server *s, struct err *e)
{
	int r = ws_client_ctx_new(
	    s->c.loop, s->c.tls_ca, s->c.tls_skip_verify, &s->push.ctx, e);

	if (r)
		return r;
	s->push.backoff = BACKOFF_INIT(SERVER_RETRY_MS, SERVER_RETRY_CAP_MS);
	s->push.timer = loop_timer_new(s->c.loop, push_on_timer, s);
	return 0;
}

void server_push_start(struct server *s)
{
	push_connect(s);
}

void server_push_stop(struct server *s)
{
	loop_timer_free(s->push.timer);
	if (s->push.ws)
		ws_client_close(s->push.ws, 1000, "");
}
