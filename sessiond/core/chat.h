/* The conversation of one session: which prompt goes to Zed when, and what Zed's events
 * make of it. One function takes every input; what must be done outside comes back as
 * effects, in order. Reads no clock and does no I/O.
 *
 * Rules it keeps: one turn at a time per thread; one follow-up at a time per connection,
 * because Zed's own loop takes them one by one; nothing after the first prompt until its
 * thread is known; a hand-over is stored before it is sent; what was handed over is sent
 * again only when Zed says it does not have it, or was silent about it for minutes, and
 * never when anything of an answer was seen; the first ending of a turn wins. */
#pragma once

#include "base/list.h"
#include "sessiond/core/seen.h"
#include "sessiond/core/turn.h"

enum {
	CHAT_RESENDS_MAX = 2,
	CHAT_SILENT_MS = 180 * 1000, /* not a word about a turn: it may be sent again */
	CHAT_SILENT_NEW_MS =
	    360 * 1000, /* likewise while a new thread may still be starting up */
	CHAT_INFER_MS =
	    30 *
	    1000, /* had output, and nothing more since Zed came back: it has ended */
	CHAT_AWAY_MS =
	    30 * 60 *
	    1000, /* Zed away, or a tool running unheard of since it came back: lost */
	CHAT_CANCEL_MS =
	    3 * 1000, /* an interrupting prompt waits this long for the cancel */
	CHAT_CANCEL_GIVE_UP_MS = 30 * 1000, /* cancelled, unanswered and silent: ended */
	CHAT_CANCEL_DRAIN_MS = 300, /* after the confirmation the last corrections come */
	CHAT_CANCEL_NOOP_MS =
	    5 * 1000,            /* Zed knows no such turn: ended unless it speaks */
	CHAT_SAID_MS = 3 * 1000, /* an old client said the whole text and nothing more */
	CHAT_QUEUE_MAX = 64,
	CHAT_ENDED_MAX = 32,
};

struct chat;

/* One connection of a Zed, as far as decisions need it. Shared by the sessions it serves.
 */
struct zed_link {
	bool ready;
	bool knows_turns; /* its agent_ready listed active_turns */
	char **turns;     /* that list, owned */
	size_t n_turns;
	struct chat *follow_up; /* whose follow-up it is working on */
};

void zed_link_deinit(struct zed_link *l);
void zed_link_set_turns(struct zed_link *l, const char *const *ids, size_t n);

struct chat {
	struct list turns;   /* struct turn.link by order: open ones, and ended ones until
				they are in the transcript */
	struct turn *active; /* handed over or about to be; or Zed speaking by itself */
	char *thread_id;     /* owned; NULL: none yet */
	bool paused;
	bool recovering; /* what was said before a restart is still being read: nothing is
			    handed over */
	struct zed_link *link;          /* NULL: no Zed */
	size_t n_ending;                /* ended turns whose end is not stored yet */
	bool wanted;                    /* it was told that a prompt waits with no Zed */
	struct seen *seen;              /* owned; NULL: not read yet */
	int64_t link_unix_ms;           /* when the link came or went */
	uint64_t ended[CHAT_ENDED_MAX]; /* hashes of the last turns that ended */
	size_t next_ended;
};

void chat_init(struct chat *c);
void chat_deinit(struct chat *c); /* frees its turns */

struct chat_now {
	int64_t mono_ms, unix_ms;
};

enum chat_input_kind {
	CHAT_PROMPT,  /* @turn, already in turns, is stored: it counts from now on */
	CHAT_LINK_UP, /* @link */
	CHAT_LINK_READY,
	CHAT_LINK_DOWN,
	CHAT_LOOK, /* something changed that may let a prompt go: link free, pause, queue
		      order, recovery done */
	CHAT_HAND_STORED, /* @turn: the hand-over is stored */
	CHAT_END_STORED,  /* the end of a turn is stored */
	CHAT_ZED_TURN, /* @turn, already in turns with hand HAND_SENT: Zed speaks unasked,
			  and nothing is under way */
	CHAT_THREAD,   /* @text is this session's thread now; @turn NULL or the one that
			  made it */
	CHAT_OUTPUT,   /* @turn has new text (already in its entries) */
	CHAT_HEARD,    /* @turn: an event about it without text */
	CHAT_COMPLETED,   /* @turn; @text: usage or NULL */
	CHAT_FAILED,      /* @turn; @text: the error */
	CHAT_NO_THREAD,   /* @text: Zed says that thread does not exist; @turn NULL or the
			     one it was for */
	CHAT_LOAD_FAILED, /* @turn; @text: another failure to load the thread */
	CHAT_CANCEL,      /* @turn: somebody wants it to end */
	CHAT_CANCELLED,   /* @turn: Zed has cancelled it */
	CHAT_CANCEL_NOOP, /* @turn: Zed has nothing to cancel */
	CHAT_TIME,        /* chat_deadline has come */
};

