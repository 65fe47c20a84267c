/* Who may: everybody sees that it is healthy; what somebody else on this machine could
 * misuse needs the user's token, or an address of this machine. A page of some web site
 * open in a browser here is nobody.
 *
 * happy path: request, answer; /reload is answered when server and file were looked at
 * failure modes: client gone while it waits (forgotten), server away or file not valid
 * (500 and why), stopping (503) */
#include "sessiond/sidecar/local.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/auth.h"
#include "base/jsn.h"
#include "base/list.h"
#include "sessiond/sidecar/sidecar.h"
#include "sessiond/sidecar/status.h"

enum {
	LOCAL_RELOAD_MS = 30 * 1000,
	LOCAL_WAITERS_MAX = 64,
	LOCAL_TEXT_MAX = 8 * 1024 * 1024,
};

/* A request that waits until the server has been asked and the file is settled. */
struct local_waiter {
	struct list_link link;
	struct local *local;
	struct http_req *req;
	bool is_reload;
	uint64_t answered, failed; /* looks at the server before it */
	struct loop_timer *limit;
};

struct local {
	struct sidecar *s;
	struct list waiters; /* struct local_waiter.link */
};

/* who may */

static bool local_equal(const char *a, const char *b)
{
	char x[AUTH_HASH_LEN + 1], y[AUTH_HASH_LEN + 1];

	auth_hash(a, strlen(a), x);
	auth_hash(b, strlen(b), y);
	return strcmp(x, y) == 0;
}

/* Shows the user's token, or one of the token file. */
static bool local_is_user(const struct local *l, const struct http_req *r)
{
	const struct auth_table *tokens = daemon_auth(l->s->daemon);
	const char *user = l->s->conf->user_api_token, *shown;
	char scratch[512];

	shown = auth_request_token(r, scratch, sizeof(scratch));
	if (!shown)
		return false;
	if (user && local_equal(user, shown))
		return true;
	return auth_table_enabled(tokens) &&
	       auth_table_find(tokens, shown, clock_unix_ms()) != NULL;
}

static bool local_is_protected(const struct local *l)
{
	return l->s->conf->user_api_token ||
	       auth_table_enabled(daemon_auth(l->s->daemon));
}

/* From here: nobody else's page, and no name that only looks like this machine. */
static bool local_is_here(const struct http_req *r)
{
	return http_req_peer_is_loopback(r) && auth_host_is_loopback(r);
}

static bool local_may_see(const struct local *l, const struct http_req *r)
{
	return local_is_here(r) || local_is_user(l, r);
}

/* answers */

static void local_text(struct http_req *r, int status, const char *text)
{
	http_reply(r, status, "text/plain; charset=utf-8", NULL, 0, slice_of(text));
}

static void local_json(struct http_req *r, struct buf *b)
{
	http_reply(r, 200, "application/json", NULL, 0, buf_slice(b));
}

static void local_health(struct local *l, struct http_req *r)
{
	const char *why = "";

	if (sidecar_is_healthy(l->s, &why))
		local_text(r, 200, "OK");
	else
		local_text(r, 503, why);
}

static void local_settings(struct local *l, struct http_req *r)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(LOCAL_TEXT_MAX);
	struct sync_status st;

	sync_get_status(l->s->sync, &st);
	/* Others on this machine may not read the file itself. */
	status_settings_print(
	    st.record, sidecar_conf_bearer(l->s->conf), local_is_user(l, r), &b);
	local_json(r, &b);
}

static void local_status(struct local *l, struct http_req *r)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(LOCAL_TEXT_MAX);

	if (!local_may_see(l, r)) {
		http_reply_error(r, ERROR_UNAUTHORIZED, "Bearer USER_API_TOKEN needed");
		return;
	}
	status_print(l->s, &b);
	sync_probe(l->s->sync);
	local_json(r, &b);
}

/* waiting */

static struct http_req *waiter_end(struct local_waiter *w)
{
	struct http_req *r = w->req;

