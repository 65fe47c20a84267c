/* Sessions: the table of their routes, reading one, agent tokens, login. */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/session_calls.h"
#include "sessiond/gateway/session_json.h"

#define DAY_MS INT64_C(86400000)

static void session_on_get(struct call *c)
{
	call_reply_json(
	    c, 200, session_json(sessions_find(c->g->sessions, c->session_id.s)));
}

/* ---- agent tokens ---- */

struct token_op {
	struct call *c;
	char secret[AUTH_SECRET_LEN + 1];
	int64_t expires_unix_ms;
};

static void token_on_stored(void *data, int code)
{
	struct token_op *op = data;
	struct call *c = op->c;
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "token", op->secret);
	jsn_set_time(o, "expires_at", op->expires_unix_ms);
	free(op);
	if (code == 0) {
		call_reply_json(c, 201, o);
		return;
	}
	jsn_free(o);
	call_reply_error(c, ERROR_NOT_FOUND, "the session is gone");
}

/* Without tokens there is nothing to show: the answer says so, and the session is there.
 */
static void token_none(struct call *c)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "token", "none");
	jsn_set_null(o, "expires_at");
	call_reply_json(c, 201, o);
}

static void token_on_post(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct session_token t;
	struct token_op *op;

	if (c->who.local) {
		token_none(c);
		return;
	}
	if (!gateway_can_store(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "nothing can be stored now: try again");
		return;
	}
	op = calloc(1, sizeof(*op));
	must(op);
	op->c = c;
	auth_make_secret(op->secret);
	op->expires_unix_ms = clock_unix_ms() + c->g->conf->agent_token_days * DAY_MS;
	auth_hash(op->secret, strlen(op->secret), t.sha256);
	t.expires_unix_ms = op->expires_unix_ms;
	session_add_token(s, &t);
	session_touch(s);
	durable_wait(&s->cell, token_on_stored, op);
}

static void token_on_cleared(void *data, int code)
{
	(void)code; /* a session that is gone has no tokens either */
	call_reply_empty(data, 204);
}

static void token_on_delete(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);

	if (!gateway_can_store(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "nothing can be stored now: try again");
		return;
	}
	session_clear_tokens(s);
	session_touch(s);
	durable_wait(&s->cell, token_on_cleared, c);
}

/* ---- login ---- */

/* The caller showed a token; the browser keeps it where scripts cannot read it. */
static void login_on_post(struct call *c)
{
	char scratch[4096];
	const char *secret = auth_request_token(c->req, scratch, sizeof(scratch));
	struct buf cookie = BUF_NULL(8192), body = BUF_NULL(1024);
	struct http_header h = {.name = "Set-Cookie"};

	if (secret && strpbrk(secret, "; \t\r\n\"\\,")) {
		call_reply_error(c, ERROR_INVALID, "this token cannot stand in a cookie");
		return;
	}
	buf_addf(&cookie, "access_token=%s; Path=/; HttpOnly; SameSite=Strict%s",
	    secret ? secret : "", c->g->conf->daemon.tls_cert ? "; Secure" : "");
	h.value = buf_cstr(&cookie);
	buf_addf(&body, "{\"role\":\"%s\",\"sub\":", auth_role_name(c->who.role));
	buf_add_json_string(&body, c->who.sub, strlen(c->who.sub));
	buf_addc(&body, '}');
	call_reply(c, 200, "application/json", &h, 1, buf_slice(&body));
	buf_deinit(&cookie);
	buf_deinit(&body);
}

#define ROLES_ALL      (ROLES_ALL_USERS | ROLE(OPERATOR) | ROLE(AGENT))
#define ROLES_SERVICES (ROLE(ADMIN) | ROLE(SERVICE))

const struct route session_routes[] = {
    {"GET", "/api/v1/sessions", ROLES_ALL_USERS, 0, 0, session_on_list},
    {"POST", "/api/v1/sessions", ROLES_ALL_USERS, ROUTE_JSON | ROUTE_IDEMPOTENT, 0,
	session_on_post},
    {"GET", "/api/v1/sessions/{id}", ROLES_ALL_USERS, ROUTE_SESSION, 0, session_on_get},
    {"PATCH", "/api/v1/sessions/{id}", ROLES_ALL_USERS, ROUTE_SESSION | ROUTE_JSON, 0,
	session_on_patch},
    {"DELETE", "/api/v1/sessions/{id}", ROLES_ALL_USERS, ROUTE_SESSION, 0,
	session_on_delete},
    {"POST", "/api/v1/sessions/{id}/agent-token", ROLES_SERVICES,
	ROUTE_SESSION | ROUTE_FIRST_CONTACT | ROUTE_JSON | ROUTE_BODY_OPTIONAL |
	    ROUTE_IDEMPOTENT | ROUTE_SECRET,
	0, token_on_post},
    {"DELETE", "/api/v1/sessions/{id}/agent-token", ROLES_SERVICES, ROUTE_SESSION, 0,
	token_on_delete},
    {"POST", "/api/v1/login", ROLES_ALL, ROUTE_JSON | ROUTE_BODY_OPTIONAL, 0,
	login_on_post},
    {0},
};
