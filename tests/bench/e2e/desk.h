/* A desk: what stands beside one Zed. A session with settings, its folder, and a
 * settings-sync-daemon whose words are listened to. */
#pragma once

#include "tests/bench/e2e/rig.h"

struct watcher;

struct desk {
	struct rig *r;
	char session_id[32];
	char folder[80], settings[128], state[128];
	uint16_t port;
	pid_t pid;
	/* the file is looked at whenever it changes */
	struct watcher *watcher;
	char wanted[32]; /* what it shall hold; "": nothing is awaited */
	bool arrived;
	int64_t arrived_us;
	/* likewise what the daemon logs */
	uv_poll_t log;
	int log_fd;
	bool uploaded, log_closed;
	int64_t uploaded_us;
};

/* Folder and session, with a base. */
void desk_init(struct desk *d, struct rig *r, unsigned no);
/* The daemon, settled, with everything listened to. */
void desk_start(struct desk *d);
void desk_stop_listening(struct desk *d);
/* PUT the base with @mark in it. */
void desk_put(struct desk *d, const char *mark);
/* Arguments and environment of the daemon; @text has room for them. */
struct desk_command {
	char listen[32], url[64], id[64];
	const char *argv[8];
	const char *env[4];
};
void desk_command(const struct desk *d, struct desk_command *out);
