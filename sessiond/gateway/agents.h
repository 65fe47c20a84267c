/* Connected Zeds. One connection serves the session whose id it came with, those that
 * claim it by agent_id, and those made for threads begun in it. */
#pragma once

#include "base/io/http.h"
#include "sessiond/core/zed_event.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/session.h"

enum {
	AGENT_ID_MAX = 128,
	AGENT_CLOSE_SUPERSEDED = 4001,
	AGENT_CLOSE_NO_SESSION = 4404,
};

struct agent {
	struct gateway *g;
	struct list_link link; /* agents.all */
	char id[AGENT_ID_MAX + 1];
	struct caller who;  /* who connected it */
	struct http_ws *ws; /* NULL: going, must not be written to */
	struct agent_handle *handle;
	struct zed_link zed;
	struct list
	    sessions; /* struct session.agent_link; whose turn it is comes first */
	struct wheel_timer ready_timer;
	char open_request[TURN_ID_MAX + 1]; /* of the open_thread under way, "" if none */
	char *agent_name;                   /* as it last said */
	int64_t connected_unix_ms;
	struct list
	    pending; /* struct agent_thread.link: sessions being made for its threads */
};

struct agents {
	struct gateway *g;
	struct list all;   /* struct agent.link */
	struct map *by_id; /* struct agent */
};

struct agents *agents_new(struct gateway *g);
struct agents *agents_free(struct agents *as);
/* Close all of them: they come back in a second. */
void agents_stop(struct agents *as);
struct agent *agents_find(const struct agents *as, const char *id);

/* The Zed socket's handshake. */
void agent_on_sync(struct call *c);

void agent_send_prompt(struct agent *a, struct session *s, struct turn *t);
void agent_send_cancel(struct agent *a, const struct turn *t);
/* Its follow-up ended: the next session of it may hand one over. */
void agent_offer_link(struct agent *a);
/* "connected", "ready" or "busy". */
const char *agent_state(const struct agent *a);
struct jsn *agent_json(const struct agent *a);

/* Serve @s by whichever Zed it belongs to, if that is connected. */
void agents_attach_session(struct session *s);
void agent_attach(struct agent *a, struct session *s);
void agent_detach(struct session *s);
/* The session is gone: its own Zed is closed with 4404. */
void agents_session_gone(struct session *s);
/* Ready, by its word or by time. */
void agent_set_ready(struct agent *a);

/* agent_events.c */
void agent_on_message(struct agent *a, struct slice text);
void agent_pending_deinit(struct agent *a);
