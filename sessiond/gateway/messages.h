/* Prompts: from a caller's message to a stored turn; and who waits for a turn to end. */
#pragma once

#include "sessiond/gateway/route.h"
#include "sessiond/gateway/turn_store.h"

/* Borrowed strings; NULL where optional. */
struct prompt {
	const char *id;      /* the caller's request_id; NULL: one is made */
	const char *made_id; /* id NULL: this one instead of a new one (a request repeated
				after a restart) */
	const char *message;
	const char *agent_name;
	const char *fallback;
	bool interrupt;
};

/* Read a prompt's members from the body (message or content, request_id, interrupt,
 * agent_name, fallback). False: answered.
 * @required: a body without a message is 400; else p->message stays NULL. */
bool prompt_read(struct call *c, bool required, struct prompt *p);
/* May it be stored now, for @s (NULL: a session that is still to be made)? False:
 * answered with 429, 503 or 422. */
bool prompt_admit(struct call *c, const struct session *s, const struct prompt *p);

/* @t NULL when @code is not 0. ERROR_CONFLICT: the id is taken by another message. */
typedef void prompt_cb(void *data, struct turn *t, int code);
/* Store it; @cb when it is, later. */
void prompt_store(struct session *s, const struct prompt *p, prompt_cb *cb, void *data);

struct prompt_op;
/* Its turn is going. */
void prompt_orphan(struct prompt_op *op);
/* What makes two messages with one request_id the same. */
void prompt_hash(const struct prompt *p, char out[static TURN_HASH_LEN + 1]);

/* {"request_id","interaction_id","prompt_id","state","position"} */
struct jsn *prompt_answer(const struct session *s, const struct turn *t);

/* All who wait for the turn's end are answered. */
void cancel_waits_answer(struct turn_shell *ts, const char *status);
