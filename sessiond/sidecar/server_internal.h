/* The parts of the server client, and what they share. */
#pragma once

#include "base/backoff.h"
#include "base/io/fetch.h"
#include "base/io/ws_client.h"
#include "sessiond/sidecar/server.h"

enum {
	SERVER_RETRY_MS = 100,
	SERVER_RETRY_CAP_MS = 5000,
	SERVER_TIMEOUT_MS = 10 * 1000,
	SERVER_ANSWER_MAX = 4 * 1024 * 1024,
	SERVER_URL_MAX = 2048,
	SERVER_PROBLEM_MAX = 200,
};

enum server_pull_kind { PULL_BASE, PULL_OVERRIDES, PULL_N_ };

/* One document that is kept fresh. */
struct server_pull {
	struct server *server;
	enum server_pull_kind kind;
	uint64_t ticket;  /* 0: no request under way */
	bool again;       /* changed since the request under way was sent */
	bool anew;        /* the next request is answered whole, changed or not */
	int64_t told;     /* a version heard of while an upload was under way, which may be
			     what made it; -1: none */
	uint64_t n_answered, n_failed; /* rounds; a request repeated at once is one */
	bool older_seen;  /* the last answer was older than what is known: it must be seen
			     twice */
	int64_t version;  /* -1: not known */
	int64_t since_us; /* when the change was heard of */
	char tag[SERVER_TAG_MAX + 1];
	char problem[SERVER_PROBLEM_MAX];
	struct backoff backoff;
	struct loop_timer *retry;
};

struct server_upload {
	struct buf body;
	char tag[SERVER_TAG_MAX + 1];
	bool busy;
	uint64_t ticket;
	int64_t started_us;
	double tokens; /* of the bucket that joins storms */
	int64_t tokens_at_ms;
	char problem[SERVER_PROBLEM_MAX];
	struct backoff backoff;
	struct loop_timer *timer;
};

/* That the agent's configuration is applied. */
struct server_applied {
	bool under_way, again;
	int64_t until_ms;
	struct backoff backoff;
	struct loop_timer *timer;
};

struct server_push {
	struct ws_client_ctx *ctx;
	struct ws_client *ws;
	bool open;
	bool failing; /* the last try came to nothing */
	bool prefix_dropped; /* the path in front of api_url does not count for it */
	char problem[SERVER_PROBLEM_MAX];
	struct backoff backoff;
	struct loop_timer *timer;
};

struct server {
	struct server_conf c;
	struct fetch *fetch;
	struct server_pull pulls[PULL_N_];
	struct server_upload upload;
	struct server_applied applied;
	struct server_push push;
	struct loop_timer *poll;
	unsigned n_polls;
	bool started, closing, plain;
	bool gives_overrides; /* as Helix's own API does not; not known before an answer */
	enum server_state state;
	int64_t state_unix_ms;
	/* closing */
	size_t n_open;
	loop_task_cb *closed_cb;
	void *closed_data;
};

/* API_URL/api/v1/sessions/ID/@what */
void server_url(
    const struct server *s, const char *what, char out[static SERVER_URL_MAX]);
int64_t server_retry_ms(struct backoff *b, const struct fetch_response *r);
/* "HTTP 401" or why there was no answer. */
void server_problem(const struct fetch_response *r, char out[static SERVER_PROBLEM_MAX]);
void server_set_online(struct server *s, bool online);

void server_pull_init(struct server *s, enum server_pull_kind kind);
void server_pull_deinit(struct server_pull *p);
/* Fetch now, or again once the request under way is answered. */
void server_pull_start(struct server_pull *p, int64_t since_us);
/* As server_pull_start(), unless @version is known already; or will be, by the answer to
 * an upload. */
void server_pull_version(struct server_pull *p, int64_t version, int64_t since_us);
/* That answer came. */
void server_pull_uploaded(struct server_pull *p);

void server_upload_init(struct server *s);
void server_upload_deinit(struct server *s);
/* The server is there: an upload that waits for its next try does not. */
void server_upload_hurry(struct server *s);

int server_push_init(struct server *s, struct err *e) MUST_CHECK;
void server_push_start(struct server *s);
void server_push_stop(struct server *s);
