#include "zedctl/settings.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "zedctl/given.h"
#include "zedctl/render.h"
#include "zedctl/span.h"

/* ---- asking */

int settings_fetch_query(struct ctl *c, const char *session, const char *tail,
    const char *name, const char *value, struct web_answer *answer)
{
	struct buf path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct web_request r = {.method = "GET"};
	int exit_code;

	web_session_path(&path, session, tail);
	if (name)
		web_add_query(&path, name, value);
	r.path = buf_cstr(&path);
	exit_code = web_repeat(c, &r, answer);
	if (exit_code == CTL_DONE)
		exit_code = settings_check(answer);
	if (exit_code == CTL_DONE && !answer->json)
		exit_code = ctl_fail(CTL_REFUSED, "sessiond's answer is not JSON");
	buf_deinit(&path);
	return exit_code;
}

int settings_fetch(
    struct ctl *c, const char *session, const char *tail, struct web_answer *answer)
{
	return settings_fetch_query(c, session, tail, NULL, NULL, answer);
}

int settings_fetch_known(
    struct ctl *c, const char *session, const char *tail, struct web_answer *answer)
{
	int exit_code = settings_fetch(c, session, "", answer);

	web_answer_deinit(answer);
	*answer = WEB_ANSWER_NULL;
	return exit_code == CTL_DONE ? settings_fetch(c, session, tail, answer)
				     : exit_code;
}

int settings_send(struct ctl *c, const char *method, const char *session,
    const char *tail, struct slice body, const char *if_match, struct web_answer *answer)
{
	struct buf path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct web_request r = {.method = method, .body = body, .if_match = if_match};
	int exit_code;

	r.path = web_session_path(&path, session, tail);
	exit_code = web_repeat(c, &r, answer);
	buf_deinit(&path);
	return exit_code;
}

int settings_check(const struct web_answer *answer)
{
	const struct jsn *paths = jsn_get(jsn_get(answer->json, "error"), "paths");

	if (answer->status != 422 || jsn_count(paths) == 0)
		return web_check(answer);
	ctl_fail(0, "nothing was changed:");
	jsn_for_each (p, paths) {
		const char *path = jsn_get_string(p, "path"),
			   *why = jsn_get_string(p, "message");

		ctl_fail(0, "%s: %s", path && *path ? path : "/", why ? why : "?");
	}
	return CTL_REFUSED;
}

/* ---- what is given and shown */

int settings_pointer(const struct args *a, size_t i, const char **out)
{
	struct err e = ERR_NULL;

	*out = "";
	if (i < a->n_operands && given_pointer(a->operands[i], out, &e) != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	return CTL_DONE;
}

static bool settings_print_bare(const struct ctl *c, struct slice value)
{
	struct buf text = BUF_NULL(SETTINGS_MAX_BYTES), safe = BUF_NULL(3 * SETTINGS_MAX_BYTES);
	bool is_string = args_has(c->args, "raw") && span_string(value, &text);

	if (is_string && c->is_tty)
		render_safe(buf_slice(&text), &safe);
	if (is_string)
		puts(buf_cstr(c->is_tty ? &safe : &text));
	buf_deinit(&text);
	buf_deinit(&safe);
	return is_string;
}

void settings_print(const struct ctl *c, struct slice value)
{
	if (settings_print_bare(c, value))
		return;
	if (c->output != CTL_JSON || c->is_tty)
		render_json(value);
	else
		printf(SLICE_FMT "\n", SLICE_ARG(value));
}

void settings_add_who(struct buf *out, const char *actor, int64_t revision, const char *at)
{
	size_t n = out->n;
	int64_t unix_ms;
	char age[16];

	if (actor)
		buf_adds(out, actor);
	if (revision > 0)
		buf_addf(out, "%srevision %" PRId64, out->n > n ? ", " : "", revision);
	if (at && clock_parse_rfc3339(at, &unix_ms)) {
		render_age(unix_ms, age);
		buf_addf(out, "%s%s ago", out->n > n ? ", " : "", age);
	}
}
