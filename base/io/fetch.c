/* HTTP requests over libcurl's multi-socket interface: libuv watches its sockets, one
 * timer serves its clock.
 *
 * libcurl must not be called from its own callbacks, and the application may do anything
 * in ours; so starting, cancelling and closing only leave a mark, and fetch_on_pump does
 * the work in the next turn.
 *
 * happy path: start, (pump) add, sockets and timer, write callbacks, done, the
 * application's callback failure modes: malformed URL (told from the pump), no
 * connection, cut off, too slow (own timer), too large, cancelled, closed */
#include "base/io/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"

enum {
	FETCH_BODY_MAX_BYTES = 16 * 1024 * 1024,
	FETCH_TIMEOUT_MS = 30 * 1000,
	FETCH_HEADER_MAX = 64 * 1024,
	FETCH_KEEPALIVE_S = 60,
};

struct fetch {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer; /* libcurl's */
	char *ca_file;
	bool skip_verify;
	struct list jobs; /* struct fetch_job.link */
	uint64_t last_ticket;
	size_t n_polls;
	bool pump_set, closing;
	loop_task_cb *closed_cb;
	void *closed_data;
};

struct fetch_poll {
	uv_poll_t uv;
	struct fetch *fetch;
	curl_socket_t fd;
};

enum fetch_state {
	FETCH_NEW,     /* not yet given to libcurl */
	FETCH_RUNNING, /* libcurl has it */
};

struct fetch_job {
	struct list_link link;
	struct fetch *fetch;
	uint64_t ticket;
	enum fetch_state state;
	bool cancelled;
	CURL *easy;
	struct curl_slist *headers;
	struct loop_timer *deadline;
	int64_t last_byte_mono_ms;
	int64_t idle_timeout_ms;
	bool is_stream, headers_done;
	int code; /* set before libcurl has an opinion */
	fetch_chunk_cb *chunk_cb;
	fetch_cb *cb;
	void *data;
	struct buf body;
	const char *own_why; /* static text, goes before libcurl's */
	char curl_why[CURL_ERROR_SIZE];
};

static void fetch_pump(struct fetch *f);

/* end of a request */

static void job_free(struct fetch_job *j)
{
	list_del(&j->fetch->jobs, &j->link);
	if (j->state == FETCH_RUNNING)
		curl_multi_remove_handle(j->fetch->multi, j->easy);
	loop_timer_free(j->deadline);
	curl_easy_cleanup(j->easy);
	curl_slist_free_all(j->headers);
	buf_deinit(&j->body);
	free(j);
}

