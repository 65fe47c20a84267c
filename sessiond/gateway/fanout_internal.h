/* What the files of the fan-out share. */
#pragma once

#include "base/io/http.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/session.h"

enum {
	FANOUT_GAP_MS = 50, /* between two tellings of a growing text */
	FANOUT_BEHIND_BYTES =
	    256 * 1024, /* queued: a subscriber is given no more until it has drained */
	FANOUT_STUCK_MS = 30 * 1000, /* behind for so long: cut off */
	FANOUT_BEAT_MS = 15 * 1000,
	FANOUT_APPEND_MAX = 256 * 1024, /* text of one delta */
	FANOUT_TEXT_MAX = 96 * 1024 * 1024,
	FANOUT_SOCKET_QUEUE_MAX =
	    128 * 1024 * 1024, /* one whole interaction beyond FANOUT_BEHIND_BYTES */
	FANOUT_PER_SESSION = 64,
	FANOUT_ALL_MAX = 64,
};

struct fanout {
	struct gateway *g;
	struct ring ring;  /* events of all sessions, for service-wide streams */
	struct list all;   /* struct subscriber.link of service-wide streams */
	struct list every; /* struct subscriber.every_link */
	bool stopping;
};

struct subscriber {
	struct list_link link;       /* fan.subscribers or fanout.all */
	struct list_link every_link; /* fanout.every */
	struct gateway *g;
	struct session *s;      /* NULL: service-wide */
	struct http_stream *st; /* one of the two */
	struct http_ws *ws;
	struct socket_handle *handle;
	bool opened;      /* sockets: writing is possible */
	bool config_only; /* agents hear of settings alone */
	uint64_t pos;     /* streams: number of the next event to send */
	bool behind;
	/* sockets: what was not told about settings while behind */
	bool missed_config;
	uint64_t missed_overrides; /* their revision, 0: nothing */
	bool waiting;       /* streams: the first snapshot is being made */
	int64_t behind_mono_ms;
	struct wheel_timer beat;
	struct snapshot_op *snapshot; /* reading for it */
};

struct subscriber *subscriber_new(struct gateway *g, struct session *s);
void subscriber_free(struct subscriber *sub);
struct ring *subscriber_ring(const struct subscriber *sub);
struct jsn *fanout_wanted_json(const struct session *s);
bool subscriber_is_full(struct gateway *g, const struct session *s);

/* fanout_stream.c */
void stream_send_event(struct subscriber *sub, const struct event *ev, uint64_t number);
void stream_catch_up(struct subscriber *sub);
void stream_end(struct subscriber *sub);
void stream_cut(struct subscriber *sub);
void snapshot_cancel(struct subscriber *sub);
/* fanout_socket.c */
void socket_send(struct subscriber *sub, struct slice text);
void socket_end(struct subscriber *sub, int code, const char *reason);

/* fanout_frontend.c: Helix's frontend events */
void frontend_add_session(const struct session *s, struct buf *out);
void frontend_add_interaction(
    const struct session *s, const struct turn *t, struct buf *out);
void frontend_begin_patch(const struct session *s, const struct turn *t, struct buf *out);
void frontend_add_patch(struct buf *out, size_t index, const struct entry_patch *p);
void frontend_end_patch(const struct turn *t, struct buf *out);
/* All entries whole, from shown entry @from on. */
void frontend_add_full_patch(
    const struct session *s, const struct turn *t, size_t from, struct buf *out);
