#include "sessiond/sidecar/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/ids.h"
#include "base/jsn.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/status.h"

enum {
	HELD_REPORT_MAX = 192 * 1024, /* what the server keeps of all instances is 200 KiB */
	HELD_RETRY_MS = 500,
	HELD_RETRY_CAP_MS = 30 * 1000,
};

static const char held_path[] = "zed-config/pending";

struct held {
	struct sidecar *s;
	struct buf told, telling;         /* reports: taken, and under way */
	bool is_told;                     /* one was taken since the start */
	bool refused;                     /* it knows of no such list */
	bool asking;                      /* a report or a look is under way */
	bool look;                        /* something may be decided: report again */
	struct backoff backoff;
	struct loop_timer *retry;
};

static bool held_may_ask(const struct held *h)
{
	struct server_status st;

	if (!h->retry || !h->s->server)
		return false; /* stopping */
	server_get_status(h->s->server, &st);
	return st.state == SERVER_ONLINE && !st.plain && !h->asking && !h->refused;
}

static void held_again_later(struct held *h)
{
	uint32_t random;

	random_bytes(&random, sizeof(random));
	if (h->retry)
		loop_timer_start(h->retry, backoff_next_ms(&h->backoff, random), 0);
}

/* ---- what is decided */

static void held_carry_out(struct held *h, const char *id, const char *action)
{
	static const struct {
		const char *name;
		enum sync_answer answer;
	} known[] = {{"confirm", SYNC_ANSWER_CONFIRM}, {"undo", SYNC_ANSWER_UNDO},
	    {"restore", SYNC_ANSWER_RESTORE}};
	struct err e = ERR_NULL;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].name, action) != 0)
			continue;
		/* one that is gone here is left out of the next report */
		if (sync_answer(h->s->sync, id, known[i].answer, &e))
			h->is_told = false;
	}
}

static void held_read(struct held *h, struct slice body)
{
	AUTO(jsn_freep) struct jsn *doc = NULL;

	if (jsn_parse(body.p, body.n, &doc, NULL))
		return;
	jsn_for_each (it, jsn_get(doc, "pending")) {
		const char *client = jsn_get_string(it, "client"),
			   *id = jsn_get_string(it, "id"),
			   *action = jsn_get_string(it, "action");

		if (client && id && action && strcmp(client, h->s->client) == 0)
			held_carry_out(h, id, action);
	}
}

/* ---- what is held */

static void held_make_report(struct held *h)
{
	struct jsn *report = jsn_new_object();
	struct sync_status st;

	sync_get_status(h->s->sync, &st);
	jsn_set_string(report, "client", h->s->client);
	jsn_set(report, "held", status_held(st.record));
	buf_reset(&h->telling);
	jsn_print(report, &h->telling);
	jsn_free(report);
}

static void held_on_report(void *data, const struct fetch_response *r)
{
	struct held *h = data;

	if (r->code == -ECANCELED)
		return;
	h->asking = false;
	if (r->code == 0 && r->status == 200) {
		backoff_reset(&h->backoff);
		buf_reset(&h->told);
		buf_add_slice(&h->told, buf_slice(&h->telling));
		h->is_told = true;
		held_read(h, r->body);
		held_progress(h);
	} else if (r->code == 0 && r->status >= 400 && r->status < 500 &&
		   r->status != 401 && r->status != 429) {
		h->refused = true;
	} else {
		h->is_told = false;
		held_again_later(h);
	}
}

void held_progress(struct held *h)
{
	if (!held_may_ask(h))
		return;
	held_make_report(h);
	if ((h->is_told && !h->look &&
		slice_eq(buf_slice(&h->telling), buf_slice(&h->told))) ||
	    buf_check(&h->telling))
		return;
	h->look = false;
	h->asking = true;
	(void)server_ask(h->s->server, "POST", held_path, buf_slice(&h->telling),
	    held_on_report, h);
}

void held_look(struct held *h)
{
	struct decide_waiting it;
	struct sync_status st;

	sync_get_status(h->s->sync, &st);
	for (enum decide_wait w = 0; w < DECIDE_WAIT_N_; w++)
		h->look |= decide_waits(st.record, w, &it);
	held_progress(h);
}

/* ---- life */

static void held_on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	held_progress(data);
}

struct held *held_new(struct sidecar *s)
{
	struct held *h = calloc(1, sizeof(*h));

	must(h);
	h->s = s;
	h->told = h->telling = BUF_NULL(HELD_REPORT_MAX);
	h->backoff = BACKOFF_INIT(HELD_RETRY_MS, HELD_RETRY_CAP_MS);
	h->retry = loop_timer_new(s->loop, held_on_retry, h);
	return h;
}

void held_stop(struct held *h)
{
	h->retry = loop_timer_free(h->retry);
}

struct held *held_free(struct held *h)
{
	if (!h)
		return NULL;
	buf_deinit(&h->told);
	buf_deinit(&h->telling);
	free(h);
	return NULL;
}
