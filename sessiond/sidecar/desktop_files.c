/* Files beside the settings: small, written whole by a new file that takes the old one's
 * name, and only where they do not say so already. */
#include "sessiond/sidecar/desktop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/core/json_doc.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/file_io.h"
#include "sessiond/sidecar/helix_files.h"
#include "sessiond/sidecar/helix_url.h"
#include "sessiond/sidecar/path.h"

static bool files_path(const char *front, const char *path, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s%s", front, path) < PATH_MAX;
}

bool desktop_path_root(
    const struct desktop *d, const char *path, char out[static PATH_MAX])
{
	const char *root = d->s->conf->helix_root;

	return files_path(root ? root : "", path, out);
}

bool desktop_path_home(
    const struct desktop *d, const char *path, char out[static PATH_MAX])
{
	return files_path(d->s->home, path, out);
}

static bool files_says(const char *path, struct slice text, mode_t mode)
{
	AUTO(buf_deinit) struct buf now = BUF_NULL(DESKTOP_FILE_MAX);
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 0777) == mode &&
	       file_read(path, DESKTOP_FILE_MAX, &now) == 0 &&
	       slice_eq(buf_slice(&now), text);
}

/* Folders of what others may read are open to them too. */
static int files_make_parents(const char *path, mode_t mode)
{
	mode_t was = umask(mode & 0044 ? 0022 : 0077);
	int r = path_make_parents(path);

	umask(was);
	return r;
}

/* The new file under a name of its own; @fd is closed. 0 or -errno. */
static int files_fill(int fd, struct slice text, mode_t mode)
{
	int r = file_write_at(fd, text, 0);

	if (!r && fchmod(fd, mode) < 0)
		r = -errno;
	if (!r && fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int files_swap(const char *fresh, const char *path, unsigned flags)
{
	return renameat2(AT_FDCWD, fresh, AT_FDCWD, path, flags) < 0 ? -errno : 0;
}

/* @fresh takes the place of @path, unless that says something else than @was (p NULL: it
 * is not there) after all. */
static int files_put_over(const char *fresh, const char *path, struct slice was)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(DESKTOP_FILE_MAX);
	int r;

	if (!was.p) {
		r = files_swap(fresh, path, RENAME_NOREPLACE);
		return r == -EEXIST ? -EAGAIN : r;
	}
	r = files_swap(fresh, path, RENAME_EXCHANGE);
	if (r)
		return r == -ENOENT ? -EAGAIN : r;
	r = file_read(fresh, DESKTOP_FILE_MAX, &out);
	if (!r && !slice_eq(buf_slice(&out), was)) {
		r = files_swap(fresh, path, RENAME_EXCHANGE);
		r = r ? r : -EAGAIN;
	}
	unlink(fresh);
	return r;
}

int desktop_write_over(
    const char *path, struct slice text, mode_t mode, struct slice was)
{
	char fresh[PATH_MAX + 8];
	int fd, r = files_make_parents(path, mode);

	if (r)
		return r;
	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = files_fill(fd, text, mode);
	if (!r)
		r = files_put_over(fresh, path, was);
	if (r)
		unlink(fresh);
	return r;
}

static int files_replace(const char *path, struct slice text, mode_t mode)
{
	char fresh[PATH_MAX + 8];
	int fd, r;

	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = files_fill(fd, text, mode);
	if (!r && rename(fresh, path) < 0)
		r = -errno;
	if (r)
		unlink(fresh);
	return r;
}

/* The same trouble again is not said again. */
static void files_fail(struct desktop *d, const char *path, const char *why)
{
	char trouble[sizeof(d->file_trouble)];

	snprintf(trouble, sizeof(trouble), "%.150s: %.80s", path, why);
	if (strcmp(trouble, d->file_trouble) != 0)
		log_event(
		    EV_desktop_file_failed, LF("path", path), LF("detail", why));
	memcpy(d->file_trouble, trouble, sizeof(trouble));
}

bool desktop_write(struct desktop *d, const char *path, struct slice text, mode_t mode)
{
	int r;

	if (files_says(path, text, mode))
		return true;
	r = files_make_parents(path, mode);
	if (!r)
		r = files_replace(path, text, mode);
	if (r)
		files_fail(d, path, strerror(-r));
	return r == 0;
}

void desktop_write_keymap(struct desktop *d)
{
	const char *settings = d->s->conf->settings;
	int n = (int)(strrchr(settings, '/') - settings);
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%.*s/keymap.json", n, settings) < PATH_MAX)
		(void)desktop_write(d, path, slice_of(helix_keymap), 0644);
}

/* marks */

static void files_mark(struct desktop *d, const char *name)
{
	char path[PATH_MAX];

	if (desktop_path_root(d, name, path))
		(void)desktop_write(d, path, SLICE_LIT("1"), 0644);
}

void desktop_mark_setup_token(struct desktop *d)
{
	char path[PATH_MAX];

	files_mark(d, "/tmp/helix-claude-subscription-mode");
	files_mark(d, "/tmp/helix-claude-setup-token-mode");
	/* Without it claude asks its questions of a first start. */
	if (desktop_path_home(d, "/.claude.json", path) && access(path, F_OK) < 0)
		(void)desktop_write(
		    d, path, SLICE_LIT("{\"hasCompletedOnboarding\":true}"), 0644);
}

/* what the agents read */

/* A file of the user's stays where it really is, and as closed to others as it was. */
static mode_t files_real(const char *path, char real[static PATH_MAX])
{
	struct stat st;

	if (!realpath(path, real))
		snprintf(real, PATH_MAX, "%s", path);
	return stat(real, &st) == 0 ? st.st_mode & 0777 : 0644;
}

static void files_edit(struct desktop *d, const char *path, const struct helix_agent *g,
    int (*edit)(struct slice now, const struct helix_agent *g, struct buf *out,
	struct err *e))
{
	AUTO(buf_deinit) struct buf now = BUF_NULL(DESKTOP_FILE_MAX);
	AUTO(buf_deinit) struct buf text = BUF_NULL(DESKTOP_FILE_MAX);
	char real[PATH_MAX];
	mode_t mode = files_real(path, real);
	struct err e = ERR_NULL;
	int r = file_read(real, DESKTOP_FILE_MAX, &now);

	if (r && r != -ENOENT)
		err_set(&e, r, "%s", strerror(-r));
	else
		r = edit(buf_slice(&now), g, &text, &e);
	if (r)
		files_fail(d, path, e.text);
	else if (!buf_check(&text))
		(void)desktop_write(d, real, buf_slice(&text), mode);
}

static int files_edit_codex(
    struct slice now, const struct helix_agent *g, struct buf *out, struct err *e)
{
	return helix_codex_config(now, g->model, g->base_url, out, e);
}

static void files_goose(struct desktop *d, const struct helix_agent *g)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(DESKTOP_FILE_MAX);
	AUTO(buf_deinit) struct buf name = BUF_NULL(PATH_MAX);
	char path[PATH_MAX], baked[PATH_MAX] = "";

	buf_addf(&name, "/.config/helix-goose/goose/baked-recipes/" SLICE_FMT ".yaml",
	    SLICE_ARG(g->baked_name));
	if (helix_goose_bakes(g) &&
	    (!desktop_path_home(d, buf_cstr(&name), baked) ||
		!desktop_write(d, baked, g->baked_content, 0644)))
		baked[0] = '\0';
	helix_goose_config(g, baked, &text);
	if (!buf_check(&text) &&
	    desktop_path_home(d, "/.config/helix-goose/goose/config.yaml", path))
		(void)desktop_write(d, path, buf_slice(&text), 0644);
}

