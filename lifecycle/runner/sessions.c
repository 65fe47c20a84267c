/* Requests to sessiond. */
#include "lifecycle/runner/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/jsn.h"
#include "base/list.h"
#include "lifecycle/runner/events.h"

enum {
	SESSIONS_TIMEOUT_MS = 5000,
	SESSIONS_BODY_MAX = 256 * 1024,
	SESSIONS_TOKEN_BYTES_MAX = 4096,
	SESSIONS_REVOKE_TRIES = 8,
};

struct sessions {
	struct loop *loop;
	struct fetch *fetch;
	struct sessions_conf conf;
	struct list asks;    /* struct sessions_ask.link */
	struct list revokes; /* struct sessions_revoke.link */
	uint64_t last_ticket;
};

/* A question with one answer. */
struct sessions_ask {
	struct list_link link;
	struct sessions *s;
	uint64_t ticket, fetch_ticket;
	struct loop_timer *timer;    /* of an answer known at once */
	sessions_token_cb *token_cb; /* one of the two */
	sessions_updated_cb *updated_cb;
	void *data;
};

struct sessions_revoke {
	struct list_link link;
	struct sessions *s;
	struct id session;
	struct loop_timer *timer;
	struct backoff backoff;
	uint64_t fetch_ticket;
};

struct sessions *sessions_new(
    struct loop *l, struct fetch *f, const struct sessions_conf *conf)
{
	struct sessions *s = calloc(1, sizeof *s);

	must(s);
	s->loop = l;
	s->fetch = f;
	s->conf = *conf;
	list_init(&s->asks);
	list_init(&s->revokes);
	return s;
}

bool sessions_has_tokens(const struct sessions *s)
{
	return s->conf.token_file != NULL;
}

