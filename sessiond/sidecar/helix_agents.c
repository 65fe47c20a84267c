/* One builder for each runtime. Keys are added in a fixed order, so that equal answers
 * make equal texts. */
#include "sessiond/sidecar/helix_agents.h"

#include "base/must.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_url.h"

struct builder {
	struct arena *a;
	const struct helix_agent *agent;
	const struct helix_base_conf *c;
	struct slice base_url; /* as it is reached from here */
	struct jval *entry, *env;
};

static void put(struct builder *b, struct jval *obj, const char *key, struct slice value)
{
	jval_put(b->a, obj, slice_of(key), jval_new_string(b->a, value));
}

static void put_some(
    struct builder *b, struct jval *obj, const char *key, struct slice value)
{
	if (value.n)
		put(b, obj, key, value);
}

static void put_home(
    struct builder *b, struct jval *obj, const char *key, const char *path)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	buf_addf(&text, "%s%s", b->c->home ? b->c->home : "", path);
	put(b, obj, key, arena_copy(b->a, buf_slice(&text)));
}

/* The key of the user, for a provider behind Helix. */
static void put_key(struct builder *b, const char *key)
{
	if (b->c->user_token)
		put(b, b->env, key, slice_of(b->c->user_token));
}

static void entry_args(struct builder *b, const struct slice *args, size_t n)
{
	struct jval *list = jval_new(b->a, JVAL_ARRAY);

	for (size_t i = 0; i < n; i++)
		jval_push(list, jval_new_string(b->a, args[i]));
	jval_put(b->a, b->entry, SLICE_LIT("args"), list);
}

/* A program of its own, which Zed starts by its name. */
static void entry_custom(
    struct builder *b, const char *name, const struct slice *args, size_t n_args)
{
	put(b, b->entry, "name", slice_of(name));
	put(b, b->entry, "type", SLICE_LIT("custom"));
	put(b, b->entry, "command", slice_of(name));
	entry_args(b, args, n_args);
	jval_put(b->a, b->entry, SLICE_LIT("env"), b->env);
}

/* One that Zed gets from its registry. */
static void entry_registry(struct builder *b, const char *mode)
{
	put(b, b->entry, "type", SLICE_LIT("registry"));
	put(b, b->entry, "default_mode", slice_of(mode));
	jval_put(b->a, b->entry, SLICE_LIT("env"), b->env);
	put_some(b, b->entry, "default_model", b->agent->model);
}

static const char *qwen_entry(struct builder *b)
{
	struct slice effort = b->agent->reasoning_effort;
	struct slice args[] = {SLICE_LIT("--yolo"), SLICE_LIT("--acp"),
	    SLICE_LIT("--no-telemetry"), SLICE_LIT("--include-directories"), SLICE_NULL};
	AUTO(buf_deinit) struct buf work = BUF_NULL(SIZE_MAX);
	struct jval *options;

	buf_addf(&work, "%s/work", b->c->home ? b->c->home : "");
	args[ARRAY_LEN(args) - 1] = arena_copy(b->a, buf_slice(&work));
	put(b, b->env, "OPENAI_BASE_URL", b->base_url);
	put_home(b, b->env, "QWEN_HOME", "/work/.qwen-state");
	put_home(b, b->env, "QWEN_RUNTIME_DIR", "/work/.qwen-state");
	put(b, b->env, "QWEN_TELEMETRY_ENABLED", SLICE_LIT("false"));
	put(b, b->env, "QWEN_USAGE_STATISTICS_ENABLED", SLICE_LIT("false"));
	put_key(b, "OPENAI_API_KEY");
	put_some(b, b->env, "OPENAI_MODEL", b->agent->model);
	entry_custom(b, "qwen", args, ARRAY_LEN(args));
	put(b, b->entry, "default_mode", SLICE_LIT("yolo"));
	if (!effort.n)
		return "qwen";
	options = jval_new(b->a, JVAL_OBJECT);
	put(b, options, "reasoning_effort", effort);
	jval_put(b->a, b->entry, SLICE_LIT("default_config_options"), options);
	return "qwen";
}

