/* Probes: one question at a time, the next after a delay that grows to a limit.
 *
 * happy path: ask, yes, callback
 * failure modes: no answer, no connection, another answer: asked again; freed meanwhile:
 * the request is cancelled */
#include "lifecycle/runner/probe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/jsn.h"

enum {
	PROBE_TIMEOUT_MS = 2000,
	PROBE_BODY_MAX = 256 * 1024,
};

/* First and longest delay: what is on this host is asked often, sessiond gently. */
static const struct {
	int64_t first_ms, longest_ms;
} probe_pace[] = {
    [PROBE_FILE] = {10, 250},
    [PROBE_HTTP] = {10, 500},
    [PROBE_AGENT] = {250, 2000},
};

struct probe {
	struct loop_timer *timer;
	struct fetch *fetch;
	uint64_t ticket; /* of the question under way; 0: none */
	enum probe_kind kind;
	char *target, *bearer;
	int64_t delay_ms;
	probe_cb *cb;
	void *data;
};

struct probe *probe_free(struct probe *p)
{
	if (!p)
		return NULL;
	if (p->ticket)
		fetch_cancel(p->fetch, p->ticket);
	loop_timer_free(p->timer);
	free(p->target);
	free(p->bearer);
	free(p);
	return NULL;
}

static void probe_answer(struct probe *p, bool yes)
{
	probe_cb *cb = p->cb;
	void *data = p->data;

	if (yes) {
		probe_free(p);
		cb(data);
		return;
	}
	loop_timer_start(p->timer, p->delay_ms, 0);
	p->delay_ms = p->delay_ms * 2 < probe_pace[p->kind].longest_ms
			  ? p->delay_ms * 2
			  : probe_pace[p->kind].longest_ms;
}

static bool probe_agent_is_ready(struct slice body)
{
	AUTO(jsn_freep) struct jsn *v = NULL;
	struct err e = ERR_NULL;
	const char *state;

	if (jsn_parse(body.p, body.n, &v, &e))
		return false;
	state = jsn_get_string(jsn_get(v, "agent"), "state");
	return state && (strcmp(state, "ready") == 0 || strcmp(state, "busy") == 0);
}

static void probe_on_response(void *data, const struct fetch_response *r)
{
	struct probe *p = data;
	bool ok = r->code == 0 && r->status >= 200 && r->status < 300;

	p->ticket = 0;
	if (r->code == -ECANCELED)
		return; /* the program ends */
	probe_answer(p, ok && (p->kind != PROBE_AGENT || probe_agent_is_ready(r->body)));
}

static void probe_ask(struct loop_timer *t, void *data)
{
	struct probe *p = data;
	struct fetch_request r = {.method = "GET",
	    .url = p->target,
	    .bearer = p->bearer,
	    .body_max_bytes = PROBE_BODY_MAX,
	    .timeout_ms = PROBE_TIMEOUT_MS,
	    .cb = probe_on_response,
	    .data = p};

	(void)t;
	if (p->kind == PROBE_FILE)
		probe_answer(p, access(p->target, F_OK) == 0);
	else
		p->ticket = fetch_start(p->fetch, &r);
}

struct probe *probe_new(struct loop *l, struct fetch *f, enum probe_kind kind,
    const char *target, const char *bearer, probe_cb *cb, void *data)
{
	struct probe *p = calloc(1, sizeof *p);

	must(p);
	p->fetch = f;
	p->kind = kind;
	p->cb = cb;
	p->data = data;
	p->delay_ms = probe_pace[kind].first_ms;
	p->target = strdup(target);
	p->bearer = bearer ? strdup(bearer) : NULL;
	must(p->target && (p->bearer || !bearer));
	p->timer = loop_timer_new(l, probe_ask, p);
	loop_timer_start(p->timer, 0, 0);
	return p;
}
