/* The queue of a session: prompts that Zed has not got yet, listed, put in another order,
 * changed, taken out. Its revision is made of what is in it, so that If-Match finds out
 * who was late, also across restarts. */
#include "base/must.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/message_calls.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/talk.h"

#include <errno.h>

#define REVISION_MASK ((UINT64_C(1) << 53) - 1) /* a number JSON keeps exactly */

struct queue {
	struct turn *v[CHAT_QUEUE_MAX];
	size_t n;
};

/* ---- what is in it ---- */

static int queue_compare(const void *a, const void *b)
{
	const struct turn *const *x = a, *const *y = b;
	const struct session *s = turn_shell(*x)->s;
	size_t px = chat_position(&s->chat, *x), py = chat_position(&s->chat, *y);

	return px < py ? -1 : px > py;
}

static void queue_read(const struct session *s, struct queue *q)
{
	q->n = 0;
	list_for_each (it, &s->chat.turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (turn_open(t) && t->hand == HAND_NONE && !t->storing_create &&
		    t->origin == TURN_FROM_PROMPT && q->n < CHAT_QUEUE_MAX)
			q->v[q->n++] = t;
	}
	qsort(q->v, q->n, sizeof(q->v[0]), queue_compare);
}

static uint64_t queue_revision(const struct queue *q)
{
	struct buf b = BUF_NULL(1 << 20);
	uint64_t h;

	for (size_t i = 0; i < q->n; i++)
		buf_addf(&b, "%s %d %016llx\n", q->v[i]->id, q->v[i]->interrupt,
		    (unsigned long long)seen_hash(
			(struct slice){q->v[i]->prompt, q->v[i]->n_prompt}));
	h = seen_hash(buf_slice(&b)) & REVISION_MASK;
	buf_deinit(&b);
	return h;
}

static struct jsn *queue_json(const struct session *s)
{
	struct queue q;
	struct jsn *o = jsn_new_object(), *list = jsn_new_array();

	queue_read(s, &q);
	for (size_t i = 0; i < q.n; i++) {
		const struct turn *t = q.v[i];
		struct jsn *p = jsn_new_object();

		jsn_set_string(p, "prompt_id", t->id);
		jsn_set(p, "message", jsn_new_string_n(t->prompt, t->n_prompt));
		jsn_set_bool(p, "interrupt", t->interrupt);
		jsn_set_int(p, "position", (int64_t)chat_position(&s->chat, t));
		jsn_set_time(p, "created_at", t->created_unix_ms);
		jsn_push(list, p);
	}
	jsn_set(o, "prompts", list);
	jsn_set_int(o, "revision", (int64_t)queue_revision(&q));
	return o;
}

static void queue_answer(struct call *c, const struct session *s)
{
	struct jsn *o = queue_json(s);
	struct buf text = BUF_NULL(SIZE_MAX / 2);
	char etag[32];
	struct http_header h = {"ETag", etag};

	snprintf(
	    etag, sizeof(etag), "\"%lld\"", (long long)jsn_get_int(o, "revision", 0));
	jsn_print(o, &text);
	jsn_free(o);
	call_reply(c, 200, "application/json", &h, 1, buf_slice(&text));
	buf_deinit(&text);
}

/* ---- changing it ---- */

/* One change of several prompts: answered when all are stored. */
struct queue_op {
	struct call *c;
	size_t n_waiting;
	bool empty_answer;
};

static void queue_on_stored(void *data, int code)
{
	struct queue_op *op = data;
	struct call *c = op->c;
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	bool empty = op->empty_answer;

	(void)code; /* a turn that is gone needs no storing */
	if (--op->n_waiting)
		return;
	free(op);
	if (!s)
		call_reply_error(c, ERROR_NOT_FOUND, "the session is gone");
	else if (empty)
		call_reply_empty(c, 204);
	else
		queue_answer(c, s);
}

static struct queue_op *queue_begin(struct call *c)
{
	struct queue_op *op = calloc(1, sizeof(*op));

	must(op);
	op->c = c;
	op->n_waiting = 1; /* whoever made it */
	return op;
}

static void queue_store(struct queue_op *op, struct turn *t)
{
	op->n_waiting++;
	durable_touch(&turn_shell(t)->cell);
	durable_wait(&turn_shell(t)->cell, queue_on_stored, op);
}

/* The places there are, given out in the order of @q. Who stands behind one that does not
 * interrupt does not either. */
static void queue_renumber(struct queue_op *op, struct queue *q)
{
	uint64_t ranks[CHAT_QUEUE_MAX];
	bool plain = false;

	for (size_t i = 0; i < q->n; i++)
		ranks[i] = q->v[i]->rank;
	for (size_t i = 0; i < q->n; i++)
		for (size_t k = i + 1; k < q->n; k++)
			if (ranks[k] < ranks[i]) {
				uint64_t r = ranks[i];

				ranks[i] = ranks[k];
				ranks[k] = r;
			}
	for (size_t i = 0; i < q->n; i++) {
		struct turn *t = q->v[i];
		bool interrupt = t->interrupt && !plain;

		if (t->rank != ranks[i] || t->interrupt != interrupt) {
			t->rank = ranks[i];
			t->interrupt = interrupt;
			queue_store(op, t);
		}
		plain |= !interrupt;
	}
}

