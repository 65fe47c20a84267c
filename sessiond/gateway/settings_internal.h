/* Settings at the server, inside: how they are stored, and one request under way.
 *
 * Each session (and each app) has a subject of revisions. A revision is a small record:
 * its number, who, when, and the stream sequences of the two documents in force: base
 * (settings, policy, Helix fields) and overrides. Documents are messages of their own,
 * sealed, written before the revision that names them. A revision is appended only if it
 * follows the one it was made from: numbers are dense, and one message decides. */
#pragma once

#include "base/io/seal.h"
#include "base/list.h"
#include "sessiond/core/settings_accept.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/gateway/gateway.h"
#include "sessiond/gateway/route.h"
#include "sessiond/gateway/settings.h"
#include "sessiond/gateway/settings_cache.h"

enum {
	SETTINGS_DOC_MAX = 512 * 1024, /* bytes of a base, of overrides */
	SETTINGS_POLICY_MAX = 128 * 1024,
	SETTINGS_HELIX_MAX = 64 * 1024,
	SETTINGS_OP_ID_MAX = 128,
	SETTINGS_CLIENT_MAX = 64,
	SETTINGS_BACK_MAX = 20,  /* a million revisions */
	SETTINGS_TRIES_MAX = 64, /* of a request that meets writers of other replicas */
};

struct settings_feed;

struct settings {
	struct gateway *g;
	bool ready;
	struct seal_key key;
	struct settings_feed *feed;
	struct settings_cache *cache;
	struct list writers; /* settings_job.writer: of equal sides the first one runs */

	/* settings_ensure under way */
	store_cb *done;
	void *done_data;
};

struct settings_step {
	uint64_t revision, seq;
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
	char client[SETTINGS_CLIENT_MAX + 1]; /* who of several alike, "": did not say */
	uint64_t restored; /* rollback: the revision gone back to */
	uint64_t prev_seq; /* of the revision before, 0: this is the first */
	char prev_hash[DIGEST_HEX_LEN + 1]; /* of the record before */
	char hash[DIGEST_HEX_LEN + 1];      /* of this record */
	/* of the documents as they are stored, "": none */
	char base_hash[DIGEST_HEX_LEN + 1], user_hash[DIGEST_HEX_LEN + 1];
	/* Earlier revisions, each the one before it less its lowest bit set, down to 0:
	 * any revision is found in few steps. */
	struct settings_step back[SETTINGS_BACK_MAX];
	size_t n_back;
};

bool settings_head_parse(struct slice text, uint64_t seq, struct settings_head *out);
void settings_head_print(const struct settings_head *h, struct buf *out);
/* @next follows @head: number, hashes and ways back. */
void settings_head_follow(struct settings_head *next, const struct settings_head *head);
/* From @h, the stored revision nearest above or at @revision that can be jumped to;
 * @h's own sequence if there is none nearer. */
uint64_t settings_head_toward(const struct settings_head *h, uint64_t revision);

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
	struct slice base, user;          /* new documents; p NULL: as they are */
	const char *client;               /* NULL: did not say */
	const char *field, *color_scheme; /* NULL: none */
	uint64_t restored;
};

/* An operation with an op_id, as far as it was carried out before (settings_op.c). */
struct settings_op {
	char id[SETTINGS_OP_ID_MAX + 1]; /* "": there is none */
	char body[DIGEST_HEX_LEN + 1];    /* of what it asks for */
	/* as read */
	uint64_t seq;   /* of what is noted of it, 0: nothing */
	uint64_t after; /* the revision it was to follow, by sequence */
	bool done;      /* nothing was to be stored */
	bool known;     /* it was carried out: @noted_body, @answer */
	bool doubted;
	char noted_body[DIGEST_HEX_LEN + 1];
	struct buf answer;
	struct settings_head made; /* the revision that followed */
	struct buf note;           /* being stored */
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
	bool writes; /* to be set before it loads: waits for other writers here */
	struct settings_op op;

	/* Revisions are read, documents are not: true if that was enough (the job has
	 * ended). Optional. */
	bool (*heads)(struct settings_job *j);
	void (*loaded)(struct settings_job *j);
	/* Stored as own.head. */
	void (*committed)(struct settings_job *j);

	/* parsed from what was read, in the arena */
	struct jval *own_settings, *app_settings, *app_policy; /* NULL: none */
	struct jval *settings;                    /* the session's over the app's */
	struct jval *own_policy, *helix; /* NULL: none */
	struct jval *own_helix;
	const struct jval *policy_doc; /* in force; NULL: the built-in one */
	struct policy policy;          /* likewise */
	struct overrides user;

	/* the handler's; @ended, if set, is the last call */
	void *data;
	void (*ended)(struct settings_job *j);

