/* One Zed's connection: URL as Zed pastes it, endless retries, and an unbounded backlog
 * of events of which only the one under way is lost when the connection breaks. */
#pragma once

#include "base/buf.h"
#include "base/io/loop.h"
#include "base/io/ws_client.h"
#include "base/list.h"
#include "tests/sim/sim_stats.h"

struct sim_socket_cb {
	void (*opened)(void *data); /* handshake done, ping queued */
	void (*text)(void *data, struct slice msg);
	void (*sent)(void *data);   /* one more event is with the kernel */
	void (*closed)(void *data); /* an established connection ended */
	void *data;
};

struct sim_socket {
	struct loop *loop;
	struct ws_client_ctx *ctx;
	struct sim_stats *stats;
	struct sim_socket_cb cb;
	char *url;
	const char *bearer; /* NULL: none; borrowed */
	/* private */
	struct ws_client *ws; /* from connect to closed */
	struct loop_timer *retry;
	unsigned n_failures;
	bool connected, stopping;
	struct list backlog;      /* struct sim_event.link */
	struct sim_event *flying; /* handed to the socket, not yet with the kernel */
};

/* Takes @url (malloc'd). */
void sim_socket_init(struct sim_socket *s, struct loop *l, struct ws_client_ctx *ctx,
    char *url, const char *bearer, struct sim_stats *stats,
    const struct sim_socket_cb *cb);
void sim_socket_start(struct sim_socket *s);
/* Queue one event, connected or not; @json is copied. */
void sim_socket_push(struct sim_socket *s, struct slice json);
/* Cut the connection without a close frame; false if there is none. */
bool sim_socket_drop(struct sim_socket *s);
/* No more retries; what is open is cut. The struct must live until the websocket context
 * is closed. */
void sim_socket_stop(struct sim_socket *s);
/* After the websocket context is closed. */
void sim_socket_deinit(struct sim_socket *s);
