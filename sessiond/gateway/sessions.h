/* All sessions: their records, mirrored from the store and found by id, thread, agent id,
 * token and owner. A session is written by this process alone while its Zed is connected
 * here. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "sessiond/core/session_rec.h"
#include "sessiond/gateway/durable.h"

struct gateway;
struct sessions;
struct session;
struct call;

/* for every concern */
struct session *sessions_find(const struct sessions *ss, const char *id);
const char *session_id(const struct session *s);
const char *session_owner(const struct session *s);  /* "" if none */
const char *session_app_id(const struct session *s); /* "" if none */
/* What is stored of it, borrowed until the next turn of the loop. */
const struct session_rec *session_rec(const struct session *s);

/* The settings of its instance now hold what was configured: hand over what waits. */
void sessions_settings_applied(struct gateway *g, const struct id *session);

/* making and ending */
struct session_new {
	const char *id; /* NULL: made */
	const char *name, *owner, *app_id, *agent_id, *agent_name, *metadata, *thread_id;
};
/* @s NULL when @code is not 0: ERROR_UNAVAILABLE and such: nothing was stored, or nobody
 * was told so. */
typedef void session_cb(void *data, struct session *s, int code);
/* Store a new session, then @cb; one that exists or is being made: @cb with it. Strings
 * are copied. */
void sessions_create(
    struct gateway *g, const struct session_new *n, session_cb *cb, void *data);
