/* The rules, by hand and few: each mirrors a place where Zed's settings types are not
 * forgiving. */
#include "sessiond/core/settings_shape.h"

#include "base/must.h"
#include "sessiond/core/json_pointer.h"

struct checker {
	struct arena *a;
	const struct slice *path;
	size_t n;
	struct shape_finding worst;
};

static void found(
    struct checker *c, enum shape_verdict verdict, const char *key, const char *message)
{
	struct slice full[POINTER_TOKENS_MAX + 2];
	size_t n = c->n;

	if (verdict <= c->worst.verdict)
		return;
	memcpy(full, c->path, n * sizeof(*full));
	if (key)
		full[n++] = slice_of(key);
	c->worst = (struct shape_finding){.verdict = verdict,
	    .path = json_pointer_text(c->a, full, n),
	    .unit = json_pointer_text(c->a, full, c->n),
	    .message = message};
}

static const struct jval *member(
    const struct checker *c, const struct jval *v, const char *key)
{
	return jval_get_str(c->a, v, key);
}

/* Absent or of @type. */
static void want_type(struct checker *c, const struct jval *v, const char *key,
    enum jval_type type, const char *message)
{
	const struct jval *m = member(c, v, key);

	if (m && m->type != type)
		found(c, SHAPE_REJECT, key, message);
}

static bool all_strings(const struct jval *v)
{
	jval_for_each (e, v)
		if (e->type != JVAL_STRING)
			return false;
	return true;
}

static void want_strings(struct checker *c, const struct jval *v, const char *key,
    enum jval_type type, const char *message)
{
	const struct jval *m = member(c, v, key);

	if (m && (m->type != type || !all_strings(m)))
		found(c, SHAPE_REJECT, key, message);
}

/* Zed reads it into an unsigned integer. */
static bool is_unsigned(const struct jval *v)
{
	if (v->type != JVAL_NUMBER || v->text.n > 20)
		return false;
	for (size_t i = 0; i < v->text.n; i++)
		if (v->text.p[i] < '0' || v->text.p[i] > '9')
			return false;
	return true;
}

static void check_stdio(
    struct checker *c, const struct jval *v, const struct jval *command)
{
	if (command->type == JVAL_OBJECT) {
		found(c, SHAPE_WARN, "command", "an older form: command is a string now");
		return;
	}
	if (command->type != JVAL_STRING)
		found(c, SHAPE_REJECT, "command", "must be a string");
	if (!member(c, v, "args"))
		found(
		    c, SHAPE_REJECT, "args", "a command needs args, an array of strings");
	want_strings(c, v, "args", JVAL_ARRAY, "must be an array of strings");
	want_strings(c, v, "env", JVAL_OBJECT, "must be an object of strings");
}

static void check_http(struct checker *c, const struct jval *v, const struct jval *url)
{
	const struct jval *oauth = member(c, v, "oauth");
	const struct jval *client = member(c, oauth, "client_id");

	if (url->type != JVAL_STRING)
		found(c, SHAPE_REJECT, "url", "must be a string");
	want_strings(c, v, "headers", JVAL_OBJECT, "must be an object of strings");
	if (oauth &&
	    (oauth->type != JVAL_OBJECT || !client || client->type != JVAL_STRING))
		found(c, SHAPE_REJECT, "oauth",
		    "must be an object with a client_id string");
}

static void check_context_server(struct checker *c, const struct jval *v)
{
	const struct jval *command = member(c, v, "command"), *url = member(c, v, "url");
	const struct jval *settings = member(c, v, "settings"), *timeout;

	if (v->type != JVAL_OBJECT) {
		found(c, SHAPE_REJECT, NULL, "must be an object");
		return;
	}
	want_type(c, v, "enabled", JVAL_BOOL, "must be true or false");
	want_type(c, v, "remote", JVAL_BOOL, "must be true or false");
	timeout = member(c, v, "timeout");
	if (timeout && !is_unsigned(timeout))
		found(c, SHAPE_REJECT, "timeout", "must be a whole number of seconds");
	if (command)
		check_stdio(c, v, command);
	else if (url)
		check_http(c, v, url);
	else if (!settings)
		found(c, SHAPE_REJECT, NULL, "needs command and args, url, or settings");
	else if (settings->type != JVAL_OBJECT)
		found(c, SHAPE_REJECT, "settings", "must be an object");
	if (!!command + !!url + !!settings > 1)
		found(c, SHAPE_WARN, NULL,
		    "command, url and settings exclude each other: command wins");
	if (member(c, v, "source"))
		found(c, SHAPE_WARN, "source",
		    "an older form: source is not read any more");
}