static void files_claude(struct desktop *d, const struct helix_agent *g)
{
	char path[PATH_MAX];

	if (!g->base_url.n && (d->setup_token || d->s->helix.claude_signed_in))
		files_mark(d, "/tmp/helix-claude-subscription-mode");
	if (desktop_path_root(d, "/etc/claude-code/managed-settings.json", path))
		files_edit(d, path, g, helix_claude_settings);
}

void desktop_write_agent_files(struct desktop *d, struct slice answer)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct helix_agent g;
	struct json_doc doc;
	struct err e = ERR_NULL;
	char path[PATH_MAX];

	if (json_doc_parse_object(&a, answer, &doc) != JSON_DOC_OK ||
	    helix_answer_check(&a, doc.root, &e) ||
	    !helix_answer_agent(&a, doc.root, &g))
		return;
	g.base_url = helix_url_localise(&a, g.base_url, d->s->conf->api_url);
	if (slice_is(g.runtime, "claude_code"))
		files_claude(d, &g);
	else if (slice_is(g.runtime, "goose_code"))
		files_goose(d, &g);
	else if (slice_is(g.runtime, "qwen_code") &&
		 desktop_path_home(d, "/work/.qwen-state/settings.json", path))
		files_edit(d, path, &g, helix_qwen_settings);
	else if (slice_is(g.runtime, "codex_cli") &&
		 desktop_path_home(d, "/.codex/config.toml", path))
		files_edit(d, path, &g, files_edit_codex);
}
