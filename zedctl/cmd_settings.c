/* Settings of a session as they are: the user's overrides, the base Helix manages, both
 * merged, why a value is what it is, and what is held back. Values pass through as text. */
#include <inttypes.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/given.h"
#include "zedctl/render.h"
#include "zedctl/settings.h"
#include "zedctl/span.h"
#include "zedctl/watch.h"

enum {
	SETTINGS_COLUMNS = 60, /* of a value in a table; -o wide: all */
	SETTINGS_LINE_MAX_BYTES = 64 << 10,
};

/* ---- get */

static void overrides_row(const struct ctl *c, struct table *t, struct slice key,
    const char *mark, struct slice value)
{
	struct buf text = BUF_NULL(SETTINGS_LINE_MAX_BYTES);

	span_string(key, &text);
	table_add(t, buf_cstr(&text));
	buf_reset(&text);
	if (!mark)
		render_value(value, c->output == CTL_WIDE ? 0 : SETTINGS_COLUMNS, &text);
	table_add(t, mark ? mark : buf_cstr(&text));
	buf_deinit(&text);
}

static void overrides_print(const struct ctl *c, struct slice answer)
{
	struct slice key, value;
	struct table t;
	size_t at = 0;

	table_init(&t, "PATH OVERRIDE");
	while (span_each(span_find(answer, "/set"), &at, &key, &value))
		overrides_row(c, &t, key, NULL, value);
	at = 0;
	while (span_each(span_find(answer, "/del"), &at, &key, &value))
		overrides_row(c, &t, value, "(deleted)", SLICE_NULL);
	table_print(&t, c->is_tty);
}

/* The user deleted what is at @pointer, or something above it. */
static bool overrides_delete(const struct jsn *answer, const char *pointer)
{
	jsn_for_each (d, jsn_get(answer, "del")) {
		if (jsn_string(d) && given_is_below(pointer, jsn_string(d)))
			return true;
	}
	return false;
}

static int overrides_show(
    const struct ctl *c, const struct web_answer *answer, const char *pointer)
{
	struct slice all = buf_slice(&answer->body);
	struct slice value = span_find(span_find(all, "/overrides"), pointer);

	if (!*pointer && c->output == CTL_JSON)
		settings_print(c, all);
	else if (!*pointer)
		overrides_print(c, all);
	else if (value.p)
		settings_print(c, value);
	else if (overrides_delete(answer->json, pointer))
		return ctl_fail(CTL_REFUSED, "%s is deleted by an override", pointer);
	else
		return ctl_fail(CTL_REFUSED, "%s has no override", pointer);
	return CTL_DONE;
}

static int base_show(
    const struct ctl *c, const struct web_answer *answer, const char *pointer)
{
	struct slice all = buf_slice(&answer->body);
	struct slice value = span_find(span_find(all, "/settings"), pointer);

	if (!*pointer && c->output == CTL_JSON)
		settings_print(c, all);
	else if (value.p)
		settings_print(c, value);
	else
		return ctl_fail(CTL_REFUSED, "%s is not set in the base", pointer);
	return CTL_DONE;
}

static int get_show(struct ctl *c, const struct args *a)
{
	bool base = args_has(a, "base");
	struct web_answer answer = WEB_ANSWER_NULL;
	const char *pointer;
	int exit_code = settings_pointer(a, 1, &pointer);

	if (exit_code == CTL_DONE)
		exit_code = settings_fetch_known(c, a->operands[0],
		    base ? "/zed-config" : "/zed-config/user", &answer);
	if (exit_code == CTL_DONE)
		exit_code = (base ? base_show : overrides_show)(c, &answer, pointer);
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_settings_get(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], get_show);
}

/* ---- merged */

static int merged_show(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct slice value;
	const char *pointer;
	int exit_code = settings_pointer(a, 1, &pointer);

	if (exit_code == CTL_DONE)
		exit_code = settings_fetch(c, a->operands[0], "/zed-settings", &answer);
	if (exit_code == CTL_DONE) {
		value = span_find(buf_slice(&answer.body), pointer);
		if (value.p)
			settings_print(c, value);
		else
			exit_code = ctl_fail(CTL_REFUSED, "%s is not set", pointer);
	}
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_settings_merged(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], merged_show);
}

/* ---- explain */

static const char *explain_rule(const char *rule)
{
	static const struct {
		const char *rule, *sentence;
	} known[] = {
	    {"protected",
		"each instance keeps its own; it is neither read from the file nor "
		"written to it"},
	    {"helix-owned", "Helix's value stands; a change in the file is reverted"},
	    {"no-delete",
		"fields can be overridden, but the entry comes back when deleted"},
	    {"default-once", "Helix gives it once; from then on it is the user's"},
	    {"user-wins", "the user's value stands; without one, Helix's"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known) && rule; i++) {
		if (strcmp(known[i].rule, rule) == 0)
			return known[i].sentence;
	}
	return "";
}

static void explain_add_source(
    const struct jsn *x, const char *side, bool deleted, struct buf *out)
{
	if (strcmp(side, "default") == 0) {
		buf_adds(out, "  Neither base nor overrides say anything: Zed's own default "
			      "counts.\n");
		return;
	}
	if (strcmp(side, "base") == 0)
		buf_adds(out, "  From the base Helix manages: ");
	else
		buf_adds(out, deleted ? "  An override deletes it: " : "  An override: ");
	settings_add_who(out, jsn_get_string(x, "actor"), jsn_get_int(x, "revision", 0),
	    jsn_get_string(x, "at"));
	buf_adds(out, ".\n");
}

