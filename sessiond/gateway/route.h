/* HTTP routing of sessiond: one table of routes a concern, one struct call a request. The
 * router authenticates, finds the session, checks that the caller may see it, reads the
 * JSON body, and only then calls the handler. */
#pragma once

#include "base/err.h"
#include "base/ids.h"
#include "base/io/auth.h"
#include "base/io/http.h"
#include "base/jsn.h"

struct gateway;
struct request;
struct session; /* sessiond/gateway/sessions.h */

enum {
	CALL_PARAMS_MAX = 3,
	CALL_PARAM_LEN = 128, /* longest: a caller's request_id */
	CALL_BODY_MAX = 1024 * 1024,
};

/* Who is asking: a copy, so that a token file may be re-read under a long call. */
struct caller {
	enum auth_role role;
	char sub[AUTH_SUB_MAX + 1];
	struct id sessions[AUTH_SESSIONS_MAX]; /* agents */
	size_t n_sessions;
	bool local; /* no tokens are configured */
};

/* One request under way. Made by the router, gone after call_reply*; a peer that leaves
 * early only makes the reply a no-op, so handlers need not care. */
struct call {
	struct gateway *g;
	struct http_req *req; /* NULL once the peer has left */
	struct caller who;
	const struct route *route;
	struct id session_id; /* ROUTE_SESSION: the {id} of the path */
	char params[CALL_PARAMS_MAX]
		   [CALL_PARAM_LEN + 1]; /* {..} of the pattern in order */
	struct jsn *
	    body; /* ROUTE_JSON: parsed; NULL if empty and optional. Owned by the call. */
	struct buf raw_body; /* the body's bytes: settings keep their number text */
	struct request
	    *request; /* with an Idempotency-Key: ids to use; answered with the call */
	void *data;   /* the handler's */
	/* private */
	int64_t began_us;
	bool running; /* its handler has it */
	char *cors;   /* origin to name in the answer, NULL */
};

enum {
	ROUTE_SESSION = 1, /* first {} is a session id: it must exist and be the caller's
			      (404, 403) */
	ROUTE_FIRST_CONTACT =
	    2, /* an unknown ses_... is created when the token may (api: first contact) */
	ROUTE_JSON = 4, /* body must be application/json and parse (415, 400) */
	ROUTE_BODY_OPTIONAL =
	    8, /* with ROUTE_JSON: nothing at all is fine too, and saying no type */
	ROUTE_UPGRADE = 16,     /* WebSocket handshake */
	ROUTE_OPEN = 32,        /* no authentication */
	ROUTE_QUERY_TOKEN = 64, /* ?access_token= counts */
	ROUTE_IDEMPOTENT = 128, /* a creating POST: Idempotency-Key counts */
	ROUTE_HELIX_BODY = 512, /* what is no JSON object is refused in Helix's words */
	ROUTE_SETTINGS =
	    1024, /* with ROUTE_JSON: read by the handler, who keeps its text; no body */
	ROUTE_SECRET =
	    256, /* the answer holds a secret: it is not kept, a repeat makes another */
};

#define ROLE(r)         (1u << AUTH_##r)
#define ROLES_ALL_USERS (ROLE(ADMIN) | ROLE(SERVICE) | ROLE(USER))

struct route {
	const char *method;
	const char *pattern; /* "/api/v1/sessions/{id}/messages" */
	unsigned roles;
	unsigned flags;
	size_t body_max; /* 0: 1 MiB */
	void (*handle)(struct call *c);
};

/* Route tables, each ended by a zero row. */
extern const struct route session_routes[];
extern const struct route message_routes[];
extern const struct route agent_routes[];
extern const struct route stream_routes[];
extern const struct route settings_routes[];

struct router *router_new(struct gateway *g);
struct router *router_free(struct router *r);

/* answers; each ends @c */
void call_reply(struct call *c, int status, const char *content_type,
    const struct http_header *headers, size_t n_headers, struct slice body);
void call_reply_json(struct call *c, int status, struct jsn *body); /* takes @body */
void call_reply_error(struct call *c, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_reply_empty(struct call *c, int status);
/* For calls that become a stream or a socket: end @c without answering. */
void call_release(struct call *c);
/* Access-Control-Allow-Origin and Vary for the answer, if its origin was let in: how many
 * (0 or 2). */
size_t call_cors_headers(const struct call *c, struct http_header out[static 2]);

/* admin and service see all, a user the sessions it owns, an agent those its token names.
 */
bool caller_may_see(const struct caller *who, const struct session *s);
/* An unknown session @id would be created for this caller at first contact. */
bool caller_may_create_at_contact(const struct caller *who, const char *id);
/* Find the session @id for @c, or make it at first contact, then @cb(c, s); else answers
 * 404, 403 or 503 and ends @c. */
void call_with_session(struct call *c, const char *id, bool first_contact,
    void (*cb)(struct call *c, struct session *s));

/* idempotency.c: run @c's handler once for its Idempotency-Key, if it has one. */
void call_run_once(struct call *c);
void call_keep_answer(struct call *c, int status, struct slice body);

/* private to route.c and call.c */
struct call *call_new(struct gateway *g, struct http_req *r);
void call_abort(struct call *c);
