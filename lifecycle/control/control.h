/* lifecycled as a whole: the parts, and what they share. */
#pragma once

#include "base/io/daemon.h"
#include "base/io/service.h"
#include "lifecycle/control/mirror.h"
#include "lifecycle/control/peers.h"
#include "lifecycle/control/schema.h"

struct control_conf {
	struct daemon_conf daemon; /* first */
#define CONF CONF_FIELD
#include "lifecycle/control/config.tbl.h"
#undef CONF
};

struct api;

struct control {
	struct daemon *d;
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	const struct control_conf *conf;
	struct id id;          /* of this replica */
	int64_t cmd_stream_ms; /* when LIFECYCLE_CMD was created; 0: not known, commands
				  wait */
	uint64_t cmd_seen_seq; /* highest sequence delivered for the first time */
	struct schema *schema;
	struct mirror mirror;
	struct peers peers;
	struct api *api;
	struct service *service; /* NATS micro-service discovery */
	struct wheel wheel;
	struct loop_timer *tick;
	struct list unsettled; /* struct entry.unsettled: what follows from the record is
				  to be checked */
	size_t n_desks, n_settling;
	int64_t tick_boot_ms;   /* of the last tick: did this process stand still? */
	int64_t schema_boot_ms; /* of the last look at streams and buckets */
	int64_t second_boot_ms; /* of the last turn of what happens each second */
	unsigned log_budget;    /* client-triggered records that may still be logged this
				   second */
	bool pass_queued;       /* what waits for a place is looked at in a moment */
	bool schema_said;       /* in the log, since the connection */
	bool was_ready;         /* streams and buckets were as they should be, once */
	bool stopping;
	int64_t stop_mono_ms;
	struct loop_timer *stop_timer; /* --init: its time limit; else while stopping */
};

enum control_endpoint { ENDPOINT_API, ENDPOINT_COMMANDS };

/* For discovery: one more was answered, with an error or @code 0. */
void control_count(
    struct control *c, enum control_endpoint endpoint, int64_t took_us, int code);

/* LIFECYCLE_CMD may be another stream than it was: find out before anything more is
 * decided. */
void control_doubt_stream(struct control *c);
/* For log records that a client can cause at will: true a few times each second. */
bool control_may_log(struct control *c);

extern const struct daemon_def control_def;
