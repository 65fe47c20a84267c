/* One request for settings: reading and committing.
 *
 * happy path: settings_job_new, _load (revisions of session and app, then their
 * documents), loaded(), perhaps _commit (documents, then the revision), committed(), an
 * answer failure modes: broker away: 503; another writer: read again and decide again,
 * SETTINGS_TRIES_MAX times; the caller leaves: goes on, the answer is not heard
 */
#include "sessiond/gateway/settings_internal.h"

#include "base/clock.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/sessions.h"

static void side_free(struct settings_side *side)
{
	buf_deinit(&side->base);
	buf_deinit(&side->user);
}

static void load_heads(struct settings_job *j);

static bool same_side(const struct settings_job *x, const struct settings_job *y)
{
	return strcmp(x->own.kind, y->own.kind) == 0 &&
	       strcmp(x->own.id.s, y->own.id.s) == 0;
}

/* The first of those that write to what @j does. */
static struct settings_job *first_writer(const struct settings_job *j)
{
	list_for_each (it, &j->s->writers) {
		struct settings_job *w = list_entry(it, struct settings_job, writer);

		if (same_side(w, j))
			return w;
	}
	return NULL;
}

/* Writers of one session wait for each other here rather than meet at the broker. */
static void leave_writers(struct settings_job *j)
{
	struct settings_job *next;

	if (!list_linked(&j->writer))
		return;
	list_del(&j->s->writers, &j->writer);
	next = first_writer(j);
	if (next && !next->n_waiting && !next->n_tries)
		load_heads(next);
}

void settings_job_free(struct settings_job *j)
{
	leave_writers(j);
	if (j->ended)
		j->ended(j);
	side_free(&j->own);
	side_free(&j->app);
	free(j->if_match);
	free(j->if_none_match);
	buf_deinit(&j->op.answer);
	buf_deinit(&j->op.note);
	buf_deinit(&j->record);
	arena_deinit(&j->a);
	free(j);
}

static struct settings_job *job_new(struct call *c, const char *kind)
{
	struct settings *s = c->g->settings;
	struct settings_job *j;

	if (!s->ready) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the settings cannot be read yet: try again");
		return NULL;
	}
	j = calloc(1, sizeof(*j));
	must(j);
	j->s = s;
	j->c = c;
	str_set(&j->if_match, http_req_header(c->req, "If-Match"));
	str_set(&j->if_none_match, http_req_header(c->req, "If-None-Match"));
	j->own.kind = kind;
	j->app.kind = "app";
	j->own.base = j->own.user = j->app.base = j->app.user = BUF_NULL(STORE_VALUE_MAX);
	j->record = BUF_NULL(STORE_VALUE_MAX);
	return j;
}

struct settings_job *settings_job_new(struct call *c)
{
	struct settings_job *j = job_new(c, "ses");
	struct session *session;

	if (!j)
		return NULL; /* and @c is gone */
	session = sessions_find(c->g->sessions, c->session_id.s);
	j->own.id = c->session_id;
	if (session && !id_parse(slice_of(session_app_id(session)), &j->app.id))
		j->app.id = ID_NULL;
	return j;
}

struct settings_job *settings_job_new_app(struct call *c)
{
	struct settings_job *j;
	struct id id;

	if (!id_parse(slice_of(c->params[0]), &id)) {
		call_reply_error(
		    c, ERROR_INVALID, "an app id is 1 to 64 of [A-Za-z0-9_-]");
		return NULL;
	}
	j = job_new(c, "app");
	if (j)
		j->own.id = id;
	return j;
}

/* ---- reading ---- */

void settings_job_store_failed(struct settings_job *j, int code, const char *detail)
{
	if (code == ERROR_TOO_LARGE)
		settings_job_error(j, code, "settings: %s", detail);
	else
		settings_job_error(j, ERROR_UNAVAILABLE,
		    "the settings cannot be reached now: %s", detail);
}

static struct settings_side *side_of(struct settings_job *j, bool app)
{
	return app ? &j->app : &j->own;
}

static struct jval *member(
    struct settings_job *j, const struct jval *doc, const char *key)
{
	struct jval *v = jval_get_str(&j->a, doc, key);

	return v && v->type == JVAL_OBJECT ? v : NULL;
}

