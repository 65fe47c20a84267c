/* Sessions, cancel and queue. */
#include <inttypes.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/render.h"
#include "zedctl/watch.h"
#include "zedctl/web.h"

enum {
	SESSION_PAGE = 200,
	SESSION_PATH_MAX_BYTES = 4096,
};

/* ---- new, get, rm */

int cmd_session_new(struct ctl *c, const struct args *a)
{
	static const char *const fields[][2] = {{"id", "id"}, {"name", "name"},
	    {"owner", "owner"}, {"app", "app_id"}, {"agent", "agent_name"},
	    {"message", "message"}, {"fallback", "fallback"}};
	struct web_answer answer = WEB_ANSWER_NULL;
	struct jsn *body = jsn_new_object();
	int exit_code;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (args_has(a, fields[i][0]))
			jsn_set_string(body, fields[i][1], args_get(a, fields[i][0]));
	}
	exit_code = web_send(c, "POST", "/api/v1/sessions", body, &answer);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, answer.json);
	else if (exit_code == CTL_DONE)
		printf("%s\n", jsn_get_string(answer.json, "id"));
	web_answer_deinit(&answer);
	return exit_code;
}

static void session_print(const struct ctl *c, const struct jsn *s)
{
	struct table t;

	table_init(&t, "FIELD VALUE");
	jsn_for_each (v, s) {
		struct buf text = BUF_NULL(64 << 10);

		if (jsn_type(v) != JSN_STRING)
			jsn_print(v, &text);
		if (jsn_type(v) != JSN_NULL) {
			table_add(&t, jsn_key(v));
			table_add(&t, jsn_string(v) ? jsn_string(v) : buf_cstr(&text));
		}
		buf_deinit(&text);
	}
	table_print(&t, c->is_tty);
}

int cmd_session_get(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(SESSION_PATH_MAX_BYTES);
	int exit_code = web_send(
	    c, "GET", web_session_path(&path, a->operands[0], ""), NULL, &answer);

	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, answer.json);
	else if (exit_code == CTL_DONE)
		session_print(c, answer.json);
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_session_rm(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(SESSION_PATH_MAX_BYTES);
	int exit_code = web_send(
	    c, "DELETE", web_session_path(&path, a->operands[0], ""), NULL, &answer);

	if (exit_code == CTL_DONE && c->output != CTL_JSON)
		printf("%s deleted\n", a->operands[0]);
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- ls */

static void session_row(const struct ctl *c, struct table *t, const struct jsn *s)
{
	const struct jsn *agent = jsn_get(s, "agent");

	table_add(t, jsn_get_string(s, "id"));
	table_add(t, jsn_get_string(s, "state"));
	table_add(t, agent ? jsn_get_string(agent, "state") : NULL);
	table_addf(t, "%" PRId64, jsn_get_int(s, "queue_depth", 0));
	table_add(t, jsn_get_string(s, "owner"));
	table_add(t, jsn_get_string(s, "name"));
	table_add(t, jsn_get_string(s, "updated_at"));
	if (c->output != CTL_WIDE)
		return;
	table_add(t, jsn_get_string(s, "agent_name"));
	table_add(t, jsn_get_string(s, "zed_thread_id"));
	table_add(t, jsn_get_bool(s, "paused", false) ? "yes" : "no");
	table_add(t, jsn_get_string(s, "app_id"));
}

static int session_page(struct ctl *c, const struct args *a, int64_t limit,
    const char *cursor, struct web_answer *answer)
{
	struct buf path = BUF_NULL(SESSION_PATH_MAX_BYTES);
	char text[32];
	int exit_code;

	snprintf(text, sizeof text, "%" PRId64, limit);
	buf_adds(&path, "/api/v1/sessions");
	web_add_query(&path, "limit", text);
	web_add_query(&path, "owner", args_get(a, "owner"));
	web_add_query(&path, "blocked_by", args_get(a, "blocked-by"));
	web_add_query(&path, "cursor", cursor);
	exit_code = web_send(c, "GET", buf_cstr(&path), NULL, answer);
	buf_deinit(&path);
	return exit_code;
}

/* Pages, until @limit sessions are there. */
static int session_all(
    struct ctl *c, const struct args *a, int64_t limit, struct jsn *all)
{
	char cursor[1024] = "";
	const char *next;
	int exit_code;

	do {
		struct web_answer answer = WEB_ANSWER_NULL;
		int64_t left = limit - (int64_t)jsn_count(all);

		exit_code = session_page(c, a, left < SESSION_PAGE ? left : SESSION_PAGE,
		    cursor[0] ? cursor : NULL, &answer);
		jsn_for_each (s, jsn_get(answer.json, "sessions"))
			jsn_push(all, jsn_copy(s));
		next = jsn_get_string(answer.json, "next_cursor");
		snprintf(cursor, sizeof cursor, "%s", next ? next : "");
		web_answer_deinit(&answer);
	} while (exit_code == CTL_DONE && cursor[0] && (int64_t)jsn_count(all) < limit);
	return exit_code;
}

static int session_ls_show(struct ctl *c, const struct args *a)
{
	struct jsn *out = jsn_new_object(), *all = jsn_new_array();
	int64_t limit = args_int(a, "limit", 0);
	struct table t;
	int exit_code = session_all(c, a, limit > 0 ? limit : INT64_MAX, all);

	if (exit_code == CTL_DONE && c->output != CTL_JSON) {
		table_init(&t, c->output == CTL_WIDE
				   ? "SESSION STATE AGENT QUEUE OWNER NAME UPDATED KIND "
				     "THREAD PAUSED APP"
				   : "SESSION STATE AGENT QUEUE OWNER NAME UPDATED");
		jsn_for_each (s, all)
			session_row(c, &t, s);
		table_print(&t, c->is_tty);
	}
	jsn_set(out, "sessions", all);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, out);
	jsn_free(out);
	return exit_code;
}

