/* The daemon struct of sessiond: its parts in start order. Nothing else knows the whole.
 */
#pragma once

#include "base/io/daemon.h"
#include "base/wheel.h"

#define DAEMON_LISTEN_DEFAULT "127.0.0.1:8080"

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
struct turns;
struct requests;

enum {
	GATEWAY_EPOCH_LEN = 26,
	GATEWAY_TICK_MS = 100,
	GATEWAY_FINE_TICK_MS = 5,
};

struct gateway {
	struct daemon *daemon;
	struct loop *loop;
	struct store *store;
	const struct gateway_conf *conf;
	struct sessions *sessions; /* records of all sessions, mirrored from the store */
	struct turns *turns;       /* accepted prompts and open turns, likewise */
	struct requests *requests; /* callers' idempotency keys */
	struct agents *agents;     /* connected Zeds */
	struct fanout *fanout;     /* SSE and WebSocket subscribers */
	struct settings *settings; /* base, overrides, revisions */
	struct router *router;
	struct service
	    *service; /* found by other NATS clients; it answers nothing else there */
	char epoch[GATEWAY_EPOCH_LEN +
		   1]; /* names this process in event ids and stored records */

	/* private */
	struct wheel wheel, fine;
	struct loop_timer *wheel_timer, *fine_timer;
	bool broker_up;
	bool streams_ready; /* made or found as they must be */
	bool streams_making;
	size_t next_stream; /* of the list in gateway_streams.c */
	char streams_problem[192];
	struct loop_timer *streams_retry;
	bool settings_ensured;
};

/* Timers of many owners. Coarse: seconds and more; fine: what somebody is watching. */
void gateway_arm(struct gateway *g, struct wheel_timer *t, int64_t delay_ms);
void gateway_arm_fine(struct gateway *g, struct wheel_timer *t, int64_t delay_ms);
void gateway_disarm(struct gateway *g, struct wheel_timer *t);
void gateway_disarm_fine(struct gateway *g, struct wheel_timer *t);

/* Prompts can be stored now. */
bool gateway_can_store(const struct gateway *g);
/* Indexes are complete: what is not found does not exist. */
bool gateway_warm(const struct gateway *g);

/* gateway_streams.c: make the streams and buckets of chat, then those of settings; again
 * after every connect. */
void gateway_streams_ensure(struct gateway *g);
void gateway_streams_stop(struct gateway *g);