	list_del(&w->local->waiters, &w->link);
	loop_timer_free(w->limit);
	free(w);
	return r;
}

static void waiter_answer(struct local_waiter *w, bool failed)
{
	struct local *l = w->local;
	bool is_reload = w->is_reload;
	struct http_req *r = waiter_end(w);
	struct server_status server;
	struct sync_status sync;
	const char *problem;

	server_get_status(l->s->server, &server);
	sync_get_status(l->s->sync, &sync);
	problem = sync.file != SYNC_FILE_OK ? sync.problem
		  : failed                  ? server.problem
					    : NULL;
	if (!is_reload)
		http_reply(r, 200, "application/json", NULL, 0,
		    SLICE_LIT("{\"status\":\"ok\"}"));
	else if (problem)
		local_text(r, 500, problem);
	else
		local_text(r, 200, "Reloaded");
}

static void waiter_on_limit(struct loop_timer *t, void *data)
{
	struct local_waiter *w = data;

	(void)t;
	waiter_answer(w, true);
}

void local_progress(struct local *l)
{
	struct server_status st;

	if (!l || !l->s->server)
		return;
	server_get_status(l->s->server, &st);
	list_for_each_safe (it, &l->waiters) {
		struct local_waiter *w = list_entry(it, struct local_waiter, link);
		bool failed = w->is_reload && st.n_failed > w->failed;

		if (failed || (sync_is_settled(l->s->sync) &&
				  (!w->is_reload || st.n_answered > w->answered)))
			waiter_answer(w, failed);
	}
}

static bool local_wait(struct local *l, struct http_req *r, bool is_reload)
{
	struct server_status st;
	struct local_waiter *w;

	if (l->waiters.n >= LOCAL_WAITERS_MAX) {
		http_reply_error(r, ERROR_RATE_LIMITED, "too many requests wait already");
		return false;
	}
	server_get_status(l->s->server, &st);
	w = calloc(1, sizeof(*w));
	must(w);
	w->local = l;
	w->req = r;
	w->is_reload = is_reload;
	w->answered = st.n_answered;
	w->failed = st.n_failed;
	w->limit = loop_timer_new(l->s->loop, waiter_on_limit, w);
	loop_timer_start(w->limit, LOCAL_RELOAD_MS, 0);
	list_push(&l->waiters, &w->link);
	return true;
}

static void local_reload(struct local *l, struct http_req *r)
{
	if (!local_may_see(l, r))
		http_reply_error(r, ERROR_UNAUTHORIZED, "Bearer USER_API_TOKEN needed");
	else if (local_wait(l, r, true))
		sidecar_reload(l->s);
}

/* answers of people */

/* The body's "id", NULL if there is no body. False: malformed. */
static bool local_read_id(struct http_req *r, struct jsn **doc, const char **id)
{
	struct slice body = http_req_body(r);
	struct err e = ERR_NULL;

	*doc = NULL;
	*id = NULL;
	if (body.n == 0)
		return true;
	if (jsn_parse(body.p, body.n, doc, &e))
		http_reply_error(r, ERROR_INVALID, e.text);
	else if (jsn_type(*doc) != JSN_OBJECT ||
		 (jsn_get(*doc, "id") && !jsn_get_string(*doc, "id")))
		http_reply_error(
		    r, ERROR_INVALID, "an object with a string \"id\" is expected");
	else {
		*id = jsn_get_string(*doc, "id");
		return true;
	}
	return false;
}

static void local_decide(struct local *l, struct http_req *r, enum sync_answer a)
{
	AUTO(jsn_freep) struct jsn *doc = NULL;
	struct err e = ERR_NULL;
	const char *id;
	int rc;

	if (!local_may_see(l, r)) {
		http_reply_error(r, ERROR_UNAUTHORIZED, "Bearer USER_API_TOKEN needed");
		return;
	}
	if (!local_read_id(r, &doc, &id) || !local_wait(l, r, false))
		return;
	rc = sync_answer(l->s->sync, id, a, &e);
	if (rc == 0)
		return;
	http_reply_error(
	    waiter_end(list_entry(l->waiters.head.prev, struct local_waiter, link)), rc,
	    e.text);
}

