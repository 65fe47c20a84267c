/* The policy document: parsing, limits, and the built-in one. */
#include "sessiond/core/policy.h"

static const char *const class_names[] = {
    "protected", "helix-owned", "no-delete", "default-once", "user-wins"};

static const struct {
	const char *path;
	enum policy_class cls;
	bool secret, retire;
} builtin[] = {
    {"/telemetry", POLICY_PROTECTED, false, false},
    {"/server_url", POLICY_PROTECTED, false, false},
    {"/credentials_url", POLICY_PROTECTED, false, false},
    {"/session", POLICY_PROTECTED, false, false},
    {"/agent/default_model", POLICY_HELIX_OWNED, false, false},
    {"/agent/inline_assistant_model", POLICY_HELIX_OWNED, false, false},
    {"/agent/commit_message_model", POLICY_HELIX_OWNED, false, false},
    {"/agent/thread_summary_model", POLICY_HELIX_OWNED, false, false},
    {"/agent/sandbox_permissions", POLICY_HELIX_OWNED, false, false},
    {"/agent_servers", POLICY_HELIX_OWNED, false, false},
    {"/context_servers/chrome-devtools", POLICY_HELIX_OWNED, false, false},
    {"/context_servers/helix-session", POLICY_HELIX_OWNED, false, false},
    {"/context_servers/helix-desktop", POLICY_HELIX_OWNED, false, false},
    {"/language_models/*/api_url", POLICY_HELIX_OWNED, false, false},
    {"/context_servers/helix-*", POLICY_NO_DELETE, false, false},
    {"/default_agent", POLICY_CLASS_N_, false, true},
    {"/external_sync", POLICY_CLASS_N_, false, true},
    {"/**/api_key", POLICY_CLASS_N_, true, false},
    {"/**/headers/Authorization", POLICY_CLASS_N_, true, false},
    {"/**/env/*TOKEN*", POLICY_CLASS_N_, true, false},
};

const char *policy_class_name(enum policy_class c)
{
	return c < POLICY_CLASS_N_ ? class_names[c] : "";
}

static bool pattern_parse(struct arena *a, struct slice text, struct policy_pattern *out)
{
	struct json_pointer ptr;

	*out = (struct policy_pattern){.text = text};
	if (text.n == 0 || text.n > POLICY_PATTERN_TEXT_MAX ||
	    !json_pointer_parse(a, text, &ptr) || ptr.n > POLICY_PATTERN_TOKENS_MAX)
		return false;
	out->tokens = ptr.tokens;
	out->n = (uint32_t)ptr.n;
	for (size_t i = 0; i < ptr.n; i++) {
		if (slice_is(ptr.tokens[i], "**"))
			out->any_depth |= (uint64_t)1 << i;
		if (!ptr.tokens[i].n || !memchr(ptr.tokens[i].p, '*', ptr.tokens[i].n))
			out->literal |= (uint64_t)1 << i;
		for (size_t j = 0; j < ptr.tokens[i].n; j++)
			out->n_literal += ptr.tokens[i].p[j] != '*';
	}
	return true;
}

void policy_builtin(struct arena *a, struct policy *out)
{
	*out = (struct policy){.n_rules = ARRAY_LEN(builtin)};
	out->rules = arena_alloc(a, sizeof(*out->rules) * out->n_rules);
	for (size_t i = 0; i < out->n_rules; i++) {
		struct policy_rule *r = &out->rules[i];

		must(pattern_parse(a, slice_of(builtin[i].path), &r->pattern));
		r->cls = builtin[i].cls;
		r->secret = builtin[i].secret;
		r->retire = builtin[i].retire;
	}
}

static bool flag_parse(
    struct arena *a, const struct jval *rule, const char *key, bool *out)
{
	const struct jval *v = jval_get_str(a, rule, key);

	if (!v)
		return true;
	*out = v->truth;
	return v->type == JVAL_BOOL;
}

static bool string_at(
    struct arena *a, const struct jval *obj, const char *key, struct slice *out)
{
	const struct jval *v = jval_get_str(a, obj, key);

	if (!v || v->type != JVAL_STRING)
		return false;
	*out = v->str;
	return true;
}

/* Every member is one of @known (NULL ends). */
static const struct jval *unknown_member(const struct jval *obj, const char *const *known)
{
	jval_for_each (m, obj) {
		size_t i = 0;

		while (known[i] && !slice_is(m->key, known[i]))
			i++;
		if (!known[i])
			return m;
	}
	return NULL;
}

static int rule_parse(struct arena *a, const struct jval *v, size_t i,
    struct policy_rule *out, struct err *e)
{
	static const char *const known[] = {"path", "class", "secret", "retire", NULL};
	const struct jval *cls = jval_get_str(a, v, "class"), *bad;
	struct slice path;

