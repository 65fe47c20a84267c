/* Configuration of settings-sync-daemon: its rows, and what follows from the environment
 * where a row says nothing. */
#pragma once

#include "base/io/daemon.h"

#define DAEMON_LISTEN_DEFAULT ""

struct sidecar_conf {
	struct daemon_conf daemon; /* first */
#define CONF CONF_FIELD
#include "sessiond/sidecar/config.tbl.h"
#undef CONF
};

extern const struct conf_spec sidecar_conf_spec;

/* daemon_def.check: completes settings file and listener, refuses what cannot work.
 * Return: 0; ERROR_INVALID. */
int sidecar_conf_check(void *conf, struct err *e) MUST_CHECK;
/* daemon_def.protected: USER_API_TOKEN guards the listener. */
bool sidecar_conf_protected(const void *conf);
/* What the server is shown; NULL: nothing. */
const char *sidecar_conf_bearer(const struct sidecar_conf *c);
