/* The settings server as a client sees it: the newest base and overrides are fetched and
 * kept fresh (pushed, else polled), uploads are tried until they have an answer; whatever
 * fails in between is tried again for ever. */
#pragma once

#include "base/io/fetch.h"
#include "sessiond/sidecar/server_base.h"

enum {
	SERVER_TAG_MAX = 64,
};

struct server;

enum server_upload_outcome {
	SERVER_UPLOAD_TAKEN,
	SERVER_UPLOAD_STALE,   /* made from an older revision: read again, make it anew */
	SERVER_UPLOAD_REFUSED, /* it will never be taken */
};

struct server_upload_result {
	enum server_upload_outcome what;
	struct server_posted said; /* TAKEN */
	char tag[SERVER_TAG_MAX +
		 1];   /* TAKEN: ETag of what the server has now, "" if not said */
	char why[200]; /* STALE, REFUSED */
	int64_t took_us;
};

struct server_conf {
	struct loop *loop;
	const char *api_url; /* without a slash at the end */
	const char *session_id;
	const char *bearer; /* NULL: none */
	const struct helix_base_conf *helix; /* borrowed; read anew with each answer */
	const char *tls_ca; /* NULL: the system's */
	bool tls_skip_verify;
	/* A new answer, @tag its ETag. @b, @o NULL: it is as the tag last known says.
	 * @since_us: when the change was heard of. */
	void (*base)(
	    void *data, const struct server_base *b, const char *tag, int64_t since_us);
	/* @reset: the server has forgotten what it once had. */
	void (*overrides)(
	    void *data, const struct server_overrides *o, const char *tag, bool reset);
	/* Somebody changed overrides at the server, or decided about something held. */
	void (*user_changed)(void *data);
	void (*posted)(void *data, const struct server_upload_result *r);
	/* The agent was switched: once the file says so, or that failed,
	 * server_report_applied(). */
	void (*agent_switched)(void *data);
	/* Likewise, and then the editor is to be started anew. */
	void (*agent_restart)(void *data);
	/* server_status() says something else. */
	void (*changed)(void *data);
	void *data;
};

int server_new(
    const struct server_conf *c, struct server **out, struct err *e) MUST_CHECK;
/* Everything under way is dropped without a callback; @closed_cb when its handles are
 * closed. */
void server_close(struct server *s, loop_task_cb *closed_cb, void *data);

/* Begin. @base_tag, @overrides_tag: of what is known from before, "" if nothing is. */
void server_start(struct server *s, const char *base_tag, const char *overrides_tag);
/* Fetch both again, now. */
void server_refresh(struct server *s);
void server_refresh_overrides(struct server *s);
/* Whole, whatever is known of them: what is known is not what the server has. */
void server_reread_overrides(struct server *s);

/* One at a time; posted() follows. @body copied; @tag: If-Match, "" for none. */
void server_upload(struct server *s, struct slice body, const char *tag);
bool server_uploading(const struct server *s);
void server_report_applied(struct server *s);

/* Any other question about the session: API_URL/api/v1/sessions/ID/@what. @body copied,
 * empty: none. @cb exactly once, with -ECANCELED when the client closes. */
uint64_t server_ask(struct server *s, const char *method, const char *what,
    struct slice body, fetch_cb *cb, void *data);

enum server_state {
	SERVER_WAITING, /* never answered since the start */
	SERVER_ONLINE,
	SERVER_AWAY, /* answered before, not now */
};

struct server_status {
	enum server_state state;
	bool plain;                /* Helix's own API */
	bool pushed;               /* changes are told at once */
	int64_t version, revision; /* of base and overrides, -1: not known */
	const char *problem, *push_problem, *upload_problem; /* "" if none */
	int64_t since_unix_ms;                               /* in @state */
	uint64_t n_answered, n_failed; /* looks at the base that ended so */
};

void server_get_status(const struct server *s, struct server_status *out);
const char *server_state_name(enum server_state s);
