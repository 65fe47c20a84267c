/* POST zed-config/rollback: a new revision that says what an earlier one said, of
 * everything or of one path. Nothing is rewritten. A user's rollback moves the user's
 * overrides alone: the base is not theirs to change.
 *
 * happy path: loaded, the revision asked for is found, both its documents are read, and
 * what they say, or say at the path, is stored anew as far as policy lets it
 */
#include "base/must.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/gateway/settings_internal.h"

struct rollback {
	struct settings_head then;
	struct buf base, user; /* documents of then */
	uint64_t revision;
	struct json_pointer path; /* in the arena */
	bool has_path, may_base;
};

static void on_job_end(struct settings_job *j)
{
	struct rollback *r = j->data;

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

/* Settings and overrides as they were, at the path or altogether. */
static const struct jval *settings_then(struct settings_job *j, struct overrides *u)
{
	struct rollback *r = j->data;
	struct overrides then_u = settings_doc_user(&j->a, buf_slice(&r->user));
	const struct jval *then =
	    settings_doc_part(&j->a, buf_slice(&r->base), "settings");

	if (!r->has_path) {
		*u = then_u;
		return then;
	}
	*u = overrides_copy(&j->a, &j->user);
	overrides_clear(&j->a, u, r->path.tokens, r->path.n);
	overrides_for_each (leaf, &then_u)
		carry_override(j, u, leaf, &r->path);
	return with_path(j, j->own_settings, then, &r->path);
}

static bool is_users(const struct policy_walk *w)
{
	return policy_here(w)->cls > POLICY_HELIX_OWNED;
}

/* What the policy keeps from users now is not given back to them. */
static struct overrides without_owned(
    struct settings_job *j, const struct overrides *u, const struct jval *policy_doc)
{
	struct overrides out = overrides_new(&j->a);
	struct policy policy;
	struct policy_walk *w;
	struct err e;

	if (!policy_doc || policy_parse(&j->a, policy_doc, &policy, &e))
		policy_builtin(&j->a, &policy);
	w = policy_walk_new(&j->a, &policy);
	overrides_for_each (leaf, u) {
		struct json_pointer at;

		must(json_pointer_parse(&j->a, json_pointer_of(&j->a, leaf), &at));
		for (size_t i = 0; i < at.n; i++)
			policy_push(w, at.tokens[i]);
		if (is_users(w) && leaf->type == JVAL_TOMB)
			overrides_del(&j->a, &out, at.tokens, at.n);
		else if (is_users(w))
			overrides_set(&j->a, &out, at.tokens, at.n, leaf);
		for (size_t i = 0; i < at.n; i++)
			policy_pop(w);
	}
	return out;
}

static bool same_part(const struct jval *x, const struct jval *y)
{
	AUTO(buf_deinit) struct buf a = BUF_NULL(SIZE_MAX);
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	if (!x || !y)
		return x == y;
	jval_print(&a, x);
	jval_print(&b, y);
	return slice_eq(buf_slice(&a), buf_slice(&b));
}

static void restore(struct settings_job *j)
{
	struct rollback *r = j->data;
	struct settings_change ch = {.kind = "rollback", .restored = r->revision};
	const struct jval *policy = j->own_policy, *helix = j->own_helix, *settings;
	struct overrides u;

	settings = settings_then(j, &u);
	if (!r->may_base)
		settings = j->own_settings;
	else if (!r->has_path) {
		policy = settings_doc_part(&j->a, buf_slice(&r->base), "policy");
		helix = settings_doc_part(&j->a, buf_slice(&r->base), "helix");
	}
	u = without_owned(j, &u, policy ? policy : j->app_policy);
	if (!same_part(settings, j->own_settings) || !same_part(policy, j->own_policy) ||
	    !same_part(helix, j->own_helix))
		ch.base = settings_base_document(j, settings, policy, helix);
	if (!settings_user_unchanged(j, &u)) {
		ch.user = settings_user_document(j, &u, NULL);
		must(ch.user.p); /* it was not too large then */
	}
	if (!ch.base.p && !ch.user.p) {
		rollback_answer(j);
		return;
	}
	j->committed = rollback_answer;
	settings_job_commit(j, &ch, SLICE_NULL);
}

static void on_base_of_then(struct settings_job *j)
{
	struct rollback *r = j->data;

	settings_job_read(j, &j->own, r->then.user_seq, &r->user, restore);
}

/* ---- finding it ---- */

static void rollback_found(struct settings_job *j)
{
	struct rollback *r = j->data;

	if (r->then.revision != r->revision)
		settings_job_error(j, ERROR_NOT_FOUND, "there is no revision %llu",
		    (unsigned long long)r->revision);
	else
		settings_job_read(
		    j, &j->own, r->then.base_seq, &r->base, on_base_of_then);
}

static void rollback_loaded(struct settings_job *j)
{
	struct rollback *r = j->data;
	const char *path = jsn_get_string(j->c->body, "path");

	r->has_path = path != NULL;
	if (path &&
	    (!json_pointer_parse(&j->a, slice_of(path), &r->path) || !r->path.n)) {
		settings_job_error(j, ERROR_INVALID, "path must be a JSON pointer");
		return;
	}
	r->then = (struct settings_head){0};
	if (r->revision > 0)
		settings_job_find(j, &j->own, r->revision, &r->then, rollback_found);
	else
		rollback_found(j); /* when there was nothing yet */
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
	j->writes = true;
	j->loaded = rollback_loaded;
	settings_job_load(j, SETTINGS_BASE | SETTINGS_USER);
}
