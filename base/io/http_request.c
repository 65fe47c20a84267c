/* Requests as the application sees them, and their answers. */
#include "base/io/http_internal.h"

#include <time.h>

enum {
	HEAD_OUT_MAX = 64 * 1024,
	ERROR_BODY_MAX = 8 * 1024,
};

void http_req_free(struct http_req *r)
{
	if (!r)
		return;
	http_head_deinit(&r->head);
	buf_deinit(&r->body);
	free(r);
}

/* reading */

const char *http_req_method(const struct http_req *r)
{
	return r->head.method;
}

const char *http_req_path(const struct http_req *r)
{
	return r->head.path;
}

const char *http_req_query(const struct http_req *r, const char *name)
{
	return http_head_param(&r->head, name);
}

const char *http_req_header(const struct http_req *r, const char *name)
{
	return http_head_field(&r->head, name);
}

struct slice http_req_body(const struct http_req *r)
{
	return (struct slice){r->body.n ? r->body.data : "", r->body.n};
}

bool http_req_is_upgrade(const struct http_req *r)
{
	return r->head.is_upgrade;
}

const char *http_req_peer(const struct http_req *r)
{
	return r->conn->peer;
}

bool http_req_peer_is_loopback(const struct http_req *r)
{
	return r->conn->peer_is_loopback;
}

void http_req_set_body_max(struct http_req *r, size_t n_bytes)
{
	must(r->in_headers);
	r->body_max = n_bytes;
}

void http_req_set_data(struct http_req *r, void *data)
{
	r->data = data;
}

void *http_req_data(const struct http_req *r)
{
	return r->data;
}

/* answering */

static const struct {
	int status;
	const char *reason;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

/* Values may hold what came from outside: a line end in one would forge a header. */
static void add_field(struct buf *b, const char *name, const char *value)
{
	buf_adds(b, name);
	buf_adds(b, ": ");
	for (const char *p = value; *p; p++)
		buf_addc(b, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_adds(b, "\r\n");
}

void http_conn_write_head(struct http_conn *c, const struct http_answer *a)
{
	struct buf b = BUF_NULL(HEAD_OUT_MAX);

	buf_addf(&b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", a->status, reason_of(a->status),
	    http_server_date(c->server));
	if (a->content_type)
		add_field(&b, "Content-Type", a->content_type);
	if (a->content_length >= 0)
		buf_addf(&b, "Content-Length: %lld\r\n", (long long)a->content_length);
	if (a->chunked)
		buf_adds(&b, "Transfer-Encoding: chunked\r\n");
	for (size_t i = 0; i < a->n_headers; i++)
		add_field(&b, a->headers[i].name, a->headers[i].value);
	if (a->status != 101 && !a->keep_alive)
		buf_adds(&b, "Connection: close\r\n");
	else if (a->is_http10)
		buf_adds(&b, "Connection: keep-alive\r\n");
	buf_adds(&b, "\r\n");
	must(!b.failed); /* the application's own headers: it bounds them */
	sock_write(&c->sock, b.data, b.n);
	buf_deinit(&b);
	http_conn_touch(c);
}

bool http_req_can_keep_alive(const struct http_req *r)
{
	const struct http_conn *c = r->conn;
	bool body_read = c->state == HTTP_CONN_HANDLING ||
			 (!r->head.chunked && r->head.content_length == 0);

	return r->head.keep_alive && body_read && !c->server->draining &&
	       !c->server->closing;
}

void http_reply(struct http_req *r, int status, const char *content_type,
    const struct http_header *headers, size_t n_headers, struct slice body)
{
	struct http_conn *c = r->conn;
	bool no_body = status == 204 || status == 304;
	bool is_head = r->head.method && strcmp(r->head.method, "HEAD") == 0;
	const struct http_answer a = {
	    .status = status,
	    .content_type = content_type,
	    .headers = headers,
	    .n_headers = n_headers,
	    .content_length = no_body ? -1 : (int64_t)body.n,
	    .keep_alive = http_req_can_keep_alive(r),
	    .is_http10 = r->head.is_http10,
	};

	must(c->req == r && status >= 200);
	http_conn_write_head(c, &a);
	if (!no_body && !is_head)
		sock_write(&c->sock, body.p, body.n);
	http_conn_answered(c, a.keep_alive);
}

void http_refuse(struct http_req *r, int status, int code, const char *message)
{
	static const struct http_header retry[] = {{"Retry-After", "1"}};
	static const struct http_header version[] = {{"Sec-WebSocket-Version", "13"}};
	struct buf b = BUF_NULL(ERROR_BODY_MAX);
	bool waits = status == 503 || status == 429;
	size_t n = message ? strnlen(message, ERROR_BODY_MAX / 8) : 0;

	buf_addf(&b, "{\"error\":{\"code\":\"%s\",\"message\":", error_name(code));
	buf_add_json_string(
	    &b, n ? message : error_sentence(code), n ? n : strlen(error_sentence(code)));
	buf_adds(&b, "}}");
	if (status == 426)
		http_reply(r, status, "application/json", version, 1, buf_slice(&b));
	else
		http_reply(r, status, "application/json", retry, waits, buf_slice(&b));
	buf_deinit(&b);
}

void http_reply_error(struct http_req *r, int code, const char *message)
{
	http_refuse(r, error_http_status(code), code, message);
}