static void local_confirm(struct local *l, struct http_req *r)
{
	local_decide(l, r, SYNC_ANSWER_CONFIRM);
}

static void local_undo(struct local *l, struct http_req *r)
{
	local_decide(l, r, SYNC_ANSWER_UNDO);
}

static void local_restore(struct local *l, struct http_req *r)
{
	local_decide(l, r, SYNC_ANSWER_RESTORE);
}

/* routes */

enum local_method { LOCAL_GET = 1, LOCAL_POST = 2 };

static const struct local_route {
	const char *path;
	unsigned methods;
	void (*serve)(struct local *l, struct http_req *r);
} local_routes[] = {
    {"/health", LOCAL_GET, local_health},
    {"/settings", LOCAL_GET, local_settings},
    {"/status", LOCAL_GET, local_status},
    {"/reload", LOCAL_GET | LOCAL_POST, local_reload},
    {"/confirm", LOCAL_POST, local_confirm},
    {"/undo", LOCAL_POST, local_undo},
    {"/restore", LOCAL_POST, local_restore},
};

static const char *const local_only[] = {[LOCAL_GET] = "only GET is served here",
    [LOCAL_POST] = "only POST is served here",
    [LOCAL_GET | LOCAL_POST] = "only GET and POST are served here"};

static bool local_method_fits(unsigned methods, const char *method)
{
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return methods & LOCAL_GET;
	return methods & LOCAL_POST && strcmp(method, "POST") == 0;
}

static void local_dispatch(struct local *l, struct http_req *r)
{
	for (size_t i = 0; i < ARRAY_LEN(local_routes); i++) {
		const struct local_route *route = &local_routes[i];

		if (strcmp(route->path, http_req_path(r)) != 0)
			continue;
		if (!local_method_fits(route->methods, http_req_method(r)))
			http_reply_error(r, ERROR_METHOD_NOT_ALLOWED,
			    local_only[route->methods]);
		else
			route->serve(l, r);
		return;
	}
	http_reply_error(r, ERROR_NOT_FOUND, "there is nothing at this path");
}

static void local_on_request(void *data, struct http_req *r)
{
	struct local *l = data;

	if (http_req_is_upgrade(r))
		http_reply_error(r, ERROR_NOT_FOUND, "no WebSocket is served here");
	else if (http_req_header(r, "Origin"))
		http_reply_error(r, ERROR_FORBIDDEN, "pages in a browser are not served");
	else if (!local_is_protected(l) && !auth_host_is_loopback(r))
		http_reply_error(r, ERROR_FORBIDDEN,
		    "the Host must be of this machine as long as no token is configured");
	else
		local_dispatch(l, r);
}

static void local_on_aborted(void *data, struct http_req *r)
{
	struct local *l = data;

	list_for_each_safe (it, &l->waiters) {
		struct local_waiter *w = list_entry(it, struct local_waiter, link);

		if (w->req == r)
			(void)waiter_end(w);
	}
}

static enum http_decision local_on_headers(void *data, struct http_req *r)
{
	(void)data;
	(void)r;
	return HTTP_ACCEPT;
}

struct local *local_new(struct sidecar *s)
{
	struct local *l = calloc(1, sizeof(*l));
	struct http_handlers h = {.headers = local_on_headers,
	    .request = local_on_request,
	    .aborted = local_on_aborted,
	    .data = l};

	must(l);
	l->s = s;
	list_init(&l->waiters);
	daemon_set_http(s->daemon, &h);
	return l;
}

void local_stop(struct local *l)
{
	list_for_each_safe (it, &l->waiters) {
		struct local_waiter *w = list_entry(it, struct local_waiter, link);

		http_reply_error(waiter_end(w), ERROR_UNAVAILABLE, "stopping");
	}
}

struct local *local_free(struct local *l)
{
	free(l);
	return NULL;
}
