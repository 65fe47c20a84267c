/* A conversation inside Zed: its entries, and the file it is kept in so that a restarted
 * Zed finds it again. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct sim_turn;

struct sim_entry {
	bool is_user, is_tool;
	struct buf text;         /* of a tool call: its output */
	char *tool_name;         /* NULL for texts */
	const char *tool_status; /* a literal; "" for texts */
	int64_t sent_ms;         /* monotonic; 0: never */
	bool dirty;              /* changed since it was sent */
};

struct sim_thread {
	char id[40];      /* a UUID */
	char *agent_name; /* as the command named it; "" built-in */
	char *title;      /* NULL until there is one */
	struct sim_entry *entries;
	size_t n_entries, cap_entries;
	char *last_request_id; /* "" before the first message from outside */
	struct sim_turn *turn; /* running, or NULL */
};

struct sim_thread *sim_thread_new(const char *agent_name);
struct sim_thread *sim_thread_free(
    struct sim_thread *t); /* takes NULL; must have no turn */
/* Append an entry; its index is the message id on the wire. */
size_t sim_thread_add(struct sim_thread *t, bool is_user, const char *tool_name);
void sim_thread_set_request(struct sim_thread *t, const char *request_id);
/* What the entry looks like on the wire: for tool calls head line, status and output. */
void sim_entry_content(const struct sim_entry *en, struct buf *out);

/* Blocking small local files. @dir "" keeps nothing. */
int sim_thread_save(
    const struct sim_thread *t, const char *dir, struct err *e) MUST_CHECK;
/* Return: 0 and *out; ERROR_NOT_FOUND; ERROR_INVALID (the file is damaged). */
int sim_thread_load(
    const char *dir, const char *id, struct sim_thread **out, struct err *e) MUST_CHECK;
