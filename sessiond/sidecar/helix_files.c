#include "sessiond/sidecar/helix_files.h"

#include "base/must.h"
#include "sessiond/core/json_doc.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

const char helix_keymap[] = "[\n"
			    "  {\n"
			    "    \"bindings\": {\n"
			    "      \"ctrl-c\": \"terminal::Copy\"\n"
			    "    },\n"
			    "    \"context\": \"Terminal && selection\"\n"
			    "  },\n"
			    "  {\n"
			    "    \"bindings\": {\n"
			    "      \"ctrl-v\": \"terminal::Paste\"\n"
			    "    },\n"
			    "    \"context\": \"Terminal\"\n"
			    "  }\n"
			    "]\n";

/* goose */

bool helix_goose_bakes(const struct helix_agent *g)
{
	struct slice name = g->baked_name;

	return name.n && name.n < 200 && g->baked_content.n && name.p[0] != '.' &&
	       !memchr(name.p, '/', name.n) && !memchr(name.p, '\0', name.n);
}

/* Any JSON string is one of YAML. */
static void goose_command(struct buf *out, struct slice name, struct slice path)
{
	buf_adds(out, "  - command: ");
	json_string_print(out, name);
	buf_adds(out, "\n    recipe_path: ");
	json_string_print(out, path);
	buf_addc(out, '\n');
}

void helix_goose_config(const struct helix_agent *g, const char *baked_path, struct buf *out)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	AUTO(buf_deinit) struct buf list = BUF_NULL(SIZE_MAX);

	jval_for_each (recipe, g->recipes) {
		struct slice name = helix_string(&a, recipe, "name");
		struct slice path = helix_string(&a, recipe, "path");

		if (name.n && path.n)
			goose_command(&list, name, path);
	}
	if (baked_path[0])
		goose_command(&list, g->baked_name, slice_of(baked_path));
	buf_adds(out, "# Made by settings-sync-daemon from the session's configuration.\n");
	buf_adds(out, list.n ? "slash_commands:\n" : "slash_commands: []\n");
	buf_add_slice(out, buf_slice(&list));
}

/* JSON files */

static int settings_read(
    struct arena *a, struct slice now, struct jval **out, struct err *e)
{
	struct json_doc doc;

	*out = NULL;
	switch (json_doc_parse_object(a, now, &doc)) {
	case JSON_DOC_OK:
		*out = doc.root;
		return 0;
	case JSON_DOC_BLANK:
		*out = jval_new(a, JVAL_OBJECT);
		return 0;
	default:
		return err_set(e, ERROR_INVALID, "line %u, column %u: %s",
		    doc.error.line, doc.error.column, doc.error.message);
	}
}

static void settings_write(const struct jval *v, struct buf *out)
{
	static const struct jval_style style = {.multi_line = true,
	    .unit = {"  ", 2},
	    .eol = {"\n", 1},
	    .colon_space = true,
	    .comma_space = true};

	jval_render(out, v, &style);
	buf_addc(out, '\n');
}

static void settings_put_string(
    struct arena *a, struct jval *obj, const char *key, struct slice value)
{
	struct jval *old = jval_get_str(a, obj, key);

	if (value.n)
		jval_put(a, obj, slice_of(key), jval_new_string(a, value));
	else if (old)
		jval_remove(a, obj, old);
}

int helix_claude_settings(
    struct slice now, const struct helix_agent *g, struct buf *out, struct err *e)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct jval *v = NULL;
	int r = settings_read(&a, now, &v, e);

	if (r)
		return r;
	settings_put_string(&a, v, "model", g->model);
	settings_write(v, out);
	return 0;
}

/* The object at @path, made where there is none; NULL: something else is there. */
static struct jval *settings_object(struct arena *a, struct jval *obj, const char *path)
{
	while (obj && *path) {
		size_t n = strcspn(path, "/");
		struct slice key = {path, n};
		struct jval *v = jval_get(a, obj, key);

		if (!v) {
			v = jval_new(a, JVAL_OBJECT);
			jval_put(a, obj, key, v);
		}
		obj = v->type == JVAL_OBJECT ? v : NULL;
		path += n + (path[n] == '/');
	}
	return obj;
}

int helix_qwen_settings(
    struct slice now, const struct helix_agent *g, struct buf *out, struct err *e)
{
	static const struct {
		const char *path, *key;
	} off[] = {{"privacy", "usageStatisticsEnabled"}, {"telemetry", "enabled"},
	    {"general", "enableAutoUpdate"}};
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct jval *v = NULL, *in;
	int r = settings_read(&a, now, &v, e);

	for (size_t i = 0; !r && i < ARRAY_LEN(off); i++) {
		in = settings_object(&a, v, off[i].path);
		if (!in)
			return err_set(
			    e, ERROR_INVALID, "%s is not an object", off[i].path);
		jval_put(&a, in, slice_of(off[i].key), jval_new_bool(&a, false));
	}
	if (r)
		return r;
	in = settings_object(&a, v, "model/generationConfig/extra_body");
	if (!in)
		return err_set(e, ERROR_INVALID,
		    "model/generationConfig/extra_body is not an object");
	settings_put_string(&a, in, "reasoning_effort", g->reasoning_effort);
	settings_write(v, out);
	return 0;
}
