/* Settings of a session: the base Helix manages, the user's overrides, both merged.
 * Values pass through as text. */
#include <inttypes.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/render.h"
#include "zedctl/span.h"
#include "zedctl/web.h"

enum {
	SETTINGS_PATH_MAX_BYTES = 4096,
	SETTINGS_MAX_BYTES = 4 << 20,
	SETTINGS_TRIES = 5,
};

/* ---- reading */

static int settings_fetch(
    struct ctl *c, const char *session, const char *tail, struct web_answer *answer)
{
	struct buf path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct web_request r = {.method = "GET"};
	int exit_code;

	r.path = web_session_path(&path, session, tail);
	exit_code = web_call(c, &r, answer);
	if (exit_code == CTL_DONE && !answer->json)
		exit_code = ctl_fail(CTL_REFUSED, "sessiond's answer is not JSON");
	buf_deinit(&path);
	return exit_code;
}

/* The value at @pointer of @document, or all of it, laid out on a terminal. */
static int settings_print(const struct ctl *c, struct slice document, const char *pointer)
{
	struct slice v = span_find(document, pointer ? pointer : "");

	if (!v.p)
		return ctl_fail(CTL_REFUSED, "%s is not set", pointer ? pointer : "it");
	if (c->output != CTL_JSON)
		render_json(v);
	else
		printf(SLICE_FMT "\n", SLICE_ARG(v));
	return CTL_DONE;
}

