/* The router: who calls, what for, with which body.
 *
 * happy path: headers (origin, host, route, token, role, body's type and limit), request
 * (body, session), handler
 *
 * failure modes: each refusal is an error answer; the peer may
 * leave at any time (call_abort)
 */
#include "sessiond/gateway/route.h"

#include <strings.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/settings.h"
#include "sessiond/metrics.h"

struct router {
	struct gateway *g;
};

enum {
	TOKEN_SCRATCH_MAX = 4096,
};

static const struct route *const route_tables[] = {
    session_routes, message_routes, agent_routes, stream_routes, settings_routes};

/* ---- matching ---- */

/* One segment of pattern and path each; both end at '/' or the end. */
static bool route_match_segment(
    struct slice pat, struct slice seg, struct call *c, size_t *n)
{
	if (pat.n == 0 || pat.p[0] != '{')
		return slice_eq(pat, seg);
	if (seg.n == 0 || seg.n > CALL_PARAM_LEN || *n == CALL_PARAMS_MAX)
		return false;
	memcpy(c->params[*n], seg.p, seg.n);
	c->params[*n][seg.n] = '\0';
	(*n)++;
	return true;
}

static struct slice route_segment(const char **p)
{
	size_t n = strcspn(*p, "/");
	struct slice s = {*p, n};

	*p += n;
	return s;
}

static bool route_match_path(const struct route *r, const char *path, struct call *c)
{
	const char *pat = r->pattern;
	size_t n_params = 0;

	while (*pat == '/' && *path == '/') {
		struct slice a, b;

		pat++;
		path++;
		a = route_segment(&pat);
		b = route_segment(&path);
		if (!route_match_segment(a, b, c, &n_params))
			return false;
	}
	return *pat == '\0' && *path == '\0';
}

static bool route_match_method(const struct route *r, const char *method)
{
	return strcmp(r->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

/* NULL: nothing there; *other_method: the path is, with another method. */
static const struct route *route_find(struct call *c, bool *other_method)
{
	const char *path = http_req_path(c->req), *method = http_req_method(c->req);

	*other_method = false;
	/* Helix's daemon puts the path behind a URL that may end in a slash. */
	while (path[0] == '/' && path[1] == '/')
		path++;
	for (size_t i = 0; i < ARRAY_LEN(route_tables); i++)
		for (const struct route *r = route_tables[i]; r->method; r++) {
			if (!route_match_path(r, path, c))
				continue;
			if (route_match_method(r, method))
				return r;
			*other_method = true;
		}
	return NULL;
}

/* ---- origin, host, token ---- */

static bool route_origin_listed(const struct gateway *g, const char *origin)
{
	const struct conf_list *l = &g->conf->allow_origin;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i], origin) == 0)
			return true;
	return false;
}

/* An origin is the listener's own when it is what the client calls us by. */
static bool route_origin_own(const struct call *c, const char *origin)
{
	const char *host = http_req_header(c->req, "Host");
	const char *authority = strstr(origin, "://");

	if (!host || !authority)
		return false;
	return (strncmp(origin, "http://", 7) == 0 ||
		   strncmp(origin, "https://", 8) == 0) &&
	       strcasecmp(authority + 3, host) == 0;
}

/* True if refused. */
static bool route_check_origin(struct call *c)
{
	const char *origin = http_req_header(c->req, "Origin");

	if (!origin || route_origin_own(c, origin))
		return false;
	if (!route_origin_listed(c->g, origin)) {
		call_reply_error(c, ERROR_FORBIDDEN, "this origin may not call");
		return true;
	}
	str_set(&c->cors, origin);
	return false;
}