static const char *job_header(const struct fetch_job *j, const char *name)
{
	struct curl_header *h;

	if (curl_easy_header(j->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return "";
	return h->value;
}

static int64_t parse_seconds(const char *s)
{
	int64_t v = 0;

	for (; *s >= '0' && *s <= '9' && v < INT32_MAX; s++)
		v = v * 10 + (*s - '0');
	return *s ? 0 : v; /* a date is not understood */
}

static int code_of_result(CURLcode r)
{
	switch (r) {
	case CURLE_OK:
		return 0;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ERROR_INVALID;
	case CURLE_OPERATION_TIMEDOUT:
		return ERROR_TIMEOUT;
	default:
		return ERROR_UNAVAILABLE;
	}
}

static const char *job_why(const struct fetch_job *j, int code)
{
	if (code < 0)
		return "cancelled";
	if (j->own_why)
		return j->own_why;
	return j->curl_why[0] ? j->curl_why : error_sentence(code);
}

/* Tell the application how it went; @j is gone. */
static void job_finish(struct fetch_job *j, int code)
{
	struct fetch_response r = {.code = code, .etag = "", .content_type = ""};
	long status = 0;

	if (code)
		snprintf(r.detail, sizeof(r.detail), "%.159s", job_why(j, code));
	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	r.status = (int)status;
	r.body = (struct slice){buf_cstr(&j->body), j->body.failed ? 0 : j->body.n};
	if (status) {
		r.etag = job_header(j, "etag");
		r.content_type = job_header(j, "content-type");
		r.retry_after_s = parse_seconds(job_header(j, "retry-after"));
	}
	if (!j->cancelled)
		j->cb(j->data, &r);
	job_free(j);
}

static void job_on_deadline(struct loop_timer *t, void *data)
{
	struct fetch_job *j = data;
	int64_t idle_ms = clock_mono_ms() - j->last_byte_mono_ms;

	if (j->is_stream && j->headers_done && idle_ms < j->idle_timeout_ms) {
		loop_timer_start(t, j->idle_timeout_ms - idle_ms, 0);
		return;
	}
	j->own_why = j->is_stream && j->headers_done ? "nothing came for too long"
						     : "no answer in the time given";
	job_finish(j, ERROR_TIMEOUT);
}

/* libcurl's callbacks about one request */

static bool job_takes_chunks(const struct fetch_job *j, long status)
{
	return j->chunk_cb && status >= 200 && status <= 299;
}

/* Returning less than @n ends the transfer. */
static size_t job_on_body(char *p, size_t size, size_t n, void *data)
{
	struct fetch_job *j = data;
	long status = 0;

	(void)size; /* always 1 */
	j->last_byte_mono_ms = clock_mono_ms();
	if (j->cancelled || j->fetch->closing) {
		j->code = -ECANCELED;
		return n + 1;
	}
	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	if (job_takes_chunks(j, status)) {
		if (j->chunk_cb(j->data, (int)status, (struct slice){p, n}))
			return n;
		j->code = -ECANCELED;
		return n + 1;
	}
	buf_add(&j->body, p, n);
	if (!j->body.failed)
		return n;
	j->code = ERROR_TOO_LARGE;
	j->own_why = "the answer is over its limit";
	return n + 1;
}

static size_t job_on_header(char *p, size_t size, size_t n, void *data)
{
	struct fetch_job *j = data;
	long status = 0;

	(void)size;
	j->last_byte_mono_ms = clock_mono_ms();
	if (!j->is_stream || n > 2 || (p[0] != '\r' && p[0] != '\n'))
		return n;
	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return n;
	j->headers_done = true;
	if (j->idle_timeout_ms > 0)
		loop_timer_start(j->deadline, j->idle_timeout_ms, 0);
	else
		loop_timer_stop(j->deadline);
	return n;
}

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
		job_finish(j, j->code ? j->code : code_of_result(msg->data.result));
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

/* start of a request */

static void job_add_header(struct fetch_job *j, const char *name, const char *value)
{
	struct buf b = BUF_NULL(FETCH_HEADER_MAX);
	struct curl_slist *list;

	buf_adds(&b, name);
	buf_adds(&b, value);
	if (b.failed || strpbrk(buf_cstr(&b), "\r\n")) {
		j->code = ERROR_INVALID;
		j->own_why = "a header has a line end in it";
	} else {
		list = curl_slist_append(j->headers, buf_cstr(&b));
		must(list);
		j->headers = list;
	}
	buf_deinit(&b);
}

static void job_set_headers(struct fetch_job *j, const struct fetch_request *r)
{
	job_add_header(
	    j, "Expect:", ""); /* libcurl would wait a second for the go-ahead */
	/* Without a value libcurl sends none. */
	job_add_header(j, "Content-Type: ", r->content_type ? r->content_type : "");
	if (r->bearer)
		job_add_header(j, "Authorization: Bearer ", r->bearer);
	for (size_t i = 0; r->headers && r->headers[i]; i++)
		job_add_header(j, "", r->headers[i]);
	curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers);
}

static void job_set_method(struct fetch_job *j, const struct fetch_request *r)
{
	const char *method = r->method ? r->method : "GET";
	bool wants_body = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
			  strcmp(method, "PATCH") == 0;

	if (r->body.n > 0 || wants_body) {
		curl_easy_setopt(
		    j->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
		curl_easy_setopt(
		    j->easy, CURLOPT_COPYPOSTFIELDS, r->body.n ? r->body.p : "");
	}
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(j->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(j->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void job_set_transport(struct fetch_job *j)
{
	const struct fetch *f = j->fetch;

	curl_easy_setopt(j->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(j->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(j->easy, CURLOPT_NOSIGNAL, 1L);
	/* A name that is being looked up must not hold up the loop when given up. */
	curl_easy_setopt(j->easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(j->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(j->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(j->easy, CURLOPT_TCP_KEEPIDLE, (long)FETCH_KEEPALIVE_S);
	curl_easy_setopt(j->easy, CURLOPT_USERAGENT, "zedbus/" ZEDBUS_VERSION);
	if (f->ca_file)
		curl_easy_setopt(j->easy, CURLOPT_CAINFO, f->ca_file);
	if (f->skip_verify) {
		curl_easy_setopt(j->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(j->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void job_set_callbacks(struct fetch_job *j)
{
	curl_easy_setopt(j->easy, CURLOPT_PRIVATE, j);
	curl_easy_setopt(j->easy, CURLOPT_ERRORBUFFER, j->curl_why);
	curl_easy_setopt(j->easy, CURLOPT_WRITEFUNCTION, job_on_body);
	curl_easy_setopt(j->easy, CURLOPT_WRITEDATA, j);
	curl_easy_setopt(j->easy, CURLOPT_HEADERFUNCTION, job_on_header);
	curl_easy_setopt(j->easy, CURLOPT_HEADERDATA, j);
}

/* libcurl completes what it can ("localhost/x"); here a URL is whole or wrong. */
static void job_check_url(struct fetch_job *j, const char *url)
{
	CURLU *u = curl_url();
	CURLUcode r;

	must(u);
	r = curl_url_set(u, CURLUPART_URL, url ? url : "", 0);
	if (r == CURLUE_OK && strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0)
		r = CURLUE_UNSUPPORTED_SCHEME;
	if (r != CURLUE_OK) {
		j->code = ERROR_INVALID;
		j->own_why = curl_url_strerror(r);
	}
	curl_url_cleanup(u);
}

uint64_t fetch_start(struct fetch *f, const struct fetch_request *r)
{
	struct fetch_job *j = calloc(1, sizeof(*j));

	must(j && r->cb);
	j->fetch = f;
	j->ticket = ++f->last_ticket;
	j->easy = curl_easy_init();
	must(j->easy);
	j->is_stream = r->chunk_cb != NULL;
	j->chunk_cb = r->chunk_cb;
	j->cb = r->cb;
	j->data = r->data;
	j->idle_timeout_ms = r->idle_timeout_ms;
	j->body = BUF_NULL(r->body_max_bytes ? r->body_max_bytes : FETCH_BODY_MAX_BYTES);
	j->deadline = loop_timer_new(f->loop, job_on_deadline, j);
	loop_timer_start(
	    j->deadline, r->timeout_ms > 0 ? r->timeout_ms : FETCH_TIMEOUT_MS, 0);
	job_check_url(j, r->url);
	curl_easy_setopt(j->easy, CURLOPT_URL, r->url ? r->url : "");
	job_set_method(j, r);
	job_set_headers(j, r);
	job_set_transport(j);
	job_set_callbacks(j);
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
		job_finish(
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
		job_finish(j, j->code);
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
			job_free(j);
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

/* the whole */

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