/* A stored document as a tree; it was checked when it came in. */
static struct jval *side_doc(struct settings_job *j, const struct buf *text)
{
	struct json_doc d;

	if (!text->n || json_doc_parse_message(&j->a, buf_slice(text), &d) != JSON_DOC_OK)
		return NULL;
	return d.root;
}

static void job_parse(struct settings_job *j)
{
	struct jval *own = side_doc(j, &j->own.base), *app = side_doc(j, &j->app.base);
	struct jval *user = side_doc(j, &j->own.user);
	const struct jval *policy;
	struct err e;

	j->own_settings = member(j, own, "settings");
	j->app_settings = member(j, app, "settings");
	j->settings = settings_join(&j->a, j->app_settings, j->own_settings);
	j->own_policy = member(j, own, "policy");
	j->own_helix = member(j, own, "helix");
	j->helix = settings_join(&j->a, member(j, app, "helix"), j->own_helix);
	j->app_policy = member(j, app, "policy");
	policy = j->own_policy ? j->own_policy : j->app_policy;
	j->policy_doc = NULL;
	if (policy && policy_parse(&j->a, policy, &j->policy, &e) == 0)
		j->policy_doc = policy;
	else
		policy_builtin(&j->a, &j->policy);
	j->user = overrides_new(&j->a);
	if (user)
		overrides_parse(&j->a, user, &j->user);
}

static void load_done(struct settings_job *j)
{
	if (j->code) {
		settings_job_store_failed(j, j->code, j->detail);
		return;
	}
	job_parse(j);
	j->loaded(j);
}

static void note_failure(struct settings_job *j, int code, const char *detail)
{
	if (j->code)
		return;
	j->code = code;
	snprintf(j->detail, sizeof(j->detail), "%s", detail);
}

bool settings_open_blob(struct settings *s, const struct settings_side *side,
    struct slice sealed, struct buf *out)
{
	char where[ID_MAX + 8];

	snprintf(where, sizeof(where), "%s.%s", side->kind, side->id.s);
	buf_reset(out);
	return unseal(&s->key, slice_of(where), sealed, out);
}

static void read_document(struct settings_job *j, uint64_t seq, store_cb *cb)
{
	struct store_read r = {.stream = STREAM_session_settings, .seq = seq};

	store_read(j->s->g->store, &r, cb, j);
}

static void on_blob(struct settings_job *j, struct settings_side *side, struct buf *out,
    const struct store_result *r)
{
	if (r->code)
		note_failure(j, r->code, r->detail);
	else if (!settings_open_blob(j->s, side, r->value, out))
		note_failure(j, ERROR_INTERNAL, "a stored document does not open");
	else
		settings_cache_put_document(j->s->cache, r->revision, r->value, false);
	if (--j->n_waiting == 0)
		load_done(j);
}

static void on_own_base(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	on_blob(j, &j->own, &j->own.base, r);
}

static void on_own_user(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	on_blob(j, &j->own, &j->own.user, r);
}

static void on_app_base(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	on_blob(j, &j->app, &j->app.base, r);
}

static void load_blob(struct settings_job *j, struct settings_side *side, struct buf *out,
    uint64_t seq, store_cb *cb)
{
	struct slice known;

	if (!seq)
		return;
	known = settings_cache_document(j->s->cache, seq);
	if (known.p && settings_open_blob(j->s, side, known, out))
		return;
	j->n_waiting++;
	read_document(j, seq, cb);
}

static void load_blobs(struct settings_job *j)
{
	if (j->heads && j->heads(j))
		return;
	j->n_waiting = 1; /* this function */
	if (j->parts & SETTINGS_BASE)
		load_blob(j, &j->own, &j->own.base, j->own.head.base_seq, on_own_base);
	if (j->parts & SETTINGS_USER)
		load_blob(j, &j->own, &j->own.user, j->own.head.user_seq, on_own_user);
	if (j->parts & SETTINGS_BASE)
		load_blob(j, &j->app, &j->app.base, j->app.head.base_seq, on_app_base);
	if (--j->n_waiting == 0)
		load_done(j);
}

static void heads_done(struct settings_job *j)
{
	if (j->code)
		load_done(j);
	else if (j->op.id[0])
		settings_op_settle(j, load_blobs);
	else
		load_blobs(j);
}

