/* What the files of the HTTP client share: the whole (fetch.c), one connection
 * (fetch_conn.c), one request (fetch_job.c). */
#pragma once

#include "base/buf.h"
#include "base/io/addr.h"
#include "base/io/dial.h"
#include "base/io/fetch.h"
#include "base/io/http_chunked.h"
#include "base/io/http_head.h"
#include "base/io/sock.h"
#include "base/list.h"

struct ssl_ctx_st;

struct fetch {
	struct loop *loop;
	char *ca_file;
	bool skip_verify;
	struct ssl_ctx_st *tls; /* NULL until the first https URL */
	struct list jobs;       /* struct fetch_job.link, oldest first */
	struct list conns;      /* struct fetch_conn.link */
	uint64_t last_ticket;
	bool pump_set, closing, shut;
	loop_task_cb *closed_cb;
	void *closed_data;
};

/* Whose connection may be whose. */
struct fetch_peer {
	struct addr addr;
	bool tls;
};

enum fetch_phase {
	FETCH_HEAD,
	FETCH_LENGTH,    /* the body, n_left of it */
	FETCH_CHUNKS,    /* the body, in chunks */
	FETCH_UNTIL_END, /* the body, as long as the connection lasts */
};

struct fetch_conn {
	struct list_link link;
	struct fetch *fetch;
	struct fetch_peer peer;
	struct dial *dial; /* while dialling */
	struct sock sock;
	bool has_sock;
	struct fetch_job *job; /* NULL: idle */
	size_t n_answered;
	int64_t idle_since_mono_ms;
	/* the answer */
	bool heard; /* any byte of it */
	enum fetch_phase phase;
	struct buf in; /* its head, as far as it came */
	size_t in_scanned;
	uint64_t n_left;
	struct http_chunked chunks;
};

struct fetch_job {
	struct list_link link;
	struct fetch *fetch;
	uint64_t ticket;
	struct fetch_peer peer;
	struct buf out; /* the request, head and body */
	bool cancelled, is_head, again;
	bool sent; /* some of it, on a connection it is no longer on */
	struct fetch_conn *conn; /* NULL: none yet, or no more */
	struct loop_timer *deadline;
	int64_t last_byte_mono_ms;
	int64_t idle_timeout_ms;
	bool is_stream;
	int code; /* why it cannot be asked; told from the pump */
	fetch_chunk_cb *chunk_cb;
	fetch_cb *cb;
	void *data;
	struct http_head head; /* of the answer; status 0: not there yet */
	struct buf body;
	char why[160];
};

/* A request, composed; j->code is set if it cannot be asked. On no list yet. */
struct fetch_job *fetch_job_new(struct fetch *f, const struct fetch_request *r);
/* Without a word; off the list; a connection it is on is dropped. */
void fetch_job_free(struct fetch_job *j);
/* Tell the application how it went; @j is gone. @why: "" for the code's own sentence. */
void fetch_job_finish(struct fetch_job *j, int code, const char *why);
/* The head is there. */
void fetch_job_on_head(struct fetch_job *j);
/* Part of the body. 0: go on; else what it ends with, j->why says more. */
int fetch_job_on_body(struct fetch_job *j, struct slice part);
/* Somebody has lost interest: the pump sees to it. */
bool fetch_job_is_over(const struct fetch_job *j);

/* Some of it has left, on whichever connection. */
bool fetch_job_was_sent(const struct fetch_job *j);

/* On a connection that is there, or a new one. */
void fetch_conn_begin(struct fetch_job *j);
/* Close; it is gone in a moment. What is asked on it is not told. */
void fetch_conn_drop(struct fetch_conn *c);
/* The last connection is gone, perhaps. */
void fetch_maybe_closed(struct fetch *f);
