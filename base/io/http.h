/* HTTP/1.1 and WebSocket server. Requests reach their handler whole
 * (headers and bounded body); answers are always HTTP/1.1 with Content-Length, refused
 * upgrades too; streams (SSE) and WebSockets have bounded output queues with a signal
 * when they drain. Connection deadlines and pings come from one timing wheel. Everything
 * on the loop thread. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/slice.h"

struct http_server;
struct http_req;
struct http_stream;
struct http_ws;

struct http_conf {
	const char *listen;             /* "ADDR:PORT", "[::1]:PORT"; port 0 picks one */
	const char *tls_cert, *tls_key; /* NULL: plain */
	size_t body_max_bytes;          /* default limit of a request body; 0: 1 MiB */
	int64_t idle_timeout_ms;        /* keep-alive; 0: 75 s */
	int64_t header_timeout_ms;      /* 0: 10 s */
	int64_t body_timeout_ms;        /* 0: 30 s without progress */
	size_t max_connections;         /* 0: from RLIMIT_NOFILE */
};

/* What a handler is asked about a request before its body is read. */
enum http_decision {
	HTTP_ACCEPT,  /* go on; body limit may be set with http_req_set_body_max */
	HTTP_REPLIED, /* the handler has replied (refusal); if there is a body it is not
		       * understood and the connection ends */
};

struct http_handlers {
	/* Headers are complete. Also for upgrade requests (http_req_is_upgrade), before
	 * http_ws_accept. */
	enum http_decision (*headers)(void *data, struct http_req *r);
	/* Whole request. Must end in exactly one http_reply, http_stream_begin or
	 * http_ws_accept, now or later. */
	void (*request)(void *data, struct http_req *r);
	/* There will be no answer of the application's: the peer left, or the server
	 * refused the body or closes. @r dies when this returns. Optional. */
	void (*aborted)(void *data, struct http_req *r);
	void *data;
};

/* Listens at once. Return: 0; ERROR_INVALID (address malformed, certificate unreadable);
 * -EADDRINUSE etc. */
int http_server_new(struct loop *l, const struct http_conf *conf,
    const struct http_handlers *h, struct http_server **out, struct err *e) MUST_CHECK;
/* The port listened on. */
uint16_t http_server_port(const struct http_server *s);
/* Re-read certificate and key files (SIGHUP). */
int http_server_reload_tls(struct http_server *s, struct err *e) MUST_CHECK;
/* Stop accepting; what is open goes on. */
void http_server_drain(struct http_server *s);
/* Close every connection (WebSockets with 1001, streams by ending them), then @closed_cb;
 * @s is freed before it. */
void http_server_close(struct http_server *s, loop_task_cb *closed_cb, void *data);
size_t http_server_n_connections(const struct http_server *s);

/* request: all borrowed until it is replied to */
const char *http_req_method(const struct http_req *r); /* "GET" */
const char *http_req_path(const struct http_req
	*r); /* percent-decoded, "/api/v1/x"; an undecodable one is refused before */
const char *http_req_query(const struct http_req *r,
    const char *name); /* decoded value; NULL if absent; "" if empty */
const char *http_req_header(const struct http_req *r,
    const char *name); /* any header, name without case; NULL if absent */
struct slice http_req_body(const struct http_req *r);
bool http_req_is_upgrade(const struct http_req *r);  /* a WebSocket handshake */
const char *http_req_peer(const struct http_req *r); /* address text */
bool http_req_peer_is_loopback(const struct http_req *r);
void http_req_set_body_max(struct http_req *r, size_t n_bytes);
void http_req_set_data(struct http_req *r, void *data); /* the application's pointer */
void *http_req_data(const struct http_req *r);

struct http_header {
	const char *name, *value;
};

/* Answer and be done: @r is gone after it. @headers may be NULL; Content-Length is added;
 * @content_type NULL: none. */
void http_reply(struct http_req *r, int status, const char *content_type,
    const struct http_header *headers, size_t n_headers, struct slice body);
/* {"error":{"code","message"}} with the code's status; Retry-After when it is retryable
 * by waiting. */
void http_reply_error(struct http_req *r, int code, const char *message);

/* streaming answers (SSE): chunked, never ended by the server but through http_stream_end
 */
struct http_stream_cb {
	void (*drained)(void *data); /* queue empty again after http_stream_write said it
					was not; optional */
	void (*closed)(void *data);  /* peer left or server closing; the stream is gone;
					not after http_stream_end */
	void *data;
};
/* @r becomes the stream. */
struct http_stream *http_stream_begin(struct http_req *r, int status,
    const char *content_type, const struct http_header *headers, size_t n_headers,
    const struct http_stream_cb *cb);
/* Queue bytes (copied). Returns bytes now queued and not yet taken by the kernel: the
 * caller decides what too slow is. */
size_t http_stream_write(struct http_stream *st, struct slice data);
size_t http_stream_queued(const struct http_stream *st);
/* Send what is queued, then finish the chunked body cleanly; @st is gone. */
void http_stream_end(struct http_stream *st);
/* Drop the connection so that the peer sees truncation; @st is gone. */
void http_stream_abort(struct http_stream *st);

/* WebSocket, server side */
enum {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_INVALID = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_RESTART = 1012,
};

struct http_ws_conf {
	size_t message_max_bytes; /* inbound, whole message; over it: closed with 1009 */
	size_t queue_max_bytes;   /* outbound; over it: closed with 1008 and closed() */
	int64_t ping_interval_ms; /* 0: none */
	int64_t pong_timeout_ms;  /* closed when nothing at all was heard for interval +
				     this */
	/* Whole message, reassembled; borrowed. Text is valid UTF-8 (else closed with
	 * 1007). */
	void (*message)(void *data, struct http_ws *ws, struct slice msg, bool is_text);
	void (*drained)(void *data, struct http_ws *ws); /* optional */
	/* Gone, for any reason; the last callback; not if it never opened. @code as
	 * received, 1006 when none. */
	void (*closed)(void *data, struct http_ws *ws, int code);
	/* Handshake sent: writing is possible from here on. */
	void (*opened)(void *data, struct http_ws *ws);
	void *data;
};
/* Accept the handshake @r (in request()). Returns the socket; opened() follows. No
 * subprotocol, no extension is ever answered; Host is not checked here. */
struct http_ws *http_ws_accept(struct http_req *r, const struct http_ws_conf *conf);
/* Queue one text message (copied). 0; ERROR_TOO_LARGE (queue full: it is being closed);
 * ERROR_UNAVAILABLE (closing). */
int http_ws_send(struct http_ws *ws, struct slice text) MUST_CHECK;
size_t http_ws_queued(const struct http_ws *ws);
/* Begin closing: queued messages first, then a close frame; the peer gets 5 s. closed()
 * follows. */
void http_ws_close(struct http_ws *ws, int code, const char *reason);
const char *http_ws_peer(const struct http_ws *ws);
int64_t http_ws_last_heard_mono_ms(const struct http_ws *ws);
/* Stop or go on reading (back-pressure to the peer). */
void http_ws_pause(struct http_ws *ws, bool paused);
