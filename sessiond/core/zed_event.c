/* Decoding Zed's events. */
#include "sessiond/core/zed_event.h"

#include "base/must.h"
#include "sessiond/core/entries.h"
#include "sessiond/core/session_rec.h"
#include "sessiond/core/turn.h"

/* Names and what each cannot do without. */
#define NEED_THREAD  1u
#define NEED_MESSAGE 2u /* message_id, role, content */
#define NEED_REQUEST 4u
#define NEED_TITLE   8u
#define NEED_ERROR   16u
#define NEED_STATUS  32u
#define NEED_CONTENT 64u

static const struct {
	const char *name;
	enum zed_event_kind kind;
	unsigned need;
} zed_names[] = {
    {"ping", ZED_PING, 0},
    {"agent_ready", ZED_AGENT_READY, 0},
    {"thread_created", ZED_THREAD_CREATED, NEED_THREAD},
    {"context_created", ZED_THREAD_CREATED, NEED_THREAD},
    {"user_created_thread", ZED_USER_CREATED_THREAD, NEED_THREAD},
    {"thread_title_changed", ZED_TITLE_CHANGED, NEED_THREAD | NEED_TITLE},
    {"message_added", ZED_MESSAGE_ADDED, NEED_THREAD | NEED_MESSAGE},
    {"message_completed", ZED_MESSAGE_COMPLETED, NEED_THREAD},
    {"thread_load_error", ZED_THREAD_LOAD_ERROR, NEED_THREAD | NEED_ERROR},
    {"chat_response_error", ZED_RESPONSE_ERROR, NEED_REQUEST},
    {"turn_cancelled", ZED_TURN_CANCELLED, NEED_REQUEST | NEED_STATUS},
    {"ui_state_response", ZED_UI_STATE, 0},
    {"message_updated", ZED_NO_OP, 0},
    {"context_title_changed", ZED_NO_OP, 0},
    {"chat_response", ZED_RESPONSE, NEED_CONTENT},
    {"chat_response_chunk", ZED_RESPONSE_CHUNK, NEED_CONTENT},
    {"chat_response_done", ZED_RESPONSE_DONE, 0},
};

const char *zed_event_name(enum zed_event_kind k)
{
	for (size_t i = 0; i < ARRAY_LEN(zed_names); i++)
		if (zed_names[i].kind == k)
			return zed_names[i].name;
	return "unknown";
}

/* A member of data, else of the message itself. */
static const struct jsn *event_get(const struct jsn *root, const char *key)
{
	const struct jsn *data = jsn_get(root, "data");
	const struct jsn *v = jsn_type(data) == JSN_OBJECT ? jsn_get(data, key) : NULL;

	return v ? v : jsn_get(root, key);
}

static const char *event_string(const struct jsn *root, const char *key)
{
	return jsn_string(event_get(root, key));
}

static const char *event_string_of(
    const struct jsn *root, const char *key, const char *old_key)
{
	const char *s = event_string(root, key);

	return s ? s : event_string(root, old_key);
}

static bool absent(const char *s)
{
	return !s || !*s;
}

static const char *event_missing(const struct zed_event *ev, unsigned need)
{
	if ((need & NEED_THREAD) && absent(ev->thread_id))
		return "acp_thread_id";
	if ((need & NEED_MESSAGE) && absent(ev->message_id))
		return "message_id";
	if ((need & NEED_MESSAGE) && absent(ev->role))
		return "role";
	if ((need & (NEED_MESSAGE | NEED_CONTENT)) && !ev->content)
		return "content";
	if ((need & NEED_REQUEST) && absent(ev->request_id))
		return "request_id";
	if ((need & NEED_TITLE) && !ev->title)
		return "title";
	if ((need & NEED_ERROR) && !ev->error)
		return "error";
	if ((need & NEED_STATUS) && absent(ev->status))
		return "status";
	return NULL;
}

static const char *event_too_long(const struct zed_event *ev)
{
	if (ev->thread_id && strlen(ev->thread_id) > SESSION_THREAD_MAX)
		return "acp_thread_id";
	if (ev->message_id && strlen(ev->message_id) > ENTRY_ID_MAX)
		return "message_id";
	return NULL;
}

static void event_read(struct zed_event *ev)
{
	const struct jsn *r = ev->root;
	const struct jsn *usage = event_get(r, "usage"),
			 *turns = event_get(r, "active_turns");

	ev->session_id = event_string(r, "session_id");
	ev->thread_id = event_string_of(r, "acp_thread_id", "context_id");
	ev->request_id = event_string(r, "request_id");
	ev->message_id = event_string(r, "message_id");
	ev->role = event_string(r, "role");
	ev->content = event_string(r, "content");
	ev->title = event_string(r, "title");
	ev->error = event_string(r, "error");
	ev->status = event_string(r, "status");
	ev->agent_name = event_string(r, "agent_name");
	ev->entry_type = event_string(r, "entry_type");
	ev->tool_name = event_string(r, "tool_name");
	ev->tool_status = event_string(r, "tool_status");
	ev->usage = jsn_type(usage) == JSN_OBJECT ? usage : NULL;
	ev->active_turns = jsn_type(turns) == JSN_ARRAY ? turns : NULL;
	if (ev->kind == ZED_AGENT_READY)
		ev->thread_id = event_string_of(r, "thread_id", "acp_thread_id");
	if (ev->kind == ZED_RESPONSE_CHUNK)
		ev->content = event_string_of(r, "chunk", "content");
}

static unsigned event_name_kind(struct zed_event *ev)
{
	for (size_t i = 0; i < ARRAY_LEN(zed_names); i++) {
		if (strcmp(zed_names[i].name, ev->name) != 0)
			continue;
		ev->kind = zed_names[i].kind;
		return zed_names[i].need;
	}
	return 0;
}

int zed_event_decode(struct slice text, struct zed_event *out, struct err *e)
{
	const char *bad;
	unsigned need;
	int r;

	*out = (struct zed_event){0};
	r = jsn_parse(text.p, text.n, &out->root, e);
	if (r)
		return r;
	if (jsn_type(out->root) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "not an object");
	out->name = jsn_get_string(out->root, "event_type");
	if (!out->name)
		out->name = jsn_get_string(out->root, "type");
	if (!out->name)
		return err_set(e, ERROR_INVALID, "no event_type");
	need = event_name_kind(out);
	event_read(out);
	bad = event_missing(out, need);
	if (bad)
		return err_set(
		    e, ERROR_UNPROCESSABLE, "%s: no %s", zed_event_name(out->kind), bad);
	bad = event_too_long(out);
	if (bad)
		return err_set(e, ERROR_UNPROCESSABLE, "%s: %s is too long",
		    zed_event_name(out->kind), bad);
	return 0;
}

void zed_event_deinit(struct zed_event *ev)
{
	jsn_free(ev->root);
	*ev = (struct zed_event){0};
}

const char *zed_active_turn_id(const struct jsn *v)
{
	const char *id = jsn_string(v);

	return id ? id : jsn_get_string(v, "request_id");
}
