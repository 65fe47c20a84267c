/* What the files about Zed's events share. */
#pragma once

#include "sessiond/gateway/agents.h"

/* The entry that holds an answer told without entries. */
#define AGENT_LEGACY_ENTRY "legacy"

/* agent_events.c */
void agent_take_entry(struct session *s, struct turn *t, const struct entry_update *u);
void agent_complete(
    struct session *s, const struct zed_event *ev, const char *request_id);

/* agent_threads.c */
struct session *turn_session(const struct turn *t);
/* The session of a thread, if this connection serves it. */
struct session *agent_session_by_thread(const struct agent *a, const char *thread_id);
/* The turn handed over here that has this request id. */
struct turn *agent_turn(const struct agent *a, const char *request_id);
/* The session the envelope names, if this connection serves it. */
struct session *agent_envelope_session(const struct agent *a, const struct zed_event *ev);
/* A session for a thread begun in this Zed; what comes of the thread meanwhile must be
 * held. */
struct agent_thread *agent_make_session(
    struct agent *a, const char *thread_id, const char *name);
struct agent_thread *agent_pending(const struct agent *a, const char *thread_id);
void agent_thread_hold(struct agent_thread *th, struct slice text);
/* Until the session's history is known, it cannot be told from news: hold the thread's
 * events. */
void agent_hold_for_history(
    struct agent *a, struct session *s, const char *thread_id, struct slice text);
void agent_on_thread_created(struct agent *a, const struct zed_event *ev);
void agent_on_user_thread(struct agent *a, const struct zed_event *ev);
void agent_on_title(struct agent *a, const struct zed_event *ev);

/* agent_legacy.c */
void agent_on_legacy_text(struct agent *a, const struct zed_event *ev);
void agent_on_legacy_done(struct agent *a, const struct zed_event *ev);