static void on_op(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code && r->code != ERROR_NOT_FOUND)
		note_failure(j, r->code, r->detail);
	else
		settings_op_take(j, r);
	if (--j->n_waiting == 0)
		heads_done(j);
}

static void on_head(struct settings_job *j, bool app, const struct store_result *r)
{
	struct settings_side *side = side_of(j, app);

	side->head = (struct settings_head){0};
	if (r->code && r->code != ERROR_NOT_FOUND)
		note_failure(j, r->code, r->detail);
	else if (!r->code && !settings_head_parse(r->value, r->revision, &side->head))
		note_failure(j, ERROR_INTERNAL, "a stored revision cannot be read");
	else if (!r->code)
		settings_cache_put_head(
		    j->s->cache, side->kind, &side->id, r->revision, r->value);
	if (--j->n_waiting == 0)
		heads_done(j);
}

static void on_own_head(void *data, const struct store_result *r)
{
	on_head(data, false, r);
}

static void on_app_head(void *data, const struct store_result *r)
{
	on_head(data, true, r);
}

static void load_head(struct settings_job *j, bool app)
{
	struct settings_side *side = side_of(j, app);
	struct subject subject =
	    SUBJECT_OF(session_settings_commit, side->kind, side->id.s);
	struct store_read r = {
	    .stream = STREAM_session_settings, .last_subject = subject.s};

	j->n_waiting++;
	store_read(j->s->g->store, &r, app ? on_app_head : on_own_head, j);
}

/* Revisions as they are remembered. False: not all are. */
static bool assume_heads(struct settings_job *j)
{
	const struct settings_cache *c = j->s->cache;

	j->own.head = j->app.head = (struct settings_head){0};
	return settings_cache_head(c, j->own.kind, &j->own.id, &j->own.head) &&
	       (id_empty(&j->app.id) ||
		   settings_cache_head(c, j->app.kind, &j->app.id, &j->app.head));
}

static void load_heads(struct settings_job *j)
{
	bool app = !id_empty(&j->app.id);

	j->code = 0;
	buf_reset(&j->own.base);
	buf_reset(&j->own.user);
	buf_reset(&j->app.base);
	arena_deinit(&j->a);
	j->n_tries++;
	j->assumed = j->may_assume && assume_heads(j);
	j->may_assume = false; /* once */
	if (j->assumed) {
		/* nor was an operation asked for before: its note will tell */
		j->op.seq = 0;
		j->op.known = false;
		load_blobs(j);
		return;
	}
	load_head(j, false);
	if (app)
		load_head(j, true);
	if (j->op.id[0]) {
		j->n_waiting++;
		settings_op_read(j, on_op);
	}
}

void settings_job_load(struct settings_job *j, unsigned parts)
{
	j->parts = parts;
	if (j->writes)
		list_push(&j->s->writers, &j->writer);
	if (!j->writes || first_writer(j) == j)
		load_heads(j);
}

void settings_job_retry(struct settings_job *j)
{
	if (j->n_tries < SETTINGS_TRIES_MAX)
		load_heads(j);
	else
		settings_job_error(j, ERROR_UNAVAILABLE,
		    "too many others write these settings now: try again");
}

void settings_job_load_to_commit(struct settings_job *j, unsigned parts)
{
	j->may_assume = true;
	settings_job_load(j, parts);
}

bool settings_job_again(struct settings_job *j)
{
	bool again = j->assumed;

	if (again)
		load_heads(j);
	return again;
}

/* ---- committing ---- */

static void on_committed(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code == ERROR_CONFLICT) {
		settings_job_retry(j);
		return;
	}
	if (r->code) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	j->next.seq = r->revision;
	settings_cache_put_head(
	    j->s->cache, j->own.kind, &j->own.id, r->revision, buf_slice(&j->record));
	j->own.head = j->next;
	j->committed(j);
}

static void append_revision(struct settings_job *j)
{
	struct settings_head *n = &j->next;
	struct subject subject =
	    SUBJECT_OF(session_settings_commit, j->own.kind, j->own.id.s);
	struct store_append a = {
	    .subject = subject.s, .expected_last_subject_seq = (int64_t)j->own.head.seq};

	buf_reset(&j->record);
	settings_head_print(n, &j->record);
	digest_hex(buf_slice(&j->record), n->hash);
	a.value = buf_slice(&j->record);
	store_append(j->s->g->store, &a, on_committed, j);
}

static void append_documents(struct settings_job *j);

