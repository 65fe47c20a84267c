/* The environment as Zed reads it: its own parsing rules, wrong guesses included. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

struct sim_env {
	bool enabled;        /* ZED_EXTERNAL_SYNC_ENABLED is literally "true", and so
				ZED_WEBSOCKET_SYNC_ENABLED if set */
	const char *session; /* "" when unset: no connection at all */
	const char *host;    /* host[:port], verbatim */
	const char *token;   /* NULL: no Authorization header */
	bool tls, skip_verify;
	char config_dir[4096]; /* $XDG_CONFIG_HOME/zed; "" when there is no home */
	char data_dir[4096];   /* threads; "" when there is no home: nothing is kept */
};

/* Strings are borrowed from the environment. */
void sim_env_read(struct sim_env *env);
/* The URL Zed number @i of @n connects to: parts pasted together, nothing escaped. */
void sim_env_url(const struct sim_env *env, int64_t i, int64_t n, struct buf *out);
