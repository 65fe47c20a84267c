/* settings-sync-daemon: its parts in start order. Nothing else knows the whole. */
#pragma once

#include "base/io/daemon.h"
#include "sessiond/sidecar/conf.h"
#include "sessiond/sidecar/server.h"
#include "sessiond/sidecar/sync.h"

/* What main() runs. */
struct daemon_def sidecar_daemon_def(void);

struct local;

struct sidecar {
	struct daemon *daemon;
	struct loop *loop;
	const struct sidecar_conf *conf;
	struct sync *sync;
	struct server *server;
	struct local *local; /* the HTTP of its own */

	/* private */
	struct loop_timer *grace;
	bool grace_over; /* waited long enough for the server */
	bool healthy;    /* said so once: a file stands and the editor may start */
	bool agent_switched;
	uint64_t switched_at_answered, switched_at_failed;
	enum server_state server_state; /* as last logged */
	bool pushed;
	size_t n_closing;
};

/* A settings file stands, as good as it can be had now. @why_out: what is waited for. */
bool sidecar_is_healthy(struct sidecar *s, const char **why_out);
/* Fetch from the server and look at the file. */
void sidecar_reload(struct sidecar *s);
