/* POST zed-config/rollback: a new revision that says what an earlier one said, of
 * everything or of one path. Nothing is rewritten. A user's rollback moves the user's
 * overrides alone: the base is not theirs to change.
 *
 * happy path: loaded, back to the revision asked for, then for all: a record that names
 * its documents; for a path: both documents of then are read and the path is carried over
 */
#include "base/must.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	BACK_MAX = 100 * 1000, /* revisions */
};

struct rollback {
	struct settings_head then;
	struct buf base, user; /* documents of then */
	uint64_t revision;
	size_t n_back;
	struct json_pointer path; /* in the arena */
	bool has_path, may_base;
};

static void on_job_end(struct settings_job *j)
{
	struct rollback *r = j->data;

	settings_head_free(&r->then);
	buf_deinit(&r->base);
	buf_deinit(&r->user);
	free(r);
}

static void rollback_answer(struct settings_job *j)
{
	struct buf b = BUF_NULL(64);

	buf_addf(&b, "{\"revision\":%llu}", (unsigned long long)j->own.head.revision);
	settings_job_reply(j, 200, NULL, &b);
}

/* ---- everything ---- */

static void restore_all(struct settings_job *j)
{
	const struct rollback *r = j->data;
	const struct settings_head *head = &j->own.head;
	struct settings_change ch = {.kind = "rollback",
	    .refs = true,
	    .base_seq = r->may_base ? r->then.base_seq : head->base_seq,
	    .user_seq = r->then.user_seq,
	    .restored = r->revision};

	if (ch.base_seq == head->base_seq && ch.user_seq == head->user_seq) {
		rollback_answer(j);
		return;
	}
	j->committed = rollback_answer;
	settings_job_commit(j, &ch);
}

/* ---- one path ---- */

/* @doc with what @then has at the path, or without it. */
static struct jval *with_path(struct settings_job *j, const struct jval *doc,
    const struct jval *then, const struct json_pointer *ptr)
{
	struct jval *root = doc ? jval_copy(&j->a, doc) : jval_new(&j->a, JVAL_OBJECT),
		    *v = root;
	const struct jval *value = then;

	for (size_t i = 0; i < ptr->n && value; i++)
		value = jval_get(&j->a, value, ptr->tokens[i]);
	for (size_t i = 0; i + 1 < ptr->n; i++) {
		struct jval *child = jval_get(&j->a, v, ptr->tokens[i]);

		if ((!child || child->type != JVAL_OBJECT) && !value)
			return root;
		if (!child || child->type != JVAL_OBJECT) {
			child = jval_new(&j->a, JVAL_OBJECT);
			jval_put(&j->a, v, ptr->tokens[i], child);
		}
		v = child;
	}
	if (value) {
		jval_put(&j->a, v, ptr->tokens[ptr->n - 1], jval_copy(&j->a, value));
		return root;
	}
	v = jval_get(&j->a, v, ptr->tokens[ptr->n - 1]);
	if (v)
		jval_remove(&j->a, v->parent, v);
	return root;
}

static void carry_override(struct settings_job *j, struct overrides *u,
    const struct jval *leaf, const struct json_pointer *ptr)
{
	struct json_pointer at;

	must(json_pointer_parse(&j->a, json_pointer_of(&j->a, leaf), &at));
	for (size_t i = 0; i < ptr->n; i++)
		if (i >= at.n || !slice_eq(at.tokens[i], ptr->tokens[i]))
			return;
	if (leaf->type == JVAL_TOMB)
		overrides_del(&j->a, u, at.tokens, at.n);
	else
		overrides_set(&j->a, u, at.tokens, at.n, leaf);
}

static struct slice keep(struct settings_job *j, struct buf *b)
{
	struct slice s = arena_copy(&j->a, buf_slice(b));

	buf_deinit(b);
	return s;
}

static void print_part(
    struct settings_job *j, struct buf *b, const char *key, const struct jval *v)
{
	(void)j;
	buf_addf(b, "%s\"%s\":", b->n > 1 ? "," : "", key);
	if (v)
		jval_print(b, v);
	else
		buf_adds(b, "null");
}

