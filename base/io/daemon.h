/* What every daemon has in common: configuration, logging, signals, broker, listener,
 * /healthz /readyz /metrics, and the order in which all that starts and stops. A program
 * fills a struct daemon_def and calls daemon_main. */
#pragma once

#include "base/conf.h"
#include "base/io/auth.h"
#include "base/io/bus.h"
#include "base/io/http.h"
#include "base/io/loop.h"
#include "base/io/store.h"
#include "base/log.h"
#include "base/metric.h"

/* The rows every daemon's config.tbl.h begins with; struct daemon_conf must be the first
 * member of its config struct. */
struct daemon_conf {
#define CONF CONF_FIELD
#include "base/io/broker.tbl.h"
#include "base/io/daemon.tbl.h"
#undef CONF
};

struct daemon;

/* The broker's part of a daemon (daemon_nats.c): opaque to programs. */
struct daemon_broker_ops;
extern const struct daemon_broker_ops daemon_nats;

struct daemon_def {
	struct conf_spec spec;
	size_t conf_size;
	const struct daemon_broker_ops
	    *broker; /* &daemon_nats, or NULL: none, and nats.c is not linked */
	const struct log_event *const *const *events; /* NULL-terminated list of lists */
	struct metric *const *const *metrics;         /* likewise */
	/* Something other than --tokens protects the listener (so it may leave loopback).
	 * Optional. */
	bool (*protected)(const void *conf);
	/* This run does one thing and ends (daemon_finish): nothing is listened on. Optional. */
	bool (*headless)(const void *conf);
	/* Settings that depend on each other; @e is the line for stderr (exit 2). May
	 * change what it finds. Optional. */
	int (*check)(void *conf, struct err *e);
	/* Loop, bus (not started) and tokens exist; listeners do not. Subscribe, make
	 * parts. Non-zero: exit 1 (or 2 when ERROR_INVALID) with @e. Sets the HTTP
	 * handlers through daemon_set_http. */
	int (*start)(struct daemon *d, struct err *e);
	void (*bus_event)(struct daemon *d, enum bus_event ev); /* optional */
	/* Append why it cannot work now, one reason a line; nothing: ready. The broker is
	 * checked by daemon.c. */
	void (*not_ready)(struct daemon *d, struct buf *reasons);
	void (*reload)(struct daemon
		*d); /* after conf, tokens and certificates were re-read; optional */
	/* Begin an orderly stop; call daemon_stopped when done. The listener is still up.
	 */
	void (*stop)(struct daemon *d);
	void (*free)(struct daemon *d); /* loop has ended; optional */
};

/* main() of a daemon: returns the exit code. */
int daemon_main(const struct daemon_def *def, int argc, char **argv);

/* the parts, for the program's own code */
struct loop *daemon_loop(struct daemon *d);
struct bus *daemon_bus(struct daemon *d);
struct store *daemon_store(struct daemon *d);
const void *daemon_conf(const struct daemon *d);
const struct auth_table *daemon_auth(const struct daemon *d); /* changes at reload */
void daemon_set_data(struct daemon *d, void *data);
void *daemon_data(const struct daemon *d);
/* Handlers for everything on --listen but /healthz /readyz /metrics, which daemon.c
 * answers. */
void daemon_set_http(struct daemon *d, const struct http_handlers *h);
uint16_t daemon_port(const struct daemon *d); /* port of --listen */
bool daemon_stopping(const struct daemon *d);
void daemon_stopped(struct daemon *d);
/* Done: an orderly stop with exit 0, as if asked to. */
void daemon_finish(struct daemon *d);
/* The program cannot go on (state dir locked by another...): logs @e, stops with
 * @exit_code. */
void daemon_fail(struct daemon *d, int exit_code, const struct err *e);
