/* What daemon.c and daemon_nats.c share. */
#pragma once

#include "base/io/daemon.h"

struct daemon {
	const struct daemon_def *def;
	void *conf;
	int argc;
	char **argv;
	struct loop *loop;
	struct bus *bus;     /* NULL without a broker */
	struct store *store; /* likewise */
	struct auth_table *auth;
	struct http_server *http, *health;
	struct http_handlers handlers; /* the program's */
	void *data;
	bool begun; /* the program's start() was called: its stop() and free() are due */
	bool up;    /* everything started: stopping is news */
	bool stopping, closing;
	int exit_code;
	size_t n_open; /* listeners and broker still to close */
};

struct daemon_broker_ops {
	/* Settings that cannot work: the line for stderr. */
	int (*check)(const struct daemon_conf *c, struct err *e);
	/* Make d->bus and d->store. */
	int (*open)(struct daemon *d, struct err *e);
	int (*start)(struct daemon *d, struct err *e);
	void (*not_ready)(struct daemon *d, struct buf *reasons);
	/* Warnings for /readyz, a line each. */
	void (*warnings)(struct daemon *d, struct buf *out);
	/* Close d->bus and d->store, then @closed_cb. */
	void (*close)(struct daemon *d, loop_task_cb *closed_cb, void *data);
};
