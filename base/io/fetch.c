/* HTTP requests, many at a time, each alone on a connection; connections are kept for the
 * next.
 *
 * The application may do anything in a callback; so cancelling and closing only leave a
 * mark, and fetch_on_pump does the work in the next turn.
 *
 * happy path: start, a connection taken or dialled, request written, answer read, the
 * application's callback, the connection kept
 *
 * failure modes: malformed URL (told from the pump), no connection, cut off, too slow
 * (own timer), too large, cancelled, closed */
#include "base/io/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io/fetch_internal.h"
#include "base/io/tls.h"

/* end */

static void fetch_on_gone(void *data)
{
	struct fetch *f = data;
	loop_task_cb *cb = f->closed_cb;
	void *cb_data = f->closed_data;

	tls_free(f->tls);
	free(f->ca_file);
	free(f);
	if (cb)
		cb(cb_data);
}

void fetch_maybe_closed(struct fetch *f)
{
	if (f->shut && f->conns.n == 0)
		fetch_on_gone(f);
}

static void fetch_shut(struct fetch *f)
{
	while (f->jobs.n > 0)
		fetch_job_finish(list_entry(list_first(&f->jobs), struct fetch_job, link),
		    -ECANCELED, "cancelled");
	f->shut = true;
	if (f->conns.n == 0) {
		fetch_on_gone(f);
		return;
	}
	list_for_each_safe (it, &f->conns)
		fetch_conn_drop(list_entry(it, struct fetch_conn, link));
}

/* pump */

static void fetch_on_pump(void *data)
{
	struct fetch *f = data;
	uint64_t last = f->last_ticket; /* those of callbacks wait for the next turn */

	f->pump_set = false;
	if (f->closing) {
		fetch_shut(f);
		return;
	}
	list_for_each_safe (it, &f->jobs) {
		struct fetch_job *j = list_entry(it, struct fetch_job, link);

		if (j->ticket > last)
			break;
		if (j->cancelled)
			fetch_job_free(j);
		else if (j->code)
			fetch_job_finish(j, j->code, j->why);
	}
}

static void fetch_pump(struct fetch *f)
{
	if (f->pump_set)
		return;
	f->pump_set = true;
	loop_defer(f->loop, fetch_on_pump, f);
}

/* the application's calls */

uint64_t fetch_start(struct fetch *f, const struct fetch_request *r)
{
	struct fetch_job *j = fetch_job_new(f, r);
	uint64_t ticket = j->ticket = ++f->last_ticket;

	list_push(&f->jobs, &j->link);
	if (!j->code && !f->closing)
		fetch_conn_begin(j);
	if (j->code)
		fetch_pump(f);
	return ticket;
}

void fetch_cancel(struct fetch *f, uint64_t ticket)
{
	list_for_each (it, &f->jobs) {
		struct fetch_job *j = list_entry(it, struct fetch_job, link);

		if (j->ticket != ticket || j->cancelled)
			continue;
		j->cancelled = true;
		fetch_pump(f);
		return;
	}
}

struct fetch *fetch_new(struct loop *l, const char *ca_file, bool skip_verify)
{
	struct fetch *f = calloc(1, sizeof(*f));

	must(f);
	f->loop = l;
	f->skip_verify = skip_verify;
	f->ca_file = ca_file ? strdup(ca_file) : NULL;
	must(f->ca_file || !ca_file);
	list_init(&f->jobs);
	list_init(&f->conns);
	return f;
}

void fetch_close(struct fetch *f, loop_task_cb *closed_cb, void *data)
{
	must(!f->closing);
	f->closing = true;
	f->closed_cb = closed_cb;
	f->closed_data = data;
	fetch_pump(f);
}
