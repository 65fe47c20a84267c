/* Helix's daemon decodes into fixed types and fails as a whole on one that is wrong: so
 * the types are kept here. */
#include "sessiond/core/settings_flat.h"

#include "sessiond/core/json_pointer.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

static void print_member(struct buf *out, const char *key, const struct jval *v)
{
	buf_addf(out, ",\"%s\":", key);
	jval_print(out, v);
}

void settings_flat_print(
    struct arena *a, struct buf *out, const struct settings_flat *f)
{
	static const char *const objects[] = {
	    "language_models", "assistant", "agent", "external_sync"};
	const struct jval *servers = jval_get_str(a, f->settings, "context_servers");
	const struct jval *theme = jval_get_str(a, f->settings, "theme");

	buf_adds(out, "{\"settings\":");
	jval_print(out, f->settings);
	buf_addf(out, ",\"version\":%llu,\"session_id\":", (unsigned long long)f->version);
	json_string_print(out, slice_of(f->session_id));
	if (f->policy)
		print_member(out, "policy", f->policy);
	if (jval_is_object(servers))
		print_member(out, "context_servers", servers);
	else
		buf_adds(out, ",\"context_servers\":{}");
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		const struct jval *v = jval_get_str(a, f->settings, objects[i]);

		if (jval_is_object(v))
			print_member(out, objects[i], v);
	}
	if (theme && theme->type == JVAL_STRING)
		print_member(out, "theme", theme);
	else
		buf_adds(out, ",\"theme\":\"\"");
	jval_for_each (m, f->helix) {
		buf_addc(out, ',');
		json_string_print(out, m->key);
		buf_addc(out, ':');
		jval_print(out, m);
	}
	buf_addc(out, '}');
}

static bool is_whole(const struct jval *v)
{
	if (v->type != JVAL_NUMBER || v->text.n > 18)
		return false;
	for (size_t i = 0; i < v->text.n; i++)
		if ((v->text.p[i] < '0' || v->text.p[i] > '9') &&
		    !(i == 0 && v->text.p[i] == '-'))
			return false;
	return true;
}

static struct settings_helix_problem problem(
    struct arena *a, const char *outer, struct slice key, const char *message)
{
	struct slice path[3] = {SLICE_LIT("helix"), key, key};
	size_t n = 2;

	if (outer) {
		path[1] = slice_of(outer);
		n = 3;
	}
	return (struct settings_helix_problem){json_pointer_text(a, path, n), message};
}

static struct settings_helix_problem check_agent(struct arena *a, const struct jval *cfg)
{
	static const char *const strings[] = {"provider", "model", "agent_name",
	    "base_url", "api_type", "runtime", "reasoning_effort",
	    "goose_recipe_root_dir"};
	static const char *const numbers[] = {"max_tokens", "max_output_tokens"};

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		const struct jval *v = jval_get_str(a, cfg, strings[i]);

		if (v && v->type != JVAL_STRING && v->type != JVAL_NULL)
			return problem(a, "code_agent_config", slice_of(strings[i]),
			    "must be a string");
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const struct jval *v = jval_get_str(a, cfg, numbers[i]);

		if (v && !is_whole(v) && v->type != JVAL_NULL)
			return problem(a, "code_agent_config", slice_of(numbers[i]),
			    "must be a whole number");
	}
	return (struct settings_helix_problem){0};
}

static struct settings_helix_problem check_color(struct arena *a, const struct jval *v)
{
	if (v->type == JVAL_STRING &&
	    (v->str.n == 0 || slice_is(v->str, "light") || slice_is(v->str, "dark")))
		return (struct settings_helix_problem){0};
	return problem(a, NULL, v->key, "must be \"\", \"light\" or \"dark\"");
}

static struct settings_helix_problem check_member(struct arena *a, const struct jval *v)
{
	if (slice_is(v->key, "color_scheme"))
		return v->type == JVAL_NULL ? (struct settings_helix_problem){0}
					    : check_color(a, v);
	if (slice_is(v->key, "code_agent_config")) {
		if (v->type == JVAL_NULL)
			return (struct settings_helix_problem){0};
		if (v->type != JVAL_OBJECT)
			return problem(a, NULL, v->key, "must be an object");
		return check_agent(a, v);
	}
	if (!slice_is(v->key, "claude_subscription_available") &&
	    !slice_is(v->key, "codex_subscription_available"))
		return problem(a, NULL, v->key, "unknown member");
	if (v->type != JVAL_BOOL && v->type != JVAL_NULL)
		return problem(a, NULL, v->key, "must be true or false");
	return (struct settings_helix_problem){0};
}

struct settings_helix_problem settings_helix_check(
    struct arena *a, const struct jval *helix)
{
	jval_for_each (m, helix) {
		struct settings_helix_problem p = check_member(a, m);

		if (p.message)
			return p;
	}
	return (struct settings_helix_problem){0};
}

struct jval *settings_helix_join(
    struct arena *a, const struct jval *old, const struct jval *changes)
{
	struct jval *out = old ? jval_copy(a, old) : jval_new(a, JVAL_OBJECT);

	jval_for_each (m, changes) {
		struct jval *was = jval_get(a, out, m->key);

		if (m->type != JVAL_NULL)
			jval_put(a, out, m->key, jval_copy(a, m));
		else if (was)
			jval_remove(a, out, was);
	}
	return out;
}
