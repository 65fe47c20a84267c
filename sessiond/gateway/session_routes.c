/* /api/v1/sessions: making, listing, reading, changing and deleting sessions; login. */
#include "base/must.h"
#include "sessiond/gateway/cursor.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/session_json.h"

enum {
	LIST_LIMIT = 50,
	LIST_LIMIT_MAX = 200,
};

static void session_on_get(struct call *c)
{
	call_reply_json(
	    c, 200, session_json(sessions_find(c->g->sessions, c->session_id.s)));
}

const struct route session_routes[] = {
    {"GET", "/api/v1/sessions/{id}", ROLES_ALL_USERS, ROUTE_SESSION, 0, session_on_get},
    {0},
};
