/* Subscribers of sessions: SSE streams and user WebSockets. This part is what the rest of
 * sessiond tells them. */
#pragma once

#include "base/ids.h"
#include "base/jsn.h"

struct call;
struct gateway;
struct session;
struct turn;

/* {"type":"config_changed","field":...} to ws/user and an SSE event config_changed.
 * @field NULL: none. @extra may add members (revision...); takes. */
void fanout_config_changed(
    struct gateway *g, const struct id *session, const char *field, struct jsn *extra);
/* {"type":"user_settings_changed","revision":N} and the SSE event overrides. */
void fanout_user_settings_changed(
    struct gateway *g, const struct id *session, uint64_t revision);

/* The session's record, agent or queue changed. */
void fanout_session(struct session *s);
/* The turn's state changed. */
void fanout_interaction(struct session *s, const struct turn *t);
/* Its entries changed: told at once, or at most 50 ms after what was told before. */
void fanout_output(struct session *s, struct turn *t);
/* Tell now what has not been told yet of its entries. */
void fanout_flush(struct session *s, struct turn *t);
/* A prompt waits and no Zed is there. */
void fanout_wanted(struct session *s);

struct fanout *fanout_new(struct gateway *g);
struct fanout *fanout_free(struct fanout *f);
/* End all streams in an orderly way (the listener still runs). */
void fanout_stop(struct fanout *f);
void fanout_session_init(struct session *s);
/* The session is gone: its subscribers are ended. */
void fanout_session_deinit(struct session *s);

/* @c becomes a stream: of @s, or of everything (NULL). */
void fanout_open_stream(struct call *c, struct session *s);
/* @c becomes a user WebSocket. */
void fanout_open_socket(struct call *c, struct session *s);
