/* Overrides: what users change, as their instances report it, and the merged view. */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	ANSWER_MAX = 8 * 1024 * 1024,
};

/* ---- GET zed-config/user ---- */

static bool user_unchanged(struct settings_job *j)
{
	char etag[24];
	struct buf none = BUF_NULL(1);

	if (!settings_none_match(j, j->own.head.user_rev))
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

struct post {
	struct arena a; /* the request; the job's own is emptied at each try */
	const struct jval *body, *ops; /* @ops NULL: a plain document */
	const char *client;            /* NULL: did not say */
	/* in the job's arena */
	struct settings_verdict verdict;
	struct overrides result;
	struct slice answer;
};

static void on_post_end(struct settings_job *j)
{
	struct post *p = j->data;

	arena_deinit(&p->a);
	free(p);
}

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

/* What is said once it is stored as @revision. */
static void post_print_answer(struct settings_job *j, struct post *p, uint64_t revision)
{
	struct buf b = BUF_NULL(ANSWER_MAX), others = BUF_NULL(ANSWER_MAX);

	buf_addf(
	    &b, "{\"status\":\"ok\",\"revision\":%llu", (unsigned long long)revision);
	print_notes(&b, "rejected", "rule", p->verdict.rejected);
	print_notes(&b, "invalid", "message", p->verdict.invalid);
	if (p->ops && settings_superseded_print(j, &p->result, p->client, &others)) {
		buf_adds(&b, ",\"superseded\":[");
		buf_add_slice(&b, buf_slice(&others));
		buf_addc(&b, ']');
	}
	buf_addc(&b, '}');
	p->answer = arena_copy(&j->a, buf_slice(&b));
	buf_deinit(&others);
	buf_deinit(&b);
}

static void post_reply(struct settings_job *j, struct slice answer, uint64_t revision)
{
	char etag[24];
	struct buf b = BUF_NULL(ANSWER_MAX);

	settings_etag(revision, etag);
	buf_add_slice(&b, answer);
	settings_job_reply(j, 200, etag, &b);
}

static void post_answer(struct settings_job *j)
{
	post_reply(j, ((struct post *)j->data)->answer, j->own.head.user_rev);
}

/* Asked again: what was done is not done twice. */
static bool post_known(struct settings_job *j)
{
	AUTO(jsn_freep) struct jsn *o = NULL;
	const struct settings_op *op = &j->op;
	struct slice answer;
	struct err e;

	if (!op->known)
		return false;
	if (strcmp(op->body, op->noted_body) != 0) {
		settings_job_error(
		    j, ERROR_CONFLICT, "op_id was used with other operations");
		return true;
	}
	must(jsn_parse(op->answer.data, op->answer.n, &o, &e) == 0);
	answer = arena_copy(&j->a, buf_slice(&op->answer));
	post_reply(j, answer, (uint64_t)jsn_get_int(o, "revision", 0));
	return true;
}

static void post_problems(struct settings_job *j, const struct overrides_problem *p)
{
	struct settings_path_error *errors;
	size_t n = 0, i = 0;

	for (const struct overrides_problem *it = p; it; it = it->next)
		n++;
	errors = arena_alloc(&j->a, n * sizeof(*errors));
	for (; p; p = p->next)
		errors[i++] = (struct settings_path_error){p->path, p->message};
	settings_job_unprocessable(j, "the operations cannot be carried out", errors, n);
}

/* Operations. False: answered. */
static bool post_ops(struct settings_job *j, struct post *p)
{
	struct overrides_ops ops;
	struct overrides_problem *problems = overrides_ops_parse(&j->a, p->ops, &ops);

	if (settings_match_fails(j, j->own.head.user_rev)) {
		settings_job_error(j, ERROR_STALE,
		    "the overrides are at revision %llu now",
		    (unsigned long long)j->own.head.user_rev);
		return false;
	}
	if (!problems)
		problems = settings_accept_ops(&j->a, j->settings, &j->policy, &j->user,
		    &ops, &p->result, &p->verdict);
	if (problems)
		post_problems(j, problems);
	return problems == NULL;
}

struct slice settings_user_document(
    struct settings_job *j, const struct overrides *u, const char *client)
{
	struct buf text = BUF_NULL(SETTINGS_DOC_MAX);
	struct slice doc = SLICE_NULL;

	overrides_print(&text, u);
	if (buf_check(&text) == 0) {
		text.max = STORE_VALUE_MAX;
		text.n--; /* its closing brace */
		buf_adds(&text, ",\"recent\":");
		settings_recent_print(j, u, client, &text);
		buf_addc(&text, '}');
		doc = arena_copy(&j->a, buf_slice(&text));
	}
	buf_deinit(&text);
	return doc;
}

static void post_commit(struct settings_job *j, struct post *p)
{
	struct settings_change ch = {.kind = "user", .client = p->client};

	ch.user = settings_user_document(j, &p->result, p->client);
	if (!ch.user.p) {
		settings_job_error(j, ERROR_TOO_LARGE,
		    "overrides are larger than %d bytes", SETTINGS_DOC_MAX);
		return;
	}
	post_print_answer(j, p, j->own.head.revision + 1);
	j->committed = post_answer;
	settings_job_commit(j, &ch, p->answer);
}

static void post_loaded(struct settings_job *j)
{
	struct post *p = j->data;

	p->verdict = (struct settings_verdict){0};
	if (p->ops && !post_ops(j, p))
		return;
	if (!p->ops)
		p->result = settings_accept_plain(
		    &j->a, j->settings, &j->policy, p->body, &p->verdict);
	p->verdict.invalid =
	    settings_find_invalid(&j->a, j->settings, &p->result, &j->policy);
	if (!settings_user_unchanged(j, &p->result)) {
		post_commit(j, p);
		return;
	}
	post_print_answer(j, p, j->own.head.user_rev);
	j->committed = post_answer;
	if (j->op.id[0])
		settings_job_note(j, p->answer);
	else
		post_answer(j);
}

/* A string member beside "ops". False: answered. */
static bool post_string(
    struct settings_job *j, struct post *p, const char *key, size_t max, const char **out)
{
	const struct jval *v = jval_get_str(&p->a, p->body, key);

	if (!v || v->type == JVAL_NULL)
		return true;
	if (v->type == JVAL_STRING && v->str.n > 0 && v->str.n <= max &&
	    !memchr(v->str.p, '\0', v->str.n)) {
		*out = arena_copy(&p->a, v->str).p;
		return true;
	}
	settings_job_error(
	    j, ERROR_INVALID, "%s must be a string of 1 to %zu bytes", key, max);
	return false;
}

/* False: answered. */
static bool post_read(struct settings_job *j, struct post *p)
{
	struct json_doc d;
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);
	const char *op_id = NULL;

	if (json_doc_parse_object(&p->a, buf_slice(&j->c->raw_body), &d) != JSON_DOC_OK) {
		settings_job_error(j,
		    d.state == JSON_DOC_TOO_LARGE ? ERROR_TOO_LARGE : ERROR_INVALID,
		    "invalid request body: line %u, column %u: %s", d.error.line,
		    d.error.column, d.error.message);
		return false;
	}
	p->body = d.root;
	p->ops = settings_ops_body(&p->a, d.root);
	if (!p->ops)
		return true;
	if (!post_string(j, p, "op_id", SETTINGS_OP_ID_MAX, &op_id) ||
	    !post_string(j, p, "client", SETTINGS_CLIENT_MAX, &p->client))
		return false;
	snprintf(j->op.id, sizeof(j->op.id), "%s", op_id ? op_id : "");
	jval_print(&text, p->ops);
	digest_hex(buf_slice(&text), j->op.body);
	return true;
}

void settings_on_user_post(struct call *c)
{
	struct settings_job *j = settings_job_new(c);
	struct post *p;

	if (!j)
		return;
	p = calloc(1, sizeof(*p));
	must(p);
	j->data = p;
	j->ended = on_post_end;
	j->heads = post_known;
	j->loaded = post_loaded;
	j->writes = true;
	if (post_read(j, p))
		settings_job_load_to_commit(j, SETTINGS_BASE | SETTINGS_USER);
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
