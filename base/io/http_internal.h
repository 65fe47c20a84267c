/* What the files of the HTTP server share. A connection (http_conn.c) is in one state;
 * requests (http_request.c), streams (http_stream.c) and WebSockets (http_ws.c) hang on
 * it and never outlive it. */
#pragma once

#include "base/buf.h"
#include "base/io/http.h"
#include "base/io/http_chunked.h"
#include "base/io/http_head.h"
#include "base/io/sock.h"
#include "base/io/ws_codec.h"
#include "base/wheel.h"

#include <netinet/in.h>

enum {
	HTTP_READ_BYTES = 64 * 1024,
	HTTP_AHEAD_MAX_BYTES =
	    64 * 1024, /* input kept while a request is being answered */
	HTTP_BACKLOG_MAX_BYTES =
	    256 * 1024, /* output, over which the next request waits */
	HTTP_TICK_MS = 100,
	HTTP_LINGER_MS = 2000,
	HTTP_LINGER_CLOSING_MS = 200,
	HTTP_SEND_STALL_MS = 60 * 1000,
	HTTP_SHUTDOWN_MS = 2000, /* for what is open when the server closes */
	HTTP_PEER_MAX = INET6_ADDRSTRLEN,
};

struct ssl_ctx_st;

enum http_conn_state {
	HTTP_CONN_HEAD,     /* idle, or a request's head is coming */
	HTTP_CONN_BODY,     /* its body is coming */
	HTTP_CONN_HANDLING, /* the application has it and will answer */
	HTTP_CONN_STREAM,   /* the answer is a stream */
	HTTP_CONN_WS,
	HTTP_CONN_FLUSH,  /* the last bytes go out */
	HTTP_CONN_LINGER, /* our side is ended; input is read away until the peer ends
			   * his, so that he gets to read the answer instead of a reset */
	HTTP_CONN_CLOSED, /* only libuv still knows it */
};

struct http_conn {
	struct http_server *server;
	struct list_link link; /* http_server.conns */
	struct list_link
	    dirty; /* http_server.dirty: something to send or to go on with */
	enum http_conn_state state;
	bool processing; /* conn_process is on the stack */
	bool head_begun; /* some of a head is here and its deadline runs */
	bool peer_is_loopback;
	char peer[HTTP_PEER_MAX];
	struct sock sock;
	struct wheel_timer deadline;
	struct buf in;     /* received, not yet understood */
	size_t in_scanned; /* of it, known to hold no end of head */
	struct http_req *req;
	struct http_stream *stream;
	struct http_ws *ws;
};

struct http_req {
	struct http_conn *conn;
	struct http_head head;
	struct http_chunked chunked;
	struct buf body;
	size_t body_max;
	void *data;
	bool in_headers; /* the headers() callback is on the stack */
};

struct http_server {
	struct loop *loop;
	struct http_conf conf; /* without its strings; zeros replaced */
	struct http_handlers handlers;
	char *tls_cert, *tls_key;
	struct ssl_ctx_st *tls;
	int listen_fd; /* -1: not listening */
	uint16_t port;
	bool is_ipv6;
	uv_poll_t listener;
	uv_prepare_t flusher; /* active while a connection is dirty; sends just before the
				 loop waits */
	struct loop_timer *ticker;
	int64_t tick_at_ms; /* when it is set to go off */
	struct wheel wheel;
	struct wheel_timer accept_again; /* descriptors had run out */
	struct list conns;               /* struct http_conn.link */
	struct list dirty;               /* struct http_conn.dirty */
	size_t n_handles;                /* libuv handles of ours still open */
	bool draining, closing;
	loop_task_cb *closed_cb;
	void *closed_data;
	int64_t date_unix_s;
	char date[40];
	char rdbuf[HTTP_READ_BYTES]; /* one read at a time, shared by all connections */
};

/* server */
void http_server_arm(struct http_server *s, struct wheel_timer *t, int64_t delay_ms);
void http_server_handle_closed(struct http_server *s);
void http_server_on_flush(uv_prepare_t *h);
/* The Date header's value now. */
const char *http_server_date(struct http_server *s);

/* connection */

/* Takes @fd, which is non-blocking. */
void http_conn_new(struct http_server *s, int fd, const struct sockaddr *peer);
/* Something was queued, or the connection can go on with its input: see to it before the
 * loop waits. */
void http_conn_touch(struct http_conn *c);
/* Do that now. */
void http_conn_go(struct http_conn *c);
void http_conn_deadline(struct http_conn *c, int64_t delay_ms);
/* The answer is queued whole; the request is freed. */
void http_conn_answered(struct http_conn *c, bool keep_alive);
/* Send what is queued, then close in order. */
void http_conn_finish(struct http_conn *c);
/* Close now. What hangs on it is told (aborted(), closed()). */
void http_conn_drop(struct http_conn *c);
/* Take the next step with the input that is here; true: there may be another. */
bool http_conn_step(struct http_conn *c);
/* The server answers itself: the application is told that its answer is not wanted any
 * more. */
struct http_req *http_conn_take_back(struct http_conn *c);
/* The server closes. */
void http_conn_shutdown(struct http_conn *c);

/* request */

void http_req_free(struct http_req *r);
/* The connection can carry another request after this one's answer. */
bool http_req_can_keep_alive(const struct http_req *r);
/* A refusal by the server itself, with statuses the error table does not have. Keeps or
 * ends the connection as any answer does. */
void http_refuse(struct http_req *r, int status, int code, const char *message);
/* The same before there is a request; the connection ends. */
void http_conn_refuse(struct http_conn *c, int status, int code, const char *message);

/* What http_reply, streams and handshakes begin with. */
struct http_answer {
	int status;
	const char *content_type; /* may be NULL */
	const struct http_header *headers;
	size_t n_headers;
	int64_t content_length; /* negative: none */
	bool chunked, keep_alive;
	bool is_http10;
};
void http_conn_write_head(struct http_conn *c, const struct http_answer *a);

/* stream */

/* Tell the application that the stream is gone. @ended: finish the chunked body (the
 * server closes). */
void http_stream_lost(struct http_conn *c, bool ended);
void http_stream_on_drained(struct http_conn *c);

/* WebSocket */

/* 0, or the status to refuse the handshake with. */
int http_ws_check_handshake(const struct http_req *r, const char **why_out);
/* Understand input; returns how much of it was taken. */
size_t http_ws_feed(struct http_ws *ws, char *p, size_t n);
void http_ws_open(struct http_ws *ws); /* once, before anything is fed */
bool http_ws_is_open(const struct http_ws *ws);
bool http_ws_is_paused(const struct http_ws *ws);
void http_ws_on_deadline(struct http_ws *ws);
void http_ws_on_drained(struct http_ws *ws);
void http_ws_shutdown(struct http_ws *ws);
void http_ws_lost(struct http_conn *c);