	if (!jval_is_object(v))
		return err_set(e, ERROR_INVALID, "rules[%zu] must be an object", i);
	bad = unknown_member(v, known);
	if (bad)
		return err_set(e, ERROR_INVALID, "rules[%zu]: unknown member %.*s", i,
		    SLICE_ARG(bad->key));
	if (!string_at(a, v, "path", &path) || !pattern_parse(a, path, &out->pattern))
		return err_set(
		    e, ERROR_INVALID, "rules[%zu].path must be a pointer pattern", i);
	out->cls = POLICY_CLASS_N_;
	for (size_t c = 0; cls && c < POLICY_CLASS_N_; c++)
		if (cls->type == JVAL_STRING && slice_is(cls->str, class_names[c]))
			out->cls = (enum policy_class)c;
	if (cls && out->cls == POLICY_CLASS_N_)
		return err_set(e, ERROR_INVALID,
		    "rules[%zu].class must be protected, helix-owned, no-delete, "
		    "default-once or "
		    "user-wins",
		    i);
	if (!flag_parse(a, v, "secret", &out->secret) ||
	    !flag_parse(a, v, "retire", &out->retire))
		return err_set(e, ERROR_INVALID,
		    "rules[%zu].secret and .retire must be booleans", i);
	if (!cls && !out->secret && !out->retire)
		return err_set(e, ERROR_INVALID, "rules[%zu].class is missing", i);
	return 0;
}

static int array_parse(struct arena *a, const struct jval *v, size_t i,
    struct policy_array *out, struct err *e)
{
	static const char *const known[] = {"path", "merge", "by", NULL};
	const struct jval *bad;
	struct slice path, merge;

	if (!jval_is_object(v))
		return err_set(e, ERROR_INVALID, "arrays[%zu] must be an object", i);
	bad = unknown_member(v, known);
	if (bad)
		return err_set(e, ERROR_INVALID, "arrays[%zu]: unknown member %.*s", i,
		    SLICE_ARG(bad->key));
	if (!string_at(a, v, "path", &path) || !pattern_parse(a, path, &out->pattern))
		return err_set(
		    e, ERROR_INVALID, "arrays[%zu].path must be a pointer pattern", i);
	if (!string_at(a, v, "merge", &merge))
		merge = SLICE_NULL;
	if (slice_is(merge, "atomic"))
		out->merge = POLICY_ATOMIC;
	else if (slice_is(merge, "set"))
		out->merge = POLICY_SET;
	else if (slice_is(merge, "keyed"))
		out->merge = POLICY_KEYED;
	else
		return err_set(e, ERROR_INVALID,
		    "arrays[%zu].merge must be atomic, set or keyed", i);
	if (out->merge == POLICY_KEYED &&
	    (!string_at(a, v, "by", &out->by) || !out->by.n))
		return err_set(e, ERROR_INVALID,
		    "arrays[%zu].by must name the key of an element", i);
	return 0;
}

static int list_parse(struct arena *a, const struct jval *doc, const char *key,
    struct jval **out, struct err *e)
{
	*out = jval_get_str(a, doc, key);
	if (*out && (*out)->type != JVAL_ARRAY)
		return err_set(e, ERROR_INVALID, "%s must be an array", key);
	if (*out && (*out)->n > POLICY_RULES_MAX)
		return err_set(e, ERROR_INVALID, "%s has more than %d entries", key,
		    POLICY_RULES_MAX);
	return 0;
}

int policy_parse(
    struct arena *a, const struct jval *doc, struct policy *out, struct err *e)
{
	static const char *const known[] = {"rules", "arrays", "on_delete", NULL};
	const struct jval *bad, *on_delete;
	struct jval *rules, *arrays;
	int r;

	*out = (struct policy){0};
	if (!jval_is_object(doc))
		return err_set(e, ERROR_INVALID, "the policy must be an object");
	bad = unknown_member(doc, known);
	if (bad)
		return err_set(
		    e, ERROR_INVALID, "unknown member %.*s", SLICE_ARG(bad->key));
	r = list_parse(a, doc, "rules", &rules, e);
	if (!r)
		r = list_parse(a, doc, "arrays", &arrays, e);
	if (r)
		return r;
	out->rules = arena_alloc(a, sizeof(*out->rules) * (rules ? rules->n : 0) + 1);
	jval_for_each (v, rules) {
		r = rule_parse(a, v, out->n_rules, &out->rules[out->n_rules], e);
		if (r)
			return r;
		out->n_rules++;
	}
	out->arrays = arena_alloc(a, sizeof(*out->arrays) * (arrays ? arrays->n : 0) + 1);
	jval_for_each (v, arrays) {
		r = array_parse(a, v, out->n_arrays, &out->arrays[out->n_arrays], e);
		if (r)
			return r;
		out->n_arrays++;
	}
	on_delete = jval_get_str(a, doc, "on_delete");
	if (on_delete && on_delete->type == JVAL_STRING)
		out->disable_on_delete = slice_is(on_delete->str, "disable");
	if (on_delete && !out->disable_on_delete &&
	    (on_delete->type != JVAL_STRING || !slice_is(on_delete->str, "restore")))
		return err_set(e, ERROR_INVALID, "on_delete must be restore or disable");
	return 0;
}
