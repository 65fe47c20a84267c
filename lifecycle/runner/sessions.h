/* sessiond as the runner uses it: agent tokens, and when a session was last used.
 * Everything is retried or reported by the caller; nothing here waits. */
#pragma once

#include "base/err.h"
#include "base/ids.h"
#include "base/io/fetch.h"
#include "base/io/loop.h"

struct sessions;

struct sessions_conf {
	const char *url;        /* without a trailing slash */
	const char *token_file; /* NULL: sessiond has no tokens */
};

/* Borrows @f and the strings. */
struct sessions *sessions_new(
    struct loop *l, struct fetch *f, const struct sessions_conf *conf);
/* Revocations under way are given up. */
struct sessions *sessions_free(struct sessions *s);

/* Are agent tokens to be fetched at all? */
bool sessions_has_tokens(const struct sessions *s);
/* The service token, read now (the file may be replaced at any time): owned, or NULL with
 * @e. NULL without @e->code when there is none. */
char *sessions_service_token(const struct sessions *s, struct err *e);
/* "<url>/api/v1/sessions/<id>": owned. */
char *sessions_url_of(const struct sessions *s, const struct id *session);

/* @token only when @e->code is 0. Exactly once unless cancelled. */
typedef void sessions_token_cb(void *data, const char *token, const struct err *e);
uint64_t sessions_fetch_token(
    struct sessions *s, const struct id *session, sessions_token_cb *cb, void *data);
/* @updated_unix_ms: of the session; 0 when it could not be told. */
typedef void sessions_updated_cb(void *data, int64_t updated_unix_ms);
uint64_t sessions_ask_updated(
    struct sessions *s, const struct id *session, sessions_updated_cb *cb, void *data);
/* No callback will come. 0 is ignored. */
void sessions_cancel(struct sessions *s, uint64_t ticket);

/* Revoke the session's agent token, trying for a while. */
void sessions_revoke(struct sessions *s, const struct id *session);
