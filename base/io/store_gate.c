/* Reading a message of a stream that is just being made crashes nats-server 2.9: the
 * stream is visible, INFO answers, and STREAM.MSG.GET meets a store that is not there
 * yet. So the first read of each stream waits for INFO to show it, and, if it is brand
 * new and not made by us, for a moment more.
 *
 * happy path: a read is held, INFO, the stream is old, all that is held is sent; from
 * then on reads pass
 *
 * failure modes: no such stream, broker away: what is held ends with that, and the next
 * read asks again */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/store_internal.h"

enum {
	/* Made in the broker within milliseconds; its clock and ours may differ. */
	GATE_NEW_MS = 3000,
	GATE_WAIT_MS = 500,
};

static const char gate_verb[] = "$JS.API.STREAM.MSG.GET.";

struct store_gate {
	struct list_link link; /* store.gates */
	struct store *store;
	char *stream;
	bool open;
	bool was_missing;         /* when we last looked: it will be brand new */
	struct list held;         /* struct store_op.link */
	struct store_op *info;    /* under way */
	struct loop_timer *timer; /* armed while a new stream settles */
};

static struct store_gate *gate_find(struct store *s, const char *stream)
{
	list_for_each (it, &s->gates) {
		struct store_gate *g = list_entry(it, struct store_gate, link);

		if (strcmp(g->stream, stream) == 0)
			return g;
	}
	return NULL;
}

static void gate_release(struct store_gate *g)
{
	struct list_link *it;

	g->open = true;
	while ((it = list_pop(&g->held))) {
		struct store_op *op = list_entry(it, struct store_op, link);
		const struct bus_request r = {
		    .subject = op->subject, .data = {op->body, op->n_body}};

		store_op_send(op, &r);
	}
}

static void gate_refuse(struct store_gate *g, int code)
{
	const char *text =
	    code == ERROR_NOT_FOUND ? "stream not found (10059)" : store_words(code);
	struct list_link *it;

	while ((it = list_pop(&g->held)))
		store_op_fail_later(list_entry(it, struct store_op, link), code, text);
}

static void gate_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	gate_release(data);
}

/* When the stream was made, by the broker's clock. */
static void gate_decode_info(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	const char *created = jsn_get_string(reply, "created");

	(void)op;
	if (!created || !clock_parse_rfc3339(created, &r->at_unix_ms))
		r->at_unix_ms = 0;
}

static void gate_on_info(void *data, const struct store_result *r)
{
	struct store_gate *g = data;
	int64_t age_ms = clock_unix_ms() - r->at_unix_ms;

	g->info = NULL;
	if (r->code) {
		g->was_missing = r->code == ERROR_NOT_FOUND;
		gate_refuse(g, r->code);
	} else if (g->was_missing || (age_ms > -GATE_NEW_MS && age_ms < GATE_NEW_MS)) {
		loop_timer_start(g->timer, GATE_WAIT_MS, 0);
	} else {
		gate_release(g);
	}
}

static void gate_ask(struct store_gate *g)
{
	char api[STORE_SUBJECT_MAX];
	const struct store_call c = {
	    .subject = api,
	    .decode = gate_decode_info,
	    .cb = gate_on_info,
	    .data = g,
	};

	if (g->info || loop_timer_armed(g->timer))
		return;
	if (store_subject(api, "$JS.API.STREAM.INFO.%s", g->stream))
		g->info = store_call(g->store, &c);
	else
		g->info = store_call_fail(
		    g->store, &c, ERROR_INVALID, "not a name of a stream");
}

static struct store_gate *gate_new(struct store *s, const char *stream)
{
	struct store_gate *g = calloc(1, sizeof(*g));

	must(g);
	g->store = s;
	g->stream = strdup(stream);
	must(g->stream);
	list_init(&g->held);
	g->timer = loop_timer_new(s->loop, gate_on_timer, g);
	list_push(&s->gates, &g->link);
	return g;
}

struct store_gate *store_gate_before(struct store *s, const char *subject)
{
	struct store_gate *g;

	if (strncmp(subject, gate_verb, sizeof(gate_verb) - 1) != 0)
		return NULL;
	subject += sizeof(gate_verb) - 1;
	g = gate_find(s, subject);
	if (!g)
		g = gate_new(s, subject);
	return g->open ? NULL : g;
}

void store_gate_hold(
    struct store_gate *g, struct store_op *op, const struct bus_request *r)
{
	op->subject = strdup(r->subject);
	op->body = malloc(r->data.n + 1);
	must(op->subject && op->body && r->n_headers == 0);
	memcpy(op->body, r->data.p, r->data.n);
	op->n_body = r->data.n;
	op->on = &g->held;
	list_push(op->on, &op->link);
	gate_ask(g);
}

void store_gate_open(struct store *s, const char *stream)
{
	struct store_gate *g = gate_find(s, stream);

	if (!g)
		g = gate_new(s, stream);
	loop_timer_stop(g->timer);
	gate_release(g);
}

void store_gates_free(struct store *s)
{
	struct list_link *it;

	while ((it = list_first(&s->gates))) {
		struct store_gate *g = list_entry(it, struct store_gate, link);

		store_call_drop(g->info);
		g->info = NULL;
		store_cancel_all(s, &g->held);
		loop_timer_free(g->timer);
		list_del(&s->gates, &g->link);
		free(g->stream);
		free(g);
	}
}
