/* Turns and the store: each open turn has a key in the bucket session_turn until it is in
 * the transcript. */
#pragma once

#include "sessiond/gateway/session.h"

enum {
	TURN_BYTES_ALL_MAX =
	    512 * 1024 * 1024, /* prompts of all sessions in memory; more is refused */
};

/* The gateway's part of a turn (turn.shell). */
struct turn_shell {
	struct turn *t;
	struct session *s;
	struct durable cell;
	struct list cancels; /* struct cancel_wait.link: callers waiting for its end
				(message_routes.c) */
	struct prompt_op *prompt_op; /* its being stored, while that lasts (prompts.c) */

	/* live.c: its text as it grows, in SESSION_LIVE */
	char token[ID_MAX + 1];  /* names the turn in subjects and keys */
	struct live_op *live_op; /* a record under way */
	struct wheel_timer live_timer;
	int64_t live_mono_ms; /* when the last record was sent */
	struct list live_waiters;
	bool live_any; /* something was written */
};

static inline struct turn_shell *turn_shell(const struct turn *t)
{
	return t->shell;
}

/* Give @t its shell; it is in no list yet. */
struct turn_shell *turn_shell_new(struct session *s, struct turn *t);
/* Forget the turn: out of the chat if it is in, freed. */
void turn_forget(struct turn *t);
/* A prompt whose storing has an unknown fate and that nobody was told of: it must not
 * run. Its key is deleted when that is possible, then it is forgotten. */
void turn_abandon(struct turn *t);
/* A safe token that names turn @id. */
void turn_token(const char *id, char out[static ID_MAX + 1]);
/* A creation time that no other turn of the session has. */
uint64_t turn_next_order(const struct session *s);

/* The bucket's feed; after the first listing of turns and sessions both, the live log is
 * read and talk begins. */
struct turns;
struct turns *turns_new(struct gateway *g);
struct turns *turns_free(struct turns *ts);
int turns_watch(struct turns *ts, struct err *e) MUST_CHECK;
/* The sessions are listed (again). */
void turns_on_sessions_synced(struct turns *ts);
/* Everything stored before is in memory again. */
bool turns_recovered(const struct turns *ts);
/* The store is back: what could not be read is tried again. */
void turns_on_connected(struct turns *ts);
