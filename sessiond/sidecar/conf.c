/* Rows, and the settings that are completed from others: the settings file from the home
 * directory, the listener from the port. */
#include "sessiond/sidecar/conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ids.h"

enum {
	CONF_PATH_MAX = 4096,
};

static const struct conf_row conf_rows[] = {
#define CONF(...) CONF_ROW(struct daemon_conf, __VA_ARGS__)
#include "base/io/daemon.tbl.h"
#undef CONF
#define CONF(...) CONF_ROW(struct sidecar_conf, __VA_ARGS__)
#include "sessiond/sidecar/config.tbl.h"
#undef CONF
};

const struct conf_spec sidecar_conf_spec = {
    .program = "settings-sync-daemon",
    .summary = "Keeps Zed's settings.json and a settings server in step, both ways. "
	       "`settings-sync-daemon plan --help` previews a step offline.",
    .rows = conf_rows,
    .n_rows = ARRAY_LEN(conf_rows),
};

/* Takes the text of @b. */
static void conf_fill(char **field, struct buf *b)
{
	char *text = buf_steal(b, NULL);

	must(text);
	free(*field);
	*field = text;
}

static int conf_fill_settings(struct sidecar_conf *c, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	struct buf b = BUF_NULL(CONF_PATH_MAX);

	if (c->settings)
		return 0;
	if (xdg && xdg[0] == '/')
		buf_addf(&b, "%s/zed/settings.json", xdg);
	else if (home && home[0] == '/')
		buf_addf(&b, "%s/.config/zed/settings.json", home);
	else
		return err_set(
		    e, ERROR_INVALID, "--settings: not given, and HOME is not set");
	conf_fill(&c->settings, &b);
	return 0;
}

static int conf_check_url(struct sidecar_conf *c, struct err *e)
{
	AUTO(buf_deinit) struct buf shown = BUF_NULL(1024);
	const char *host = strstr(c->api_url, "://");
	size_t n = strlen(c->api_url);

	buf_add_masked(&shown, c->api_url);
	if (!host || (strncasecmp(c->api_url, "http://", 7) != 0 &&
			 strncasecmp(c->api_url, "https://", 8) != 0))
		return err_set(e, ERROR_INVALID,
		    "HELIX_API_URL: '%s' does not begin with http:// or https://",
		    buf_cstr(&shown));
	if (host[3] == '\0' || host[3] == '/')
		return err_set(e, ERROR_INVALID, "HELIX_API_URL: '%s' has no host",
		    buf_cstr(&shown));
	if (strpbrk(c->api_url, " ?#\t\r\n"))
		return err_set(e, ERROR_INVALID,
		    "HELIX_API_URL: '%s' may have a path, but no query and no space",
		    buf_cstr(&shown));
	while (n > 0 && c->api_url[n - 1] == '/')
		c->api_url[--n] = '\0';
	return 0;
}

static int conf_check_session(const struct sidecar_conf *c, struct err *e)
{
	if (!c->session_id)
		return err_set(e, ERROR_INVALID,
		    "HELIX_SESSION_ID: required; the session whose settings these are");
	if (!id_token_valid(slice_of(c->session_id)))
		return err_set(e, ERROR_INVALID,
		    "HELIX_SESSION_ID: '%.80s' is not 1 to 64 of [A-Za-z0-9_-]",
		    c->session_id);
	return 0;
}

int sidecar_conf_check(void *conf, struct err *e)
{
	struct sidecar_conf *c = conf;
	struct buf listen = BUF_NULL(64);
	int r = conf_check_session(c, e);

	if (!r)
		r = conf_check_url(c, e);
	if (!r)
		r = conf_fill_settings(c, e);
	if (r)
		return r;
	if (c->helix_root && c->helix_root[0] != '/')
		return err_set(e, ERROR_INVALID,
		    "--helix-root: '%s' is not an absolute path", c->helix_root);
	if (c->helix_desktop && (!getenv("HOME") || getenv("HOME")[0] != '/'))
		return err_set(e, ERROR_INVALID,
		    "--helix-desktop: HOME is not set; credential files are in there");
	if (c->settings[0] != '/')
		return err_set(e, ERROR_INVALID,
		    "--settings: '%s' is not an absolute path", c->settings);
	if (c->state_dir && c->state_dir[0] != '/')
		return err_set(e, ERROR_INVALID,
		    "--state-dir: '%s' is not an absolute path", c->state_dir);
	if (!c->daemon.listen) {
		buf_addf(&listen, "127.0.0.1:%d", (int)c->port);
		conf_fill(&c->daemon.listen, &listen);
	}
	return 0;
}

bool sidecar_conf_protected(const void *conf)
{
	return ((const struct sidecar_conf *)conf)->user_api_token != NULL;
}

const char *sidecar_conf_bearer(const struct sidecar_conf *c)
{
	return c->user_api_token ? c->user_api_token : c->helix_api_token;
}