static void explain_print(
    const struct ctl *c, const struct web_answer *answer, const char *path, bool deleted)
{
	const char *side = jsn_get_string(answer->json, "side"),
		   *rule = jsn_get_string(answer->json, "rule");
	size_t columns = c->output == CTL_WIDE ? 0 : SETTINGS_COLUMNS;
	struct slice all = buf_slice(&answer->body);
	struct slice shadowed = span_find(all, "/shadowed");
	struct buf out = BUF_NULL(SETTINGS_MAX_BYTES), safe = BUF_NULL(SETTINGS_MAX_BYTES);

	buf_adds(&out, *path ? path : "Everything");
	if (deleted || (side && strcmp(side, "default") == 0)) {
		buf_adds(&out, " is not set.\n");
	} else {
		buf_adds(&out, " is ");
		render_value(span_find(all, "/value"), columns, &out);
		buf_adds(&out, ".\n");
	}
	explain_add_source(answer->json, side ? side : "", deleted, &out);
	if (shadowed.p) {
		buf_adds(&out, "  It shadows the base's ");
		render_value(shadowed, columns, &out);
		buf_adds(&out, ".\n");
	}
	if (rule)
		buf_addf(&out, "  Rule %s: %s.\n", rule, explain_rule(rule));
	render_safe(buf_slice(&out), &safe);
	fputs(buf_cstr(&safe), stdout);
	buf_deinit(&out);
	buf_deinit(&safe);
}

static int explain_show(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL, user = WEB_ANSWER_NULL;
	const char *pointer;
	int exit_code = settings_pointer(a, 1, &pointer);

	if (exit_code == CTL_DONE)
		exit_code = settings_fetch_query(c, a->operands[0], "/zed-settings",
		    "explain", pointer, &answer);
	/* null is what the user set, or what is left after deleting */
	if (exit_code == CTL_DONE && c->output != CTL_JSON)
		exit_code =
		    settings_fetch(c, a->operands[0], "/zed-config/user", &user);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		settings_print(c, buf_slice(&answer.body));
	else if (exit_code == CTL_DONE)
		explain_print(c, &answer, pointer,
		    slice_is(span_find(buf_slice(&answer.body), "/value"), "null") &&
			overrides_delete(user.json, pointer));
	web_answer_deinit(&answer);
	web_answer_deinit(&user);
	return exit_code;
}

int cmd_settings_explain(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], explain_show);
}

/* ---- pending, resolve */

static void pending_row(const struct ctl *c, struct table *t, const struct jsn *held)
{
	const struct jsn *paths = jsn_get(held, "paths");
	const char *first = jsn_string(jsn_first(paths));
	struct buf text = BUF_NULL(SETTINGS_LINE_MAX_BYTES);

	table_add(t, jsn_get_string(held, "id"));
	table_add(t, jsn_get_string(held, "kind"));
	table_add(t, jsn_get_string(held, "since"));
	table_add(t, jsn_get_string(held, "action"));
	jsn_for_each (p, paths) {
		if (c->output == CTL_WIDE && jsn_string(p))
			buf_addf(&text, "%s%s", text.n ? " " : "", jsn_string(p));
	}
	if (c->output != CTL_WIDE && first)
		buf_adds(&text, first);
	if (c->output != CTL_WIDE && jsn_count(paths) > 1)
		buf_addf(&text, " and %zu more", jsn_count(paths) - 1);
	table_add(t, buf_cstr(&text));
	if (c->output == CTL_WIDE)
		table_add(t, jsn_get_string(held, "client"));
	buf_deinit(&text);
}

static int pending_show(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct table t;
	int exit_code =
	    settings_fetch(c, a->operands[0], "/zed-config/pending", &answer);

	if (exit_code == CTL_DONE && c->output == CTL_JSON) {
		settings_print(c, buf_slice(&answer.body));
	} else if (exit_code == CTL_DONE) {
		table_init(&t, c->output == CTL_WIDE ? "ID KIND SINCE DECIDED PATHS CLIENT"
						     : "ID KIND SINCE DECIDED PATHS");
		jsn_for_each (held, jsn_get(answer.json, "pending"))
			pending_row(c, &t, held);
		table_print(&t, c->is_tty);
	}
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_settings_pending(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], pending_show);
}

int cmd_settings_resolve(struct ctl *c, const struct args *a)
{
	const char *id = a->operands[1], *action = a->operands[2];
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf tail = BUF_NULL(SETTINGS_PATH_MAX_BYTES), body = BUF_NULL(256);
	int exit_code;

	if (strcmp(action, "confirm") != 0 && strcmp(action, "undo") != 0 &&
	    strcmp(action, "restore") != 0)
		return ctl_fail(CTL_USAGE, "%s: not confirm, undo or restore", action);
	buf_adds(&tail, "/zed-config/pending/");
	web_add_encoded(&tail, id);
	buf_addf(&body, "{\"action\":\"%s\"}", action);
	exit_code = settings_send(c, "POST", a->operands[0], buf_cstr(&tail),
	    buf_slice(&body), NULL, &answer);
	if (exit_code == CTL_DONE)
		exit_code = settings_check(&answer);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, answer.json);
	else if (exit_code == CTL_DONE)
		printf("%s: %s, carried out by the instance\n", id, action);
	buf_deinit(&tail);
	buf_deinit(&body);
	web_answer_deinit(&answer);
	return exit_code;
}