	/* private */
	bool may_assume; /* revisions as they are remembered will do for a first try */
	bool assumed;    /* what is decided so far is by such: no answer yet */
	char *if_match, *if_none_match; /* the caller may leave, its conditions stay */
	struct list_link writer;
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
		uint64_t revision; /* looked for */
	} reading;
};

/* For the session (or app) of @c. Answers 503 and returns NULL while settings cannot be
 * served. */
struct settings_job *settings_job_new(struct call *c);
struct settings_job *settings_job_new_app(struct call *c);
/* Read, then loaded(). Failures answer and end the job. */
void settings_job_load(struct settings_job *j, unsigned parts);
/* The same for what is likely to commit, which will tell whether what was read is still
 * so; an answer without a commit is thought over with what is read then. */
void settings_job_load_to_commit(struct settings_job *j, unsigned parts);
/* Decided by what is remembered: read, and decide again. True: the job goes on. */
bool settings_job_again(struct settings_job *j);
/* Write, then committed(). Slices of @ch must stay until then. @answer: what is said then,
 * noted for op's next time. */
void settings_job_commit(
    struct settings_job *j, const struct settings_change *ch, struct slice answer);
/* There is nothing to store but op and its @answer; then committed(). */
void settings_job_note(struct settings_job *j, struct slice answer);
/* Somebody else was faster: read and decide again. */
void settings_job_retry(struct settings_job *j);

/* settings_op.c: what is known of op is read together with the revisions, and settled
 * once these are known; then @cb. settings_op_note() stores its note: CONFLICT if another
 * request with this op_id came in between. */
void settings_op_read(struct settings_job *j, store_cb *cb);
void settings_op_take(struct settings_job *j, const struct store_result *r);
void settings_op_settle(struct settings_job *j, settings_step_cb *cb);
void settings_op_note(
    struct settings_job *j, bool done, struct slice answer, store_cb *cb);
/* settings_recent.c: who changed what last, kept with the overrides. */
struct settings_changed {
	struct slice path, actor, client;
	uint64_t revision;
};
void settings_recent_print(struct settings_job *j, const struct overrides *result,
    const char *client, struct buf *out);
/* @result says what is in force, in the same words. */
bool settings_user_unchanged(struct settings_job *j, const struct overrides *result);
/* What another client had put where @result says something else. Appends
 * {"path","revision","actor"}, comma-separated; how many. */
size_t settings_superseded_print(struct settings_job *j, const struct overrides *result,
    const char *client, struct buf *out);
/* Read the record before @h over it (all zero: there is none), or a document into @out;
 * then @cb with the job alive. A failure answers and ends the job. One at a time. */
void settings_job_back(struct settings_job *j, struct settings_side *side,
    struct settings_head *h, settings_step_cb *cb);
/* From the newest revision of @side back to @revision; @h all zero if it never was. */
void settings_job_find(struct settings_job *j, struct settings_side *side,
    uint64_t revision, struct settings_head *h, settings_step_cb *cb);
void settings_job_read(struct settings_job *j, struct settings_side *side, uint64_t seq,
    struct buf *out, settings_step_cb *cb);
/* The record stored as @seq, if it is one of @side's; else all zero. */
void settings_job_read_head(struct settings_job *j, struct settings_side *side,
    uint64_t seq, struct settings_head *h, settings_step_cb *cb);
/* Parts of a stored base; NULL where there is none. */
struct jval *settings_doc_part(struct arena *a, struct slice base, const char *part);
struct overrides settings_doc_user(struct arena *a, struct slice user);
/* Overrides as they are stored; p NULL: too large. */
struct slice settings_user_document(
    struct settings_job *j, const struct overrides *u, const char *client);
/* Settings, policy and Helix fields likewise; each may be NULL. */
struct slice settings_base_document(struct settings_job *j, const struct jval *settings,
    const struct jval *policy, const struct jval *helix);
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
/* A read: If-None-Match names @n. A write: its conditions do not hold for @n (0: nothing
 * was ever there). */
bool settings_none_match(const struct settings_job *j, uint64_t n);
bool settings_match_fails(const struct settings_job *j, uint64_t n);
void settings_etag(uint64_t n, char out[static 24]);

/* settings_feed.c: subscribers hear of revisions. _begin: of those after @newest_seq;
 * false if it has begun before. _lost: some may be missed from now on, until _catch_up. */
bool settings_feed_begin(struct settings *s, uint64_t newest_seq);
struct settings_feed *settings_feed_new(struct settings *s);
void settings_feed_stop(struct settings *s);
struct settings_feed *settings_feed_free(struct settings_feed *f);
void settings_feed_lost(struct settings *s);
void settings_feed_catch_up(struct settings *s);

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
