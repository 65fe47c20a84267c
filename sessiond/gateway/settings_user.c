/* Overrides: what users change, as their instances report it, and the merged view. */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	ERRORS_MAX = 64,
	ANSWER_MAX = 8 * 1024 * 1024,
};

/* ---- GET zed-config/user ---- */

static bool user_unchanged(struct settings_job *j)
{
	char etag[24];
	struct buf none = BUF_NULL(1);

	if (!settings_none_match(j->c, j->own.head.user_rev))
		return false;
	settings_etag(j->own.head.user_rev, etag);
	settings_job_reply(j, 304, etag, &none);
	return true;
}

static void user_show(struct settings_job *j)
{
	const struct settings_head *h = &j->own.head;
	char etag[24], at[CLOCK_RFC3339_LEN + 1];
	struct buf b = BUF_NULL(ANSWER_MAX);

	settings_etag(h->user_rev, etag);
	buf_adds(&b, "{\"overrides\":");
	jval_print(&b, overrides_plain(&j->a, &j->user));
	buf_adds(&b, ",\"set\":");
	overrides_print_sets(&b, &j->user);
	buf_adds(&b, ",\"del\":");
	overrides_print_dels(&b, &j->user);
	buf_addf(
	    &b, ",\"revision\":%llu,\"updated_at\":", (unsigned long long)h->user_rev);
	if (h->user_rev) {
		clock_rfc3339(h->user_at_unix_ms, at);
		buf_addf(&b, "\"%s\"}", at);
	} else {
		buf_adds(&b, "null}");
	}
	settings_job_reply(j, 200, etag, &b);
}

void settings_on_user_get(struct call *c)
{
	struct settings_job *j = settings_job_new(c);

	if (!j)
		return;
	j->heads = user_unchanged;
	j->loaded = user_show;
	settings_job_load(j, SETTINGS_USER);
}

/* ---- POST zed-config/user ---- */

/* Kept over the write, in the arena. */
struct post {
	struct settings_verdict verdict;
	struct overrides result;
	const char *op_id;
};

static void print_notes(
    struct buf *b, const char *name, const char *text_key, const struct settings_note *n)
{
	bool first = true;

