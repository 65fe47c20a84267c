/* /api/v1/sessions/{id}/messages, why, and the table of what is about the messages of a
 * session. */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/message_calls.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/requests.h"
#include "sessiond/gateway/session_json.h"

/* ---- POST messages ----
 *
 * With the caller's request_id: its record first (requests.h), so that a repeat gets the
 * same answer. Without: the prompt's key alone.
 */

struct message_op {
	struct call *c;
	struct request *r; /* of the caller's request_id; NULL: none */
	struct prompt p;   /* borrows from the call's body */
};

static struct session *message_session(const struct message_op *op)
{
	return sessions_find(op->c->g->sessions, op->c->session_id.s);
}

static void message_fail(struct message_op *op, int code, const char *why)
{
	struct call *c = op->c;

	if (op->r)
		request_done(op->r, 0, NULL);
	free(op);
	call_reply_error(c, code, "%s", why);
}

static void message_answer(
    struct message_op *op, const struct session *s, const struct turn *t)
{
	struct jsn *o = prompt_answer(s, t);
	struct buf text = BUF_NULL(CALL_BODY_MAX);
	struct call *c = op->c;

	jsn_print(o, &text);
	jsn_free(o);
	if (op->r)
		request_done(op->r, 202, buf_cstr(&text));
	free(op);
	call_reply(c, 202, "application/json", NULL, 0, buf_slice(&text));
	buf_deinit(&text);
}

static void message_on_stored(void *data, struct turn *t, int code)
{
	struct message_op *op = data;

	if (code == 0)
		message_answer(op, message_session(op), t);
	else if (code == ERROR_CONFLICT)
		message_fail(op, code, "request_id was used with another message");
	else if (code == ERROR_NOT_FOUND)
		message_fail(op, code, "the session is gone");
	else
		message_fail(
		    op, ERROR_UNAVAILABLE, "the message could not be stored: try again");
}

static void message_store(struct message_op *op)
{
	struct session *s = message_session(op);

	if (!s || s->deleting) {
		message_fail(op, ERROR_NOT_FOUND, "the session is gone");
		return;
	}
	if (!prompt_admit(op->c, s, &op->p)) {
		if (op->r)
			request_done(op->r, 0, NULL);
		free(op);
		return;
	}
	prompt_store(s, &op->p, message_on_stored, op);
}

static void message_on_found(void *data, const struct history_record *r)
{
	struct message_op *op = data;

	if (r->code == 0)
		message_answer(op, message_session(op), r->t);
	else if (r->code == ERROR_NOT_FOUND)
		message_store(op);
	else
		message_fail(
		    op, ERROR_UNAVAILABLE, "the message could not be stored: try again");
	turn_free(r->t);
}

/* Begun before and not answered: it may be there, under way or long ended. */
static void message_look(struct message_op *op)
{
	struct session *s = message_session(op);
	const char *id = op->p.id ? op->p.id : op->p.made_id;
	struct turn *t = s ? chat_find(&s->chat, id) : NULL;

	if (t && !t->storing_create)
		message_answer(op, s, t);
	else if (!s)
		message_fail(op, ERROR_NOT_FOUND, "the session is gone");
	else
		history_find(s->g, s->rec.id.s, id, message_on_found, op);
}

static void message_go_on(struct message_op *op, bool again)
{
	if (again || (op->c->request && op->c->request->again))
		message_look(op);
	else
		message_store(op);
}

static void message_on_request(void *data, struct request *r, enum request_outcome o)
{
	struct message_op *op = data;
	struct call *c = op->c;

	switch (o) {
	case REQUEST_NEW:
	case REQUEST_AGAIN:
		op->r = r;
		message_go_on(op, o == REQUEST_AGAIN);
		break;
	case REQUEST_ANSWERED:
		free(op);
		call_reply(
		    c, r->rec.status, "application/json", NULL, 0, slice_of(r->rec.body));
		break;
	case REQUEST_OTHER:
		message_fail(
		    op, ERROR_CONFLICT, "request_id was used with another message");
		break;
	case REQUEST_FAILED:
		message_fail(
		    op, ERROR_UNAVAILABLE, "the message cannot be stored now: try again");
		break;
	}
}

