/* chat: a prompt and its answer, or a conversation.
 *
 * happy path: the session's events are opened, the prompt is sent under an id of ours,
 * its deltas are shown as they come, its interaction ends failure modes: the stream is
 * cut (sessiond restarts): opened again from the last event on; the prompt's answer is
 * lost on the way: sent again under the same id, which changes nothing if it was stored
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "zedctl/answer.h"
#include "zedctl/cmds.h"
#include "zedctl/render.h"
#include "zedctl/sse.h"
#include "zedctl/web.h"

enum {
	CHAT_TIMEOUT_MS = 600000,
	CHAT_RETRY_MS = 500,
	CHAT_SILENCE_MS = 45000, /* three of the stream's comment lines */
	CHAT_PATH_MAX_BYTES = 4096,
	CHAT_STDIN_MAX_BYTES = 256 << 10,
	CHAT_PAGE = 50,
};

struct chat {
	struct ctl *c;
	const char *session;
	char request_id[129];
	struct answer answer;
	struct sse sse;
	struct jsn *final; /* the interaction once it has ended */
	uint64_t stream;   /* ticket; 0: not open */
	bool opened;       /* the stream's first event is there */
	bool wake;         /* something to look at */
	int status;        /* of a refused stream */
	struct web_answer refusal;
	uv_signal_t sigint;
	bool has_sigint, interrupted;
};

/* ---- events */

static bool chat_is_end(const char *state)
{
	static const char *const ends[] = {"complete", "interrupted", "error", "lost"};

	for (size_t i = 0; i < ARRAY_LEN(ends) && state; i++) {
		if (strcmp(state, ends[i]) == 0)
			return true;
	}
	return false;
}

static void chat_show(struct chat *ch)
{
	if (ch->c->output != CTL_JSON)
		answer_show(&ch->answer);
}

static void chat_take_interaction(struct chat *ch, const struct jsn *i)
{
	const char *id = jsn_get_string(i, "id");

	if (!id || strcmp(id, ch->request_id) != 0 || ch->final)
		return;
	if (jsn_get(i, "entries")) {
		answer_snapshot(&ch->answer, jsn_get(i, "entries"));
		chat_show(ch);
	}
	if (chat_is_end(jsn_get_string(i, "state")))
		ch->final = jsn_copy(i);
}

static void chat_take_delta(struct chat *ch, const struct jsn *d)
{
	const char *id = jsn_get_string(d, "interaction_id");

	if (!id || strcmp(id, ch->request_id) != 0)
		return;
	answer_delta(&ch->answer, d);
	chat_show(ch);
}

static void chat_on_event(void *data, const char *name, struct slice json)
{
	struct chat *ch = data;
	struct jsn *v = NULL;
	const struct jsn *inner;

	ch->opened = ch->wake = true;
	if (jsn_parse(json.p, json.n, &v, NULL) != 0)
		return;
	if (strcmp(name, "delta") == 0) {
		chat_take_delta(ch, v);
	} else if (strcmp(name, "interaction") == 0) {
		inner = jsn_get(v, "interaction");
		chat_take_interaction(ch, inner ? inner : v);
	} else if (strcmp(name, "snapshot") == 0) {
		jsn_for_each (i, jsn_get(v, "interactions"))
			chat_take_interaction(ch, i);
	}
	jsn_free(v);
}

/* ---- the stream */

static bool chat_on_chunk(void *data, int status, struct slice chunk)
{
	struct chat *ch = data;

	(void)status;
	return sse_feed(&ch->sse, chunk);
}

static void chat_on_stream_end(void *data, const struct fetch_response *r)
{
	struct chat *ch = data;

	ch->stream = 0;
	ch->wake = true;
	if (r->code == 0 && r->status >= 300) {
		ch->status = r->status;
		ch->refusal.status = r->status;
		if (r->body.n > 0 &&
		    jsn_parse(r->body.p, r->body.n, &ch->refusal.json, NULL) != 0)
			ch->refusal.json = NULL;
	}
	sse_reset(&ch->sse);
}

static void chat_open_stream(struct chat *ch)
{
	struct buf path = BUF_NULL(CHAT_PATH_MAX_BYTES),
		   url = BUF_NULL(2 * CHAT_PATH_MAX_BYTES);
	char last_id[160];
	const char *headers[] = {"Accept: text/event-stream", NULL, NULL};
	struct fetch_request r = {
	    .method = "GET",
	    .bearer = ch->c->token,
	    .headers = headers,
	    .timeout_ms = ch->c->connect_timeout_ms,
	    .idle_timeout_ms = CHAT_SILENCE_MS,
	    .chunk_cb = chat_on_chunk,
	    .cb = chat_on_stream_end,
	    .data = ch,
	};

	if (ch->sse.last_id[0]) {
		snprintf(last_id, sizeof last_id, "Last-Event-ID: %s", ch->sse.last_id);
		headers[1] = last_id;
	}
	buf_addf(
	    &url, "%s%s", ch->c->server, web_session_path(&path, ch->session, "/events"));
	r.url = buf_cstr(&url);
	ch->stream = fetch_start(ctl_fetch(ch->c), &r);
	buf_deinit(&path);
	buf_deinit(&url);
}

