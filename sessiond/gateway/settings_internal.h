/* Settings at the server, inside: how they are stored, and one request under way.
 *
 * Each session (and each app) has a subject of revisions. A revision is a small record:
 * its number, who, when, and the stream sequences of the two documents in force: base
 * (settings, policy, Helix fields) and overrides. Documents are messages of their own,
 * sealed, written before the revision that names them. A revision is appended only if it
 * follows the one it was made from: numbers are dense, and one message decides. */
#pragma once

#include "base/io/seal.h"
#include "sessiond/core/settings_accept.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/settings.h"

enum {
	SETTINGS_DOC_MAX = 512 * 1024, /* bytes of a base, of overrides */
	SETTINGS_POLICY_MAX = 128 * 1024,
	SETTINGS_HELIX_MAX = 64 * 1024,
	SETTINGS_OPS_KEPT = 64, /* op_ids remembered */
	SETTINGS_OP_ID_MAX = 128,
	SETTINGS_TRIES_MAX = 12, /* of a request that meets other writers */
};

struct settings {
	struct gateway *g;
	bool ready;
	struct seal_key key;
	uint64_t heard_seq; /* newest revision that was told, in the stream */

	/* settings_ensure under way */
	store_cb *done;
	void *done_data;
};

struct settings_op {
	char id[SETTINGS_OP_ID_MAX + 1];
	uint64_t revision;
};

/* A revision as stored. All zero: there was none yet. */
struct settings_head {
	uint64_t seq; /* its own, in the stream */
	uint64_t revision;
	uint64_t base_seq, user_seq; /* documents in force, 0: none */
	uint64_t base_rev, user_rev; /* revisions at which they changed */
	int64_t at_unix_ms, user_at_unix_ms;
	char kind[12]; /* base user policy rollback */
	char actor[AUTH_SUB_MAX + 1];
	char field[24]; /* what Helix's frontend calls the change, "" */
	char color_scheme[16];
	char op_id[SETTINGS_OP_ID_MAX + 1];
	uint64_t restored; /* rollback: the revision gone back to */
	uint64_t prev_seq; /* of the revision before, 0: this is the first */
	char prev_hash[AUTH_HASH_LEN + 1]; /* of the record before */
	char hash[AUTH_HASH_LEN + 1];      /* of this record */
	struct settings_op *ops;           /* newest last */
	size_t n_ops;
};

void settings_head_free(struct settings_head *h);
bool settings_head_parse(struct slice text, uint64_t seq, struct settings_head *out);
void settings_head_print(const struct settings_head *h, struct buf *out);
/* The revision an operation made, 0 if it is not known. */
uint64_t settings_head_op(const struct settings_head *h, const char *op_id);

/* Settings of one session or app, as far as they were read. */
struct settings_side {
	const char *kind; /* "ses", "app" */
	struct id id;     /* empty: there is no such side */
	struct settings_head head;
	struct buf base, user; /* documents, opened; empty: none */
};

struct settings_job;
typedef void settings_step_cb(struct settings_job *j);

enum settings_parts { SETTINGS_BASE = 1, SETTINGS_USER = 2 };

struct settings_change {
	const char *kind;
	struct slice base, user;     /* new documents; p NULL: as they are */
	bool refs;                   /* instead, documents that were stored before: */
	uint64_t base_seq, user_seq; /* 0: none */
	const char *op_id;           /* NULL: none */
	const char *field, *color_scheme; /* NULL: none */
	uint64_t restored;
};

/* One request: reads what it needs, decides, commits; starts again when somebody else was
 * faster. */
struct settings_job {
	struct settings *s;
	struct call *c;
	struct arena a;
	struct settings_side own, app;
	unsigned
	    parts; /* enum settings_parts, of the session; of the app always the base */

	/* Revisions are read, documents are not: true if that was enough (the job has
	 * ended). Optional. */
	bool (*heads)(struct settings_job *j);
	void (*loaded)(struct settings_job *j);
	/* Stored as own.head. */
	void (*committed)(struct settings_job *j);

