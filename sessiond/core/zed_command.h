/* What Zed is told: the three commands it knows, never with a role. */
#pragma once

#include "base/buf.h"

/* NULL where optional. */
struct zed_chat_message {
	const char *message;
	size_t n_message;
	const char *request_id; /* also the interaction's id */
	const char *thread_id;  /* NULL: a new thread */
	const char *agent_name; /* NULL: Zed's own agent */
	const char *session_id;
	bool interrupt;
};

void zed_add_chat_message(struct buf *out, const struct zed_chat_message *m);
void zed_add_open_thread(struct buf *out, const char *thread_id, const char *session_id,
    const char *request_id, const char *agent_name);
void zed_add_cancel(struct buf *out, const char *request_id);