/* True if answered: the queue is not what the caller saw, or nothing can be stored. */
static bool queue_refused(struct call *c, const struct queue *q)
{
	const char *match = http_req_header(c->req, "If-Match");
	char etag[32];

	snprintf(etag, sizeof(etag), "\"%llu\"", (unsigned long long)queue_revision(q));
	if (match && strcmp(match, "*") != 0 && strcmp(match, etag) != 0) {
		call_reply_error(
		    c, ERROR_STALE, "the queue has changed: it is at %s now", etag);
		return true;
	}
	if (gateway_can_store(c->g))
		return false;
	call_reply_error(c, ERROR_UNAVAILABLE, "nothing can be stored now: try again");
	return true;
}

static bool queue_read_order(struct call *c, const struct queue *q, struct queue *out)
{
	const struct jsn *order = jsn_get(c->body, "order");

	out->n = 0;
	jsn_for_each (v, order) {
		const char *id = jsn_string(v);
		size_t i = 0;

		while (i < q->n && (!id || strcmp(q->v[i]->id, id) != 0))
			i++;
		for (size_t k = 0; i < q->n && k < out->n; k++)
			if (out->v[k] == q->v[i])
				i = q->n;
		if (i == q->n)
			return false;
		out->v[out->n++] = q->v[i];
	}
	return jsn_type(order) == JSN_ARRAY && out->n == q->n;
}

void queue_on_get(struct call *c)
{
	queue_answer(c, sessions_find(c->g->sessions, c->session_id.s));
}

void queue_on_patch(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct queue q, fresh;
	struct queue_op *op;

	queue_read(s, &q);
	if (queue_refused(c, &q))
		return;
	if (!queue_read_order(c, &q, &fresh)) {
		call_reply_error(c, ERROR_CONFLICT,
		    "order: must name each waiting prompt once; there are %zu", q.n);
		return;
	}
	op = queue_begin(c);
	queue_renumber(op, &fresh);
	TALK(s, .kind = CHAT_LOOK);
	queue_on_stored(op, 0);
}

/* ---- one prompt ---- */

/* NULL: answered. */
static struct turn *queue_find(
    struct call *c, const struct session *s, const struct queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->v[i]->id, c->params[1]) == 0)
			return q->v[i];
	if (chat_find(&s->chat, c->params[1]))
		call_reply_error(
		    c, ERROR_CONFLICT, "prompt %s is with Zed already", c->params[1]);
	else
		call_reply_error(c, ERROR_NOT_FOUND, "no prompt %s waits", c->params[1]);
	return NULL;
}

static void queue_set_message(struct session *s, struct turn *t, const char *message)
{
	size_t n = strlen(message);

	s->n_queued_bytes += n - t->n_prompt;
	s->g->sessions->n_prompt_bytes += n - t->n_prompt;
	str_set(&t->prompt, message);
	t->n_prompt = n;
}

/* @position counts what is under way too, as lists show it. */
static void queue_move(
    const struct session *s, struct queue *q, struct turn *t, int64_t position)
{
	size_t base = s->chat.active != NULL, from = 0, to;

	to = position > (int64_t)base ? (size_t)position - base : 0;
	if (to >= q->n)
		to = q->n - 1;
	while (q->v[from] != t)
		from++;
	memmove(&q->v[from], &q->v[from + 1], (q->n - from - 1) * sizeof(q->v[0]));
	memmove(&q->v[to + 1], &q->v[to], (q->n - 1 - to) * sizeof(q->v[0]));
	q->v[to] = t;
}

static bool queue_read_change(struct call *c, const char **message, int64_t *position)
{
	if (!field_string(c, "message", SIZE_MAX, message))
		return false;
	if (*message && (!**message || strlen(*message) > TURN_PROMPT_MAX)) {
		call_reply_error(c, **message ? ERROR_TOO_LARGE : ERROR_INVALID,
		    "message: must be 1 to %d bytes", TURN_PROMPT_MAX);
		return false;
	}
	if (jsn_get(c->body, "position") &&
	    (!jsn_int(jsn_get(c->body, "position"), position) || *position < 0)) {
		call_reply_error(
		    c, ERROR_INVALID, "position: must be a whole number from 0");
		return false;
	}
	return true;
}

void queue_on_patch_prompt(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	const char *message;
	int64_t position = -1;
	struct queue q;
	struct queue_op *op;
	struct turn *t;

	queue_read(s, &q);
	if (!queue_read_change(c, &message, &position) || queue_refused(c, &q))
		return;
	t = queue_find(c, s, &q);
	if (!t)
		return;
	op = queue_begin(c);
	if (message) {
		queue_set_message(s, t, message);
		queue_store(op, t);
	}
	if (position >= 0) {
		queue_move(s, &q, t, position);
		queue_renumber(op, &q);
	}
	TALK(s, .kind = CHAT_LOOK);
	queue_on_stored(op, 0);
}

void queue_on_delete_prompt(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct queue q;
	struct queue_op *op;
	struct turn *t;

	queue_read(s, &q);
	if (queue_refused(c, &q))
		return;
	t = queue_find(c, s, &q);
	if (!t)
		return;
	op = queue_begin(c);
	op->empty_answer = true;
	TALK(s, .kind = CHAT_CANCEL, .turn = t);
	queue_store(op, t);
	queue_on_stored(op, 0);
}
