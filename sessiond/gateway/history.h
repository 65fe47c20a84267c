/* The transcript: finished turns of a session in SESSION_TRANSCRIPT, oldest first, each
 * linked to the one before. */
#pragma once

#include "sessiond/gateway/turn_store.h"

struct history_load_op;
struct history_move;

struct history {
	bool loaded;
	uint64_t tail_seq;   /* of the newest message on the subject, 0: none */
	uint64_t last_seq;   /* of the newest whole record's last part; 0: none */
	uint64_t last_order; /* turn.order of that record */
	char last_turn[TURN_ID_MAX + 1];
	struct list waiters;             /* struct history_waiter.link */
	struct history_load_op *load_op; /* reading the end */
	struct history_move *move;       /* a turn on its way into the transcript */
};

void history_deinit(struct session *s);
/* Read the transcript's end, and with it what the session has seen; @cb at once if that
 * is done. -ECANCELED: the session is gone. */
void history_load(struct session *s, durable_cb *cb, void *data);
/* The session was just made: its transcript is empty. */
void history_begin_empty(struct session *s);
/* Move what has ended into the transcript, in order. */
void history_archive(struct session *s);

/* One finished turn. */
struct history_record {
	int code;           /* 0; ERROR_NOT_FOUND: no more; other ERROR_*: the store's */
	struct turn *t;     /* when 0; the callback takes it */
	uint64_t seq, prev; /* of its last part; of the record before it, 0 if none */
	uint64_t
	    tail; /* back from the newest: that message's sequence, 0 if there is none */
};
typedef void history_read_cb(void *data, const struct history_record *r);
/* The record whose last part is @seq (0: the newest), or, if that is incomplete, the one
 * before it. What was seen until then is added to @seen unless NULL. */
void history_read_back(struct gateway *g, const char *session, uint64_t seq,
    struct seen *seen, history_read_cb *cb, void *data);
/* The first complete record that begins after @seq. */
void history_read_forward(struct gateway *g, const char *session, uint64_t seq,
    history_read_cb *cb, void *data);
/* The record of turn @turn_id among the newest ones. */
void history_find(struct gateway *g, const char *session, const char *turn_id,
    history_read_cb *cb, void *data);
