/* The record of a session: what is stored of it, and nothing of what only runs. */
#pragma once

#include "base/ids.h"

#include <stdint.h>

enum {
	SESSION_TOKENS_MAX =
	    4, /* agent tokens valid beside each other: a rotation and a restart fit */
	SESSION_NAME_MAX = 256,
	SESSION_LABEL_MAX = 128, /* owner, app_id, agent_id, agent_name */
	SESSION_METADATA_MAX = 32 * 1024,
	SESSION_THREAD_MAX = 256,
	SESSION_HASH_LEN = 64,
};

/* A secret that an agent may show, as its hash. */
struct session_token {
	char sha256[SESSION_HASH_LEN + 1];
	int64_t expires_unix_ms;
};

/* Strings are owned; NULL is absent. */
struct session_rec {
	struct id id;
	char *name;
	char *owner;
	char *app_id;
	char *agent_id;   /* connection that serves it besides one of its own id */
	char *agent_name; /* which agent of Zed answers; NULL: Zed's own */
	char *metadata;   /* JSON object as text */
	char *thread_id;  /* Zed's thread */
	bool paused;
	int64_t created_unix_ms, updated_unix_ms;
	struct session_token tokens[SESSION_TOKENS_MAX]; /* newest first */
	size_t n_tokens;
};

#define SESSION_REC_NULL ((struct session_rec){0})

void session_rec_deinit(struct session_rec *r);
/* Replace the owned string @*field; @value NULL clears it. */
void str_set(char **field, const char *value);
void str_set_n(char **field, const char *value, size_t n);
bool str_eq(const char *a, const char *b); /* NULL equals NULL alone */

/* Add a token, pushing out the oldest. */
void session_rec_add_token(struct session_rec *r, const struct session_token *t);
