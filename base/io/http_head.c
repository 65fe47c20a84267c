/* The head is copied once and cut up in place: names, values and decoded texts all point
 * into that copy. */
#include "base/io/http_head.h"

#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"

static bool is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

int64_t http_head_end(const char *p, size_t n, size_t *scanned_io)
{
	size_t line = *scanned_io;

	while (line < n) {
		const char *nl = memchr(p + line, '\n', n - line);
		size_t end = nl ? (size_t)(nl - p) : 0;

		if (!nl)
			break;
		if (end == 0 || p[end - 1] != '\r')
			return -1;
		if (end == line + 1)
			return (int64_t)end + 1;
		*scanned_io = line = end + 1;
	}
	return 0;
}

/* percent-decoding */

/* Decode in place; false: a bad escape, a NUL, or not UTF-8. */
static bool decode(char *s, bool plus_is_space)
{
	char *w = s;

	for (const char *r = s; *r; r++) {
		char c = *r;

		if (c == '%') {
			int hi = hex_value(r[1]), lo = hi < 0 ? -1 : hex_value(r[2]);

			if (lo < 0 || (hi == 0 && lo == 0))
				return false;
			c = (char)(hi * 16 + lo);
			r += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		*w++ = c;
	}
	*w = '\0';
	return utf8_valid(s, (size_t)(w - s));
}

static int parse_query(struct http_head *h, char *query, struct err *e)
{
	char *pair, *rest = query;

	while ((pair = strsep(&rest, "&"))) {
		char *value;

		if (!*pair)
			continue;
		if (h->n_params == HTTP_HEAD_MAX_PARAMS)
			return err_set(e, 400, "the query has too many parameters");
		value = strchr(pair, '=');
		if (value)
			*value++ = '\0';
		if (!decode(pair, true) || (value && !decode(value, true)))
			return err_set(e, 400, "the query is not percent-encoded UTF-8");
		h->params[h->n_params++] = (struct http_field){pair, value ? value : ""};
	}
	return 0;
}

/* "http://host/path" as proxies write it: the authority is dropped, Host decides. */
static char *skip_authority(char *target)
{
	char *p;

	if (strncasecmp(target, "http://", 7) != 0 &&
	    strncasecmp(target, "https://", 8) != 0)
		return target;
	p = strstr(target, "://") + 3;
	return p + strcspn(p, "/?");
}

static int parse_target(struct http_head *h, char *target, struct err *e)
{
	char *query;

	for (const char *p = target; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '#')
			return err_set(e, 400, "the request target has a raw character");
	target = skip_authority(target);
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	h->path = *target ? target : "/";
	if (*target && *target != '/' && strcmp(target, "*") != 0)
		return err_set(e, 400, "the request target is not a path");
	if (!decode(target, false))
		return err_set(e, 400, "the path is not percent-encoded UTF-8");
	return query ? parse_query(h, query, e) : 0;
}

static int parse_version(struct http_head *h, const char *version, struct err *e)
{
	if (strcmp(version, "HTTP/1.1") == 0)
		return 0;
	if (strcmp(version, "HTTP/1.0") == 0) {
		h->is_http10 = true;
		return 0;
	}
	if (strncmp(version, "HTTP/", 5) == 0 && version[5] >= '0' && version[5] <= '9' &&
	    version[6] == '.' && version[7] >= '0' && version[7] <= '9' && !version[8])
		return err_set(e, 505, "only HTTP/1.1 is spoken here");
	return err_set(e, 400, "the request line does not end in an HTTP version");
}

static int parse_request_line(struct http_head *h, char *line, struct err *e)
{
	char *target = strchr(line, ' '),
	     *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version || target == line || version == target + 1)
		return err_set(e, 400, "the request line is malformed");
	*target++ = '\0';
	*version++ = '\0';
	for (const char *p = line; *p; p++)
		if (!is_token_char((unsigned char)*p))
			return err_set(e, 400, "the method is malformed");
	h->method = line;
	if (parse_version(h, version, e))
		return e->code;
	return parse_target(h, target, e);
}

/* fields */

