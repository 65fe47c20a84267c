/* Sessions and interactions as JSON. */
#include "sessiond/gateway/session_json.h"

#include "base/must.h"
#include "sessiond/gateway/agents.h"

enum {
	RESPONSE_MAX = 64 * 1024 * 1024,
};

static struct jsn *metadata_json(const struct session *s)
{
	if (!s->rec.metadata)
		return jsn_new_object();
	return jsn_new_raw(s->rec.metadata, strlen(s->rec.metadata));
}

const char *session_state(const struct session *s)
{
	if (s->chat.active || s->chat.n_ending > 0)
		return "busy";
	return chat_n_queued(&s->chat) ? "waiting" : "idle";
}

static struct jsn *session_agent_json(const struct session *s)
{
	struct jsn *o;

	if (!s->agent)
		return jsn_new_null();
	o = jsn_new_object();
	jsn_set_string(o, "id", s->agent->id);
	jsn_set_string(o, "state", agent_state(s->agent));
	return o;
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
	jsn_set_string(o, "state", session_state(s));
	jsn_set_bool(o, "paused", s->rec.paused);
	jsn_set_string(o, "zed_thread_id", s->rec.thread_id);
	jsn_set_string(o, "acp_session_id", s->rec.thread_id);
	jsn_set(o, "agent", session_agent_json(s));
	jsn_set_int(o, "queue_depth", (int64_t)chat_n_queued(&s->chat));
	jsn_set_time(o, "created_at", s->rec.created_unix_ms);
	jsn_set_time(o, "updated_at", s->rec.updated_unix_ms);
	jsn_set(o, "metadata", metadata_json(s));
	return o;
}

/* ---- interactions ---- */

static struct jsn *entries_json(const struct entries *e)
{
	struct jsn *list = jsn_new_array();

	for (size_t i = 0; i < e->n; i++) {
		const struct entry *en = &e->v[i];
		struct jsn *o;

		if (en->n_content == 0)
			continue;
		o = jsn_new_object();
		jsn_set_string(o, "message_id", en->message_id);
		jsn_set_string(o, "type", entry_type_name(en->type));
		jsn_set_string(o, "content", en->content);
		jsn_set_string(o, "tool_name", *en->tool_name ? en->tool_name : NULL);
		jsn_set_string(
		    o, "tool_status", *en->tool_status ? en->tool_status : NULL);
		jsn_push(list, o);
	}
	return list;
}

static void interaction_add_text(struct jsn *o, const struct turn *t)
{
	struct buf text = BUF_NULL(RESPONSE_MAX);

	entries_text(&t->entries, &text);
	jsn_set(o, "response", jsn_new_string_n(buf_cstr(&text), text.n));
	jsn_set(o, "entries", entries_json(&t->entries));
	if (t->entries.truncated)
		jsn_set_bool(o, "truncated", true);
	buf_deinit(&text);
}

struct jsn *interaction_json(const struct turn *t, bool whole)
{
	struct jsn *o = jsn_new_object();
	bool open = turn_told_open(t);

	jsn_set_string(o, "id", t->id);
	jsn_set_string(o, "request_id", t->id);
	jsn_set_string(o, "state", turn_state_name(turn_told_state(t)));
	if (whole || open)
		jsn_set(o, "prompt", jsn_new_string_n(t->prompt, t->n_prompt));
	if (whole)
		interaction_add_text(o, t);
	jsn_set_string(o, "error", open ? NULL : t->error);
	jsn_set(o, "usage",
	    t->usage && !open ? jsn_new_raw(t->usage, strlen(t->usage)) : jsn_new_null());
	jsn_set_time(o, "created_at", t->created_unix_ms);
	jsn_set_time(o, "completed_at", open ? 0 : t->completed_unix_ms);
	return o;
}
