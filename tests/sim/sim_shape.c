#include "tests/sim/sim_shape.h"

#include <stddef.h>

static bool sim_shape_is(const struct jsn *obj, const char *key, enum jsn_type type)
{
	const struct jsn *v = jsn_get(obj, key);

	return v && jsn_type(v) == type;
}

/* Absent, or (Rust's Option) null, or of @type. */
static bool sim_shape_opt(const struct jsn *obj, const char *key, enum jsn_type type)
{
	const struct jsn *v = jsn_get(obj, key);

	return !v || jsn_type(v) == JSN_NULL || jsn_type(v) == type;
}

/* Absent or of @type; null is an error, as for a Rust field with a default. */
static bool sim_shape_dflt(const struct jsn *obj, const char *key, enum jsn_type type)
{
	const struct jsn *v = jsn_get(obj, key);

	return !v || jsn_type(v) == type;
}

static bool sim_shape_all(const struct jsn *container, enum jsn_type type)
{
	jsn_for_each (v, container) {
		if (jsn_type(v) != type)
			return false;
	}
	return true;
}

static bool sim_shape_timeout(const struct jsn *obj)
{
	const struct jsn *v = jsn_get(obj, "timeout");
	int64_t n;

	return !v || jsn_type(v) == JSN_NULL ||
	       (jsn_type(v) == JSN_NUMBER && jsn_int(v, &n) && n >= 0);
}

/* The command variant: program, arguments (present, not null), environment. */
static bool sim_shape_stdio(const struct jsn *s)
{
	return sim_shape_is(s, "command", JSN_STRING) &&
	       sim_shape_is(s, "args", JSN_ARRAY) &&
	       sim_shape_all(jsn_get(s, "args"), JSN_STRING) &&
	       sim_shape_opt(s, "env", JSN_OBJECT) &&
	       sim_shape_all(jsn_get(s, "env"), JSN_STRING) && sim_shape_timeout(s);
}

static bool sim_shape_http(const struct jsn *s)
{
	const struct jsn *oauth = jsn_get(s, "oauth");

	return sim_shape_is(s, "url", JSN_STRING) &&
	       sim_shape_dflt(s, "headers", JSN_OBJECT) &&
	       sim_shape_all(jsn_get(s, "headers"), JSN_STRING) && sim_shape_timeout(s) &&
	       sim_shape_opt(s, "oauth", JSN_OBJECT) &&
	       (jsn_type(oauth) != JSN_OBJECT ||
		   sim_shape_is(oauth, "client_id", JSN_STRING));
}

/* Forms older than the present ones, which Zed migrates before it reads them. */
static bool sim_shape_legacy(const struct jsn *s)
{
	const struct jsn *command = jsn_get(s, "command");

	if (jsn_type(command) == JSN_OBJECT)
		return sim_shape_is(command, "path", JSN_STRING) &&
		       sim_shape_opt(command, "args", JSN_ARRAY);
	return false;
}

/* An entry without any of the variants' keys becomes an extension stub. */
static bool sim_shape_stub(const struct jsn *s)
{
	return !jsn_get(s, "command") && !jsn_get(s, "url") && !jsn_get(s, "settings");
}

static int sim_shape_server(const struct jsn *s, struct sim_shape *out, struct err *e)
{
	const char *name = jsn_key(s);

	if (jsn_type(s) != JSN_OBJECT)
		return err_set(
		    e, ERROR_INVALID, "/context_servers/%s is not an object", name);
	if (!sim_shape_dflt(s, "enabled", JSN_BOOL) ||
	    !sim_shape_dflt(s, "remote", JSN_BOOL))
		return err_set(e, ERROR_INVALID,
		    "/context_servers/%s: enabled or remote is not a bool", name);
	if (sim_shape_stdio(s) || sim_shape_http(s) || sim_shape_legacy(s) ||
	    jsn_get(s, "settings"))
		return 0;
	if (sim_shape_stub(s)) {
		out->n_stubs++;
		return 0;
	}
	return err_set(e, ERROR_INVALID,
	    "/context_servers/%s matches no variant of ContextServerSettingsContent",
	    name);
}

static bool sim_shape_agent_server(const struct jsn *s)
{
	const char *type = jsn_get_string(s, "type");

	if (jsn_type(s) != JSN_OBJECT)
		return false;
	if (type && strcmp(type, "custom") != 0)
		return strcmp(type, "registry") == 0 || strcmp(type, "extension") == 0;
	return sim_shape_is(s, "command", JSN_STRING) &&
	       sim_shape_opt(s, "args", JSN_ARRAY) &&
	       sim_shape_all(jsn_get(s, "args"), JSN_STRING) &&
	       sim_shape_opt(s, "env", JSN_OBJECT) &&
	       sim_shape_all(jsn_get(s, "env"), JSN_STRING);
}

/* One bad entry costs all agent servers, but not the file. */
static void sim_shape_agent_servers(const struct jsn *doc, struct sim_shape *out)
{
	const struct jsn *all = jsn_get(doc, "agent_servers");
	bool ok = !all || jsn_type(all) == JSN_OBJECT;

	jsn_for_each (s, all)
		ok = ok && sim_shape_agent_server(s);
	if (!ok)
		out->n_dropped++;
}

static void sim_shape_theme(const struct jsn *doc, struct sim_shape *out)
{
	const struct jsn *theme = jsn_get(doc, "theme");
	enum jsn_type type = jsn_type(theme);

	if (!theme || type == JSN_NULL || type == JSN_STRING)
		return;
	if (type != JSN_OBJECT || !sim_shape_is(theme, "light", JSN_STRING) ||
	    !sim_shape_is(theme, "dark", JSN_STRING))
		out->n_dropped++;
}

/* Maps Zed does not forgive: the map itself, and what each of its values must be. */
static const struct sim_shape_map {
	const char *key;
	enum jsn_type value;
} sim_shape_maps[] = {
    {"languages", JSN_OBJECT},
    {"lsp", JSN_OBJECT},
    {"dap", JSN_OBJECT},
    {"profiles", JSN_OBJECT},
    {"auto_install_extensions", JSN_BOOL},
    {"command_aliases", JSN_STRING},
};

static int sim_shape_map(
    const struct jsn *doc, const struct sim_shape_map *m, struct err *e)
{
	const struct jsn *map = jsn_get(doc, m->key);

	if (map && jsn_type(map) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "/%s is not an object", m->key);
	jsn_for_each (v, map) {
		bool list =
		    strcmp(m->key, "command_aliases") == 0 && jsn_type(v) == JSN_ARRAY;

		if (jsn_type(v) != m->value && !list)
			return err_set(e, ERROR_INVALID, "/%s/%s is of the wrong type",
			    m->key, jsn_key(v));
	}
	return 0;
}

int sim_shape_check(const struct jsn *doc, struct sim_shape *out, struct err *e)
{
	const struct jsn *servers = jsn_get(doc, "context_servers");
	int r = 0;

	*out = (struct sim_shape){0};
	if (jsn_type(doc) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "the root is not an object");
	if (servers && jsn_type(servers) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "/context_servers is not an object");
	jsn_for_each (s, servers) {
		r = sim_shape_server(s, out, e);
		if (r != 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(sim_shape_maps) && r == 0; i++)
		r = sim_shape_map(doc, &sim_shape_maps[i], e);
	sim_shape_agent_servers(doc, out);
	sim_shape_theme(doc, out);
	return r;
}