int cmd_session_ls(struct ctl *c, const struct args *a)
{
	return watch_run(c, a, NULL, session_ls_show);
}

/* ---- cancel, queue */

int cmd_cancel(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(SESSION_PATH_MAX_BYTES);
	struct jsn *body = NULL;
	int exit_code;

	if (args_has(a, "request-id")) {
		body = jsn_new_object();
		jsn_set_string(body, "request_id", args_get(a, "request-id"));
	}
	exit_code = web_send(
	    c, "POST", web_session_path(&path, a->operands[0], "/cancel"), body, &answer);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, answer.json);
	else if (exit_code == CTL_DONE)
		printf("%s\n", jsn_get_string(answer.json, "status"));
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

static int queue_show(struct ctl *c, const struct args *a)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(SESSION_PATH_MAX_BYTES);
	struct table t;
	int exit_code = web_send(
	    c, "GET", web_session_path(&path, a->operands[0], "/queue"), NULL, &answer);

	if (exit_code == CTL_DONE && c->output == CTL_JSON) {
		ctl_print_json(c, answer.json);
	} else if (exit_code == CTL_DONE) {
		table_init(&t, "POSITION PROMPT CREATED INTERRUPT MESSAGE");
		jsn_for_each (p, jsn_get(answer.json, "prompts")) {
			table_addf(&t, "%" PRId64, jsn_get_int(p, "position", 0));
			table_add(&t, jsn_get_string(p, "prompt_id"));
			table_add(&t, jsn_get_string(p, "created_at"));
			table_add(&t, jsn_get_bool(p, "interrupt", false) ? "yes" : "no");
			table_addf(&t, "%.60s", jsn_get_string(p, "message"));
		}
		table_print(&t, c->is_tty);
	}
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_queue(struct ctl *c, const struct args *a)
{
	return watch_run(c, a, NULL, queue_show);
}
