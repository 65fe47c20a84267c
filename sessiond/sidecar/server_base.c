/* Bodies as trees with their texts; what cannot be read is an error, and the last good
 * answer stays in force. */
#include "sessiond/sidecar/server_base.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sessiond/core/jval_print.h"
#include "sessiond/core/overrides.h"

enum {
	SERVER_TEXT_MAX = 2 * JSON_DOC_BYTES_MAX, /* an app's and a session's */
};

static int server_doc(
    struct arena *a, struct slice body, struct json_doc *out, struct err *e)
{
	switch (json_doc_parse_message(a, body, out)) {
	case JSON_DOC_OK:
		return 0;
	case JSON_DOC_BLANK:
		return err_set(e, ERROR_INVALID, "the answer is empty");
	default:
		return err_set(e, ERROR_INVALID,
		    "the answer is not understood: line %u, column %u: %s",
		    out->error.line, out->error.column, out->error.message);
	}
}

static int64_t server_whole(
    struct arena *a, const struct jval *obj, const char *key, int64_t dflt)
{
	const struct jval *v = jval_get_str(a, obj, key);
	char text[32];

	if (!v || v->type != JVAL_NUMBER || v->text.n >= sizeof(text))
		return dflt;
	memcpy(text, v->text.p, v->text.n);
	text[v->text.n] = '\0';
	return strtoll(text, NULL, 10);
}

static struct slice server_string(
    struct arena *a, const struct jval *obj, const char *key)
{
	const struct jval *v = jval_get_str(a, obj, key);

	return v && v->type == JVAL_STRING ? v->str : SLICE_NULL;
}

static bool server_flag(struct arena *a, const struct jval *obj, const char *key)
{
	const struct jval *v = jval_get_str(a, obj, key);

	return v && v->type == JVAL_BOOL && v->truth;
}

int server_base_parse(struct slice body, const struct helix_base_conf *helix,
    struct server_base *out, struct err *e)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	const struct jval *settings, *policy;
	struct json_doc doc;
	int r = server_doc(&a, body, &doc, e);

	if (r)
		return r;
	settings = jval_get_str(&a, doc.root, "settings");
	policy = jval_get_str(&a, doc.root, "policy");
	if (!jval_is_object(settings))
		r = helix_answer_check(&a, doc.root, e);
	if (r)
		return r;
	*out = (struct server_base){.base = BUF_NULL(SERVER_TEXT_MAX),
	    .policy = BUF_NULL(SERVER_TEXT_MAX),
	    .plain = !jval_is_object(settings),
	    .claude = server_flag(&a, doc.root, "claude_subscription_available"),
	    .codex = server_flag(&a, doc.root, "codex_subscription_available"),
	    .answer = body};
	out->version = server_whole(&a, doc.root, "version", 0);
	snprintf(out->color_scheme, sizeof(out->color_scheme), SLICE_FMT,
	    SLICE_ARG(server_string(&a, doc.root, "color_scheme")));
	snprintf(out->host, sizeof(out->host), SLICE_FMT,
	    SLICE_ARG(helix_base_host(&a, doc.root)));
	if (out->plain)
		jval_print(&out->base, helix_base_build(&a, doc.root, helix));
	else
		buf_add_slice(&out->base, json_doc_span(&doc, settings));
	if (jval_is_object(policy))
		buf_add_slice(&out->policy, json_doc_span(&doc, policy));
	if (!buf_check(&out->base) && !buf_check(&out->policy))
		return 0;
	server_base_deinit(out);
	return err_set(e, ERROR_INVALID, "the answer is too large");
}

void server_base_deinit(struct server_base *b)
{
	buf_deinit(&b->base);
	buf_deinit(&b->policy);
}

int server_overrides_parse(struct slice body, struct server_overrides *out, struct err *e)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct overrides_problem *p;
	struct overrides u;
	struct json_doc doc;
	int r = server_doc(&a, body, &doc, e);

	if (r)
		return r;
	p = overrides_parse(&a, doc.root, &u);
	if (p)
		return err_set(e, ERROR_INVALID, "the answer is not understood: %.*s: %s",
		    (int)(p->path.n < 80 ? p->path.n : 80), p->path.p, p->message);
	*out = (struct server_overrides){.text = BUF_NULL(SERVER_TEXT_MAX),
	    .revision = server_whole(&a, doc.root, "revision", 0)};
	overrides_print(&out->text, &u);
	if (!buf_check(&out->text))
		return 0;
	server_overrides_deinit(out);
	return err_set(e, ERROR_INVALID, "the answer is too large");
}

void server_overrides_deinit(struct server_overrides *o)
{
	buf_deinit(&o->text);
}

static size_t server_count(struct arena *a, const struct jval *root, const char *key,
    const char *why, struct server_posted *out)
{
	const struct jval *list = jval_get_str(a, root, key), *first;

	if (!list || list->type != JVAL_ARRAY || list->n == 0)
		return 0;
	first = jval_first(list);
	if (!out->first[0]) {
		struct slice path = server_string(a, first, "path");
		struct slice said = server_string(a, first, why);

		snprintf(out->first, sizeof(out->first), "%.*s: %.*s",
		    (int)(path.n < 90 ? path.n : 90), path.p ? path.p : "",
		    (int)(said.n < 60 ? said.n : 60), said.p ? said.p : "");
	}
	return list->n;
}

void server_posted_parse(struct slice body, struct server_posted *out)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct json_doc doc;
	struct err e;

	*out = (struct server_posted){.revision = -1};
	if (server_doc(&a, body, &doc, &e))
		return;
	out->revision = server_whole(&a, doc.root, "revision", -1);
	out->n_rejected = server_count(&a, doc.root, "rejected", "rule", out);
	out->n_invalid = server_count(&a, doc.root, "invalid", "message", out);
	out->n_superseded = server_count(&a, doc.root, "superseded", "actor", out);
}
