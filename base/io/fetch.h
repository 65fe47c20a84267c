/* HTTP/1.1 client on the loop: connections are kept, answers may be streams. Proxies of the
 * environment are not used, redirects are answers. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/slice.h"

struct fetch; /* one per process: connection reuse */

/* @ca_file NULL: the system's. */
struct fetch *fetch_new(struct loop *l, const char *ca_file, bool skip_verify);
/* Requests under way end with -ECANCELED first. */
void fetch_close(struct fetch *f, loop_task_cb *closed_cb, void *data);

struct fetch_response {
	int code; /* 0: an HTTP answer of any status was received whole; ERROR_UNAVAILABLE
		   * (no connection, cut off); ERROR_TIMEOUT; ERROR_TOO_LARGE (body over
		   * its limit); -ECANCELED */
	char detail[160]; /* when code != 0 */
	int status;
	struct slice body;        /* borrowed; NUL-terminated after n */
	const char *etag;         /* "" if absent */
	const char *content_type; /* "" if absent */
	int64_t retry_after_s;    /* 0 if absent */
	bool sent; /* some of the request has left: it may have been carried out */
};
typedef void fetch_cb(void *data, const struct fetch_response *r);
/* Streaming: each piece of the body of a 2xx answer as it comes (@status on the first).
 * False stops: -ECANCELED. */
typedef bool fetch_chunk_cb(void *data, int status, struct slice chunk);

struct fetch_request {
	const char *method; /* "GET" ... */
	const char *url;
	const char *bearer;         /* NULL: no Authorization */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const char *content_type;   /* NULL: none */
	struct slice body;          /* copied */
	size_t body_max_bytes;      /* of the answer; 0: 16 MiB */
	int64_t timeout_ms;         /* whole; for streams: until headers. 0: 30 s */
	int64_t idle_timeout_ms;    /* streams: without a byte; 0: never */
	fetch_chunk_cb *chunk_cb;   /* NULL: collect the body */
	fetch_cb *cb;               /* exactly once, never from inside fetch_start */
	void *data;
};
/* A ticket for fetch_cancel. A malformed URL ends in the callback with ERROR_INVALID. */
uint64_t fetch_start(struct fetch *f, const struct fetch_request *r);
/* No callback will come; a ticket that has ended is ignored. */
void fetch_cancel(struct fetch *f, uint64_t ticket);