char *sessions_service_token(const struct sessions *s, struct err *e)
{
	char text[SESSIONS_TOKEN_BYTES_MAX];
	ssize_t n;
	int fd;

	if (!s->conf.token_file)
		return NULL;
	fd = open(s->conf.token_file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		err_set(e, -errno, "--session-token-file: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return NULL;
	text[n] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	if (!text[0]) {
		err_set(e, ERROR_INVALID, "--session-token-file: is empty");
		return NULL;
	}
	return strdup(text);
}

char *sessions_url_of(const struct sessions *s, const struct id *session)
{
	char *url = NULL;

	must(asprintf(&url, "%s/api/v1/sessions/%s", s->conf.url, session->s) > 0);
	return url;
}

static uint64_t sessions_fetch(struct sessions *s, const struct id *session,
    const char *method, const char *tail, fetch_cb *cb, void *data, struct err *e)
{
	AUTO_FREE char *url = sessions_url_of(s, session), *full = NULL;
	AUTO_FREE char *bearer = sessions_service_token(s, e);
	bool post = strcmp(method, "POST") == 0;
	struct fetch_request r = {.method = method,
	    .bearer = bearer,
	    .content_type = post ? "application/json" : NULL,
	    .body = post ? SLICE_LIT("{}") : SLICE_NULL,
	    .body_max_bytes = SESSIONS_BODY_MAX,
	    .timeout_ms = SESSIONS_TIMEOUT_MS,
	    .cb = cb,
	    .data = data};

	if (e->code)
		return 0;
	must(asprintf(&full, "%s%s", url, tail) > 0);
	r.url = full;
	return fetch_start(s->fetch, &r);
}

/* ---- questions */

static void sessions_ask_drop(struct sessions_ask *a)
{
	list_del(&a->s->asks, &a->link);
	loop_timer_free(a->timer);
	free(a);
}

static void sessions_status_error(const struct fetch_response *r, struct err *e)
{
	AUTO(jsn_freep) struct jsn *v = NULL;
	const char *message = NULL;
	struct err ignored = ERR_NULL;

	if (r->code) {
		err_set(e, r->code, "sessiond: %s", r->detail);
		return;
	}
	if (jsn_parse(r->body.p, r->body.n, &v, &ignored) == 0)
		message = jsn_get_string(jsn_get(v, "error"), "message");
	err_set(e, ERROR_UNAVAILABLE, "sessiond answered %d%s%.120s", r->status,
	    message ? ": " : "", message ? message : "");
}

static void sessions_on_token(void *data, const struct fetch_response *r)
{
	struct sessions_ask *a = data;
	sessions_token_cb *cb = a->token_cb;
	AUTO(jsn_freep) struct jsn *v = NULL;
	void *cb_data = a->data;
	const char *token = NULL;
	struct err e = ERR_NULL;

	sessions_ask_drop(a);
	if (r->code == -ECANCELED)
		return;
	if (r->code || r->status < 200 || r->status > 299)
		sessions_status_error(r, &e);
	else if (jsn_parse(r->body.p, r->body.n, &v, &e) == 0)
		token = jsn_get_string(v, "token");
	if (!e.code && (!token || !*token))
		err_set(&e, ERROR_UNAVAILABLE, "sessiond's answer has no token");
	if (e.code)
		metric_inc(M_runner_token_failures);
	cb(cb_data, token, &e);
}

static void sessions_on_session(void *data, const struct fetch_response *r)
{
	struct sessions_ask *a = data;
	sessions_updated_cb *cb = a->updated_cb;
	AUTO(jsn_freep) struct jsn *v = NULL;
	void *cb_data = a->data;
	int64_t at = 0;
	const char *text;
	struct err e = ERR_NULL;

	sessions_ask_drop(a);
	if (r->code == -ECANCELED)
		return;
	if (!r->code && r->status == 200 &&
	    jsn_parse(r->body.p, r->body.n, &v, &e) == 0) {
		text = jsn_get_string(v, "updated_at");
		if (!text || !clock_parse_rfc3339(text, &at))
			at = 0;
	}
	cb(cb_data, at);
}

static struct sessions_ask *sessions_ask_new(struct sessions *s, void *data)
{
	struct sessions_ask *a = calloc(1, sizeof *a);

	must(a);
	a->s = s;
	a->data = data;
	a->ticket = ++s->last_ticket;
	list_push(&s->asks, &a->link);
	return a;
}

/* The service token could not be read: said later, as every answer is. */
static void sessions_token_unreadable(struct loop_timer *t, void *data)
{
	struct sessions_ask *a = data;
	sessions_token_cb *cb = a->token_cb;
	void *cb_data = a->data;
	struct err e = ERR_NULL;
	char *token = sessions_service_token(a->s, &e);

	(void)t;
	free(token);
	if (!e.code)
		err_set(&e, ERROR_UNAVAILABLE,
		    "--session-token-file was not readable just now");
	sessions_ask_drop(a);
	cb(cb_data, NULL, &e);
}

uint64_t sessions_fetch_token(
    struct sessions *s, const struct id *session, sessions_token_cb *cb, void *data)
{
	struct sessions_ask *a = sessions_ask_new(s, data);
	struct err e = ERR_NULL;

	a->token_cb = cb;
	a->fetch_ticket =
	    sessions_fetch(s, session, "POST", "/agent-token", sessions_on_token, a, &e);
	if (e.code) {
		a->timer = loop_timer_new(s->loop, sessions_token_unreadable, a);
		loop_timer_start(a->timer, 0, 0);
	}
	return a->ticket;
}

uint64_t sessions_ask_updated(
    struct sessions *s, const struct id *session, sessions_updated_cb *cb, void *data)
{
	struct sessions_ask *a = sessions_ask_new(s, data);
	struct err e = ERR_NULL;
	uint64_t ticket = a->ticket;

	a->updated_cb = cb;
	a->fetch_ticket =
	    sessions_fetch(s, session, "GET", "", sessions_on_session, a, &e);
	if (e.code) {
		sessions_ask_drop(a); /* asked again in its time anyway */
		return 0;
	}
	return ticket;
}

void sessions_cancel(struct sessions *s, uint64_t ticket)
{
	list_for_each_safe (it, &s->asks) {
		struct sessions_ask *a = list_entry(it, struct sessions_ask, link);

		if (a->ticket != ticket)
			continue;
		if (a->fetch_ticket)
			fetch_cancel(s->fetch, a->fetch_ticket);
		sessions_ask_drop(a);
	}
}

/* ---- revoking */

static void sessions_revoke_drop(struct sessions_revoke *r)
{
	if (r->fetch_ticket)
		fetch_cancel(r->s->fetch, r->fetch_ticket);
	list_del(&r->s->revokes, &r->link);
	loop_timer_free(r->timer);
	free(r);
}

static void sessions_revoke_later(struct sessions_revoke *r, const char *why)
{
	uint32_t random;

	if (r->backoff.n_tries >= SESSIONS_REVOKE_TRIES) {
		log_event(
		    EV_token_not_revoked, LF("session", r->session.s), LF("detail", why));
		sessions_revoke_drop(r);
		return;
	}
	random_bytes(&random, sizeof random);
	loop_timer_start(r->timer, backoff_next_ms(&r->backoff, random), 0);
}

static void sessions_on_revoked(void *data, const struct fetch_response *res)
{
	struct sessions_revoke *r = data;
	struct err e = ERR_NULL;

	r->fetch_ticket = 0;
	if (res->code == -ECANCELED)
		return;
	if (!res->code && (res->status / 100 == 2 || res->status == 404)) {
		sessions_revoke_drop(r);
		return;
	}
	sessions_status_error(res, &e);
	sessions_revoke_later(r, e.text);
}

static void sessions_revoke_try(struct loop_timer *t, void *data)
{
	struct sessions_revoke *r = data;
	struct err e = ERR_NULL;

	(void)t;
	r->fetch_ticket = sessions_fetch(
	    r->s, &r->session, "DELETE", "/agent-token", sessions_on_revoked, r, &e);
	if (e.code)
		sessions_revoke_later(r, e.text);
}

void sessions_revoke(struct sessions *s, const struct id *session)
{
	struct sessions_revoke *r = calloc(1, sizeof *r);

	must(r);
	r->s = s;
	r->session = *session;
	r->backoff = BACKOFF_INIT(500, 60000);
	r->timer = loop_timer_new(s->loop, sessions_revoke_try, r);
	list_push(&s->revokes, &r->link);
	loop_timer_start(r->timer, 0, 0);
}

struct sessions *sessions_free(struct sessions *s)
{
	if (!s)
		return NULL;
	list_for_each_safe (it, &s->revokes) {
		sessions_revoke_drop(list_entry(it, struct sessions_revoke, link));
	}
	list_for_each_safe (it, &s->asks) {
		struct sessions_ask *a = list_entry(it, struct sessions_ask, link);

		if (a->fetch_ticket)
			fetch_cancel(s->fetch, a->fetch_ticket);
		sessions_ask_drop(a);
	}
	free(s);
	return NULL;
}