/* Agents Zed knows by name need no type. */
static bool is_builtin_agent(struct slice name)
{
	return slice_is(name, "gemini") || slice_is(name, "claude") ||
	       slice_is(name, "codex");
}

static void check_agent_server(struct checker *c, const struct jval *v)
{
	const struct jval *type = member(c, v, "type"),
			  *command = member(c, v, "command");
	bool custom =
	    type ? type->type == JVAL_STRING && slice_is(type->str, "custom") : true;

	if (v->type != JVAL_OBJECT) {
		found(c, SHAPE_REJECT, NULL, "must be an object");
		return;
	}
	if (type && !custom &&
	    (type->type != JVAL_STRING ||
		(!slice_is(type->str, "registry") && !slice_is(type->str, "extension"))))
		found(c, SHAPE_REJECT, "type", "must be custom, registry or extension");
	if (command && command->type != JVAL_STRING)
		found(c, SHAPE_REJECT, "command", "must be a string");
	if (custom && !command && (type || !is_builtin_agent(c->path[c->n - 1])))
		found(c, SHAPE_REJECT, "command", "a custom agent needs a command");
	want_strings(c, v, "args", JVAL_ARRAY, "must be an array of strings");
	want_strings(c, v, "env", JVAL_OBJECT, "must be an object of strings");
}

static void check_theme(struct checker *c, const struct jval *v)
{
	const struct jval *light = member(c, v, "light"), *dark = member(c, v, "dark"),
			  *mode;

	if (v->type == JVAL_STRING || v->type == JVAL_NULL)
		return;
	if (v->type != JVAL_OBJECT || !light || light->type != JVAL_STRING || !dark ||
	    dark->type != JVAL_STRING)
		found(c, SHAPE_REJECT, NULL,
		    "must be a name, or an object with the names light and dark");
	mode = member(c, v, "mode");
	if (mode && (mode->type != JVAL_STRING ||
			(!slice_is(mode->str, "system") && !slice_is(mode->str, "light") &&
			    !slice_is(mode->str, "dark"))))
		found(c, SHAPE_REJECT, "mode", "must be system, light or dark");
}

static void check_alias(struct checker *c, const struct jval *v)
{
	if (v->type != JVAL_STRING && !(v->type == JVAL_ARRAY && all_strings(v)))
		found(c, SHAPE_REJECT, NULL, "must be a string or an array of strings");
}

struct shape_finding shape_check(struct arena *a, enum shape_unit unit,
    const struct slice *path, size_t n, const struct jval *v)
{
	struct checker c = {.a = a, .path = path, .n = n};

	switch (unit) {
	case SHAPE_NONE:
		break;
	case SHAPE_MAP:
	case SHAPE_OBJECT:
		if (v->type != JVAL_OBJECT)
			found(&c, SHAPE_REJECT, NULL, "must be an object");
		break;
	case SHAPE_CONTEXT_SERVER:
		check_context_server(&c, v);
		break;
	case SHAPE_AGENT_SERVER:
		check_agent_server(&c, v);
		break;
	case SHAPE_BOOL:
		if (v->type != JVAL_BOOL)
			found(&c, SHAPE_REJECT, NULL, "must be true or false");
		break;
	case SHAPE_COMMAND_ALIAS:
		check_alias(&c, v);
		break;
	case SHAPE_THEME:
		check_theme(&c, v);
		break;
	}
	return c.worst;
}

