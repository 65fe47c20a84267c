/* One upload at a time, tried until the server says something about it. A storm of saves
 * becomes few uploads: the first goes at once, later ones share a slot. */
#include "sessiond/sidecar/server_internal.h"

#include <string.h>

#include "base/clock.h"

enum {
	UPLOAD_BURST = 5,
	UPLOAD_PER_S = 10,
	APPLIED_MS = 9 * 1000, /* then Helix does something about it */
	UPLOAD_BODY_MAX = 4 * 1024 * 1024,
};

static void applied_on_timer(struct loop_timer *t, void *data);

static void upload_end(struct server *s, struct server_upload_result *r)
{
	struct server_upload *u = &s->upload;

	u->busy = false;
	u->problem[0] = '\0';
	backoff_reset(&u->backoff);
	r->took_us = clock_mono_us() - u->started_us;
	s->c.posted(s->c.data, r);
}

/* What we put there needs not be fetched. */
static void upload_note(struct server *s, const struct server_upload_result *r)
{
	struct server_pull *p = &s->pulls[PULL_OVERRIDES];

	if (r->said.revision <= p->version || r->said.n_rejected || !s->upload.tag[0])
		return;
	p->version = r->said.revision;
	snprintf(p->tag, sizeof(p->tag), "%s", r->tag);
}

/* What the server says went wrong, if it says it as JSON or text. */
static void upload_why(
    const struct fetch_response *r, char out[static SERVER_PROBLEM_MAX])
{
	snprintf(out, SERVER_PROBLEM_MAX, "HTTP %d: %.*s", r->status,
	    (int)(r->body.n < 150 ? r->body.n : 150), r->body.n ? r->body.p : "");
	for (char *p = out; *p; p++) {
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	}
}

static bool upload_is_final(int status)
{
	return status == 400 || status == 409 || status == 412 || status == 413 ||
	       status == 415 || status == 422;
}

/* Tried again after a while, with the same op_id. */
static void upload_retry(struct server *s, const struct fetch_response *r)
{
	struct server_upload *u = &s->upload;

	loop_timer_start(u->timer, server_retry_ms(&u->backoff, r), 0);
	if (r->code && s->state == SERVER_ONLINE)
		server_refresh(s); /* is it away altogether? */
	s->c.changed(s->c.data);
}

/* False: it is no answer of a settings server, whatever its status. */
static bool upload_take(
    struct server *s, const struct fetch_response *r, struct server_upload_result *out)
{
	server_posted_parse(r->body, &out->said);
	if (!s->plain && out->said.revision < 0)
		return false;
	if (strlen(r->etag) <= SERVER_TAG_MAX)
		snprintf(out->tag, sizeof(out->tag), "%s", r->etag);
	if (!out->tag[0] && out->said.revision >= 0)
		snprintf(out->tag, sizeof(out->tag), "\"%lld\"",
		    (long long)out->said.revision);
	upload_note(s, out);
	return true;
}

static void upload_on_answer(void *data, const struct fetch_response *r)
{
	struct server *s = data;
	struct server_upload *u = &s->upload;
	struct server_upload_result result = {.what = SERVER_UPLOAD_TAKEN};

	u->ticket = 0;
	if (r->code == -ECANCELED || s->closing)
		return;
	if (r->code == 0 && r->status >= 200 && r->status < 300) {
		if (upload_take(s, r, &result)) {
			upload_end(s, &result);
		} else {
			snprintf(u->problem, sizeof(u->problem),
			    "HTTP %d: the answer is not understood", r->status);
			upload_retry(s, r);
		}
	} else if (r->code == 0 && upload_is_final(r->status)) {
		/* A whole object is never made from something older. */
		result.what = !s->plain && (r->status == 412 || r->status == 409)
				  ? SERVER_UPLOAD_STALE
				  : SERVER_UPLOAD_REFUSED;
		upload_why(r, result.why);
		upload_end(s, &result);
	} else {
		server_problem(r, u->problem);
		upload_retry(s, r);
	}
	server_pull_uploaded(&s->pulls[PULL_OVERRIDES]);
}

