/* The daemon struct of sessiond: its parts in start order. Nothing else knows the whole. */
#pragma once

#include "base/io/daemon.h"

struct gateway_conf {
	struct daemon_conf daemon; /* first */
#define CONF CONF_FIELD
#include "sessiond/gateway/config.tbl.h"
#undef CONF
};

struct sessions;
struct router;
struct agents;
struct fanout;
struct settings;

struct gateway {
	struct daemon *daemon;
	struct loop *loop;
	struct store *store;
	const struct gateway_conf *conf;
	struct sessions *sessions; /* records of all sessions, mirrored from the store */
	struct agents *agents;     /* connected Zeds */
	struct fanout *fanout;     /* SSE and WebSocket subscribers */
	struct settings *settings; /* base, overrides, revisions */
	struct router *router;
};