static void chat_close_stream(struct chat *ch)
{
	if (ch->stream)
		fetch_cancel(ctl_fetch(ch->c), ch->stream);
	ch->stream = 0;
	ch->opened = false;
	sse_reset(&ch->sse);
}

/* Wait for the first event, so that nothing of the answer is missed. */
static int chat_begin_stream(struct chat *ch)
{
	chat_open_stream(ch);
	while (!ch->opened && ch->stream) {
		ch->wake = false;
		ctl_wait(ch->c, &ch->wake, -1);
	}
	if (ch->opened)
		return CTL_DONE;
	if (ch->status)
		return web_check(&ch->refusal);
	return ctl_fail(CTL_NO_CONNECTION, "cannot reach sessiond at %s", ch->c->server);
}

/* ---- the prompt */

static struct jsn *chat_body(const struct chat *ch, const char *message)
{
	const struct args *a = ch->c->args;
	struct jsn *body = jsn_new_object();

	jsn_set_string(body, "message", message);
	jsn_set_string(body, "request_id", ch->request_id);
	if (args_has(a, "interrupt"))
		jsn_set_bool(body, "interrupt", true);
	if (args_has(a, "agent"))
		jsn_set_string(body, "agent_name", args_get(a, "agent"));
	if (args_has(a, "fallback"))
		jsn_set_string(body, "fallback", args_get(a, "fallback"));
	return body;
}

static int chat_send(struct chat *ch, const char *message, struct web_answer *answer)
{
	struct buf path = BUF_NULL(CHAT_PATH_MAX_BYTES);
	int exit_code =
	    web_send(ch->c, "POST", web_session_path(&path, ch->session, "/messages"),
		chat_body(ch, message), answer);

	buf_deinit(&path);
	return exit_code;
}

/* ---- the end */

/* The interaction with all its fields, from the list. */
static void chat_fetch_final(struct chat *ch)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(CHAT_PATH_MAX_BYTES);
	char tail[64];

	if (jsn_get(ch->final, "entries"))
		return;
	snprintf(tail, sizeof tail, "/interactions?order=desc&limit=%d", CHAT_PAGE);
	if (web_send(ch->c, "GET", web_session_path(&path, ch->session, tail), NULL,
		&answer) == CTL_DONE) {
		jsn_for_each (i, jsn_get(answer.json, "interactions")) {
			const char *id = jsn_get_string(i, "id");

			if (id && strcmp(id, ch->request_id) == 0) {
				jsn_free(ch->final);
				ch->final = jsn_copy(i);
				answer_snapshot(&ch->answer, jsn_get(i, "entries"));
				chat_show(ch);
				break;
			}
		}
	}
	buf_deinit(&path);
	web_answer_deinit(&answer);
}

static int chat_conclude(struct chat *ch)
{
	const char *state, *error;

	chat_fetch_final(ch);
	state = jsn_get_string(ch->final, "state");
	error = jsn_get_string(ch->final, "error");
	if (ch->c->output == CTL_JSON)
		ctl_print_json(ch->c, ch->final);
	else if (ch->answer.any_shown)
		putchar('\n');
	if (state && strcmp(state, "complete") == 0)
		return CTL_DONE;
	return ctl_fail(CTL_REFUSED, "the turn ended as %s%s%s",
	    state ? state : "nothing known", error && *error ? ": " : "",
	    error ? error : "");
}

static void chat_cancel(struct chat *ch)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(CHAT_PATH_MAX_BYTES);
	struct jsn *body = jsn_new_object();

	ch->interrupted = false;
	jsn_set_string(body, "request_id", ch->request_id);
	(void)web_send(ch->c, "POST", web_session_path(&path, ch->session, "/cancel"),
	    body, &answer);
	buf_deinit(&path);
	web_answer_deinit(&answer);
}

/* Until the interaction has ended; the stream is opened again whenever it breaks. */
static int chat_await(struct chat *ch)
{
	int64_t deadline_ms =
	    clock_mono_ms() + args_int(ch->c->args, "timeout", CHAT_TIMEOUT_MS);
	const bool never = false;

	while (!ch->final) {
		int64_t left_ms = deadline_ms - clock_mono_ms();

		if (left_ms <= 0)
			return ctl_fail(
			    CTL_TIMEOUT, "no end of the answer yet; the prompt goes on");
		if (ch->interrupted)
			chat_cancel(ch);
		if (ch->status)
			return web_check(&ch->refusal);
		if (!ch->stream) {
			ctl_wait(ch->c, &never, CHAT_RETRY_MS);
			chat_open_stream(ch);
		}
		ch->wake = ch->interrupted;
		ctl_wait(ch->c, &ch->wake, left_ms);
	}
	return chat_conclude(ch);
}

