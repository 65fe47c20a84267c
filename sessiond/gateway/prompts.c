/* Storing prompts: read, admit, store, and only then tell the conversation.
 *
 * happy path: prompt_read, prompt_admit, prompt_store, the key is created, CHAT_PROMPT
 *
 * failure modes: queue full, store away: refused, nothing stored; fate unknown: a turn
 * with an id of ours is taken back, one with the caller's id is found again when the
 * caller repeats it
 */
#include "base/clock.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/subjects.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/requests.h"
#include "sessiond/gateway/talk.h"
#include "sessiond/metrics.h"

#include <errno.h>

struct prompt_op {
	struct session *s;
	struct turn *t;
	bool callers_id;
	prompt_cb *cb;
	void *data;
};

/* ---- reading ---- */

static bool request_id_ok(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > TURN_ID_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(id[i] >= 'A' && id[i] <= 'Z') && !(id[i] >= 'a' && id[i] <= 'z') &&
		    !(id[i] >= '0' && id[i] <= '9') && !strchr("_.:-", id[i]))
			return false;
	return true;
}

static bool prompt_read_id(struct call *c, struct prompt *p)
{
	if (!field_string(c, "request_id", SIZE_MAX, &p->id))
		return false;
	if (p->id && !request_id_ok(p->id)) {
		call_reply_error(
		    c, ERROR_INVALID, "request_id: must match [A-Za-z0-9_.:-]{1,128}");
		return false;
	}
	return true;
}

static bool prompt_read_fallback(struct call *c, struct prompt *p)
{
	static const char *const known[] = {"queue", "reject", "internal"};

	if (!field_string(c, "fallback", SESSION_LABEL_MAX, &p->fallback))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(known) && p->fallback; i++)
		if (strcmp(p->fallback, known[i]) == 0)
			return true;
	if (!p->fallback)
		return true;
	call_reply_error(c, ERROR_INVALID, "fallback: must be queue, reject or internal");
	return false;
}

static bool prompt_read_text(struct call *c, bool required, struct prompt *p)
{
	const char *content;

	if (!field_string(c, "message", SIZE_MAX, &p->message) ||
	    !field_string(c, "content", SIZE_MAX, &content))
		return false;
	if (!p->message)
		p->message = content;
	if (!p->message && !required)
		return true;
	if (!p->message || !*p->message) {
		call_reply_error(
		    c, ERROR_INVALID, "message: must be a string that is not empty");
		return false;
	}
	if (strlen(p->message) > TURN_PROMPT_MAX) {
		call_reply_error(
		    c, ERROR_TOO_LARGE, "message: longer than %d bytes", TURN_PROMPT_MAX);
		return false;
	}
	return true;
}

bool prompt_read(struct call *c, bool required, struct prompt *p)
{
	*p = (struct prompt){0};
	return prompt_read_text(c, required, p) && prompt_read_id(c, p) &&
	       field_bool(c, "interrupt", &p->interrupt) &&
	       field_string(c, "agent_name", SESSION_LABEL_MAX, &p->agent_name) &&
	       prompt_read_fallback(c, p);
}

/* ---- admitting ---- */

static bool prompt_refuse(struct call *c, int code, struct metric *m, const char *why)
{
	metric_inc(m);
	call_reply_error(c, code, "%s", why);
	return false;
}

bool prompt_admit(struct call *c, const struct session *s, const struct prompt *p)
{
	bool reject = p->fallback && strcmp(p->fallback, "reject") == 0;

	if (p->fallback && strcmp(p->fallback, "internal") == 0)
		return prompt_refuse(c, ERROR_UNPROCESSABLE, M_prompts_refused_fallback,
		    "fallback: internal needs --fallback-url, which is not configured");
	if (!gateway_can_store(c->g))
		return prompt_refuse(c, ERROR_UNAVAILABLE, M_prompts_refused_store,
		    "prompts cannot be stored now: try again");
	if (reject && (!s || !s->agent || !s->agent->zed.ready))
		return prompt_refuse(c, ERROR_NO_AGENT, M_prompts_refused_no_agent,
		    "no Zed is connected and ready for this session");
	if (s && chat_n_queued(&s->chat) >= CHAT_QUEUE_MAX)
		return prompt_refuse(c, ERROR_RATE_LIMITED, M_prompts_refused_full,
		    "the session's queue is full");
	if (c->g->sessions->n_prompt_bytes + strlen(p->message) > TURN_BYTES_ALL_MAX)
		return prompt_refuse(c, ERROR_RATE_LIMITED, M_prompts_refused_full,
		    "too many prompts are waiting");
	return true;
}