static void upload_send(struct server *s)
{
	struct server_upload *u = &s->upload;
	char url[SERVER_URL_MAX], match[SERVER_TAG_MAX + 32];
	const char *const headers[] = {match, NULL};
	struct fetch_request r = {.method = "POST",
	    .url = url,
	    .bearer = s->c.bearer,
	    .headers = u->tag[0] ? headers : NULL,
	    .content_type = "application/json",
	    .body = buf_slice(&u->body),
	    .body_max_bytes = SERVER_ANSWER_MAX,
	    .timeout_ms = SERVER_TIMEOUT_MS,
	    .cb = upload_on_answer,
	    .data = s};

	server_url(s, "zed-config/user", url);
	/* a proxy that weakened it did not change what it is of */
	snprintf(match, sizeof(match), "If-Match: %s",
	    strncmp(u->tag, "W/", 2) == 0 ? u->tag + 2 : u->tag);
	u->ticket = fetch_start(s->fetch, &r);
}

static void upload_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	upload_send(data);
}

/* Until the next slot; 0: now, and it is taken. */
static int64_t upload_take_slot(struct server_upload *u)
{
	int64_t now_ms = clock_mono_ms();

	u->tokens += (double)(now_ms - u->tokens_at_ms) * UPLOAD_PER_S / 1000;
	if (u->tokens > UPLOAD_BURST)
		u->tokens = UPLOAD_BURST;
	u->tokens_at_ms = now_ms;
	u->tokens -= 1;
	return u->tokens >= 0 ? 0 : (int64_t)(-u->tokens * 1000 / UPLOAD_PER_S) + 1;
}

void server_upload(struct server *s, struct slice body, const char *tag)
{
	struct server_upload *u = &s->upload;
	int64_t wait_ms;

	must(!u->busy);
	buf_reset(&u->body);
	buf_add_slice(&u->body, body);
	must(!buf_check(&u->body));
	snprintf(u->tag, sizeof(u->tag), "%s", strlen(tag) <= SERVER_TAG_MAX ? tag : "");
	u->busy = true;
	u->started_us = clock_mono_us();
	wait_ms = upload_take_slot(u);
	if (wait_ms > 0)
		loop_timer_start(u->timer, wait_ms, 0);
	else
		upload_send(s);
}

void server_upload_hurry(struct server *s)
{
	if (!s->upload.busy || s->upload.ticket || !s->upload.problem[0])
		return;
	loop_timer_stop(s->upload.timer);
	upload_send(s);
}

bool server_uploading(const struct server *s)
{
	return s->upload.busy;
}

void server_upload_init(struct server *s)
{
	struct server_upload *u = &s->upload;

	u->body = BUF_NULL(UPLOAD_BODY_MAX);
	u->tokens = UPLOAD_BURST;
	u->tokens_at_ms = clock_mono_ms();
	u->backoff = BACKOFF_INIT(SERVER_RETRY_MS, SERVER_RETRY_CAP_MS);
	u->timer = loop_timer_new(s->c.loop, upload_on_timer, s);
	s->applied.backoff = BACKOFF_INIT(SERVER_RETRY_MS, SERVER_RETRY_CAP_MS);
	s->applied.timer = loop_timer_new(s->c.loop, applied_on_timer, s);
}

void server_upload_deinit(struct server *s)
{
	if (s->upload.ticket)
		fetch_cancel(s->fetch, s->upload.ticket);
	loop_timer_free(s->upload.timer);
	loop_timer_free(s->applied.timer);
	buf_deinit(&s->upload.body);
}

/* Told until it is heard, for as long as anybody waits for it: Helix starts the agent anew
 * itself when it does not hear of it. */

static void applied_send(struct server *s);

static void applied_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	applied_send(data);
}

static void applied_on_answer(void *data, const struct fetch_response *r)
{
	struct server *s = data;
	struct server_applied *a = &s->applied;

	if (r->code == -ECANCELED || s->closing)
		return;
	a->under_way = false;
	if (a->again || (r->code != 0 || r->status >= 500)) {
		int64_t wait_ms = a->again ? 0 : server_retry_ms(&a->backoff, r);

		if (a->again || clock_mono_ms() + wait_ms < a->until_ms)
			loop_timer_start(a->timer, wait_ms, 0);
		a->again = false;
	}
}

static void applied_send(struct server *s)
{
	s->applied.under_way = true;
	(void)server_ask(
	    s, "POST", "agent-config-applied", SLICE_NULL, applied_on_answer, s);
}

void server_report_applied(struct server *s)
{
	struct server_applied *a = &s->applied;

	a->until_ms = clock_mono_ms() + APPLIED_MS;
	backoff_reset(&a->backoff);
	a->again = a->under_way;
	if (!a->under_way) {
		loop_timer_stop(a->timer);
		applied_send(s);
	}
}