/* ---- one turn */

static void chat_new_turn(struct chat *ch)
{
	const char *given = args_get(ch->c->args, "request-id");

	snprintf(ch->request_id, sizeof ch->request_id, "%s",
	    given ? given : id_make("req_").s);
	answer_deinit(&ch->answer);
	answer_init(&ch->answer, ch->c->is_tty);
	jsn_free(ch->final);
	ch->final = NULL;
	ch->status = 0;
	ch->interrupted = false;
	ch->sse.last_id[0] = '\0'; /* a turn begins with a snapshot */
	web_answer_deinit(&ch->refusal);
}

static int chat_turn(struct chat *ch, const char *message)
{
	bool no_wait = args_has(ch->c->args, "no-wait");
	struct web_answer answer = WEB_ANSWER_NULL;
	int exit_code = CTL_DONE;

	chat_new_turn(ch);
	if (!no_wait)
		exit_code = chat_begin_stream(ch);
	if (exit_code == CTL_DONE)
		exit_code = chat_send(ch, message, &answer);
	if (exit_code == CTL_DONE && no_wait && ch->c->output == CTL_JSON)
		ctl_print_json(ch->c, answer.json);
	else if (exit_code == CTL_DONE && no_wait)
		printf("%s\n", ch->request_id);
	else if (exit_code == CTL_DONE)
		exit_code = chat_await(ch);
	chat_close_stream(ch);
	web_answer_deinit(&answer);
	return exit_code;
}

/* ---- conversation */

static void chat_on_sigint(uv_signal_t *h, int signo)
{
	struct chat *ch = h->data;

	(void)signo;
	ch->interrupted = ch->wake = true;
}

static void chat_watch_sigint(struct chat *ch)
{
	must(uv_signal_init(loop_uv(ch->c->loop), &ch->sigint) == 0);
	ch->sigint.data = ch;
	ch->has_sigint = true;
}

/* Lines from the terminal until its end. Reading blocks: between turns nothing else is to
 * be done. */
static int chat_converse(struct chat *ch)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int exit_code = CTL_DONE;

	fprintf(stderr, "A line is a prompt; Ctrl-C cancels its answer, Ctrl-D ends.\n");
	chat_watch_sigint(ch);
	while (exit_code != CTL_NO_CONNECTION) {
		fprintf(stderr, "%s> %s", render_colour(RENDER_GOOD, true),
		    render_reset(true));
		n = getline(&line, &cap, stdin);
		if (n < 0)
			break;
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		if (n == 0)
			continue;
		uv_signal_start(&ch->sigint, chat_on_sigint, SIGINT);
		exit_code = chat_turn(ch, line);
		uv_signal_stop(&ch->sigint);
	}
	free(line);
	fputc('\n', stderr);
	return exit_code;
}

static int chat_from_stdin(struct chat *ch)
{
	char *text = malloc(CHAT_STDIN_MAX_BYTES + 2);
	size_t n;
	int exit_code;

	must(text);
	n = fread(text, 1, CHAT_STDIN_MAX_BYTES + 1, stdin);
	text[n] = '\0';
	if (n > CHAT_STDIN_MAX_BYTES)
		exit_code = ctl_fail(
		    CTL_USAGE, "a prompt has at most %d bytes", CHAT_STDIN_MAX_BYTES);
	else if (strlen(text) != n)
		exit_code = ctl_fail(CTL_USAGE, "a prompt holds no NUL");
	else
		exit_code = chat_turn(ch, text);
	free(text);
	return exit_code;
}

int cmd_chat(struct ctl *c, const struct args *a)
{
	struct chat ch = {.c = c, .session = a->operands[0], .refusal = WEB_ANSWER_NULL};
	int exit_code;

	sse_init(&ch.sse, chat_on_event, &ch);
	if (a->n_operands > 1)
		exit_code = chat_turn(&ch, a->operands[1]);
	else if (isatty(STDIN_FILENO))
		exit_code = chat_converse(&ch);
	else
		exit_code = chat_from_stdin(&ch);
	if (ch.has_sigint) {
		uv_close((uv_handle_t *)&ch.sigint, NULL);
		uv_run(loop_uv(c->loop), UV_RUN_NOWAIT);
	}
	sse_deinit(&ch.sse);
	answer_deinit(&ch.answer);
	jsn_free(ch.final);
	web_answer_deinit(&ch.refusal);
	return exit_code;
}
