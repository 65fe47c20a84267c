/* Records in files: written beside, synced, renamed. */
#include "sessiond/sidecar/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io/auth.h"
#include "sessiond/sidecar/file_io.h"

struct state_dir {
	char path[PATH_MAX];
	int fd, lock_fd;
	unsigned next_backup;
};

static const char *const state_names[] = {"last", "next"};

/* choosing and taking the folder */

/* Like mkdir -p, the last one private. 0 or -errno. */
static int state_make_path(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == n ? 0700 : 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static bool state_device(const char *path, dev_t *out)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*out = st.st_dev;
	return true;
}

/* Make @path; false if that cannot be, or it is on another file system than @dev. */
static bool state_try(const char *path, dev_t dev)
{
	dev_t mine = 0;

	return state_make_path(path) == 0 && access(path, W_OK | X_OK) == 0 &&
	       state_device(path, &mine) && mine == dev;
}

static void state_parent(const char *path, char out[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, PATH_MAX, "%.*s", slash > path ? (int)(slash - path) : 1,
	    slash ? path : ".");
}

/* Folders that may be had besides; the last is taken whatever it is. */
static void state_choose(const char *settings, char out[static PATH_MAX])
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX];
	dev_t dev;

	state_parent(settings, dir);
	if (state_device(dir, &dev)) {
		if (xdg && xdg[0] == '/' &&
		    snprintf(out, PATH_MAX, "%s/helix-settings", xdg) < PATH_MAX &&
		    state_try(out, dev))
			return;
		if (home && home[0] == '/' && !(xdg && xdg[0] == '/') &&
		    snprintf(out, PATH_MAX, "%s/.local/state/helix-settings", home) <
			PATH_MAX &&
		    state_try(out, dev))
			return;
		if (home && home[0] == '/' &&
		    snprintf(out, PATH_MAX, "%s/.config/.helix-settings", home) <
			PATH_MAX &&
		    state_try(out, dev))
			return;
	}
	snprintf(out, PATH_MAX, "%.*s/.helix-settings", (int)(PATH_MAX - 20), dir);
}

