/* /healthz, /readyz and /metrics of every daemon. */
#include "base/io/daemon_http.h"

#include <string.h>

#include "base/io/daemon_internal.h"
#include "base/jsn.h"

enum {
	REASONS_MAX = 16 * 1024,
	METRICS_MAX = 4 * 1024 * 1024,
};

static void push_lines(struct jsn *array, const struct buf *lines)
{
	const char *p = buf_cstr(lines);

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n)
			jsn_push(array, jsn_new_string_n(p, n));
		p += n + (p[n] == '\n');
	}
}

static void reply_json(struct http_req *r, int status, struct jsn *body)
{
	struct buf text = BUF_NULL(REASONS_MAX * 2);

	jsn_print(body, &text);
	jsn_free(body);
	http_reply(r, status, "application/json", NULL, 0, buf_slice(&text));
	buf_deinit(&text);
}

static void reply_ready(struct daemon *d, struct http_req *r)
{
	struct buf reasons = BUF_NULL(REASONS_MAX), warnings = BUF_NULL(REASONS_MAX);
	struct jsn *o = jsn_new_object(), *waiting = jsn_new_array(),
		   *warn = jsn_new_array();

	if (d->stopping)
		buf_adds(&reasons, "the program is stopping\n");
	if (d->def->broker) {
		d->def->broker->not_ready(d, &reasons);
		d->def->broker->warnings(d, &warnings);
	}
	if (d->def->not_ready)
		d->def->not_ready(d, &reasons);
	if (!auth_table_enabled(d->auth) &&
	    !(d->def->protected && d->def->protected(d->conf)))
		buf_adds(&warnings,
		    "no tokens are configured: everyone on this machine is admin\n");
	push_lines(waiting, &reasons);
	push_lines(warn, &warnings);
	jsn_set_string(o, "program", d->def->spec.program);
	jsn_set_string(o, "version", ZEDBUS_VERSION);
	jsn_set_bool(o, "ready", reasons.n == 0);
	jsn_set(o, "waiting_for", waiting);
	jsn_set(o, "warnings", warn);
	reply_json(r, reasons.n == 0 ? 200 : 503, o);
	buf_deinit(&reasons);
	buf_deinit(&warnings);
}

static void reply_metrics(struct daemon *d, struct http_req *r)
{
	struct buf text = BUF_NULL(METRICS_MAX);

	for (size_t i = 0; d->def->metrics && d->def->metrics[i]; i++)
		metrics_render(&text, d->def->metrics[i]);
	http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, 0,
	    buf_slice(&text));
	buf_deinit(&text);
}

static bool is_health_path(const struct http_req *r)
{
	const char *path = http_req_path(r);

	return strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0 ||
	       strcmp(path, "/metrics") == 0;
}

static void reply_health(struct daemon *d, struct http_req *r)
{
	const char *path = http_req_path(r), *method = http_req_method(r);

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		http_reply_error(r, ERROR_METHOD_NOT_ALLOWED, "only GET is served here");
	else if (strcmp(path, "/healthz") == 0)
		http_reply(r, 200, "text/plain", NULL, 0, SLICE_LIT("ok\n"));
	else if (strcmp(path, "/readyz") == 0)
		reply_ready(d, r);
	else
		reply_metrics(d, r);
}

static enum http_decision on_headers(void *data, struct http_req *r)
{
	struct daemon *d = data;

	if (is_health_path(r) || !d->handlers.headers)
		return HTTP_ACCEPT;
	return d->handlers.headers(d->handlers.data, r);
}

static void on_request(void *data, struct http_req *r)
{
	struct daemon *d = data;

	if (is_health_path(r))
		reply_health(d, r);
	else if (d->handlers.request)
		d->handlers.request(d->handlers.data, r);
	else
		http_reply_error(r, ERROR_NOT_FOUND, "there is nothing at this path");
}

static void on_aborted(void *data, struct http_req *r)
{
	struct daemon *d = data;

	if (!is_health_path(r) && d->handlers.aborted)
		d->handlers.aborted(d->handlers.data, r);
}

static enum http_decision on_health_headers(void *data, struct http_req *r)
{
	(void)data, (void)r;
	return HTTP_ACCEPT;
}

static void on_health_request(void *data, struct http_req *r)
{
	if (is_health_path(r))
		reply_health(data, r);
	else
		http_reply_error(r, ERROR_NOT_FOUND,
		    "only /healthz, /readyz and /metrics are served here");
}

struct http_handlers daemon_http_handlers(struct daemon *d)
{
	return (struct http_handlers){.headers = on_headers,
	    .request = on_request,
	    .aborted = on_aborted,
	    .data = d};
}

struct http_handlers daemon_health_handlers(struct daemon *d)
{
	return (struct http_handlers){
	    .headers = on_health_headers, .request = on_health_request, .data = d};
}