struct chat_input {
	enum chat_input_kind kind;
	struct turn *turn;
	struct zed_link *link;
	const char *text; /* borrowed */
};

enum chat_effect_kind {
	CHAT_STORE_HAND,  /* write @turn, then CHAT_HAND_STORED */
	CHAT_SEND_PROMPT, /* @turn to Zed, into thread_id (new when NULL) */
	CHAT_SEND_CANCEL, /* cancel_current_turn for @turn */
	CHAT_STORE,       /* write @turn */
	CHAT_CHANGED,     /* @turn's state: tell who listens */
	CHAT_ENDED, /* @turn has ended: write it with its text, tell, then CHAT_END_STORED
		       and the transcript */
	CHAT_BIND,  /* thread_id changed: write the session */
	CHAT_ANSWER_NOOP, /* who asked to cancel @turn: there was nothing to cancel */
	CHAT_WANTED,      /* a prompt waits and there is no Zed */
	CHAT_LINK_FREED,  /* another session of the link may hand over a follow-up */
};

struct chat_effect {
	enum chat_effect_kind kind;
	struct turn *turn;
};

struct chat_effects {
	struct chat_effect *v;
	size_t n, cap;
};

void chat_effects_deinit(struct chat_effects *fx);

/* Apply one input; effects are appended to @fx. */
void chat_apply(struct chat *c, const struct chat_input *in, const struct chat_now *now,
    struct chat_effects *fx);
/* Monotonic time of the next CHAT_TIME; 0: none. */
int64_t chat_deadline(const struct chat *c);

/* Put @t (taken) among the turns by its order. */
void chat_add(struct chat *c, struct turn *t);
/* @t leaves the turns (it is in the transcript, or was never stored); the caller frees
 * it. */
void chat_remove(struct chat *c, struct turn *t);
/* After a restart, once all stored turns are added: which one is under way. Older ones
 * that look so too have ended. */
void chat_recover(struct chat *c, const struct chat_now *now, struct chat_effects *fx);
struct turn *chat_find(const struct chat *c, const char *turn_id);
/* @turn_id ended not long ago, in this process. */
bool chat_has_ended(const struct chat *c, const char *turn_id);
/* Prompts not handed over yet. */
size_t chat_n_queued(const struct chat *c);
/* Turns that go before @t: 0 when it is being handed over. */
size_t chat_position(const struct chat *c, const struct turn *t);
/* Which prompt goes next, NULL if none waits. */
struct turn *chat_next(const struct chat *c);

enum chat_block {
	CHAT_BLOCK_NONE,
	CHAT_BLOCK_NO_AGENT,
	CHAT_BLOCK_NOT_READY,
	CHAT_BLOCK_BUSY,
	CHAT_BLOCK_PAUSED
};
enum chat_block chat_blocked_by(const struct chat *c, int64_t *since_unix_ms_out);

/* chat_route.c: which turn an event of Zed is about */
enum chat_route {
	CHAT_ROUTE_TURN,   /* *out */
	CHAT_ROUTE_REPLAY, /* history: not news */
	CHAT_ROUTE_STALE,  /* about a turn that has ended */
	CHAT_ROUTE_NONE,   /* no turn is under way */
};
enum chat_route chat_route_entry(const struct chat *c, const char *request_id,
    const struct entry_update *u, struct turn **out);
/* For completions: likewise by request id, else by what is under way. */
enum chat_route chat_route_end(
    const struct chat *c, const char *request_id, struct turn **out);

/* Texts of thread_load_error that say the thread @thread_id itself does not exist. */
bool chat_error_is_no_thread(const char *error, const char *thread_id);
