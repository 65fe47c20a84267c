/* The whole of the client: its parts, when they look, and whether the server is there.
 *
 * happy path: start, base and overrides fetched, push opens, changes are told and fetched
 * failure modes: no connection, refused, garbage, too slow, cut off: what was known
 * stays, tried again from 0.1 to 5 s; push away: polled every 30 s */
#include "sessiond/sidecar/server_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/ids.h"

enum {
	SERVER_POLL_MS = 30 * 1000,
	SERVER_POLL_PUSHED = 4, /* every so many polls also when changes are pushed */
};

const char *server_state_name(enum server_state s)
{
	static const char *const names[] = {"waiting", "online", "away"};

	return names[s];
}

void server_url(const struct server *s, const char *what, char out[static SERVER_URL_MAX])
{
	snprintf(out, SERVER_URL_MAX, "%s/api/v1/sessions/%s/%s", s->c.api_url,
	    s->c.session_id, what);
}

int64_t server_retry_ms(struct backoff *b, const struct fetch_response *r)
{
	uint32_t random;
	int64_t ms;

	random_bytes(&random, sizeof(random));
	ms = backoff_next_ms(b, random);
	if (r && r->code == 0 && r->retry_after_s > 0 && r->retry_after_s * 1000 > ms)
		ms = r->retry_after_s < 60 ? r->retry_after_s * 1000 : 60 * 1000;
	return ms;
}

void server_problem(const struct fetch_response *r, char out[static SERVER_PROBLEM_MAX])
{
	if (r->code)
		snprintf(out, SERVER_PROBLEM_MAX, "%s", r->detail);
	else
		snprintf(out, SERVER_PROBLEM_MAX, "HTTP %d", r->status);
}

void server_set_online(struct server *s, bool online)
{
	enum server_state now = online                       ? SERVER_ONLINE
				: s->state == SERVER_WAITING ? SERVER_WAITING
							     : SERVER_AWAY;

	if (now != s->state) {
		s->state = now;
		s->state_unix_ms = clock_unix_ms();
	}
	s->c.changed(s->c.data);
	if (online)
		server_upload_hurry(s);
}

void server_get_status(const struct server *s, struct server_status *out)
{
	*out = (struct server_status){.state = s->state,
	    .plain = s->plain,
	    .pushed = s->push.open,
	    .version = s->pulls[PULL_BASE].version,
	    .revision = s->pulls[PULL_OVERRIDES].version,
	    .problem = s->pulls[PULL_BASE].problem[0] ? s->pulls[PULL_BASE].problem
						      : s->pulls[PULL_OVERRIDES].problem,
	    .push_problem = s->push.problem,
	    .upload_problem = s->upload.problem,
	    .since_unix_ms = s->state_unix_ms,
	    .n_answered = s->pulls[PULL_BASE].n_answered,
	    .n_failed = s->pulls[PULL_BASE].n_failed};
}

void server_refresh(struct server *s)
{
	int64_t now_us = clock_mono_us();

	server_pull_start(&s->pulls[PULL_BASE], now_us);
	server_refresh_overrides(s);
}

void server_refresh_overrides(struct server *s)
{
	if (s->gives_overrides)
		server_pull_start(&s->pulls[PULL_OVERRIDES], clock_mono_us());
}

void server_reread_overrides(struct server *s)
{
	s->pulls[PULL_OVERRIDES].anew = true;
	server_refresh_overrides(s);
}

static void server_on_poll(struct loop_timer *t, void *data)
{
	struct server *s = data;

	(void)t;
	if (!s->push.open || ++s->n_polls % SERVER_POLL_PUSHED == 0)
		server_refresh(s);
}

int server_new(const struct server_conf *c, struct server **out, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	int r;

	must(s);
	s->c = *c;
	s->state_unix_ms = clock_unix_ms();
	r = server_push_init(s, e);
	if (r) {
		free(s);
		return r;
	}
	s->fetch = fetch_new(c->loop, c->tls_ca, c->tls_skip_verify);
	s->poll = loop_timer_new(c->loop, server_on_poll, s);
	for (enum server_pull_kind k = 0; k < PULL_N_; k++)
		server_pull_init(s, k);
	server_upload_init(s);
	*out = s;
	return 0;
}

/* "5", W/"5": the number of a tag; -1 if it has none. */
static int64_t server_tag_version(const char *tag)
{
	const char *quote = strchr(tag, '"');
	char *end;
	long long n = quote ? strtoll(quote + 1, &end, 10) : -1;

	return quote && end != quote + 1 && *end == '"' ? (int64_t)n : -1;
}

static void server_know(struct server_pull *p, const char *tag)
{
	snprintf(p->tag, sizeof(p->tag), "%s", tag);
	p->version = server_tag_version(tag);
}

void server_start(struct server *s, const char *base_tag, const char *overrides_tag)
{
	s->started = true;
	server_know(&s->pulls[PULL_BASE], base_tag);
	server_know(&s->pulls[PULL_OVERRIDES], overrides_tag);
	s->gives_overrides = overrides_tag[0];
	server_refresh(s);
	server_push_start(s);
	loop_timer_start(s->poll, SERVER_POLL_MS, SERVER_POLL_MS);
}

uint64_t server_ask(struct server *s, const char *method, const char *what,
    struct slice body, fetch_cb *cb, void *data)
{
	char url[SERVER_URL_MAX];
	struct fetch_request r = {.method = method,
	    .url = url,
	    .bearer = s->c.bearer,
	    .content_type = body.n ? "application/json" : NULL,
	    .body = body,
	    .body_max_bytes = SERVER_ANSWER_MAX,
	    .timeout_ms = SERVER_TIMEOUT_MS,
	    .cb = cb,
	    .data = data};

	server_url(s, what, url);
	return fetch_start(s->fetch, &r);
}

static void server_part_closed(void *data)
{
	struct server *s = data;
	loop_task_cb *cb = s->closed_cb;
	void *cb_data = s->closed_data;

	if (--s->n_open > 0)
		return;
	free(s);
	cb(cb_data);
}

void server_close(struct server *s, loop_task_cb *closed_cb, void *data)
{
	s->closing = true;
	s->closed_cb = closed_cb;
	s->closed_data = data;
	loop_timer_free(s->poll);
	for (enum server_pull_kind k = 0; k < PULL_N_; k++)
		server_pull_deinit(&s->pulls[k]);
	server_upload_deinit(s);
	server_push_stop(s);
	s->n_open = 2;
	fetch_close(s->fetch, server_part_closed, s);
	ws_client_ctx_close(s->push.ctx, server_part_closed, s);
}