/* One of what the revision needs is stored, or is not. */
static void part_done(struct settings_job *j)
{
	if (--j->n_waiting > 0)
		return;
	if (j->code == ERROR_CONFLICT)
		settings_job_retry(j);
	else if (j->code)
		settings_job_store_failed(j, j->code, j->detail);
	else
		append_revision(j);
}

static void on_noted(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code)
		note_failure(j, r->code, r->detail);
	part_done(j);
}

static void on_document(struct settings_job *j, uint64_t *seq, struct slice *document,
    const struct store_result *r)
{
	if (r->code == 0)
		settings_cache_put_document(
		    j->s->cache, r->revision, buf_slice(&j->record), true);
	*seq = r->revision;
	*document = SLICE_NULL;
	if (r->code) {
		note_failure(j, r->code, r->detail);
		part_done(j);
	} else {
		append_documents(j);
	}
}

static void on_base_stored(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	on_document(j, &j->next.base_seq, &j->change.base, r);
}

static void on_user_stored(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	on_document(j, &j->next.user_seq, &j->change.user, r);
}

static void append_document(struct settings_job *j, struct slice text,
    char hash[static DIGEST_HEX_LEN + 1], store_cb *cb)
{
	struct subject subject =
	    SUBJECT_OF(session_settings_blob, j->own.kind, j->own.id.s);
	struct store_append a = {
	    .subject = subject.s, .expected_last_subject_seq = STORE_ANY_REVISION};
	char where[ID_MAX + 8];

	snprintf(where, sizeof(where), "%s.%s", j->own.kind, j->own.id.s);
	buf_reset(&j->record);
	seal(&j->s->key, slice_of(where), text, &j->record);
	digest_hex(buf_slice(&j->record), hash);
	a.value = buf_slice(&j->record);
	store_append(j->s->g->store, &a, cb, j);
}

/* What is left of the change, one after the other. */
static void append_documents(struct settings_job *j)
{
	if (j->change.base.p)
		append_document(
		    j, j->change.base, j->next.base_hash, on_base_stored);
	else if (j->change.user.p)
		append_document(
		    j, j->change.user, j->next.user_hash, on_user_stored);
	else
		part_done(j);
}

static void on_only_noted(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code == ERROR_CONFLICT)
		settings_job_retry(j);
	else if (r->code)
		settings_job_store_failed(j, r->code, r->detail);
	else
		j->committed(j);
}

void settings_job_note(struct settings_job *j, struct slice answer)
{
	if (!settings_job_again(j))
		settings_op_note(j, true, answer, on_only_noted);
}

void settings_job_commit(
    struct settings_job *j, const struct settings_change *ch, struct slice answer)
{
	const struct settings_head *head = &j->own.head;
	struct settings_head *n = &j->next;
	bool base = ch->base.p != NULL, user = ch->user.p != NULL;

	j->assumed = false; /* the broker will know */
	j->change = *ch;
	*n = (struct settings_head){.base_seq = head->base_seq,
	    .user_seq = head->user_seq,
	    .at_unix_ms = clock_unix_ms(),
	    .restored = ch->restored};
	settings_head_follow(n, head);
	memcpy(n->base_hash, head->base_hash, sizeof(n->base_hash));
	memcpy(n->user_hash, head->user_hash, sizeof(n->user_hash));
	n->base_rev = base ? n->revision : head->base_rev;
	n->user_rev = user ? n->revision : head->user_rev;
	n->user_at_unix_ms = user ? n->at_unix_ms : head->user_at_unix_ms;
	snprintf(n->kind, sizeof(n->kind), "%s", ch->kind);
	snprintf(n->actor, sizeof(n->actor), "%s", j->c->who.sub);
	snprintf(n->field, sizeof(n->field), "%s", ch->field ? ch->field : "");
	snprintf(n->color_scheme, sizeof(n->color_scheme), "%s",
	    ch->color_scheme ? ch->color_scheme : "");
	snprintf(n->op_id, sizeof(n->op_id), "%s", j->op.id);
	snprintf(n->client, sizeof(n->client), "%s", ch->client ? ch->client : "");
	j->n_waiting = 1; /* the documents */
	if (j->op.id[0]) {
		j->n_waiting++;
		settings_op_note(j, false, answer, on_noted);
	}
	append_documents(j);
}