static void message_on_post(struct call *c)
{
	char key[TURN_HASH_LEN + 1], body_hash[TURN_HASH_LEN + 1];
	struct request_new n = {
	    .key = key, .body_hash = body_hash, .session_id = c->session_id.s};
	struct message_op *op = calloc(1, sizeof(*op));
	const char *parts[] = {"request_id", c->session_id.s, NULL, NULL};

	must(op);
	op->c = c;
	if (!prompt_read(c, true, &op->p)) {
		free(op);
		return;
	}
	if (!op->p.id) {
		op->p.made_id = c->request ? c->request->rec.turn_id : NULL;
		message_go_on(op, false);
		return;
	}
	parts[2] = op->p.id;
	request_key(key, parts);
	prompt_hash(&op->p, body_hash);
	n.turn_id = op->p.id;
	request_begin(c->g, &n, message_on_request, op);
}

/* ---- why ---- */

static const char *const why_names[] = {[CHAT_BLOCK_NONE] = NULL,
    [CHAT_BLOCK_NO_AGENT] = "no_agent",
    [CHAT_BLOCK_NOT_READY] = "agent_not_ready",
    [CHAT_BLOCK_BUSY] = "busy",
    [CHAT_BLOCK_PAUSED] = "paused"};

const char *session_blocked_by(const struct session *s, int64_t *since_unix_ms_out)
{
	enum chat_block b = chat_blocked_by(&s->chat, since_unix_ms_out);

	if (b == CHAT_BLOCK_NONE && !chat_next(&s->chat))
		return NULL;
	if (!s->g->broker_up)
		return "broker";
	return why_names[b];
}

static void why_detail(const struct session *s, const char *by, struct buf *out)
{
	const struct turn *active = s->chat.active;

	if (strcmp(by, "no_agent") == 0)
		buf_addf(out, "no Zed is connected for %s",
		    s->rec.agent_id ? s->rec.agent_id : s->rec.id.s);
	else if (strcmp(by, "agent_not_ready") == 0)
		buf_adds(out, "Zed is connected and has not said that it is ready");
	else if (strcmp(by, "broker") == 0)
		buf_adds(out, "the broker is away: nothing can be stored");
	else if (strcmp(by, "paused") == 0)
		buf_adds(out, "the session is paused");
	else if (active)
		buf_addf(
		    out, "turn %s is %s", active->id, turn_state_name(active->state));
	else
		buf_adds(out, "Zed works on another session's turn");
}

static void message_on_why(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct jsn *o = jsn_new_object();
	struct buf detail = BUF_NULL(1024);
	int64_t since = 0;
	const char *by = session_blocked_by(s, &since);

	if (by)
		why_detail(s, by, &detail);
	jsn_set_string(o, "blocked_by", by);
	jsn_set_time(o, "since", by ? since : 0);
	jsn_set_string(o, "detail", by ? buf_cstr(&detail) : NULL);
	buf_deinit(&detail);
	call_reply_json(c, 200, o);
}

const struct route message_routes[] = {
    {"POST", "/api/v1/sessions/{id}/messages", ROLES_ALL_USERS,
	ROUTE_SESSION | ROUTE_JSON | ROUTE_IDEMPOTENT, 0, message_on_post},
    {"GET", "/api/v1/sessions/{id}/interactions", ROLES_ALL_USERS, ROUTE_SESSION, 0,
	message_on_interactions},
    {"POST", "/api/v1/sessions/{id}/cancel", ROLES_ALL_USERS,
	ROUTE_SESSION | ROUTE_JSON | ROUTE_BODY_OPTIONAL, 0, message_on_cancel},
    {"GET", "/api/v1/sessions/{id}/queue", ROLES_ALL_USERS, ROUTE_SESSION, 0,
	queue_on_get},
    {"PATCH", "/api/v1/sessions/{id}/queue", ROLES_ALL_USERS, ROUTE_SESSION | ROUTE_JSON,
	0, queue_on_patch},
    {"PATCH", "/api/v1/sessions/{id}/queue/{prompt}", ROLES_ALL_USERS,
	ROUTE_SESSION | ROUTE_JSON, 0, queue_on_patch_prompt},
    {"DELETE", "/api/v1/sessions/{id}/queue/{prompt}", ROLES_ALL_USERS, ROUTE_SESSION, 0,
	queue_on_delete_prompt},
    {"GET", "/api/v1/sessions/{id}/why", ROLES_ALL_USERS | ROLE(AGENT), ROUTE_SESSION, 0,
	message_on_why},
    {0},
};
