/* Event streams and user WebSockets. */
#include "base/must.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session.h"

static void stream_on_session(struct call *c)
{
	fanout_open_stream(c, sessions_find(c->g->sessions, c->session_id.s));
}

static void stream_on_all(struct call *c)
{
	if (!gateway_warm(c->g))
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the sessions are not read yet: try again");
	else
		fanout_open_stream(c, NULL);
}

static void stream_on_socket(struct call *c)
{
	const char *id = http_req_query(c->req, "session_id");

	if (!id || !*id)
		call_reply_error(c, ERROR_INVALID, "No session_id supplied");
	else
		call_with_session(c, id, true, fanout_open_socket);
}

const struct route stream_routes[] = {
    {"GET", "/api/v1/sessions/{id}/events", ROLES_ALL_USERS, ROUTE_SESSION, 0,
	stream_on_session},
    {"GET", "/api/v1/events", ROLE(ADMIN) | ROLE(SERVICE), 0, 0, stream_on_all},
    {"GET", "/api/v1/ws/user", ROLES_ALL_USERS | ROLE(AGENT),
	ROUTE_UPGRADE | ROUTE_QUERY_TOKEN, 0, stream_on_socket},
    {0},
};
