/* One session in memory. Its parts belong to the modules named; the others read them
 * through those modules. */
#pragma once

#include "sessiond/core/chat.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/ring.h"
#include "sessiond/gateway/sessions.h"

struct agent;
struct history;

/* Sessions that have something in common, in order of creation. */
struct session_group {
	struct list members;
	char *name;
};

struct session {
	struct gateway *g;

	/* sessions.c, session_store.c */
	struct session_rec rec;
	struct durable cell;         /* the record's key */
	struct list_link all_link;   /* sessions.all, by creation */
	struct list_link owner_link; /* of its owner, by creation */
	struct list_link claim_link; /* of those served by connection rec.agent_id */
	struct session_group *owner_group, *claim_group;
	uint64_t seen_in;     /* listing of the store that last showed it */
	bool creating;        /* not acknowledged yet: not found by anybody */
	struct list creators; /* struct session_creator.link: who waits for that */
	bool deleting;
	struct removal *removal; /* session_delete.c */

	/* talk.c */
	struct chat chat;
	struct chat_effects fx; /* to be carried out, from i_fx on */
	size_t i_fx;
	bool running_fx;
	struct wheel_timer deadline;
	size_t n_queued_bytes; /* prompts of turns in memory */

	/* session_switch.c */
	struct wheel_timer switched;
	bool switching; /* nothing has come of the new agent yet */

	/* agents.c */
	struct agent *agent;         /* NULL: no Zed */
	struct list_link agent_link; /* agent.sessions */
	char *typed; /* what somebody last typed in Zed itself, until its answer begins */

	/* history.c */
	struct history *history; /* NULL: the transcript's end is not read yet */
	bool archiving;

	/* fanout.c */
	struct fan {
		struct ring ring;
		struct list subscribers; /* struct subscriber.link */
		size_t n_sockets; /* of them, user WebSockets that want everything */
		struct wheel_timer flush;
		int64_t flushed_mono_ms;
	} fan;
};

struct sessions {
	struct gateway *g;
	struct map *by_id, *by_thread, *by_token; /* struct session */
	struct map *creating;                     /* struct session */
	struct map *by_owner, *by_claim;          /* struct session_group */
	struct list all;                          /* struct session.all_link */
	uint64_t listing;                         /* number of the store's listings */
	bool synced;
	size_t n_prompt_bytes; /* held by turns of all sessions */
};

struct sessions *sessions_new(struct gateway *g);
struct sessions *sessions_free(struct sessions *ss);
int sessions_watch(struct sessions *ss, struct err *e) MUST_CHECK;

struct session *sessions_by_thread(const struct sessions *ss, const char *thread_id);
struct session *sessions_by_token(const struct sessions *ss, const char *sha256);
/* Sessions whose agent_id is @id (struct session.claim_link), NULL if none. */
struct list *sessions_claiming(const struct sessions *ss, const char *id);
/* Sessions of @owner (struct session.owner_link), NULL if none. */
struct list *sessions_of(const struct sessions *ss, const char *owner);

/* Change an indexed field through these; then session_touch. */
void session_set_thread(struct session *s, const char *thread_id);
void session_set_owner(struct session *s, const char *owner);
void session_set_agent_id(struct session *s, const char *agent_id);
void session_add_token(struct session *s, const struct session_token *t);
void session_clear_tokens(struct session *s);
/* The record changed: updated_at moves, it is written. */
void session_touch(struct session *s);
/* It is worth another updated_at, but not a write of its own. */
void session_note_activity(struct session *s);

/* Take @rec in (index part of making a session). */
struct session *session_new(struct gateway *g, struct session_rec *rec); /* takes @rec */
void session_index(struct session *s);
/* Order by creation after a listing. */
void sessions_sort(struct sessions *ss);
/* session_delete.c: the program ends before a removal does. */
void session_removal_abort(struct session *s);
/* Out of all indexes, and freed. */
void session_drop(struct session *s);