	buf_addf(b, ",\"%s\":[", name);
	for (; n; n = n->next) {
		buf_adds(b, first ? "{\"path\":" : ",{\"path\":");
		first = false;
		json_string_print(b, n->path);
		buf_addf(b, ",\"%s\":", text_key);
		json_string_print(b, slice_of(n->text));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void post_answer_revision(struct settings_job *j, uint64_t revision)
{
	const struct post *p = j->data;
	char etag[24];
	struct buf b = BUF_NULL(ANSWER_MAX);

	settings_etag(revision, etag);
	buf_addf(
	    &b, "{\"status\":\"ok\",\"revision\":%llu", (unsigned long long)revision);
	print_notes(&b, "rejected", "rule", p->verdict.rejected);
	print_notes(&b, "invalid", "message", p->verdict.invalid);
	buf_addc(&b, '}');
	settings_job_reply(j, 200, etag, &b);
}

static void post_answer(struct settings_job *j)
{
	post_answer_revision(j, j->own.head.user_rev);
}

static void post_problems(struct settings_job *j, const struct overrides_problem *p)
{
	struct settings_path_error errors[ERRORS_MAX];
	size_t n = 0;

	for (; p && n < ERRORS_MAX; p = p->next)
		errors[n++] = (struct settings_path_error){p->path, p->message};
	settings_job_unprocessable(j, "the operations cannot be carried out", errors, n);
}

/* False: answered. */
static bool post_op_id(struct settings_job *j, const struct jval *body, struct post *p)
{
	const struct jval *id = jval_get_str(&j->a, body, "op_id");

	if (!id || id->type == JVAL_NULL)
		return true;
	if (id->type != JVAL_STRING || id->str.n == 0 || id->str.n > SETTINGS_OP_ID_MAX) {
		settings_job_error(j, ERROR_INVALID,
		    "op_id must be a string of 1 to %d bytes", SETTINGS_OP_ID_MAX);
		return false;
	}
	p->op_id = arena_copy(&j->a, id->str).p;
	return true;
}

/* Operations. False: answered. */
static bool post_ops(struct settings_job *j, const struct jval *body,
    const struct jval *doc, struct post *p)
{
	struct overrides_ops ops;
	struct overrides_problem *problems = overrides_ops_parse(&j->a, doc, &ops);
	uint64_t known;

	if (!post_op_id(j, body, p))
		return false;
	if (!problems)
		problems = settings_accept_ops(&j->a, j->settings, &j->policy, &j->user,
		    &ops, &p->result, &p->verdict);
	if (problems) {
		post_problems(j, problems);
		return false;
	}
	p->verdict.invalid =
	    settings_find_invalid(&j->a, j->settings, &p->result, &j->policy);
	known = p->op_id ? settings_head_op(&j->own.head, p->op_id) : 0;
	if (known) {
		/* told again because the answer was lost */
		post_answer_revision(j, known);
		return false;
	}
	if (settings_match_fails(j->c, j->own.head.user_rev)) {
		settings_job_error(j, ERROR_STALE,
		    "the overrides are at revision %llu now",
		    (unsigned long long)j->own.head.user_rev);
		return false;
	}
	return true;
}

static void post_commit(struct settings_job *j, struct post *p)
{
	struct buf text = BUF_NULL(SETTINGS_DOC_MAX);
	struct settings_change ch = {.kind = "user", .op_id = p->op_id};

	overrides_print(&text, &p->result);
	if (buf_check(&text)) {
		buf_deinit(&text);
		settings_job_error(j, ERROR_TOO_LARGE,
		    "overrides are larger than %d bytes", SETTINGS_DOC_MAX);
		return;
	}
	ch.user = arena_copy(&j->a, buf_slice(&text));
	buf_deinit(&text);
	j->committed = post_answer;
	settings_job_commit(j, &ch);
}

static void post_loaded(struct settings_job *j)
{
	struct json_doc d;
	const struct jval *ops;
	struct post *p = ARENA_NEW(&j->a, struct post);

	j->data = p;
	if (json_doc_parse_object(&j->a, buf_slice(&j->c->raw_body), &d) != JSON_DOC_OK) {
		settings_job_error(j,
		    d.state == JSON_DOC_TOO_LARGE ? ERROR_TOO_LARGE : ERROR_INVALID,
		    "invalid request body: line %u, column %u: %s", d.error.line,
		    d.error.column, d.error.message);
		return;
	}
	ops = settings_ops_body(&j->a, d.root);
	if (ops) {
		if (!post_ops(j, d.root, ops, p))
			return;
	} else {
		p->result = settings_accept_plain(
		    &j->a, j->settings, &j->policy, d.root, &p->verdict);
		p->verdict.invalid =
		    settings_find_invalid(&j->a, j->settings, &p->result, &j->policy);
	}
	if (overrides_equal(&j->a, &p->result, &j->user))
		post_answer(j);
	else
		post_commit(j, p);
}

void settings_on_user_post(struct call *c)
{
	struct settings_job *j = settings_job_new(c);

	if (!j)
		return;
	j->loaded = post_loaded;
	settings_job_load(j, SETTINGS_BASE | SETTINGS_USER);
}

/* ---- GET zed-settings ---- */

static void merged_show(struct settings_job *j)
{
	struct buf b = BUF_NULL(ANSWER_MAX);

	jval_print(&b, settings_merged(&j->a, j->settings, &j->user, &j->policy, NULL));
	settings_job_reply(j, 200, NULL, &b);
}

void settings_on_merged_get(struct call *c)
{
	struct settings_job *j;

	if (http_req_query(c->req, "explain")) {
		settings_explain(c);
		return;
	}
	j = settings_job_new(c);
	if (!j)
		return;
	j->loaded = merged_show;
	settings_job_load(j, SETTINGS_BASE | SETTINGS_USER);
}