/* ---- storing ---- */

void prompt_orphan(struct prompt_op *op)
{
	op->s = NULL;
	op->t = NULL;
}

static void prompt_end(struct prompt_op *op, struct turn *t, int code)
{
	prompt_cb *cb = op->cb;
	void *data = op->data;

	if (op->t)
		turn_shell(op->t)->prompt_op = NULL;
	free(op);
	cb(data, t, code);
}

/* The caller's id is in the store though not in memory: an earlier try whose answer was
 * lost. */
static void prompt_on_existing(void *data, const struct store_result *r)
{
	struct prompt_op *op = data;
	struct session *s = op->s;
	struct turn *mine = op->t, *found = NULL;

	if (!s || r->code == -ECANCELED) {
		prompt_end(op, NULL, s ? ERROR_UNAVAILABLE : ERROR_NOT_FOUND);
		return;
	}
	if (r->code == 0)
		found = wire_unpack_turn(r->value, NULL);
	if (!found || strcmp(found->body_hash, mine->body_hash) != 0) {
		turn_free(found);
		turn_forget(mine); /* and with it op's turn */
		prompt_end(op, NULL, r->code == 0 ? ERROR_CONFLICT : ERROR_UNAVAILABLE);
		return;
	}
	turn_free(found);
	durable_found(&turn_shell(mine)->cell, r->revision);
	TALK(s, .kind = CHAT_PROMPT, .turn = mine);
	prompt_end(op, mine, 0);
}

static void prompt_on_created(void *data, int code)
{
	struct prompt_op *op = data;
	struct turn *t = op->t;

	if (code == -ECANCELED || !t) {
		prompt_end(op, NULL, ERROR_NOT_FOUND); /* its session is going */
		return;
	}
	if (code == 0) {
		metric_inc(M_prompts);
		TALK(op->s, .kind = CHAT_PROMPT, .turn = t);
		prompt_end(op, t, 0);
		return;
	}
	if (code == ERROR_CONFLICT && op->callers_id) {
		store_get(op->s->g->store, BUCKET_session_turn, turn_shell(t)->cell.key,
		    prompt_on_existing, op);
		return;
	}
	if (op->callers_id)
		turn_forget(t);
	else
		turn_abandon(t);
	prompt_end(op, NULL, code);
}

void prompt_hash(const struct prompt *p, char out[static TURN_HASH_LEN + 1])
{
	const char *parts[] = {p->message, p->agent_name ? p->agent_name : "",
	    p->fallback ? p->fallback : "queue", p->interrupt ? "interrupt" : "", NULL};

	request_key(out, parts);
}

void prompt_store(struct session *s, const struct prompt *p, prompt_cb *cb, void *data)
{
	struct prompt_op *op = calloc(1, sizeof(*op));
	struct id made = id_make("int_");
	struct turn *t = turn_new(p->id ? p->id : p->made_id ? p->made_id : made.s);

	must(op);
	t->order = t->rank = turn_next_order(s);
	t->interrupt = p->interrupt;
	str_set(&t->prompt, p->message);
	t->n_prompt = strlen(t->prompt);
	str_set(&t->agent_name, p->agent_name);
	prompt_hash(p, t->body_hash);
	t->created_unix_ms = clock_unix_ms();
	t->storing_create = true;
	*op = (struct prompt_op){s, t, p->id || p->made_id, cb, data};
	turn_shell_new(s, t)->prompt_op = op;
	chat_add(&s->chat, t);
	durable_create(&turn_shell(t)->cell, prompt_on_created, op);
}

struct jsn *prompt_answer(const struct session *s, const struct turn *t)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "request_id", t->id);
	jsn_set_string(o, "interaction_id", t->id);
	jsn_set_string(o, "prompt_id", t->id);
	jsn_set_string(o, "state", turn_state_name(turn_told_state(t)));
	jsn_set_int(o, "position", (int64_t)chat_position(&s->chat, t));
	return o;
}
