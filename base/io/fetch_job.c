/* One request: what libcurl is told, what it tells, and how it ends. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/io/fetch_internal.h"

enum {
	FETCH_BODY_MAX_BYTES = 16 * 1024 * 1024,
	FETCH_TIMEOUT_MS = 30 * 1000,
	FETCH_HEADER_MAX = 64 * 1024,
	FETCH_KEEPALIVE_S = 60,
};

/* end of a request */

void fetch_job_free(struct fetch_job *j)
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

void fetch_job_finish(struct fetch_job *j, int code)
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
	fetch_job_free(j);
}

void fetch_job_finish_curl(struct fetch_job *j, CURLcode result)
{
	fetch_job_finish(j, j->code ? j->code : code_of_result(result));
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
	fetch_job_finish(j, ERROR_TIMEOUT);
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

struct fetch_job *fetch_job_new(struct fetch *f, const struct fetch_request *r)
{
	struct fetch_job *j = calloc(1, sizeof(*j));

	must(j && r->cb);
	j->fetch = f;
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
	return j;
}
