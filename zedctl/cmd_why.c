/* Why something does not go on: in words, from what both planes say. */
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/lc.h"
#include "zedctl/render.h"
#include "zedctl/web.h"

struct why {
	const char *word, *sentence;
};

static const struct why why_states[] = {
    {"PENDING", "It waits for a runner."},
    {"ASSIGNED", "A runner was chosen and has not begun yet."},
    {"STARTING", "The runner has started it; it is not ready yet."},
    {"RUNNING", "Nothing is in the way: it runs."},
    {"BACKOFF", "It ended by itself; it is started again after a pause."},
    {"STOPPING", "It is being stopped; its processes still end."},
    {"STOPPED", "It was stopped, as asked."},
    {"EXITED", "It ended by itself, in good order, and is not started again."},
    {"FAILED", "It could not be run."},
    {"UNKNOWN", "Its runner is silent; whether it runs is not known."},
    {"LOST", "Its runner has been silent for too long; it counts as lost until the "
	     "runner is back."},
    {"STOP_STUCK", "It was killed but some of its processes do not end."},
};

static const struct why why_reasons[] = {
    {"NO_RUNNER", "No runner is alive that offers its profile."},
    {"NO_CAPACITY", "All runners that could take it are full."},
    {"LABELS", "No runner has the labels it asks for."},
    {"DISK", "No runner has enough room on its disk."},
    {"WORKSPACE_BUSY", "Another instance works in its workspace."},
    {"EXPIRED", "Its start deadline passed before it could be placed."},
    {"EXEC", "Its program could not be executed."},
    {"EARLY_EXIT", "Its program ended before it was ready."},
    {"READY_TIMEOUT", "It did not become ready in the time given."},
    {"CRASH_LOOP", "It ended too often in too short a time."},
    {"OOM", "It was killed for using more memory than its limit."},
    {"STOP", "A stop was asked for."},
    {"IDLE", "Its session was not used for its idle time."},
    {"DRAIN", "Its runner is being drained."},
    {"HOST_REBOOT", "Its host was restarted."},
    {"RUNNER_LOST", "Its runner went silent."},
    {"UNKNOWN_EXIT", "It is gone, and how it ended is not known."},
};

static const struct why why_blocks[] = {
    {"no_agent", "No Zed is connected for this session."},
    {"agent_not_ready", "Its Zed is connected but has not said that it is ready."},
    {"busy", "Another turn runs; prompts wait for it."},
    {"broker", "The broker is away: nothing can be stored."},
    {"paused", "The session is paused."},
};

static const char *why_find(const struct why *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n && word; i++) {
		if (strcmp(list[i].word, word) == 0)
			return list[i].sentence;
	}
	return NULL;
}

static void why_say(const char *word, const char *sentence)
{
	if (word)
		printf("%s%s%s\n", word, sentence ? ": " : "", sentence ? sentence : "");
}

/* ---- a session */

static int why_session(struct ctl *c, const char *id)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(1024);
	const char *by, *detail, *since;
	int exit_code =
	    web_send(c, "GET", web_session_path(&path, id, "/why"), NULL, &answer);

	buf_deinit(&path);
	if (exit_code == CTL_DONE && c->output == CTL_JSON) {
		ctl_print_json(c, answer.json);
	} else if (exit_code == CTL_DONE) {
		by = jsn_get_string(answer.json, "blocked_by");
		detail = jsn_get_string(answer.json, "detail");
		since = jsn_get_string(answer.json, "since");
		if (by)
			why_say(by, why_find(why_blocks, ARRAY_LEN(why_blocks), by));
		else
			printf("%s: nothing is in the way\n", id);
		if (by && detail && *detail)
			printf("  %s\n", detail);
		if (by && since)
			printf("  since %s\n", since);
	}
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- an instance */

static void why_print_instance(const struct jsn *r)
{
	const char *state = jsn_get_string(r, "state"),
		   *reason = jsn_get_string(r, "reason");
	const char *detail = jsn_get_string(r, "detail");
	char age[16];

	render_age(jsn_get_int(r, "since_unix_ms", 0), age);
	why_say(state, why_find(why_states, ARRAY_LEN(why_states), state));
	why_say(reason, why_find(why_reasons, ARRAY_LEN(why_reasons), reason));
	if (detail && *detail)
		printf("  %s\n", detail);
	printf("  for %s\n", age);
}

/* False: there is no such instance. */
static bool why_instance(struct ctl *c, const char *id, int *exit_code_out)
{
	struct jsn *body = lc_body(id), *r = NULL;
	const char *code, *session;

	*exit_code_out = body ? lc_ask(c, "get", body, LC_TIMEOUT_MS, &r) : CTL_USAGE;
	code = jsn_get_string(jsn_get(r, "error"), "code");
	if (code && strcmp(code, "NOT_FOUND") == 0) {
		jsn_free(r);
		return false;
	}
	if (*exit_code_out == CTL_DONE)
		*exit_code_out = ctl_check_error(r);
	session = jsn_get_string(r, "session_id");
	if (*exit_code_out == CTL_DONE && c->output == CTL_JSON) {
		ctl_print_json(c, r);
	} else if (*exit_code_out == CTL_DONE) {
		why_print_instance(r);
		if (session && *session) {
			printf("session %s:\n", session);
			(void)why_session(c, session);
		}
	}
	jsn_free(r);
	return true;
}

int cmd_why(struct ctl *c, const struct args *a)
{
	const char *id = a->operands[0];
	int exit_code;

	if (strncmp(id, "ses_", 4) != 0 && why_instance(c, id, &exit_code))
		return exit_code;
	return why_session(c, id);
}
