#include "sessiond/sidecar/helix_rules.h"

#include "base/must.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_url.h"

static const struct slice theme_path[] = {{"theme", 5}};

/* Neither absent nor one that comes with the colours. */
static bool theme_is_choice(const struct jval *theme)
{
	return theme && theme->type == JVAL_STRING && theme->str.n &&
	       !slice_is(theme->str, "One Light") && !slice_is(theme->str, "Ayu Dark");
}

bool helix_theme_apply(struct arena *a, struct overrides *u, const struct jval *file,
    const struct jval *base, const struct jval *base0)
{
	const struct jval *now = jval_get_str(a, base, "theme");
	const struct jval *was = jval_get_str(a, base0, "theme");
	const struct jval *mine = jval_get_str(a, u->root, "theme");
	const struct jval *there = jval_get_str(a, file, "theme");

	if (!now)
		return false;
	if (!base0) {
		if (!mine && theme_is_choice(there))
			overrides_set(a, u, theme_path, 1, there);
		return false;
	}
	if ((was && jval_equal(a, was, now)) || theme_is_choice(there))
		return false;
	overrides_clear(a, u, theme_path, 1);
	return true;
}

void helix_theme_own(struct arena *a, struct policy *p)
{
	static const char rule[] =
	    "{\"rules\":[{\"path\":\"/theme\",\"class\":\"helix-owned\"}]}";
	struct policy_rule *rules = arena_alloc(a, sizeof(*rules) * (p->n_rules + 1));
	struct json_doc doc;
	struct policy one;
	struct err e = ERR_NULL;

	must(json_doc_parse_object(a, slice_of(rule), &doc) == JSON_DOC_OK);
	must(policy_parse(a, doc.root, &one, &e) == 0);
	memcpy(rules, p->rules, sizeof(*rules) * p->n_rules);
	rules[p->n_rules++] = one.rules[0];
	p->rules = rules;
}

struct jval *helix_retire(struct arena *a, const struct jval *file, struct jval *base0)
{
	static const char *const gone[] = {"default_agent", "external_sync"};

	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		const struct jval *v = jval_get_str(a, file, gone[i]);

		if (!v)
			continue;
		base0 = base0 ? base0 : jval_new(a, JVAL_OBJECT);
		jval_put(a, base0, slice_of(gone[i]), jval_copy(a, v));
	}
	return base0;
}

struct jval *helix_upload(struct arena *a, const struct overrides *u)
{
	static const char *const never[] = {
	    "telemetry", "agent_servers", "default_agent", "external_sync", "theme"};
	struct jval *all = jval_copy(a, overrides_plain(a, u));

	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		struct jval *v = jval_get_str(a, all, never[i]);

		if (v)
			jval_remove(a, all, v);
	}
	return all;
}

/* Nothing is said about what holds nothing. */
static void undo_remove(struct arena *a, struct jval *v)
{
	while (v->parent) {
		struct jval *parent = v->parent;

		jval_remove(a, parent, v);
		if (parent->n > 0)
			return;
		v = parent;
	}
}

static void undo_token(struct arena *a, struct jval *kodit, const char *token)
{
	struct jval *v =
	    jval_get_str(a, jval_get_str(a, kodit, "headers"), "Authorization");

	if (token && v && v->type == JVAL_STRING &&
	    slice_starts(v->str, SLICE_LIT("Bearer ")) &&
	    slice_is((struct slice){v->str.p + 7, v->str.n - 7}, token))
		undo_remove(a, v);
}

static void undo_url(struct arena *a, struct jval *kodit, const char *api_url,
    struct slice host)
{
	struct jval *v = jval_get_str(a, kodit, "url");

	if (v && v->type == JVAL_STRING)
		jval_put(a, kodit, SLICE_LIT("url"),
		    jval_new_string(a, helix_url_globalise(a, v->str, api_url, host)));
}

void helix_upload_undo(struct slice body, const struct helix_base_conf *c,
    struct slice host, struct buf *out)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct jval *kodit = NULL;
	struct json_doc doc;

	if (memmem(body.p, body.n, "kodit", 5) &&
	    json_doc_parse_object(&a, body, &doc) == JSON_DOC_OK)
		kodit = jval_get_str(
		    &a, jval_get_str(&a, doc.root, "context_servers"), "kodit");
	if (!jval_is_object(kodit)) {
		buf_add_slice(out, body);
		return;
	}
	undo_url(&a, kodit, c->api_url, host);
	undo_token(&a, kodit, c->user_token);
	jval_print(out, doc.root);
}
