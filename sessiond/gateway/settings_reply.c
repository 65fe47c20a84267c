/* Answers of settings, and what If-Match and If-None-Match ask. */
#include "sessiond/gateway/settings_internal.h"

#include <stdarg.h>

#include "base/must.h"

enum {
	ERROR_TEXT_MAX = 512,
	NAMED_MAX = 16, /* in the message; "paths" has all */
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

	if (settings_job_again(j)) {
		buf_deinit(json);
		return;
	}
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

	if (settings_job_again(j))
		return;
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
		if (i == NAMED_MAX)
			buf_addf(&text, "; and %zu more", n - i);
		if (i >= NAMED_MAX)
			continue;
		buf_addf(&text, "%s %.*s: %s", i ? ";" : ":", (int)errors[i].path.n,
		    errors[i].path.p, errors[i].message);
	}
	jsn_set_string(error, "code", error_name(ERROR_UNPROCESSABLE));
	jsn_set_string(error, "message", text.failed ? what : buf_cstr(&text));
	jsn_set(error, "paths", paths);
	jsn_set(body, "error", error);
	if (settings_job_again(j)) {
		jsn_free(body);
		return;
	}
	settings_job_free(j);
	call_reply_json(c, 422, body);
}

/* ---- bodies ---- */

/* What settings files may have and JSON may not: where, or NULL. */
static const struct json_tok *loose_token(const struct json_doc *d)
{
	for (uint32_t i = 0; i < d->n_toks; i++) {
		bool closes = d->toks[i].kind == TOK_OBJECT_CLOSE ||
			      d->toks[i].kind == TOK_ARRAY_CLOSE;

		if (json_tok_is_comment(&d->toks[i]) ||
		    (closes && i && d->toks[i - 1].kind == TOK_COMMA))
			return &d->toks[i];
	}
	return NULL;
}

int settings_body_check(struct slice body, struct err *e)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	const struct json_tok *loose;
	struct json_doc d;

	if (json_doc_parse_object(&a, body, &d) != JSON_DOC_OK)
		return err_set(e,
		    d.state == JSON_DOC_TOO_LARGE ? ERROR_TOO_LARGE : ERROR_INVALID,
		    "line %u, column %u: %s", d.error.line, d.error.column,
		    d.error.message);
	loose = d.bom ? d.toks : loose_token(&d);
	return loose ? err_set(e, ERROR_INVALID, "byte %u: not valid JSON",
			   (unsigned)loose->start)
		     : 0;
}

/* ---- conditions ---- */

uint64_t settings_version(const struct settings_job *j)
{
	return j->own.head.base_rev + j->app.head.base_rev;
}

/* The next entity tag of a list: true and the opaque part, whether it is weak. What is no
 * tag ends the list. */
static bool next_tag(const char **list, struct slice *tag, bool *weak)
{
	const char *p = *list, *end;

	p += strspn(p, " \t,");
	*weak = strncmp(p, "W/", 2) == 0;
	if (*weak)
		p += 2;
	end = *p == '"' ? strchr(p + 1, '"') : NULL;
	if (!end)
		return false;
	*tag = (struct slice){p + 1, (size_t)(end - p - 1)};
	*list = end + 1;
	return true;
}

/* @list is * (and something is there), or names "@n" among its tags. */
static bool names_etag(const char *list, uint64_t n, bool exists, bool weak_too)
{
	char etag[24];
	struct slice tag;
	bool weak;

	settings_etag(n, etag);
	if (strcmp(list, "*") == 0)
		return exists;
	while (next_tag(&list, &tag, &weak))
		if ((weak_too || !weak) && tag.n == strlen(etag) - 2 &&
		    memcmp(tag.p, etag + 1, tag.n) == 0)
			return true;
	return false;
}

bool settings_none_match(const struct settings_job *j, uint64_t n)
{
	return j->if_none_match && names_etag(j->if_none_match, n, true, true);
}

bool settings_match_fails(const struct settings_job *j, uint64_t n)
{
	/* a weak tag does not say that it is the very same: it does not match */
	if (j->if_match)
		return !names_etag(j->if_match, n, true, false);
	return j->if_none_match && names_etag(j->if_none_match, n, n > 0, true);
}