int cmd_settings_get(struct ctl *c, const struct args *a)
{
	bool user = args_has(a, "user");
	const char *pointer = a->n_operands > 1 ? a->operands[1] : NULL;
	struct web_answer answer = WEB_ANSWER_NULL;
	int exit_code = settings_fetch(
	    c, a->operands[0], user ? "/zed-config/user" : "/zed-config", &answer);

	if (exit_code == CTL_DONE && c->output == CTL_JSON && !pointer)
		exit_code = settings_print(c, buf_slice(&answer.body), NULL);
	else if (exit_code == CTL_DONE)
		exit_code = settings_print(c,
		    span_find(buf_slice(&answer.body), user ? "/overrides" : "/settings"),
		    pointer);
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_settings_merged(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	int exit_code = settings_fetch(c, a->operands[0], "/zed-settings", &answer);

	if (exit_code == CTL_DONE)
		exit_code = settings_print(c, buf_slice(&answer.body),
		    a->n_operands > 1 ? a->operands[1] : NULL);
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- the user's side */

static int settings_say(const struct ctl *c, const struct web_answer *answer)
{
	const struct jsn *rejected = jsn_get(answer->json, "rejected");

	if (c->output == CTL_JSON)
		ctl_print_json(c, answer->json);
	jsn_for_each (r, rejected) {
		const char *path = jsn_get_string(r, "path"),
			   *rule = jsn_get_string(r, "rule");

		ctl_fail(0, "%s was not taken: %s", path ? path : "?", rule ? rule : "?");
	}
	jsn_for_each (r, jsn_get(answer->json, "invalid")) {
		const char *path = jsn_get_string(r, "path"),
			   *why = jsn_get_string(r, "message");

		ctl_fail(0, "%s is stored, but Zed would reject it: %s",
		    path ? path : "?", why ? why : "?");
	}
	if (jsn_count(rejected) > 0)
		return CTL_REFUSED;
	if (c->output != CTL_JSON)
		printf(
		    "revision %" PRId64 "\n", jsn_get_int(answer->json, "revision", 0));
	return CTL_DONE;
}

/* {"ops":{<kind>:...},"op_id":...}; @value n 0: the pointer goes into a list. */
static int settings_post(struct ctl *c, const char *session, const char *kind,
    const char *pointer, struct slice value)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf body = BUF_NULL(SETTINGS_MAX_BYTES),
		   path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct web_request r = {.method = "POST"};
	int exit_code;

	buf_addf(&body, "{\"ops\":{\"%s\":%c", kind, value.n ? '{' : '[');
	buf_add_json_string(&body, pointer, strlen(pointer));
	if (value.n) {
		buf_addc(&body, ':');
		buf_add_slice(&body, value);
	}
	buf_addf(&body, "%c},\"op_id\":\"%s\"}", value.n ? '}' : ']', id_make("op_").s);
	r.body = buf_slice(&body);
	r.path = web_session_path(&path, session, "/zed-config/user");
	exit_code = buf_check(&body) == 0 ? web_call(c, &r, &answer)
					  : ctl_fail(CTL_USAGE, "the value is too large");
	if (exit_code == CTL_DONE)
		exit_code = settings_say(c, &answer);
	buf_deinit(&body);
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- the base: read, changed, written with the version it was read at */

static int settings_edit(
    struct slice base, const char *pointer, const struct slice *value, struct buf *out)
{
	struct err e = ERR_NULL;
	int r;

	buf_adds(out, "{\"settings\":");
	if (value)
		r = span_set(base, pointer, *value, out, &e);
	else
		r = span_unset(base, pointer, out, &e);
	buf_addc(out, '}');
	if (r != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	return buf_check(out) == 0 ? CTL_DONE
				   : ctl_fail(CTL_USAGE, "the settings are too large");
}

/* *stale_out: someone else was faster; read again. */
static int settings_put_once(struct ctl *c, const char *session, const char *pointer,
    const struct slice *value, bool *stale_out)
{
	struct web_answer before = WEB_ANSWER_NULL, after = WEB_ANSWER_NULL;
	struct buf body = BUF_NULL(SETTINGS_MAX_BYTES),
		   path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct web_request r = {.method = "PUT"};
	int exit_code = settings_fetch(c, session, "/zed-config", &before);

	*stale_out = false;
	if (exit_code == CTL_DONE)
		exit_code = settings_edit(span_find(buf_slice(&before.body), "/settings"),
		    pointer, value, &body);
	if (exit_code == CTL_DONE) {
		r.path = web_session_path(&path, session, "/zed-config");
		r.body = buf_slice(&body);
		r.if_match = before.etag[0] ? before.etag : NULL;
		exit_code = web_ask(c, &r, &after);
		*stale_out = exit_code == CTL_DONE && after.status == 412;
		if (exit_code == CTL_DONE && !*stale_out)
			exit_code = web_check(&after);
	}
	if (exit_code == CTL_DONE && !*stale_out && c->output == CTL_JSON)
		ctl_print_json(c, after.json);
	else if (exit_code == CTL_DONE && !*stale_out)
		printf("version %" PRId64 "\n", jsn_get_int(after.json, "version", 0));
	buf_deinit(&body);
	buf_deinit(&path);
	web_answer_deinit(&before);
	web_answer_deinit(&after);
	return exit_code;
}

static int settings_put(
    struct ctl *c, const char *session, const char *pointer, const struct slice *value)
{
	bool stale = true;
	int exit_code = CTL_DONE;

	for (int i = 0; i < SETTINGS_TRIES && stale && exit_code == CTL_DONE; i++)
		exit_code = settings_put_once(c, session, pointer, value, &stale);
	if (exit_code == CTL_DONE && stale)
		exit_code =
		    ctl_fail(CTL_REFUSED, "the base keeps changing; nothing was set");
	return exit_code;
}

/* ---- verbs */

int cmd_settings_set(struct ctl *c, const struct args *a)
{
	const char *pointer = a->operands[1];
	struct slice value = slice_of(a->operands[2]);
	struct jsn *parsed = NULL;
	struct err e = ERR_NULL;

	if (jsn_parse(value.p, value.n, &parsed, &e) != 0)
		return ctl_fail(CTL_USAGE,
		    "%s is not JSON: %s (a string needs its quotes: '\"...\"')",
		    a->operands[2], e.text);
	jsn_free(parsed);
	if (args_has(a, "base"))
		return settings_put(c, a->operands[0], pointer, &value);
	return settings_post(c, a->operands[0], "set", pointer, value);
}

int cmd_settings_unset(struct ctl *c, const struct args *a)
{
	const char *pointer = a->operands[1];

	if (args_has(a, "base"))
		return settings_put(c, a->operands[0], pointer, NULL);
	return settings_post(c, a->operands[0], args_has(a, "delete") ? "del" : "clear",
	    pointer, SLICE_NULL);
}
