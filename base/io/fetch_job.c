/* One request: how it is composed, what becomes of its answer, and how it ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io/fetch_internal.h"
#include "base/io/url.h"

enum {
	FETCH_BODY_MAX_BYTES = 16 * 1024 * 1024,
	FETCH_TIMEOUT_MS = 30 * 1000,
	FETCH_HEAD_MAX = 128 * 1024,
};

/* end of a request */

void fetch_job_free(struct fetch_job *j)
{
	list_del(&j->fetch->jobs, &j->link);
	if (j->conn)
		fetch_conn_drop(j->conn);
	loop_timer_free(j->deadline);
	http_head_deinit(&j->head);
	buf_deinit(&j->out);
	buf_deinit(&j->body);
	free(j);
}

static const char *job_field(const struct fetch_job *j, const char *name)
{
	const char *value = j->head.status ? http_head_field(&j->head, name) : NULL;

	return value ? value : "";
}

static int64_t parse_seconds(const char *s)
{
	int64_t v = 0;

	for (; *s >= '0' && *s <= '9' && v < INT32_MAX; s++)
		v = v * 10 + (*s - '0');
	return *s ? 0 : v; /* a date is not understood */
}

void fetch_job_finish(struct fetch_job *j, int code, const char *why)
{
	struct fetch_response r = {.code = code, .status = j->head.status};

	if (code)
		snprintf(r.detail, sizeof(r.detail), "%.159s",
		    why[0] ? why : error_sentence(code));
	r.sent = fetch_job_was_sent(j);
	r.body = (struct slice){buf_cstr(&j->body), j->body.failed ? 0 : j->body.n};
	r.etag = job_field(j, "etag");
	r.content_type = job_field(j, "content-type");
	r.retry_after_s = parse_seconds(job_field(j, "retry-after"));
	if (!j->cancelled)
		j->cb(j->data, &r);
	fetch_job_free(j);
}

bool fetch_job_is_over(const struct fetch_job *j)
{
	return j->cancelled || j->fetch->closing;
}

static void job_on_deadline(struct loop_timer *t, void *data)
{
	struct fetch_job *j = data;
	int64_t idle_ms = clock_mono_ms() - j->last_byte_mono_ms;
	bool streaming = j->is_stream && j->head.status;

	if (streaming && idle_ms < j->idle_timeout_ms) {
		loop_timer_start(t, j->idle_timeout_ms - idle_ms, 0);
		return;
	}
	fetch_job_finish(j, ERROR_TIMEOUT,
	    streaming ? "nothing came for too long" : "no answer in the time given");
}

/* the answer */

void fetch_job_on_head(struct fetch_job *j)
{
	if (!j->is_stream)
		return;
	if (j->idle_timeout_ms > 0)
		loop_timer_start(j->deadline, j->idle_timeout_ms, 0);
	else
		loop_timer_stop(j->deadline);
}

int fetch_job_on_body(struct fetch_job *j, struct slice part)
{
	int status = j->head.status;

	if (fetch_job_is_over(j))
		return 0;
	if (j->chunk_cb && status >= 200 && status <= 299) {
		if (j->chunk_cb(j->data, status, part))
			return 0;
		snprintf(j->why, sizeof(j->why), "cancelled");
		return -ECANCELED;
	}
	buf_add_slice(&j->body, part);
	if (!j->body.failed)
		return 0;
	snprintf(j->why, sizeof(j->why), "the answer is over its limit");
	return ERROR_TOO_LARGE;
}

/* start of a request */

static void job_refuse(struct fetch_job *j, const char *why)
{
	j->code = ERROR_INVALID;
	snprintf(j->why, sizeof(j->why), "%.150s", why);
}

static void job_add_header(struct fetch_job *j, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n"))
		job_refuse(j, "a header has a line end in it");
	buf_adds(&j->out, name);
	buf_adds(&j->out, value);
	buf_adds(&j->out, "\r\n");
}

static bool job_has_body(const char *method, const struct fetch_request *r)
{
	return r->body.n > 0 || strcmp(method, "POST") == 0 ||
	       strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static void job_compose(
    struct fetch_job *j, const struct url *u, const struct fetch_request *r)
{
	const char *method = r->method ? r->method : "GET";

	j->is_head = strcmp(method, "HEAD") == 0;
	buf_addf(&j->out, "%s %s HTTP/1.1\r\n", method, u->target);
	url_write_host(&j->out, u, true);
	job_add_header(j, "User-Agent: zedbus/", ZEDBUS_VERSION);
	if (r->content_type)
		job_add_header(j, "Content-Type: ", r->content_type);
	if (r->bearer)
		job_add_header(j, "Authorization: Bearer ", r->bearer);
	for (size_t i = 0; r->headers && r->headers[i]; i++)
		job_add_header(j, "", r->headers[i]);
	if (job_has_body(method, r))
		buf_addf(&j->out, "Content-Length: %zu\r\n", r->body.n);
	buf_adds(&j->out, "\r\n");
	if (j->out.n > FETCH_HEAD_MAX)
		job_refuse(j, "the request's head is too long");
	buf_add_slice(&j->out, r->body);
	must(!buf_check(&j->out));
}

static void job_set_url(
    struct fetch_job *j, const char *url, const struct fetch_request *r)
{
	struct url *u = malloc(sizeof(*u));
	struct err e = ERR_NULL;

	must(u);
	if (url_parse(url ? url : "", "http", u, &e)) {
		job_refuse(j, e.text);
	} else {
		j->peer = (struct fetch_peer){.addr = u->addr, .tls = u->tls};
		job_compose(j, u, r);
	}
	free(u);
}

struct fetch_job *fetch_job_new(struct fetch *f, const struct fetch_request *r)
{
	struct fetch_job *j = calloc(1, sizeof(*j));

	must(j && r->cb);
	j->fetch = f;
	j->is_stream = r->chunk_cb != NULL;
	j->chunk_cb = r->chunk_cb;
	j->cb = r->cb;
	j->data = r->data;
	j->idle_timeout_ms = r->idle_timeout_ms;
	j->out = BUF_NULL(SIZE_MAX);
	j->body = BUF_NULL(r->body_max_bytes ? r->body_max_bytes : FETCH_BODY_MAX_BYTES);
	j->deadline = loop_timer_new(f->loop, job_on_deadline, j);
	loop_timer_start(
	    j->deadline, r->timeout_ms > 0 ? r->timeout_ms : FETCH_TIMEOUT_MS, 0);
	job_set_url(j, r->url, r);
	return j;
}
