/* settings-sync-daemon: its parts in start order. Nothing else knows the whole. */
#pragma once

#include <limits.h>

#include "base/io/daemon.h"
#include "sessiond/sidecar/conf.h"
#include "sessiond/sidecar/server.h"
#include "sessiond/sidecar/sync.h"

/* What main() runs. */
struct daemon_def sidecar_daemon_def(void);

struct desktop;
struct held;
struct local;

enum {
	SIDECAR_CLIENT_LEN = 16,
};

struct sidecar {
	struct daemon *daemon;
	struct loop *loop;
	const struct sidecar_conf *conf;
	struct sync *sync;
	struct server *server;
	struct local *local; /* the HTTP of its own */
	struct held *held;   /* what waits, told to the server */
	struct desktop *desktop; /* NULL without --helix-desktop */

	/* private */
	struct helix_base_conf helix; /* what of here goes into Helix's base */
	char helix_host[256];         /* server_base.host of the last answer */
	char home[PATH_MAX];
	char client[SIDECAR_CLIENT_LEN + 1]; /* which of several instances this is */
	struct loop_timer *grace;
	bool grace_over; /* waited long enough for the server */
	bool healthy;    /* said so once: a file stands and the editor may start */
	bool base_due; /* the one that was answered lacks what is known since, or soon */
	struct sidecar_due {
		bool due; /* once the file says what the server says now, or cannot */
		uint64_t answered, failed; /* looks at the server before it */
	} agent_switched, agent_restart;
	enum server_state server_state; /* as last logged */
	bool pushed;
	size_t n_closing;
};

/* A settings file stands, as good as it can be had now; or none can be made. @why_out:
 * what is waited for. */
bool sidecar_is_healthy(struct sidecar *s, const char **why_out);
/* Fetch from the server and look at the file. */
void sidecar_reload(struct sidecar *s);
/* Sign-ins of agents are known; @changed: others than when the last base was made. */
void sidecar_on_signed_in(struct sidecar *s, bool changed);
