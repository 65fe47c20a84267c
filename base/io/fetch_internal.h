/* What the two files of the HTTP client share: the whole (fetch.c) and one request
 * (fetch_job.c). */
#pragma once

#include "base/buf.h"
#include "base/io/fetch.h"
#include "base/list.h"

#include <curl/curl.h>

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

/* A request as libcurl wants it; j->code is set if it is refused. On no list yet. */
struct fetch_job *fetch_job_new(struct fetch *f, const struct fetch_request *r);
/* Without a word; off the list. */
void fetch_job_free(struct fetch_job *j);
/* Tell the application how it went; @j is gone. */
void fetch_job_finish(struct fetch_job *j, int code);
/* The same, with what libcurl says. */
void fetch_job_finish_curl(struct fetch_job *j, CURLcode result);
