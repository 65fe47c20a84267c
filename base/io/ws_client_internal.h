/* What the two files of the WebSocket client share: connections (ws_client.c) and what
 * they have in common (ws_client_ctx.c). */
#pragma once

#include "base/buf.h"
#include "base/io/dial.h"
#include "base/io/sock.h"
#include "base/io/ws_client.h"
#include "base/io/ws_handshake.h"
#include "base/wheel.h"

enum {
	WS_READ_BYTES = 64 * 1024,
	WS_READS_A_TURN = 4,
	WS_IN_MAX_BYTES = HTTP_HEAD_MAX_BYTES + WS_READ_BYTES,
	WS_DEFAULT_MAX_BYTES = 16 * 1024 * 1024,
	WS_CONTROL_QUEUE_BYTES = 64 * 1024,
	WS_HANDSHAKE_MS = 10 * 1000,
	WS_CLOSE_MS = 5000,
	WS_TICK_MS = 50,
	WS_WHY_MAX = 160,
};

enum ws_client_state {
	WS_DIALLING,
	WS_HANDSHAKE,
	WS_OPEN,
	WS_CLOSING,
	WS_GONE, /* closed() is owed, or was called and libuv lets go */
};

struct ws_client_ctx {
	struct loop *loop;
	struct ssl_ctx_st *tls; /* NULL: nobody asked for it yet, and nobody is verified */
	uv_prepare_t flusher; /* active while a connection is dirty */
	struct loop_timer *ticker;
	int64_t tick_at_ms; /* when it is set to go off */
	struct wheel wheel;
	struct list clients; /* struct ws_client.link */
	struct list dirty;   /* struct ws_client.dirty */
	bool closing;
	loop_task_cb *closed_cb;
	void *closed_data;
	char rdbuf[WS_READ_BYTES];
};

struct ws_client {
	struct ws_client_ctx *ctx;
	struct list_link link, dirty;
	struct ws_client_conf conf;
	struct url *url; /* until the handshake is sent */
	char *bearer;
	enum ws_client_state state;
	struct wheel_timer deadline;
	bool has_sock, wants_drained;
	struct sock sock;
	struct dial *dial; /* while dialling */
	char key[WS_KEY_MAX];
	struct buf in;
	size_t in_scanned;
	struct ws_decoder decoder;
	int64_t last_heard_mono_ms;
	int code, status;
	char why[WS_WHY_MAX];
};

void ws_client_deadline(struct ws_client *w, int64_t delay_ms);
/* Something is queued or owed: see to it before the loop waits. */
void ws_client_touch(struct ws_client *w);
/* The connection is over; closed() comes from the flusher. */
void ws_client_end(struct ws_client *w, int code, const char *why);
/* The flusher's turn: of a connection that is over, and of one that is not. */
void ws_client_let_go(struct ws_client *w);
void ws_client_flush(struct ws_client *w);
void ws_client_ctx_maybe_closed(struct ws_client_ctx *c);
struct ssl_ctx_st *ws_client_ctx_tls(struct ws_client_ctx *c);
