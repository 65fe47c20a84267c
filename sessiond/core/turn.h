/* One turn: a prompt, how far it got, and what was answered. The state machine around it
 * is chat.h. */
#pragma once

#include "base/list.h"
#include "sessiond/core/entries.h"

#include <stdint.h>

enum turn_state {
#define STATE(name, wire, next, sentence) TURN_##name,
#include "sessiond/core/turn_states.tbl.h"
#undef STATE
	TURN_STATE_N_
};

enum {
	TURN_ID_MAX = 128,
	TURN_PROMPT_MAX = 256 * 1024,
	TURN_HASH_LEN = 64,
};

enum turn_origin {
	TURN_FROM_PROMPT, /* somebody sent it here */
	TURN_FROM_ZED,    /* typed in the editor, or the agent spoke by itself */
};

/* How far handing it over has come in this process. */
enum turn_hand {
	HAND_NONE,    /* Zed has not got it */
	HAND_STORING, /* about to be sent: that is being stored first */
	HAND_SENT,    /* Zed has it, or had it before a restart of ours */
};

/* Strings are owned; NULL is absent. */
struct turn {
	struct list_link link; /* chat.turns, oldest first */
	char id[TURN_ID_MAX + 1];
	uint64_t order; /* creation time in us, unique in its session: its place in the
			   transcript */
	uint64_t rank;  /* place in the queue; order unless somebody moved it */
	enum turn_state state;
	enum turn_state open_state; /* the last one before it ended */
	enum turn_origin origin;
	bool interrupt;
	char *prompt;
	size_t n_prompt;
	char *agent_name; /* asked for with the prompt */
	char body_hash[TURN_HASH_LEN +
		       1]; /* of what the caller sent; "" if it gave no request_id */
	unsigned n_sent;   /* times handed to Zed */
	unsigned
	    n_fresh; /* times sent again as a first message because its thread was gone */
	int64_t sent_unix_ms;
	int64_t cancel_unix_ms; /* when somebody asked to cancel it; 0: nobody */
	char *thread_id;        /* where it was sent, or where it speaks */
	char *error;
	const char *cause; /* why it ended, for logs: a literal */
	char *usage;       /* JSON as Zed reported it */
	bool inferred;     /* its end was concluded, not reported: output may revive it */
	int64_t created_unix_ms, completed_unix_ms;
	struct entries entries;

	/* of this process only */
	enum turn_hand hand;
	bool storing_create;   /* not acknowledged by the broker yet: invisible, not
				  dispatched */
	bool output;           /* something of the answer was seen */
	bool end_stored;       /* its end is in the store */
	bool archived;         /* it is in the transcript */
	int64_t heard_mono_ms; /* last event of Zed about it, or since when it could have
				  come */
	int64_t
	    cancel_mono_ms; /* cancel_current_turn was sent; 0: not on this connection */
	int64_t drain_until_mono_ms; /* cancel confirmed: the last corrections come until
					then */
	int64_t
	    noop_until_mono_ms; /* Zed does not know it: ended then, unless it speaks */
	bool cancel_by_interrupt;
	bool completion_held; /* completed while our cancel is unanswered */
	bool away;            /* its Zed has left since, and no other was asked yet */
	bool resumed; /* handed over on an earlier connection, not heard of on this one */
	bool said_whole; /* an old client's chat_response: the whole text, maybe without
			    an end */
	bool spoken_of;  /* some event of Zed was about it */
	char *held_id, *held_content; /* entry taken for history, the last one */
	unsigned n_held;              /* different ones */
	void *shell;                  /* the gateway's part */
};

struct turn *turn_new(const char *id);
void turn_free(struct turn *t);
/* An entry that looks like history: kept in case nothing else comes. */
void turn_hold(struct turn *t, const char *message_id, struct slice content);
void turn_release_held(struct turn *t);

const char *turn_state_name(enum turn_state s);
bool turn_state_parse(const char *name, enum turn_state *out);
const char *turn_state_sentence(enum turn_state s);
bool turn_state_may_follow(enum turn_state from, enum turn_state to);
static inline bool turn_state_terminal(enum turn_state s)
{
	return s == TURN_COMPLETE || s == TURN_INTERRUPTED || s == TURN_ERROR ||
	       s == TURN_LOST;
}
static inline bool turn_open(const struct turn *t)
{
	return !turn_state_terminal(t->state);
}
/* What others are told: an end that is not stored could be lost again. */
static inline enum turn_state turn_told_state(const struct turn *t)
{
	return turn_open(t) || t->end_stored ? t->state : t->open_state;
}
static inline bool turn_told_open(const struct turn *t)
{
	return !turn_state_terminal(turn_told_state(t));
}
