/* Sessions and interactions as JSON. */
#include "sessiond/gateway/session_json.h"

#include "base/must.h"
#include "sessiond/gateway/session.h"

static struct jsn *metadata_json(const struct session *s)
{
	if (!s->rec.metadata)
		return jsn_new_object();
	return jsn_new_raw(s->rec.metadata, strlen(s->rec.metadata));
}

struct jsn *session_json(const struct session *s)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "id", s->rec.id.s);
	jsn_set_string(o, "name", s->rec.name);
	jsn_set_string(o, "owner", s->rec.owner);
	jsn_set_string(o, "app_id", s->rec.app_id);
	jsn_set_string(o, "agent_type", "zed_external");
	jsn_set_string(o, "agent_name", s->rec.agent_name);
	jsn_set_bool(o, "paused", s->rec.paused);
	jsn_set_string(o, "zed_thread_id", s->rec.thread_id);
	jsn_set_string(o, "acp_session_id", s->rec.thread_id);
	jsn_set_time(o, "created_at", s->rec.created_unix_ms);
	jsn_set_time(o, "updated_at", s->rec.updated_unix_ms);
	jsn_set(o, "metadata", metadata_json(s));
	return o;
}
