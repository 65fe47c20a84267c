/* HTTP requests over libcurl's multi-socket interface: libuv watches its sockets, one
 * timer serves its clock.
 *
 * libcurl must not be called from its own callbacks, and the application may do
 * anything in ours; so starting, cancelling and closing only leave a mark, and
 * fetch_on_pump does the work in the next turn.
 *
 * happy path: start, (pump) add, sockets and timer, write callbacks, done, the
 * application's callback
 *
 * failure modes: malformed URL (told from the pump), no connection, cut off, too slow
 * (own timer), too large, cancelled, closed */
#include <errno.h>
#include <string.h>

#include "base/io/fetch_internal.h"

/* sockets and timer */

static void fetch_on_finished(struct fetch *f)
{
	CURLMsg *msg;
	int n_left;

	while ((msg = curl_multi_info_read(f->multi, &n_left))) {
		struct fetch_job *j;
		char *private;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		j = (struct fetch_job *)(void *)private;
		fetch_job_finish_curl(j, msg->data.result);
	}
}

static void fetch_on_poll(uv_poll_t *h, int status, int events)
{
	struct fetch_poll *p = h->data;
	struct fetch *f = p->fetch;
	int flags = 0, n_running;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(f->multi, p->fd, flags, &n_running);
	fetch_on_finished(f);
}

static void fetch_on_timer(struct loop_timer *t, void *data)
{
	struct fetch *f = data;
	int n_running;

	(void)t;
	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	fetch_on_finished(f);
}

static int fetch_set_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct fetch *f = data;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(f->timer);
	else
		loop_timer_start(f->timer, timeout_ms, 0);
	return 0;
}

static void fetch_freed_poll(struct fetch *f);

static void fetch_on_poll_closed(uv_handle_t *h)
{
	struct fetch_poll *p = h->data;
	struct fetch *f = p->fetch;

	free(p);
	fetch_freed_poll(f);
}

static struct fetch_poll *poll_new(struct fetch *f, curl_socket_t fd)
{
	struct fetch_poll *p = calloc(1, sizeof(*p));

	must(p);
	if (uv_poll_init_socket(loop_uv(f->loop), &p->uv, fd)) {
		free(p);
		return NULL;
	}
	p->uv.data = p;
	p->fetch = f;
	p->fd = fd;
	f->n_polls++;
	curl_multi_assign(f->multi, fd, p);
	return p;
}

static int fetch_set_socket(
    CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct fetch *f = data;
	struct fetch_poll *p = socket_data;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (p) {
			curl_multi_assign(f->multi, fd, NULL);
			uv_close((uv_handle_t *)&p->uv, fetch_on_poll_closed);
		}
		return 0;
	}
	if (!p)
		p = poll_new(f, fd);
	if (!p)
		return -1;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	uv_poll_start(&p->uv, events, fetch_on_poll);
	return 0;
}

/* pump */

static void fetch_end(struct fetch *f)
{
	loop_task_cb *cb = f->closed_cb;
	void *data = f->closed_data;

	free(f->ca_file);
	free(f);
	if (cb)
		cb(data);
}

static void fetch_freed_poll(struct fetch *f)
{
	f->n_polls--;
	if (f->n_polls == 0 && !f->multi)
		fetch_end(f);
}

static void fetch_shut(struct fetch *f)
{
	CURLM *multi = f->multi;

	while (f->jobs.n > 0)
		fetch_job_finish(
		    list_entry(list_first(&f->jobs), struct fetch_job, link), -ECANCELED);
	f->n_polls++; /* held, because the cleanup closes polls */
	curl_multi_cleanup(multi);
	f->multi = NULL;
	f->timer = loop_timer_free(f->timer);
	fetch_freed_poll(f);
}

static void job_begin(struct fetch_job *j)
{
	if (j->code) {
		fetch_job_finish(j, j->code);
		return;
	}
	j->state = FETCH_RUNNING;
	must(curl_multi_add_handle(j->fetch->multi, j->easy) == CURLM_OK);
}

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
		else if (j->state == FETCH_NEW)
			job_begin(j);
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

	j->ticket = ++f->last_ticket;
	list_push(&f->jobs, &j->link);
	fetch_pump(f);
	return j->ticket;
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
	static bool initialised;
	struct fetch *f = calloc(1, sizeof(*f));

	must(f);
	if (!initialised)
		must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	initialised = true;
	f->loop = l;
	f->skip_verify = skip_verify;
	f->ca_file = ca_file ? strdup(ca_file) : NULL;
	f->timer = loop_timer_new(l, fetch_on_timer, f);
	list_init(&f->jobs);
	f->multi = curl_multi_init();
	must(f->multi && (f->ca_file || !ca_file));
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, fetch_set_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, fetch_set_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
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