/* Through Helix with the user's key; else as who is signed in: by token, or by file. */
static const char *claude_entry(struct builder *b)
{
	static const struct slice direct = {"https://api.anthropic.com", 25};

	if (b->base_url.n) {
		put(b, b->env, "ANTHROPIC_BASE_URL", b->base_url);
		put_key(b, "ANTHROPIC_API_KEY");
	} else if (b->c->setup_token) {
		put(b, b->env, "CLAUDE_CODE_OAUTH_TOKEN", slice_of(b->c->setup_token));
		put(b, b->env, "ANTHROPIC_BASE_URL", direct);
	} else if (b->c->claude_signed_in) {
		put(b, b->env, "ANTHROPIC_BASE_URL", direct);
	} else {
		return NULL;
	}
	put_some(b, b->env, "CLAUDE_CODE_EFFORT_LEVEL", b->agent->reasoning_effort);
	entry_registry(b, "bypassPermissions");
	return "claude-acp";
}

static void codex_effort(struct builder *b)
{
	struct jval *conf = jval_new(b->a, JVAL_OBJECT);
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	put_some(b, conf, "model_reasoning_effort", b->agent->reasoning_effort);
	put_some(b, conf, "service_tier", b->agent->service_tier);
	if (!jval_first(conf))
		return;
	jval_print(&text, conf);
	put(b, b->env, "CODEX_CONFIG", arena_copy(b->a, buf_slice(&text)));
}

static const char *codex_entry(struct builder *b)
{
	put_home(b, b->env, "CODEX_HOME", "/.codex");
	put(b, b->env, "INITIAL_AGENT_MODE", SLICE_LIT("agent-full-access"));
	if (b->base_url.n) {
		put_key(b, "OPENAI_API_KEY");
	} else if (b->c->codex_signed_in) {
		/* over what the desktop sets for everybody */
		put(b, b->env, "OPENAI_API_KEY", SLICE_LIT(""));
		put(b, b->env, "OPENAI_BASE_URL", SLICE_LIT(""));
	} else {
		return NULL;
	}
	codex_effort(b);
	entry_registry(b, "agent-full-access");
	return "codex-acp";
}

static const char *goose_entry(struct builder *b)
{
	static const struct slice args[] = {{"acp", 3}};
	bool anthropic = slice_is(b->agent->api_type, "anthropic");

	put_some(b, b->env, anthropic ? "ANTHROPIC_BASE_URL" : "OPENAI_BASE_URL",
	    b->base_url);
	put_key(b, anthropic ? "ANTHROPIC_API_KEY" : "OPENAI_API_KEY");
	put(b, b->env, "GOOSE_PROVIDER",
	    anthropic ? SLICE_LIT("anthropic") : SLICE_LIT("openai"));
	put_some(b, b->env, "GOOSE_MODEL", b->agent->model);
	put_some(b, b->env, "GOOSE_RECIPE_PATH", b->agent->recipe_root);
	put_home(b, b->env, "XDG_CONFIG_HOME", "/.config/helix-goose");
	entry_custom(b, "goose", args, ARRAY_LEN(args));
	return "goose";
}

static const struct {
	const char *runtime;
	const char *(*build)(struct builder *b); /* the entry's name; NULL: not now */
} runtimes[] = {{"qwen_code", qwen_entry}, {"claude_code", claude_entry},
    {"codex_cli", codex_entry}, {"goose_code", goose_entry}};

struct jval *helix_agent_servers(
    struct arena *a, const struct helix_agent *agent, const struct helix_base_conf *c)
{
	struct builder b = {.a = a,
	    .agent = agent,
	    .c = c,
	    .base_url = helix_url_localise(a, agent->base_url, c->api_url),
	    .entry = jval_new(a, JVAL_OBJECT),
	    .env = jval_new(a, JVAL_OBJECT)};

	for (size_t i = 0; i < ARRAY_LEN(runtimes); i++) {
		const char *name;
		struct jval *servers;

		if (!slice_is(agent->runtime, runtimes[i].runtime))
			continue;
		name = runtimes[i].build(&b);
		if (!name)
			return NULL;
		servers = jval_new(a, JVAL_OBJECT);
		jval_put(a, servers, slice_of(name), b.entry);
		return servers;
	}
	return NULL;
}