static void route_preflight(struct call *c)
{
	static const struct http_header headers[] = {
	    {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"},
	    {"Access-Control-Allow-Headers",
		"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
		"Last-Event-ID, X-Session-Id"},
	    {"Access-Control-Max-Age", "600"}};

	call_reply(c, 204, NULL, headers, ARRAY_LEN(headers), SLICE_NULL);
}

static void caller_set(struct caller *who, enum auth_role role, const char *sub)
{
	*who = (struct caller){.role = role};
	snprintf(who->sub, sizeof(who->sub), "%s", sub);
}

static bool route_agent_token(struct call *c, const char *secret, int64_t now_ms)
{
	char hash[AUTH_HASH_LEN + 1];
	struct session *s;

	auth_hash(secret, strlen(secret), hash);
	s = sessions_by_token(c->g->sessions, hash);
	if (!s || s->deleting)
		return false;
	for (size_t i = 0; i < s->rec.n_tokens; i++) {
		const struct session_token *t = &s->rec.tokens[i];

		if (strcmp(t->sha256, hash) != 0 || t->expires_unix_ms <= now_ms)
			continue;
		caller_set(&c->who, AUTH_AGENT, session_owner(s));
		c->who.sessions[0] = s->rec.id;
		c->who.n_sessions = 1;
		return true;
	}
	return false;
}

static bool route_identify(struct call *c, const char *secret)
{
	int64_t now_ms = clock_unix_ms();
	const struct auth_identity *id =
	    auth_table_find(daemon_auth(c->g->daemon), secret, now_ms);

	if (!id)
		return route_agent_token(c, secret, now_ms);
	caller_set(&c->who, id->role, id->sub);
	for (size_t i = 0; i < id->n_sessions && c->who.n_sessions < AUTH_SESSIONS_MAX;
	     i++)
		if (id_parse(
			slice_of(id->sessions[i]), &c->who.sessions[c->who.n_sessions]))
			c->who.n_sessions++;
	return true;
}

/* True if refused. */
static bool route_check_token(struct call *c)
{
	char scratch[TOKEN_SCRATCH_MAX];
	const char *secret;

	if (!auth_table_enabled(daemon_auth(c->g->daemon))) {
		caller_set(&c->who, AUTH_ADMIN, "local");
		c->who.local = true;
		if (auth_host_is_loopback(c->req))
			return false;
		call_reply_error(c, ERROR_FORBIDDEN,
		    "without tokens only a loopback host name is served");
		return true;
	}
	if (c->route && (c->route->flags & ROUTE_OPEN))
		return false;
	secret = auth_request_token(c->req, scratch, sizeof(scratch));
	if (!secret && c->route && (c->route->flags & ROUTE_QUERY_TOKEN))
		secret = http_req_query(c->req, "access_token");
	if (secret && *secret && route_identify(c, secret))
		return false;
	if (http_req_header(c->req, "Authorization") || secret)
		call_reply_error(c, ERROR_UNAUTHORIZED, "Invalid token");
	else
		call_reply_error(c, ERROR_UNAUTHORIZED, "Authorization header required");
	return true;
}

/* ---- the body's frame ---- */

static bool route_has_body(const struct call *c)
{
	const char *len = http_req_header(c->req, "Content-Length");

	return http_req_header(c->req, "Transfer-Encoding") != NULL ||
	       (len && strcmp(len, "0") != 0);
}

static bool route_type_is_json(const struct call *c)
{
	static const char json[] = "application/json";
	const char *type = http_req_header(c->req, "Content-Type");

	if (!type || strncasecmp(type, json, sizeof(json) - 1) != 0)
		return false;
	return strchr("; \t", type[sizeof(json) - 1]) != NULL;
}

/* True if refused. */
static bool route_check_frame(struct call *c)
{
	const struct route *r = c->route;

	if ((r->flags & ROUTE_UPGRADE) && !http_req_is_upgrade(c->req)) {
		call_reply_error(
		    c, ERROR_INVALID, "a WebSocket handshake is needed here");
		return true;
	}
	if (!(r->flags & ROUTE_UPGRADE) && http_req_is_upgrade(c->req)) {
		call_reply_error(c, ERROR_INVALID, "there is no WebSocket here");
		return true;
	}
	if ((r->flags & ROUTE_JSON) && route_has_body(c) && !route_type_is_json(c) &&
	    !((r->flags & ROUTE_BODY_OPTIONAL) &&
		!http_req_header(c->req, "Content-Type"))) {
		call_reply_error(
		    c, ERROR_UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
		return true;
	}
	http_req_set_body_max(c->req, r->body_max ? r->body_max : CALL_BODY_MAX);
	return false;
}

/* True if refused. */
static bool route_check_route(struct call *c, bool other_method)
{
	if (!c->route && other_method) {
		call_reply_error(c, ERROR_METHOD_NOT_ALLOWED,
		    "%s is not served at this path", http_req_method(c->req));
		return true;
	}
	if (!c->route) {
		call_reply_error(c, ERROR_NOT_FOUND, "there is nothing at this path");
		return true;
	}
	if (!(c->route->flags & ROUTE_OPEN) && !(c->route->roles & (1u << c->who.role))) {
		call_reply_error(c, ERROR_FORBIDDEN, "a token of role %s may not do this",
		    auth_role_name(c->who.role));
		return true;
	}
	return route_check_frame(c);
}

static enum http_decision route_on_headers(void *data, struct http_req *req)
{
	struct router *r = data;
	struct call *c = call_new(r->g, req);
	bool other_method;

	metric_inc(M_http_requests);
	if (route_check_origin(c))
		return HTTP_REPLIED;
	if (c->cors && strcmp(http_req_method(req), "OPTIONS") == 0) {
		route_preflight(c);
		return HTTP_REPLIED;
	}
	c->route = route_find(c, &other_method);
	if (route_check_token(c) || route_check_route(c, other_method))
		return HTTP_REPLIED;
	return HTTP_ACCEPT;
}

/* ---- the request ---- */

static int route_read_json(struct call *c, struct slice body, struct err *e)
{
	int r;

	if (body.n == 0)
		return err_set(e, ERROR_INVALID, "a JSON body is needed");
	if (c->route->flags & ROUTE_SETTINGS)
		return settings_body_check(body, e);
	r = jsn_parse(body.p, body.n, &c->body, e);
	if (r == 0 && jsn_type(c->body) != JSN_OBJECT)
		r = err_set(e, ERROR_INVALID, "the body must be a JSON object");
	return r;
}

/* True if refused. */
static bool route_parse_body(struct call *c)
{
	struct slice body = http_req_body(c->req);
	struct err e = ERR_NULL;
	int r;

	buf_add_slice(&c->raw_body, body);
	if (!(c->route->flags & ROUTE_JSON))
		return false;
	if (body.n == 0 && (c->route->flags & ROUTE_BODY_OPTIONAL))
		return false;
	r = route_read_json(c, body, &e);
	if (r)
		call_reply_error(c, r, "%s",
		    c->route->flags & ROUTE_HELIX_BODY ? "invalid request body" : e.text);
	return r != 0;
}

static void route_run(struct call *c, struct session *s)
{
	(void)s;
	call_run_once(c);
}

static void route_on_request(void *data, struct http_req *req)
{
	struct call *c = http_req_data(req);

	(void)data;
	must(c && c->req == req);
	c->running = true;
	if (route_parse_body(c))
		return;
	if (!(c->route->flags & ROUTE_SESSION)) {
		call_run_once(c);
		return;
	}
	if (!id_parse(slice_of(c->params[0]), &c->session_id)) {
		call_reply_error(
		    c, ERROR_NOT_FOUND, "there is no session %.64s", c->params[0]);
		return;
	}
	call_with_session(
	    c, c->session_id.s, c->route->flags & ROUTE_FIRST_CONTACT, route_run);
}

static void route_on_aborted(void *data, struct http_req *req)
{
	struct call *c = http_req_data(req);

	(void)data;
	if (c)
		call_abort(c);
}

struct router *router_new(struct gateway *g)
{
	struct router *r = calloc(1, sizeof(*r));

	must(r);
	r->g = g;
	daemon_set_http(g->daemon, &(struct http_handlers){.headers = route_on_headers,
				       .request = route_on_request,
				       .aborted = route_on_aborted,
				       .data = r});
	return r;
}

struct router *router_free(struct router *r)
{
	free(r);
	return NULL;
}
