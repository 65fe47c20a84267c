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
	settings_head_free(&side->head);
	buf_deinit(&side->base);
	buf_deinit(&side->user);
}

void settings_job_free(struct settings_job *j)
{
	if (j->ended)
		j->ended(j);
	side_free(&j->own);
	side_free(&j->app);
	settings_head_free(&j->next);
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
	j->own.kind = kind;
	j->app.kind = "app";
	j->own.base = j->own.user = j->app.base = j->app.user = BUF_NULL(STORE_VALUE_MAX);
	j->record = BUF_NULL(STORE_VALUE_MAX);
	return j;
}

struct settings_job *settings_job_new(struct call *c)
{
	struct settings_job *j = job_new(c, "ses");
	struct session *session = sessions_find(c->g->sessions, c->session_id.s);

	if (!j)
		return NULL;
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

static void load_heads(struct settings_job *j);

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

	if (!text->n || json_doc_parse_object(&j->a, buf_slice(text), &d) != JSON_DOC_OK)
		return NULL;
	return d.root;
}

static void job_parse(struct settings_job *j)
{
	struct jval *own = side_doc(j, &j->own.base), *app = side_doc(j, &j->app.base);
	struct jval *app_policy = member(j, app, "policy"),
		    *user = side_doc(j, &j->own.user);
	struct err e;

	j->own_settings = member(j, own, "settings");
	j->settings = settings_join(&j->a, member(j, app, "settings"), j->own_settings);
	j->own_policy = member(j, own, "policy");
	j->own_helix = member(j, own, "helix");
	j->helix = settings_join(&j->a, member(j, app, "helix"), j->own_helix);
	if (j->own_policy)
		app_policy = j->own_policy;
	j->policy_doc = NULL;
	if (app_policy && policy_parse(&j->a, app_policy, &j->policy, &e) == 0)
		j->policy_doc = app_policy;
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

static void load_blob(struct settings_job *j, uint64_t seq, store_cb *cb)
{
	if (!seq)
		return;
	j->n_waiting++;
	read_document(j, seq, cb);
}

static void load_blobs(struct settings_job *j)
{
	if (j->code) {
		load_done(j);
		return;
	}
	if (j->heads && j->heads(j))
		return;
	j->n_waiting = 1; /* this function */
	if (j->parts & SETTINGS_BASE)
		load_blob(j, j->own.head.base_seq, on_own_base);
	if (j->parts & SETTINGS_USER)
		load_blob(j, j->own.head.user_seq, on_own_user);
	if (j->parts & SETTINGS_BASE)
		load_blob(j, j->app.head.base_seq, on_app_base);
	if (--j->n_waiting == 0)
		load_done(j);
}

static void on_head(struct settings_job *j, bool app, const struct store_result *r)
{
	struct settings_side *side = side_of(j, app);

	settings_head_free(&side->head);
	if (r->code && r->code != ERROR_NOT_FOUND)
		note_failure(j, r->code, r->detail);
	else if (!r->code && !settings_head_parse(r->value, r->revision, &side->head))
		note_failure(j, ERROR_INTERNAL, "a stored revision cannot be read");
	if (--j->n_waiting == 0)
		load_blobs(j);
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

static void load_heads(struct settings_job *j)
{
	bool app = !id_empty(&j->app.id);

	j->code = 0;
	buf_reset(&j->own.base);
	buf_reset(&j->own.user);
	buf_reset(&j->app.base);
	arena_deinit(&j->a);
	load_head(j, false);
	if (app)
		load_head(j, true);
}

void settings_job_load(struct settings_job *j, unsigned parts)
{
	j->parts = parts;
	load_heads(j);
}

/* ---- committing ---- */

static void on_committed(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code == ERROR_CONFLICT && ++j->n_tries < SETTINGS_TRIES_MAX) {
		settings_head_free(&j->next);
		load_heads(j);
		return;
	}
	if (r->code) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	j->next.seq = r->revision;
	settings_head_free(&j->own.head);
	j->own.head = j->next;
	j->next = (struct settings_head){0};
	j->committed(j);
}

/* The operations remembered: those before, and this one. */
static void next_ops(
    struct settings_head *next, const struct settings_head *head, const char *op_id)
{
	size_t n = head->n_ops, skip;

	snprintf(next->op_id, sizeof(next->op_id), "%s", op_id ? op_id : "");
	skip = n >= SETTINGS_OPS_KEPT ? n - SETTINGS_OPS_KEPT + 1 : 0;
	next->ops = calloc(n - skip + 1, sizeof(*next->ops));
	must(next->ops);
	next->n_ops = n - skip;
	if (next->n_ops)
		memcpy(next->ops, head->ops + skip, next->n_ops * sizeof(*next->ops));
	if (op_id) {
		struct settings_op *op = &next->ops[next->n_ops++];

		snprintf(op->id, sizeof(op->id), "%s", op_id);
		op->revision = next->revision;
	}
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
	auth_hash(j->record.data, j->record.n, n->hash);
	a.value = buf_slice(&j->record);
	store_append(j->s->g->store, &a, on_committed, j);
}

static void append_documents(struct settings_job *j);

static void on_document(struct settings_job *j, uint64_t *seq, struct slice *document,
    const struct store_result *r)
{
	if (r->code) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	*seq = r->revision;
	*document = SLICE_NULL;
	append_documents(j);
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

static void append_document(struct settings_job *j, struct slice text, store_cb *cb)
{
	struct subject subject =
	    SUBJECT_OF(session_settings_blob, j->own.kind, j->own.id.s);
	struct store_append a = {
	    .subject = subject.s, .expected_last_subject_seq = STORE_ANY_REVISION};
	char where[ID_MAX + 8];

	snprintf(where, sizeof(where), "%s.%s", j->own.kind, j->own.id.s);
	buf_reset(&j->record);
	seal(&j->s->key, slice_of(where), text, &j->record);
	a.value = buf_slice(&j->record);
	store_append(j->s->g->store, &a, cb, j);
}

/* What is left of the change, one after the other, then the revision. */
static void append_documents(struct settings_job *j)
{
	if (j->change.base.p)
		append_document(j, j->change.base, on_base_stored);
	else if (j->change.user.p)
		append_document(j, j->change.user, on_user_stored);
	else
		append_revision(j);
}

void settings_job_commit(struct settings_job *j, const struct settings_change *ch)
{
	const struct settings_head *head = &j->own.head;
	struct settings_head *n = &j->next;
	bool base = ch->base.p || (ch->refs && ch->base_seq != head->base_seq);
	bool user = ch->user.p || (ch->refs && ch->user_seq != head->user_seq);

	j->change = *ch;
	*n = (struct settings_head){.revision = head->revision + 1,
	    .base_seq = ch->refs ? ch->base_seq : head->base_seq,
	    .user_seq = ch->refs ? ch->user_seq : head->user_seq,
	    .at_unix_ms = clock_unix_ms(),
	    .restored = ch->restored};
	n->base_rev = base ? n->revision : head->base_rev;
	n->user_rev = user ? n->revision : head->user_rev;
	n->user_at_unix_ms = user ? n->at_unix_ms : head->user_at_unix_ms;
	snprintf(n->kind, sizeof(n->kind), "%s", ch->kind);
	snprintf(n->actor, sizeof(n->actor), "%s", j->c->who.sub);
	snprintf(n->field, sizeof(n->field), "%s", ch->field ? ch->field : "");
	snprintf(n->color_scheme, sizeof(n->color_scheme), "%s",
	    ch->color_scheme ? ch->color_scheme : "");
	n->prev_seq = head->seq;
	memcpy(n->prev_hash, head->hash, sizeof(n->prev_hash));
	next_ops(n, head, ch->op_id);
	append_documents(j);
}
