/* The head of an HTTP/1 request (or of the answer to a handshake): first line and header
 * fields. Pure and strict, because whatever stands before us (a proxy) may read a sloppy
 * head differently. Its own file so that it can be fuzzed. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum {
	HTTP_HEAD_MAX_BYTES = 16 * 1024,
	HTTP_HEAD_MAX_FIELDS = 128,
	HTTP_HEAD_MAX_PARAMS = 128,
};

struct http_field {
	const char *name, *value; /* NUL-terminated, in http_head.text */
};

struct http_head {
	int status;         /* of an answer; the next three are a request's */
	const char *method; /* "GET" */
	const char *path;   /* percent-decoded; valid UTF-8, no NUL */
	struct http_field *fields;
	size_t n_fields;
	struct http_field *params; /* of the query, decoded */
	size_t n_params;
	uint64_t content_length; /* 0 if absent */
	bool is_http10;
	bool keep_alive;
	bool chunked;
	bool expects_continue;
	bool is_upgrade; /* asks for WebSocket */
	/* private */
	void *memory;
};

/* Where the head in @p ends (just after its empty line); 0: not yet; -1: it can become
 * none (a line end without CR). @scanned_io is what is known to hold no end; start with
 * 0. */
int64_t http_head_end(const char *p, size_t n, size_t *scanned_io);

/* Parse the head @p[0..n), as cut out by http_head_end. Return: 0; the HTTP status to
 * refuse it with, and
 * @e says why. @out is empty then. */
int http_head_parse(
    const char *p, size_t n, struct http_head *out, struct err *e) MUST_CHECK;
/* The head of an answer: status, fields and how its body ends. Return: 0; ERROR_INVALID */
int http_head_parse_answer(
    const char *p, size_t n, struct http_head *out, struct err *e) MUST_CHECK;
void http_head_deinit(struct http_head *h); /* legal twice */

/* The first field of that name, without case; NULL if absent. */
const char *http_head_field(const struct http_head *h, const char *name);
/* The first parameter of that name; NULL if absent. */
const char *http_head_param(const struct http_head *h, const char *name);
/* @token stands in the comma-separated @list, without case. */
bool http_list_has(const char *list, const char *token);
