/* Answers of settings, and what If-Match and If-None-Match ask. */
#include "sessiond/gateway/settings_internal.h"

#include <stdarg.h>

#include "base/must.h"

enum {
	ERROR_TEXT_MAX = 512,
};

void settings_etag(uint64_t n, char out[static 24])
{
	snprintf(out, 24, "\"%llu\"", (unsigned long long)n);
}

void settings_job_reply(
    struct settings_job *j, int status, const char *etag, struct buf *json)
{
	struct http_header h = {"ETag", etag};
	struct call *c = j->c;

	settings_job_free(j);
	if (buf_check(json))
		call_reply_error(c, ERROR_INTERNAL, "the answer is too large");
	else
		call_reply(c, status, status == 304 ? NULL : "application/json", &h,
		    etag ? 1 : 0, buf_slice(json));
	buf_deinit(json);
}

void settings_job_error(struct settings_job *j, int code, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	struct call *c = j->c;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	settings_job_free(j);
	call_reply_error(c, code, "%s", text);
}

void settings_job_unprocessable(struct settings_job *j, const char *what,
    const struct settings_path_error *errors, size_t n)
{
	struct jsn *body = jsn_new_object(), *error = jsn_new_object(),
		   *paths = jsn_new_array();
	AUTO(buf_deinit) struct buf text = BUF_NULL(64 * 1024);
	struct call *c = j->c;

	buf_adds(&text, what);
	for (size_t i = 0; i < n; i++) {
		struct jsn *p = jsn_new_object();

		jsn_set(p, "path", jsn_new_string_n(errors[i].path.p, errors[i].path.n));
		jsn_set_string(p, "message", errors[i].message);
		jsn_push(paths, p);
		buf_addf(&text, "%s %.*s: %s", i ? ";" : ":", (int)errors[i].path.n,
		    errors[i].path.p, errors[i].message);
	}
	jsn_set_string(error, "code", error_name(ERROR_UNPROCESSABLE));
	jsn_set_string(error, "message", text.failed ? what : buf_cstr(&text));
	jsn_set(error, "paths", paths);
	jsn_set(body, "error", error);
	settings_job_free(j);
	call_reply_json(c, 422, body);
}

/* ---- conditions ---- */

uint64_t settings_version(const struct settings_job *j)
{
	return j->own.head.base_rev + j->app.head.base_rev;
}

/* @list is * or names "@n" among its entity tags. */
static bool names_etag(const char *list, uint64_t n)
{
	char etag[24];

	settings_etag(n, etag);
	return strcmp(list, "*") == 0 || strstr(list, etag) != NULL;
}

bool settings_none_match(const struct call *c, uint64_t n)
{
	const char *list = c->req ? http_req_header(c->req, "If-None-Match") : NULL;

	return list && names_etag(list, n);
}

bool settings_match_fails(const struct call *c, uint64_t n)
{
	const char *list = c->req ? http_req_header(c->req, "If-Match") : NULL;

	return list && !names_etag(list, n);
}