static void restore_path(struct settings_job *j)
{
	struct rollback *r = j->data;
	struct overrides then_u = settings_doc_user(&j->a, buf_slice(&r->user));
	struct overrides u = overrides_copy(&j->a, &j->user);
	struct jval *settings = with_path(j, j->own_settings,
	    settings_doc_part(&j->a, buf_slice(&r->base), "settings"), &r->path);
	struct settings_change ch = {.kind = "rollback", .restored = r->revision};
	struct buf base = BUF_NULL(STORE_VALUE_MAX), user = BUF_NULL(STORE_VALUE_MAX);

	overrides_clear(&j->a, &u, r->path.tokens, r->path.n);
	overrides_for_each (leaf, &then_u)
		carry_override(j, &u, leaf, &r->path);
	if (r->may_base && !jval_equal(&j->a, settings, j->own_settings)) {
		buf_addc(&base, '{');
		print_part(j, &base, "settings", settings);
		print_part(j, &base, "policy", j->own_policy);
		print_part(j, &base, "helix", j->own_helix);
		buf_addc(&base, '}');
		ch.base = keep(j, &base);
	}
	if (!overrides_equal(&j->a, &u, &j->user)) {
		overrides_print(&user, &u);
		ch.user = keep(j, &user);
	}
	if (!ch.base.p && !ch.user.p) {
		rollback_answer(j);
		return;
	}
	j->committed = rollback_answer;
	settings_job_commit(j, &ch);
}

static void on_base_of_then(struct settings_job *j)
{
	struct rollback *r = j->data;

	settings_job_read(j, &j->own, r->then.user_seq, &r->user, restore_path);
}

/* ---- finding it ---- */

static void rollback_found(struct settings_job *j)
{
	struct rollback *r = j->data;

	if (r->has_path)
		settings_job_read(
		    j, &j->own, r->then.base_seq, &r->base, on_base_of_then);
	else
		restore_all(j);
}

static void rollback_back(struct settings_job *j)
{
	struct rollback *r = j->data;

	if (r->then.revision == r->revision)
		rollback_found(j);
	else if (r->then.revision < r->revision || ++r->n_back > BACK_MAX)
		settings_job_error(j, ERROR_NOT_FOUND, "there is no revision %llu",
		    (unsigned long long)r->revision);
	else
		settings_job_back(j, &j->own, &r->then, rollback_back);
}

static void rollback_loaded(struct settings_job *j)
{
	struct rollback *r = j->data;
	const char *path = jsn_get_string(j->c->body, "path");

	r->n_back = 0;
	r->has_path = path != NULL;
	if (path &&
	    (!json_pointer_parse(&j->a, slice_of(path), &r->path) || !r->path.n)) {
		settings_job_error(j, ERROR_INVALID, "path must be a JSON pointer");
		return;
	}
	if (r->revision > j->own.head.revision) {
		settings_job_error(j, ERROR_NOT_FOUND, "there is no revision %llu",
		    (unsigned long long)r->revision);
		return;
	}
	settings_head_free(&r->then);
	if (j->own.head.seq)
		settings_job_read_head(
		    j, &j->own, j->own.head.seq, &r->then, rollback_back);
	else
		rollback_back(j);
}

void settings_on_rollback(struct call *c)
{
	const struct jsn *path = jsn_get(c->body, "path");
	struct settings_job *j;
	struct rollback *r;
	int64_t revision;

	if (!jsn_int(jsn_get(c->body, "revision"), &revision) || revision < 0) {
		call_reply_error(c, ERROR_INVALID, "revision must be a whole number");
		return;
	}
	if (path && jsn_type(path) != JSN_STRING && jsn_type(path) != JSN_NULL) {
		call_reply_error(c, ERROR_INVALID, "path must be a JSON pointer");
		return;
	}
	j = settings_job_new(c);
	if (!j)
		return;
	r = calloc(1, sizeof(*r));
	must(r);
	r->revision = (uint64_t)revision;
	r->may_base = c->who.role == AUTH_ADMIN || c->who.role == AUTH_SERVICE;
	r->base = r->user = BUF_NULL(STORE_VALUE_MAX);
	j->data = r;
	j->ended = on_job_end;
	j->loaded = rollback_loaded;
	settings_job_load(j, SETTINGS_BASE | SETTINGS_USER);
}