static int state_take(struct state_dir *s, struct err *e)
{
	int error;

	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return err_set(e, -errno, "%s: %s", s->path, strerror(errno));
	s->lock_fd =
	    openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_set(e, -errno, "%s/lock: %s", s->path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	error = errno;
	if (error == EWOULDBLOCK)
		return err_set(e, ERROR_CONFLICT,
		    "%s: another settings-sync-daemon uses it; give each its own "
		    "--state-dir",
		    s->path);
	return err_set(e, -error, "%s/lock: %s", s->path, strerror(error));
}

int state_dir_open(const struct state_dir_conf *c, struct state_dir **out, struct err *e)
{
	struct state_dir *s = calloc(1, sizeof(*s));
	int r;

	must(s);
	s->fd = s->lock_fd = -1;
	if (c->dir)
		snprintf(s->path, sizeof(s->path), "%s", c->dir);
	else
		state_choose(c->settings, s->path);
	r = state_make_path(s->path);
	if (r)
		err_set(e, r, "%s: %s", s->path, strerror(-r));
	else
		r = state_take(s, e);
	if (r) {
		state_dir_close(s);
		return r;
	}
	*out = s;
	return 0;
}

struct state_dir *state_dir_close(struct state_dir *s)
{
	if (!s)
		return NULL;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return NULL;
}

const char *state_dir_path(const struct state_dir *s)
{
	return s->path;
}

int state_dir_fd(const struct state_dir *s)
{
	return s->fd;
}

/* records */

static int state_fail(const struct state_dir *s, const char *name, struct err *e)
{
	int error = errno;

	return err_set(e, -error, "%s/%s: %s", s->path, name, strerror(error));
}

static int state_write_all(int fd, const struct buf *b)
{
	size_t done = 0;

	while (done < b->n) {
		ssize_t n = write(fd, b->data + done, b->n - done);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* @name, whole or as it was. */
static int state_put(struct state_dir *s, const char *name, const struct buf *bytes,
    bool durable, struct err *e)
{
	char tmp[32];
	int fd, r = 0;

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = openat(
	    s->fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return state_fail(s, tmp, e);
	if (state_write_all(fd, bytes) < 0 || (durable && fdatasync(fd) < 0))
		r = state_fail(s, tmp, e);
	close(fd);
	if (!r && renameat(s->fd, tmp, s->fd, name) < 0)
		r = state_fail(s, name, e);
	if (!r && durable && fsync(s->fd) < 0)
		r = state_fail(s, name, e);
	if (r)
		(void)unlinkat(s->fd, tmp, 0);
	return r;
}

int state_save(
    struct state_dir *s, enum state_slot slot, const struct record *r, struct err *e)
{
	AUTO(buf_deinit) struct buf bytes = BUF_NULL(RECORD_BYTES_MAX);
	int rc;

	record_encode(r, &bytes);
	rc = buf_check(&bytes);
	if (rc)
		return err_set(
		    e, rc, "%s/%s: %s", s->path, state_names[slot], strerror(-rc));
	return state_put(s, state_names[slot], &bytes, true, e);
}

int state_load(
    struct state_dir *s, enum state_slot slot, struct record *out, struct err *e)
{
	AUTO(buf_deinit) struct buf bytes = BUF_NULL(RECORD_BYTES_MAX);
	const char *name = state_names[slot];
	char aside[32];
	int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0)
		return state_fail(s, name, e);
	r = file_read_fd(fd, RECORD_BYTES_MAX, &bytes);
	close(fd);
	if (r)
		return err_set(e, r, "%s/%s: %s", s->path, name, strerror(-r));
	r = record_decode(buf_slice(&bytes), out, e);
	if (r) {
		snprintf(aside, sizeof(aside), "%s.bad", name);
		(void)renameat(s->fd, name, s->fd, aside);
		err_prefix(e, "%s/%s", s->path, name);
	}
	return r;
}

int state_commit(struct state_dir *s, struct err *e)
{
	if (renameat(s->fd, state_names[STATE_NEXT], s->fd, state_names[STATE_LAST]) <
		0 ||
	    fsync(s->fd) < 0)
		return state_fail(s, state_names[STATE_LAST], e);
	return 0;
}

int state_abort(struct state_dir *s, struct err *e)
{
	if (unlinkat(s->fd, state_names[STATE_NEXT], 0) < 0 && errno != ENOENT)
		return state_fail(s, state_names[STATE_NEXT], e);
	return 0;
}

/* The slot after the newest: found once, by age. */
static unsigned state_backup_slot(struct state_dir *s)
{
	struct timespec newest = {0};
	struct stat st;
	char name[32];
	unsigned slot = 0;

	if (s->next_backup)
		return s->next_backup++ % STATE_BACKUPS;
	for (unsigned i = 0; i < STATE_BACKUPS; i++) {
		snprintf(name, sizeof(name), "bak/%02u", i);
		if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (st.st_mtim.tv_sec > newest.tv_sec ||
		    (st.st_mtim.tv_sec == newest.tv_sec &&
			st.st_mtim.tv_nsec >= newest.tv_nsec)) {
			newest = st.st_mtim;
			slot = i + 1;
		}
	}
	s->next_backup = slot % STATE_BACKUPS + 1;
	return slot % STATE_BACKUPS;
}

int state_backup(struct state_dir *s, struct slice text, struct err *e)
{
	struct buf bytes = BUF_NULL(RECORD_FIELD_MAX);
	char name[32];
	int r;

	if (mkdirat(s->fd, "bak", 0700) < 0 && errno != EEXIST)
		return state_fail(s, "bak", e);
	snprintf(name, sizeof(name), "bak/%02u", state_backup_slot(s));
	buf_add_slice(&bytes, text);
	r = buf_check(&bytes);
	if (r)
		err_set(e, r, "%s/%s: %s", s->path, name, strerror(-r));
	else
		r = state_put(s, name, &bytes, false, e);
	buf_deinit(&bytes);
	return r;
}