enum shape_unit shape_unit_at(const struct slice *path, size_t n, size_t n_block)
{
	static const struct {
		const char *map;
		enum shape_unit entry;
	} maps[] = {
	    {"context_servers", SHAPE_CONTEXT_SERVER},
	    {"agent_servers", SHAPE_AGENT_SERVER},
	    {"languages", SHAPE_OBJECT},
	    {"lsp", SHAPE_OBJECT},
	    {"dap", SHAPE_OBJECT},
	    {"profiles", SHAPE_OBJECT},
	    {"language_models", SHAPE_OBJECT},
	    {"auto_install_extensions", SHAPE_BOOL},
	    {"command_aliases", SHAPE_COMMAND_ALIAS},
	};

	path += n_block;
	n -= n_block;
	if (n == 1 && slice_is(path[0], "theme"))
		return SHAPE_THEME;
	if (n != 1 && n != 2)
		return SHAPE_NONE;
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		if (slice_is(path[0], maps[i].map))
			return n == 1 ? SHAPE_MAP : maps[i].entry;
	return SHAPE_NONE;
}

enum shape_variant shape_variant_of(struct slice key)
{
	static const struct {
		const char *key;
		enum shape_variant variant;
	} keys[] = {{"command", SHAPE_STDIO}, {"args", SHAPE_STDIO}, {"env", SHAPE_STDIO},
	    {"timeout", SHAPE_STDIO}, {"url", SHAPE_HTTP}, {"headers", SHAPE_HTTP},
	    {"oauth", SHAPE_HTTP}, {"settings", SHAPE_EXTENSION},
	    {"remote", SHAPE_EXTENSION}};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (slice_is(key, keys[i].key))
			return keys[i].variant;
	return SHAPE_VARIANT_N_;
}

bool shape_names_variant(struct slice key)
{
	return slice_is(key, "command") || slice_is(key, "url") ||
	       slice_is(key, "settings");
}

enum shape_variant shape_variant(struct arena *a, const struct jval *entry)
{
	if (jval_get_str(a, entry, "command"))
		return SHAPE_STDIO;
	if (jval_get_str(a, entry, "url"))
		return SHAPE_HTTP;
	if (jval_get_str(a, entry, "settings"))
		return SHAPE_EXTENSION;
	return SHAPE_VARIANT_N_;
}

/* Tokens of @path, if it is the root of a nested document: behind platform and channel
 * names, or a profile's settings. */
static bool is_block(const struct slice *path, size_t n)
{
	static const char *const blocks[] = {
	    "dev", "nightly", "preview", "stable", "macos", "linux", "windows"};

	if (n == 3 && slice_is(path[0], "profiles") && slice_is(path[2], "settings"))
		return true;
	for (size_t i = 0; n == 1 && i < ARRAY_LEN(blocks); i++)
		if (slice_is(path[0], blocks[i]))
			return true;
	return false;
}

struct shape_finding *shape_check_document(struct arena *a, const struct jval *root)
{
	struct slice path[POINTER_TOKENS_MAX + 2];
	struct shape_finding *first = NULL, **last = &first;
	const struct jval *v = jval_first(root);
	size_t n = 0, blocks[POINTER_TOKENS_MAX + 2] = {0};

	while (v) {
		enum shape_unit unit;

		must(n < ARRAY_LEN(path));
		path[n] = v->key;
		unit = shape_unit_at(path, n + 1, blocks[n]);
		if (unit != SHAPE_NONE) {
			struct shape_finding f = shape_check(a, unit, path, n + 1, v);

			if (f.verdict != SHAPE_OK) {
				*last = ARENA_NEW(a, struct shape_finding);
				**last = f;
				last = &(*last)->next;
			}
		}
		/* units and blocks are never deeper than this in one document */
		if (jval_is_tree(v) && n - blocks[n] < 3) {
			blocks[n + 1] = is_block(path + blocks[n], n + 1 - blocks[n])
					    ? n + 1
					    : blocks[n];
			n++;
			v = jval_first(v);
			continue;
		}
		while (v != root && !jval_next(v)) {
			v = v->parent;
			n--;
		}
		v = v == root ? NULL : jval_next(v);
	}
	return first;
}
