/* Fetching base and overrides: conditionally, one request each at a time, and never going
 * back to something older unless the server insists. */
#include "sessiond/sidecar/server_internal.h"

#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"

enum {
	PULL_OLDER_MS =
	    500, /* until an answer older than what is known is asked for again */
};

static const char *const pull_paths[PULL_N_] = {"zed-config", "zed-config/user"};

static void pull_on_retry(struct loop_timer *t, void *data)
{
	struct server_pull *p = data;

	(void)t;
	server_pull_start(p, p->since_us);
}

void server_pull_init(struct server *s, enum server_pull_kind kind)
{
	struct server_pull *p = &s->pulls[kind];

	p->server = s;
	p->kind = kind;
	p->version = p->told = -1;
	p->backoff = BACKOFF_INIT(SERVER_RETRY_MS, SERVER_RETRY_CAP_MS);
	p->retry = loop_timer_new(s->c.loop, pull_on_retry, p);
}

void server_pull_deinit(struct server_pull *p)
{
	if (p->ticket)
		fetch_cancel(p->server->fetch, p->ticket);
	p->ticket = 0;
	p->retry = loop_timer_free(p->retry);
}

/* Without anything newer known to be there, what has been asked for is answered. */
static void pull_done(struct server_pull *p)
{
	p->problem[0] = '\0';
	backoff_reset(&p->backoff);
	if (!p->again) {
		p->n_answered++;
		return;
	}
	p->again = false;
	server_pull_start(p, p->since_us);
}

static void pull_failed(struct server_pull *p, const struct fetch_response *r)
{
	p->again = false; /* the retry sees whatever it was */
	p->n_failed++;
	loop_timer_start(p->retry, server_retry_ms(&p->backoff, r), 0);
	if (p->kind == PULL_BASE)
		server_set_online(p->server, false);
	else
		p->server->c.changed(p->server->c.data);
}

/* False: an answer from before what is known; looked at again before it is believed. */
static bool pull_accept(struct server_pull *p, int64_t version, bool *reset)
{
	*reset = version < p->version;
	if (*reset && !p->older_seen) {
		p->older_seen = true;
		loop_timer_start(p->retry, PULL_OLDER_MS, 0);
		return false;
	}
	p->older_seen = false;
	p->version = version;
	return true;
}

static void pull_tag(struct server_pull *p, const char *tag)
{
	if (strlen(tag) > SERVER_TAG_MAX)
		tag = "";
	snprintf(p->tag, sizeof(p->tag), "%s", tag);
}

/* Helix's API has no overrides to give, and is not asked for them. */
static void pull_know_kind(struct server *s)
{
	bool before = s->gives_overrides;

	s->gives_overrides = !s->plain;
	if (!before)
		server_refresh_overrides(s);
}

static int pull_take_base(
    struct server_pull *p, const struct fetch_response *r, struct err *e)
{
	struct server *s = p->server;
	struct server_base b;
	bool reset = false;
	int rc = server_base_parse(r->body, s->c.helix, &b, e);

	if (rc)
		return rc;
	s->plain = b.plain;
	pull_know_kind(s);
	/* Helix's version is a time, and not of what is in it. */
	if (b.plain)
		p->version = b.version;
	else if (!pull_accept(p, b.version, &reset)) {
		server_base_deinit(&b);
		return 0;
	}
	if (reset)
		log_event(
		    EV_server_reset, LF("what", "base"), LF_I("version", b.version));
	pull_tag(p, b.plain ? "" : r->etag); /* Helix's answers stand for themselves */
	s->c.base(s->c.data, &b, p->tag, p->since_us);
	server_base_deinit(&b);
	return 0;
}

static int pull_take_overrides(
    struct server_pull *p, const struct fetch_response *r, struct err *e)
{
	struct server *s = p->server;
	struct server_overrides o;
	bool reset = false;
	int rc = server_overrides_parse(r->body, &o, e);

	if (rc)
		return rc;
	if (pull_accept(p, o.revision, &reset)) {
		if (reset)
			log_event(EV_server_reset, LF("what", "overrides"),
			    LF_I("version", o.revision));
		pull_tag(p, r->etag);
		s->c.overrides(s->c.data, &o, p->tag, reset);
	}
	server_overrides_deinit(&o);
	return 0;
}

/* Only to who asked that way. */
static bool pull_is_unchanged(const struct server_pull *p, const struct fetch_response *r)
{
	return r->status == 304 && p->tag[0];
}

static void pull_unchanged(struct server_pull *p)
{
	struct server *s = p->server;

	p->older_seen = false;
	if (p->kind == PULL_BASE)
		s->c.base(s->c.data, NULL, p->tag, p->since_us);
	else
		s->c.overrides(s->c.data, NULL, p->tag, false);
}

static void pull_on_answer(void *data, const struct fetch_response *r)
{
	struct server_pull *p = data;
	struct err e = ERR_NULL;
	int rc = 0;

	p->ticket = 0;
	if (r->code == -ECANCELED || p->server->closing)
		return;
	if (p->kind == PULL_OVERRIDES && p->server->plain)
		return;
	if (r->code != 0 || (r->status != 200 && !pull_is_unchanged(p, r))) {
		server_problem(r, p->problem);
		pull_failed(p, r);
		return;
	}
	if (pull_is_unchanged(p, r))
		pull_unchanged(p);
	else
		rc = p->kind == PULL_BASE ? pull_take_base(p, r, &e)
					  : pull_take_overrides(p, r, &e);
	if (rc) {
		snprintf(p->problem, sizeof(p->problem), "%.190s", e.text);
		pull_failed(p, NULL);
		return;
	}
	pull_done(p);
	if (p->kind == PULL_BASE)
		server_set_online(p->server, true);
}

void server_pull_start(struct server_pull *p, int64_t since_us)
{
	struct server *s = p->server;
	char url[SERVER_URL_MAX], match[SERVER_TAG_MAX + 32];
	const char *const headers[] = {match, NULL};
	struct fetch_request r = {.method = "GET",
	    .url = url,
	    .bearer = s->c.bearer,
	    .headers = p->tag[0] ? headers : NULL,
	    .body_max_bytes = SERVER_ANSWER_MAX,
	    .timeout_ms = SERVER_TIMEOUT_MS,
	    .cb = pull_on_answer,
	    .data = p};

	if (!s->started || s->closing)
		return;
	if (p->ticket) {
		p->again = true;
		p->since_us = since_us;
		return;
	}
	p->since_us = since_us;
	if (p->anew)
		p->tag[0] = '\0';
	p->anew = false;
	loop_timer_stop(p->retry);
	server_url(s, pull_paths[p->kind], url);
	snprintf(match, sizeof(match), "If-None-Match: %s", p->tag);
	p->ticket = fetch_start(s->fetch, &r);
}

void server_pull_version(struct server_pull *p, int64_t version, int64_t since_us)
{
	if (version >= 0 && p->server->upload.ticket) {
		p->told = version > p->told ? version : p->told;
		return;
	}
	if (version < 0 || version > p->version || p->problem[0])
		server_pull_start(p, since_us);
}

void server_pull_uploaded(struct server_pull *p)
{
	int64_t version = p->told;

	p->told = -1;
	if (version >= 0)
		server_pull_version(p, version, clock_mono_us());
}
