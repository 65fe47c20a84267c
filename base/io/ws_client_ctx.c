/* What the connections of a process have in common: their clock, the moment at which
 * they send, their idea of whom to trust, and the end. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/io/tls.h"
#include "base/io/ws_client_internal.h"

/* Woken when something may be due, not every tick: a connection that is quiet costs
 * nothing. */
static void ctx_set_ticker(struct ws_client_ctx *c, int64_t now_ms)
{
	int64_t in_ms = wheel_next_ms(&c->wheel, now_ms);

	if (in_ms >= 0 && c->ticker)
		loop_timer_start(c->ticker, in_ms, 0);
	c->tick_at_ms = now_ms + in_ms;
}

static void ctx_on_tick(struct loop_timer *t, void *data)
{
	struct ws_client_ctx *c = data;
	int64_t now_ms = clock_mono_ms();

	(void)t;
	wheel_turn(&c->wheel, now_ms);
	ctx_set_ticker(c, now_ms);
}

void ws_client_deadline(struct ws_client *w, int64_t delay_ms)
{
	struct ws_client_ctx *c = w->ctx;
	int64_t now_ms = clock_mono_ms();

	wheel_arm_from(&c->wheel, &w->deadline, now_ms, delay_ms);
	if (!c->wheel.turning && c->ticker &&
	    (!loop_timer_armed(c->ticker) || w->deadline.due_ms < c->tick_at_ms))
		ctx_set_ticker(c, now_ms);
}

static void ctx_on_flush(uv_prepare_t *h)
{
	struct ws_client_ctx *c = h->data;
	struct list_link *link;

	while ((link = list_pop(&c->dirty))) {
		struct ws_client *w = list_entry(link, struct ws_client, dirty);

		if (w->state == WS_GONE)
			ws_client_let_go(w);
		else if (w->has_sock)
			ws_client_flush(w);
	}
	uv_prepare_stop(h);
}

void ws_client_touch(struct ws_client *w)
{
	if (list_linked(&w->dirty))
		return;
	list_push(&w->ctx->dirty, &w->dirty);
	if (w->ctx->dirty.n == 1)
		uv_prepare_start(&w->ctx->flusher, ctx_on_flush);
}

struct ssl_ctx_st *ws_client_ctx_tls(struct ws_client_ctx *c)
{
	struct err e;

	/* Nothing is read for it, so nothing can be wrong. */
	if (!c->tls)
		must(tls_client_new(NULL, true, &c->tls, &e) == 0);
	return c->tls;
}

int ws_client_ctx_new(struct loop *l, const char *ca_file, bool skip_verify,
    struct ws_client_ctx **out, struct err *e)
{
	struct ws_client_ctx *c = calloc(1, sizeof(*c));
	int r = 0;

	must(c);
	if (ca_file || !skip_verify)
		r = tls_client_new(ca_file, skip_verify, &c->tls, e);
	if (r) {
		free(c);
		return r;
	}
	c->loop = l;
	list_init(&c->clients);
	list_init(&c->dirty);
	wheel_init(&c->wheel, WS_TICK_MS, clock_mono_ms());
	c->ticker = loop_timer_new(l, ctx_on_tick, c);
	uv_prepare_init(loop_uv(l), &c->flusher);
	c->flusher.data = c;
	*out = c;
	return 0;
}

static void ctx_on_flusher_closed(uv_handle_t *h)
{
	struct ws_client_ctx *c = h->data;
	loop_task_cb *cb = c->closed_cb;
	void *data = c->closed_data;

	tls_free(c->tls);
	free(c);
	if (cb)
		cb(data);
}

void ws_client_ctx_maybe_closed(struct ws_client_ctx *c)
{
	if (!c->closing || c->clients.n > 0 || !c->ticker)
		return;
	c->ticker = loop_timer_free(c->ticker);
	uv_close((uv_handle_t *)&c->flusher, ctx_on_flusher_closed);
}

void ws_client_ctx_close(struct ws_client_ctx *c, loop_task_cb *closed_cb, void *data)
{
	must(!c->closing);
	c->closing = true;
	c->closed_cb = closed_cb;
	c->closed_data = data;
	list_for_each (it, &c->clients)
		ws_client_end(list_entry(it, struct ws_client, link), WS_ABNORMAL,
		    "closed by ourselves");
	ws_client_ctx_maybe_closed(c);
}
