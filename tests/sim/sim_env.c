#include "tests/sim/sim_env.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SIM_PATH "/api/v1/external-agents/sync?session_id="

/* Rust's bool: "true" and "false" and nothing else. */
static bool sim_env_bool(const char *name, bool dflt)
{
	const char *v = getenv(name);

	if (!v)
		return dflt;
	return strcmp(v, "true") == 0;
}

static const char *sim_env_str(const char *name, const char *dflt)
{
	const char *v = getenv(name);

	return v && *v ? v : dflt;
}

/* $@xdg/@leaf, else $HOME/@fallback/@leaf, else "". */
static void sim_env_dir(
    const char *xdg, const char *fallback, const char *leaf, char *out, size_t n)
{
	const char *dir = sim_env_str(xdg, NULL);
	const char *home = sim_env_str("HOME", NULL);
	int len = 0;

	out[0] = '\0';
	if (dir)
		len = snprintf(out, n, "%s/%s", dir, leaf);
	else if (home)
		len = snprintf(out, n, "%s/%s/%s", home, fallback, leaf);
	if (len < 0 || (size_t)len >= n)
		out[0] = '\0';
}

void sim_env_read(struct sim_env *env)
{
	bool external = sim_env_bool("ZED_EXTERNAL_SYNC_ENABLED", false);

	*env = (struct sim_env){
	    .enabled = external && sim_env_bool("ZED_WEBSOCKET_SYNC_ENABLED", external),
	    .session = sim_env_str("HELIX_SESSION_ID", ""),
	    .host = getenv("ZED_HELIX_URL") ? getenv("ZED_HELIX_URL") : "localhost:8080",
	    .token = sim_env_str("ZED_HELIX_TOKEN", NULL),
	    .tls = sim_env_bool("ZED_HELIX_TLS", false),
	    .skip_verify = sim_env_bool("ZED_HELIX_SKIP_TLS_VERIFY", false),
	};
	sim_env_dir(
	    "XDG_CONFIG_HOME", ".config", "zed", env->config_dir, sizeof env->config_dir);
	/* Not Zed's own folder: a simulator started by hand must not touch a real Zed's
	 * data. */
	sim_env_dir("XDG_DATA_HOME", ".local/share", "zed-sim", env->data_dir,
	    sizeof env->data_dir);
}

static void sim_env_session(
    const struct sim_env *env, int64_t i, int64_t n, struct buf *out)
{
	const char *mark = strstr(env->session, "%d");

	if (mark) {
		buf_add(out, env->session, (size_t)(mark - env->session));
		buf_addf(out, "%" PRId64, i);
		buf_adds(out, mark + 2);
		return;
	}
	buf_adds(out, env->session);
	if (n > 1)
		buf_addf(out, "-%" PRId64, i);
}

void sim_env_url(const struct sim_env *env, int64_t i, int64_t n, struct buf *out)
{
	buf_adds(out, env->tls ? "wss://" : "ws://");
	buf_adds(out, env->host);
	buf_adds(out, SIM_PATH);
	sim_env_session(env, i, n, out);
}
