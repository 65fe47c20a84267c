/* Parts are copied in a fixed order, so that equal answers make equal texts. */
#include "sessiond/sidecar/helix_base.h"

#include "base/buf.h"
#include "base/must.h"
#include "sessiond/core/json_doc.h"
#include "sessiond/sidecar/helix_agents.h"
#include "sessiond/sidecar/helix_url.h"

/* What every desktop gets, and what Zed must not ask the user for. */
static const char helix_base_always[] =
    "{\"text_rendering_mode\":\"grayscale\",\"suggest_dev_container\":false,"
    "\"format_on_save\":\"off\",\"context_server_timeout\":180,"
    "\"languages\":{\"Go\":{\"format_on_save\":\"on\"}}}";

static const char *const helix_base_parts[] = {
    "context_servers", "language_models", "assistant", "agent"};

static struct jval *base_number(struct arena *a, struct slice text)
{
	struct jval *v = jval_new(a, JVAL_NUMBER);

	v->text = text;
	return v;
}

/* The object at @key, made if it is not there or none. */
static struct jval *base_object(struct arena *a, struct jval *obj, const char *key)
{
	struct jval *v = jval_get_str(a, obj, key);

	if (v && v->type == JVAL_OBJECT)
		return v;
	v = jval_new(a, JVAL_OBJECT);
	jval_put(a, obj, slice_of(key), v);
	return v;
}

static void base_copy_parts(struct arena *a, const struct jval *answer, struct jval *base)
{
	for (size_t i = 0; i < ARRAY_LEN(helix_base_parts); i++) {
		const struct jval *v = jval_get_str(a, answer, helix_base_parts[i]);

		if (v && v->type == JVAL_OBJECT)
			jval_put(a, base, slice_of(helix_base_parts[i]), jval_copy(a, v));
	}
}

static void base_allow_agent(struct arena *a, struct jval *base)
{
	struct jval *agent = base_object(a, base, "agent");

	jval_put(a, base_object(a, agent, "tool_permissions"), SLICE_LIT("default"),
	    jval_new_string(a, SLICE_LIT("allow")));
	jval_put(a, base_object(a, agent, "sandbox_permissions"),
	    SLICE_LIT("allow_unsandboxed"), jval_new_bool(a, true));
}

/* Models a provider of the editor does not know by itself. */

static bool base_lists_model(
    struct arena *a, const struct jval *models, struct slice name)
{
	jval_for_each (m, models) {
		if (slice_eq(helix_string(a, m, "name"), name))
			return true;
	}
	return false;
}

static struct jval *base_model(struct arena *a, const struct helix_agent *agent)
{
	struct jval *m = jval_new(a, JVAL_OBJECT);

	jval_put(a, m, SLICE_LIT("name"), jval_new_string(a, agent->model));
	jval_put(a, m, SLICE_LIT("display_name"), jval_new_string(a, agent->model));
	jval_put(a, m, SLICE_LIT("max_tokens"),
	    base_number(a,
		agent->max_tokens.n ? agent->max_tokens : SLICE_LIT("200000")));
	if (agent->max_output_tokens.n)
		jval_put(a, m, SLICE_LIT("max_output_tokens"),
		    base_number(a, agent->max_output_tokens));
	if (agent->reasoning_effort.n && slice_is(agent->runtime, "zed_agent"))
		jval_put(a, m, SLICE_LIT("reasoning_effort"),
		    jval_new_string(a, agent->reasoning_effort));
	return m;
}

static void base_offer_model(
    struct arena *a, const struct helix_agent *agent, struct jval *base)
{
	struct slice provider = agent->api_type;
	struct jval *all = jval_get_str(a, base, "language_models"), *of, *list;

	if (agent->model.n == 0 || !jval_is_object(all) ||
	    slice_is(agent->runtime, "claude_code") || slice_is(provider, "anthropic"))
		return;
	if (provider.n == 0)
		provider = SLICE_LIT("openai");
	of = jval_get(a, all, provider);
	if (!jval_is_object(of)) {
		of = jval_new(a, JVAL_OBJECT);
		jval_put(a, all, provider, of);
	}
	list = jval_get_str(a, of, "available_models");
	if (!list || list->type != JVAL_ARRAY) {
		list = jval_new(a, JVAL_ARRAY);
		jval_put(a, of, SLICE_LIT("available_models"), list);
	}
	if (!base_lists_model(a, list, agent->model))
		jval_push(list, base_model(a, agent));
}

struct slice helix_base_host(struct arena *a, const struct jval *answer)
{
	const struct jval *kodit =
	    jval_get_str(a, jval_get_str(a, answer, "context_servers"), "kodit");
	struct slice host = helix_url_host(helix_string(a, kodit, "url"));

	return host.n && memmem(host.p, host.n, "localhost", 9) ? host
								: (struct slice){"", 0};
}

/* A server of Helix itself: it asks for the user's token. */
static void base_point_kodit(
    struct arena *a, struct jval *base, const struct helix_base_conf *c)
{
	struct jval *entry =
	    jval_get_str(a, jval_get_str(a, base, "context_servers"), "kodit");
	struct slice url = helix_string(a, entry, "url");
	AUTO(buf_deinit) struct buf auth = BUF_NULL(SIZE_MAX);

	if (!url.n)
		return;
	jval_put(a, entry, SLICE_LIT("url"),
	    jval_new_string(a, helix_url_localise(a, url, c->api_url)));
	if (!c->user_token)
		return;
	buf_addf(&auth, "Bearer %s", c->user_token);
	jval_put(a, base_object(a, entry, "headers"), SLICE_LIT("Authorization"),
	    jval_new_string(a, arena_copy(a, buf_slice(&auth))));
}

static void base_add_agent(
    struct arena *a, const struct jval *answer, struct jval *base,
    const struct helix_base_conf *c)
{
	struct helix_agent agent;
	struct jval *servers;

	if (!helix_answer_agent(a, answer, &agent))
		return;
	base_offer_model(a, &agent, base);
	servers = helix_agent_servers(a, &agent, c);
	if (servers)
		jval_put(a, base, SLICE_LIT("agent_servers"), servers);
}

struct jval *helix_base_build(
    struct arena *a, const struct jval *answer, const struct helix_base_conf *c)
{
	struct slice theme = helix_string(a, answer, "theme");
	struct json_doc always;
	struct jval *base;

	must(json_doc_parse_object(a, slice_of(helix_base_always), &always) ==
	     JSON_DOC_OK);
	base = jval_copy(a, always.root);
	base_copy_parts(a, answer, base);
	base_allow_agent(a, base);
	base_add_agent(a, answer, base, c);
	base_point_kodit(a, base, c);
	if (theme.n)
		jval_put(a, base, SLICE_LIT("theme"), jval_new_string(a, theme));
	return base;
}
