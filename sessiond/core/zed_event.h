/* What Zed says: one JSON object a message, today's form ({"event_type","data"}) and the
 * older ones ({"type"}, members at top level, chat_response*). Total: anything that is
 * not understood is an outcome, never a crash. */
#pragma once

#include "base/err.h"
#include "base/jsn.h"

enum zed_event_kind {
	ZED_UNKNOWN,
	ZED_PING,
	ZED_AGENT_READY,
	ZED_THREAD_CREATED,
	ZED_USER_CREATED_THREAD,
	ZED_TITLE_CHANGED,
	ZED_MESSAGE_ADDED,
	ZED_MESSAGE_COMPLETED,
	ZED_THREAD_LOAD_ERROR,
	ZED_RESPONSE_ERROR,
	ZED_TURN_CANCELLED,
	ZED_UI_STATE,
	ZED_NO_OP,
	ZED_RESPONSE,       /* chat_response: the whole text */
	ZED_RESPONSE_CHUNK, /* chat_response_chunk: more of it */
	ZED_RESPONSE_DONE,
	ZED_EVENT_N_
};

/* Strings are borrowed from the event, NULL when absent or null; those a kind needs are
 * there. */
struct zed_event {
	enum zed_event_kind kind;
	const char *name;       /* as sent */
	const char *session_id; /* envelope of older clients */
	const char *thread_id, *request_id, *message_id, *role, *content, *title, *error,
	    *status, *agent_name;
	const char *entry_type, *tool_name, *tool_status;
	const struct jsn *usage;        /* object, or NULL */
	const struct jsn *active_turns; /* array, or NULL when not told */
	struct jsn *root;               /* owned */
};

/* Return: 0 and *out (zed_event_deinit); ERROR_INVALID: no JSON object, or no name;
 * ERROR_UNPROCESSABLE: a member it needs is missing or too long (out->name says of what,
 * if known). *out may be deinited in any case. */
int zed_event_decode(struct slice text, struct zed_event *out, struct err *e) MUST_CHECK;
void zed_event_deinit(struct zed_event *ev);
const char *zed_event_name(enum zed_event_kind k);
/* Request id of element @v of active_turns: a string, or an object with one; NULL if
 * neither. */
const char *zed_active_turn_id(const struct jsn *v);
