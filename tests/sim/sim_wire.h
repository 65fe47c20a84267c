/* Commands as Zed's deserialiser takes them, and the events Zed writes. */
#pragma once

#include "base/err.h"
#include "base/jsn.h"

enum sim_command_kind {
	SIM_CHAT_MESSAGE,
	SIM_USER_INPUT, /* simulate_user_input: as typed in Zed */
	SIM_OPEN_THREAD,
	SIM_CANCEL,
	SIM_QUERY_UI,
	SIM_UNKNOWN,   /* a type Zed does not know */
	SIM_ROLE_USER, /* a chat_message Zed drops because of its role */
};

/* Borrowed from @root, which sim_command_free frees. */
struct sim_command {
	enum sim_command_kind kind;
	const char *message;
	const char *request_id; /* NULL when absent (open_thread) */
	const char *thread_id;  /* NULL when absent, null or "" */
	const char *agent_name; /* never NULL: "" when absent */
	const char *query_id;
	bool interrupt;
	struct jsn *root;
};

/* Return: 0; ERROR_INVALID (Zed loses the command without an answer). */
int sim_command_parse(
    struct slice text, struct sim_command *out, struct err *e) MUST_CHECK;
void sim_command_free(struct sim_command *c);
/* True if @text is a frame whose type is open_thread, whether or not the rest makes
 * sense: it stops the 5 s timer. */
bool sim_command_is_open(struct slice text);

/* {"event_type":@type,"data":@data}; takes @data. */
void sim_event_print(const char *type, struct jsn *data, struct buf *out);
