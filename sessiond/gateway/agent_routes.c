/* /api/v1/external-agents: the Zed socket, and the list of who is connected. */
#include "base/must.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/session_calls.h"

static bool agent_visible(const struct call *c, const struct agent *a)
{
	if (c->who.role != AUTH_USER)
		return true;
	if (strcmp(a->who.sub, c->who.sub) == 0)
		return true;
	list_for_each (it, &a->sessions)
		if (caller_may_see(&c->who, list_entry(it, struct session, agent_link)))
			return true;
	return false;
}

static void agent_on_list(struct call *c)
{
	struct jsn *o = jsn_new_object(), *list = jsn_new_array();

	list_for_each (it, &c->g->agents->all) {
		const struct agent *a = list_entry(it, struct agent, link);

		if (agent_visible(c, a))
			jsn_push(list, agent_json(a));
	}
	jsn_set(o, "agents", list);
	call_reply_json(c, 200, o);
}

const struct route agent_routes[] = {
    {"GET", "/api/v1/external-agents/sync", ROLES_ALL_USERS | ROLE(AGENT), ROUTE_UPGRADE,
	0, agent_on_sync},
    {"GET", "/api/v1/external-agents", ROLES_ALL_USERS, 0, 0, agent_on_list},
    {"POST", "/api/v1/external-agents", ROLES_ALL_USERS, ROUTE_JSON | ROUTE_IDEMPOTENT, 0,
	agent_on_post},
    {0},
};
