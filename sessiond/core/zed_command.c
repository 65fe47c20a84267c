/* Commands for Zed as text. */
#include "sessiond/core/zed_command.h"

static void add_member(struct buf *out, const char *key, const char *value, size_t n)
{
	buf_addf(out, ",\"%s\":", key);
	if (value)
		buf_add_json_string(out, value, n);
	else
		buf_adds(out, "null");
}

static void add_text(struct buf *out, const char *key, const char *value)
{
	add_member(out, key, value, value ? strlen(value) : 0);
}

void zed_add_chat_message(struct buf *out, const struct zed_chat_message *m)
{
	buf_adds(out, "{\"type\":\"chat_message\",\"data\":{\"message\":");
	buf_add_json_string(out, m->message, m->n_message);
	add_text(out, "request_id", m->request_id);
	add_text(out, "acp_thread_id", m->thread_id);
	if (m->agent_name)
		add_text(out, "agent_name", m->agent_name);
	buf_addf(out, ",\"interrupt\":%s", m->interrupt ? "true" : "false");
	add_text(out, "interaction_id", m->request_id);
	add_text(out, "session_id", m->session_id);
	buf_adds(out, "}}");
}

void zed_add_open_thread(struct buf *out, const char *thread_id, const char *session_id,
    const char *request_id, const char *agent_name)
{
	buf_adds(out, "{\"type\":\"open_thread\",\"data\":{\"acp_thread_id\":");
	buf_add_json_string(out, thread_id, strlen(thread_id));
	add_text(out, "session_id", session_id);
	add_text(out, "request_id", request_id);
	if (agent_name)
		add_text(out, "agent_name", agent_name);
	buf_adds(out, "}}");
}

void zed_add_cancel(struct buf *out, const char *request_id)
{
	buf_adds(out, "{\"type\":\"cancel_current_turn\",\"data\":{\"request_id\":");
	buf_add_json_string(out, request_id, strlen(request_id));
	buf_adds(out, "}}");
}