static int parse_field(struct http_head *h, char *line, struct err *e)
{
	char *value = line, *end;

	while (is_token_char((unsigned char)*value))
		value++;
	if (value == line || *value != ':')
		return err_set(e, 400, "a header line is malformed");
	*value++ = '\0';
	while (is_space(*value))
		value++;
	end = value + strlen(value);
	while (end > value && is_space(end[-1]))
		end--;
	*end = '\0';
	for (const char *p = value; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return err_set(
			    e, 400, "header %.64s has a control character", line);
	if (h->n_fields == HTTP_HEAD_MAX_FIELDS)
		return err_set(e, 431, "there are too many header lines");
	h->fields[h->n_fields++] = (struct http_field){line, value};
	return 0;
}

bool http_list_has(const char *list, const char *token)
{
	size_t n = strlen(token);

	while (list && *list) {
		size_t len;

		list += strspn(list, " \t,");
		len = strcspn(list, " \t,;");
		if (len == n && strncasecmp(list, token, n) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static size_t n_fields_named(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		n += strcasecmp(h->fields[i].name, name) == 0;
	return n;
}

static int parse_length(struct http_head *h, const char *s, struct err *e)
{
	uint64_t v = 0;

	if (!*s || strlen(s) > 18)
		return err_set(e, 400, "Content-Length is malformed");
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return err_set(e, 400, "Content-Length is malformed");
		v = v * 10 + (uint64_t)(*s - '0');
	}
	h->content_length = v;
	return 0;
}

static int parse_body_framing(struct http_head *h, struct err *e)
{
	const char *length = http_head_field(h, "content-length");
	const char *coding = http_head_field(h, "transfer-encoding");

	if (length && coding)
		return err_set(
		    e, 400, "both Content-Length and Transfer-Encoding are given");
	if (n_fields_named(h, "content-length") > 1 ||
	    n_fields_named(h, "transfer-encoding") > 1)
		return err_set(e, 400, "the body's length is given more than once");
	if (coding && h->is_http10)
		return err_set(e, 400, "HTTP/1.0 has no Transfer-Encoding");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return err_set(e, 501, "only the transfer coding 'chunked' is known");
	h->chunked = coding != NULL;
	return length ? parse_length(h, length, e) : 0;
}

static void parse_keep_alive(struct http_head *h)
{
	const char *connection = http_head_field(h, "connection");

	h->keep_alive = h->is_http10 ? http_list_has(connection, "keep-alive")
				     : !http_list_has(connection, "close");
}

static int parse_meaning(struct http_head *h, struct err *e)
{
	const char *connection = http_head_field(h, "connection");
	const char *expect = http_head_field(h, "expect");
	size_t n_hosts = n_fields_named(h, "host");

	if (n_hosts > 1 || (n_hosts == 0 && !h->is_http10))
		return err_set(e, 400, "exactly one Host header is needed");
	if (parse_body_framing(h, e))
		return e->code;
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return err_set(e, 417, "only 'Expect: 100-continue' is known");
	h->expects_continue = expect && !h->is_http10;
	parse_keep_alive(h);
	h->is_upgrade = !h->is_http10 && strcmp(h->method, "GET") == 0 &&
			http_list_has(connection, "upgrade") &&
			http_list_has(http_head_field(h, "upgrade"), "websocket");
	return 0;
}

/* head */

typedef int parse_line_fn(struct http_head *h, char *line, struct err *e);

static int parse_lines(
    struct http_head *h, char *text, parse_line_fn *parse_first, struct err *e)
{
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		must(end && end > line && end[-1] == '\r');
		end[-1] = '\0';
		if (line == text ? parse_first(h, line, e)
				 : *line && parse_field(h, line, e))
			return e->code;
	}
	return 0;
}

/* One block: fields, params, text. */
static char *allocate(struct http_head *h, const char *p, size_t n)
{
	size_t n_fields = 0, n_params = 1;
	char *text;

	for (size_t i = 0; i < n; i++) {
		n_fields += p[i] == '\n';
		n_params += p[i] == '&';
	}
	if (n_params > HTTP_HEAD_MAX_PARAMS)
		n_params = HTTP_HEAD_MAX_PARAMS;
	if (n_fields > HTTP_HEAD_MAX_FIELDS)
		n_fields = HTTP_HEAD_MAX_FIELDS;
	h->memory = malloc((n_fields + n_params) * sizeof(struct http_field) + n + 1);
	must(h->memory);
	h->fields = h->memory;
	h->params = h->fields + n_fields;
	text = (char *)(h->params + n_params);
	memcpy(text, p, n);
	text[n] = '\0';
	return text;
}

static int parse_head(const char *p, size_t n, struct http_head *out,
    parse_line_fn *parse_first, struct err *e)
{
	*out = (struct http_head){0};
	if (memchr(p, '\0', n))
		return err_set(e, 400, "the head has a NUL byte");
	return parse_lines(out, allocate(out, p, n), parse_first, e);
}

int http_head_parse(const char *p, size_t n, struct http_head *out, struct err *e)
{
	int r = parse_head(p, n, out, parse_request_line, e);

	if (!r)
		r = parse_meaning(out, e);
	if (r)
		http_head_deinit(out);
	return r;
}

static int parse_status_line(struct http_head *h, char *line, struct err *e)
{
	const char *digits = line + 9;

	if (strncmp(line, "HTTP/1.1 ", 9) != 0 && strncmp(line, "HTTP/1.0 ", 9) != 0)
		return err_set(e, ERROR_INVALID, "the answer is not HTTP/1.1");
	for (int i = 0; i < 3; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return err_set(e, ERROR_INVALID, "the answer has no status");
		h->status = h->status * 10 + (digits[i] - '0');
	}
	h->is_http10 = line[7] == '0';
	return 0;
}

int http_head_parse_answer(const char *p, size_t n, struct http_head *out, struct err *e)
{
	int r = parse_head(p, n, out, parse_status_line, e);

	if (!r)
		r = parse_body_framing(out, e);
	if (r)
		http_head_deinit(out);
	else
		parse_keep_alive(out);
	return r ? ERROR_INVALID : 0;
}

void http_head_deinit(struct http_head *h)
{
	free(h->memory);
	*h = (struct http_head){0};
}

const char *http_head_field(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (strcasecmp(h->fields[i].name, name) == 0)
			return h->fields[i].value;
	return NULL;
}

const char *http_head_param(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_params; i++)
		if (strcmp(h->params[i].name, name) == 0)
			return h->params[i].value;
	return NULL;
}