	/* parsed from what was read, in the arena */
	struct jval *own_settings,
	    *settings; /* the session's (NULL: none); joined with the app's */
	struct jval *own_policy, *helix; /* NULL: none */
	struct jval *own_helix;
	const struct jval *policy_doc; /* in force; NULL: the built-in one */
	struct policy policy;          /* likewise */
	struct overrides user;

	/* the handler's; @ended, if set, is the last call */
	void *data;
	void (*ended)(struct settings_job *j);

	/* private */
	size_t n_waiting, n_tries;
	int code;
	char detail[160];
	struct settings_change change;
	struct settings_head next;
	struct buf record;
	struct {
		struct settings_side *side;
		struct settings_head *head;
		struct buf *out;
		settings_step_cb *cb;
	} reading;
};

/* For the session (or app) of @c. Answers 503 and returns NULL while settings cannot be
 * served. */
struct settings_job *settings_job_new(struct call *c);
struct settings_job *settings_job_new_app(struct call *c);
/* Read, then loaded(). Failures answer and end the job. */
void settings_job_load(struct settings_job *j, unsigned parts);
/* Write, then committed(). Slices of @ch must stay until then. */
void settings_job_commit(struct settings_job *j, const struct settings_change *ch);
/* Read the record before @h over it (all zero: there is none), or a document into @out;
 * then @cb with the job alive. A failure answers and ends the job. One at a time. */
void settings_job_back(struct settings_job *j, struct settings_side *side,
    struct settings_head *h, settings_step_cb *cb);
void settings_job_read(struct settings_job *j, struct settings_side *side, uint64_t seq,
    struct buf *out, settings_step_cb *cb);
/* The record stored as @seq, if it is one of @side's; else all zero. */
void settings_job_read_head(struct settings_job *j, struct settings_side *side,
    uint64_t seq, struct settings_head *h, settings_step_cb *cb);
/* Parts of a stored base; NULL where there is none. */
struct jval *settings_doc_part(struct arena *a, struct slice base, const char *part);
struct overrides settings_doc_user(struct arena *a, struct slice user);
/* Ends it without an answer (replies do it themselves). */
void settings_job_free(struct settings_job *j);
void settings_job_store_failed(struct settings_job *j, int code, const char *detail);

/* answers; each ends the job */
void settings_job_reply(struct settings_job *j, int status, const char *etag,
    struct buf *json); /* takes @json */
void settings_job_error(struct settings_job *j, int code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* 422 {"error":{"code","message","paths":[{"path","message"}]}} */
struct settings_path_error {
	struct slice path;
	const char *message;
};
void settings_job_unprocessable(struct settings_job *j, const char *what,
    const struct settings_path_error *errors, size_t n);
bool settings_open_blob(struct settings *s, const struct settings_side *side,
    struct slice sealed, struct buf *out);

/* The number shown as version of the base: grows with the session's and with the app's.
 */
uint64_t settings_version(const struct settings_job *j);
/* If-None-Match names @n; If-Match is there and does not. */
bool settings_none_match(const struct call *c, uint64_t n);
bool settings_match_fails(const struct call *c, uint64_t n);
void settings_etag(uint64_t n, char out[static 24]);

/* handlers */
void settings_on_config_get(struct call *c);
void settings_on_config_put(struct call *c);
void settings_on_app_get(struct call *c);
void settings_on_app_put(struct call *c);
void settings_on_user_get(struct call *c);
void settings_on_user_post(struct call *c);
void settings_on_merged_get(struct call *c);
void settings_explain(struct call *c);
void settings_on_history(struct call *c);
void settings_on_rollback(struct call *c);
void settings_on_pending_get(struct call *c);
void settings_on_pending_report(struct call *c);
void settings_on_pending_post(struct call *c);
void settings_on_applied(struct call *c);
void settings_on_claude_get(struct call *c);
void settings_on_claude_put(struct call *c);
void settings_on_codex_get(struct call *c);
void settings_on_codex_put(struct call *c);
