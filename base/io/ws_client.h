/* WebSocket client on the loop (settings-sync-daemon, zed-sim). One
 * connection an object; reconnecting is the owner's policy. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/slice.h"

struct ws_client;

/* One per process, shared by its connections. */
struct ws_client_ctx;
/* @ca_file NULL: the system's. */
int ws_client_ctx_new(struct loop *l, const char *ca_file, bool skip_verify,
    struct ws_client_ctx **out, struct err *e) MUST_CHECK;
void ws_client_ctx_close(struct ws_client_ctx *c, loop_task_cb *closed_cb, void *data);

struct ws_client_conf {
	const char *url; /* ws:// or wss://, with path and query; borrowed for the call */
	const char *bearer;     /* NULL: no Authorization */
	bool host_without_port; /* as real Zed does */
	size_t message_max_bytes, queue_max_bytes;
	int64_t handshake_timeout_ms;
	int64_t silence_timeout_ms; /* closed when nothing, pings included, was heard this
				       long; 0: never */
	void (*opened)(void *data);
	void (*message)(void *data, struct slice msg, bool is_text);
	void (*drained)(
	    void *data); /* the kernel has taken all that was queued; optional */
	/* Always the last callback, exactly once. @status: HTTP status of a refused
	 * handshake, 0 when there was none.
	 * @code: WebSocket close code, 1006 when none. */
	void (*closed)(void *data, int code, int status, const char *why);
	void *data;
};
/* Return: 0 and callbacks follow; ERROR_INVALID (@url malformed). */
int ws_client_connect(struct ws_client_ctx *c, const struct ws_client_conf *conf,
    struct ws_client **out, struct err *e) MUST_CHECK;
int ws_client_send(struct ws_client *w,
    struct slice text) MUST_CHECK; /* copied; ERROR_TOO_LARGE, ERROR_UNAVAILABLE */
size_t ws_client_queued(const struct ws_client *w);
/* closed() follows; @w is gone after it. @code 0: drop the TCP connection without a close
 * frame. */
void ws_client_close(struct ws_client *w, int code, const char *reason);
