/* Requests that must not be carried out twice: Idempotency-Key of any creating POST,
 * request_id of a message. What was answered is kept 7 days. */
#pragma once

#include "sessiond/gateway/route.h"
#include "sessiond/wire.h"

enum request_outcome {
	REQUEST_NEW,   /* carry it out, with the ids of rec */
	REQUEST_AGAIN, /* it was begun earlier and not answered: carry on with the ids of
			  rec */
	REQUEST_ANSWERED, /* rec.status and rec.body are the answer */
	REQUEST_OTHER,    /* the key was used with another body */
	REQUEST_FAILED,   /* the store is away */
};

/* One request under way with a key. Requests with the same key wait for each other. */
struct request {
	struct request_rec rec;
	bool again; /* it was begun before: what it makes may be there already */

	/* private */
	struct gateway *g;
	char key[TURN_HASH_LEN + 1];
	uint64_t revision;
	struct list waiting; /* struct request_wait.link */
};

typedef void request_cb(void *data, struct request *r, enum request_outcome o);

struct request_new {
	const char *key;                  /* request_key */
	const char *body_hash;            /* request_hash */
	const char *session_id, *turn_id; /* to use if it is new; NULL: none */
};

/* @cb later, or from inside when another request has the key; it must end in request_done
 * for NEW and AGAIN; for the other outcomes @r is NULL but for ANSWERED, where it lives
 * until the callback returns. */
void request_begin(
    struct gateway *g, const struct request_new *n, request_cb *cb, void *data);
/* @status 0: it was not carried out, the key may be used again. @body borrowed, NULL: not
 * to be kept. */
void request_done(struct request *r, int status, const char *body);

/* Key of parts (NULL ends), and hash of a text. */
void request_key(char out[static TURN_HASH_LEN + 1], const char *const *parts);
void request_hash(struct slice text, char out[static TURN_HASH_LEN + 1]);

struct requests *requests_new(struct gateway *g);
struct requests *requests_free(struct requests *rs);
