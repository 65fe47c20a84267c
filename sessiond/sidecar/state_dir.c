/* The folder: chosen, taken for this process; older texts of the settings file in it. */
#include "sessiond/sidecar/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/file_io.h"
#include "sessiond/sidecar/slots.h"

struct state_dir {
	char path[PATH_MAX];
	int fd, lock_fd; /* -1: not had */
	struct slots slots;
	bool slots_open;
	char problem[sizeof(((struct err *)0)->text)];
	unsigned next_backup;
};

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

/* Make @path; false if that cannot be, or if it is to be on @dev and is not. */
static bool state_try(const char *path, const dev_t *dev)
{
	dev_t mine = 0;

	return state_make_path(path) == 0 && access(path, W_OK | X_OK) == 0 &&
	       (!dev || (state_device(path, &mine) && mine == *dev));
}

static void state_parent(const char *path, char out[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, PATH_MAX, "%.*s", slash > path ? (int)(slash - path) : 1,
	    slash ? path : ".");
}

enum { STATE_PLACES = 3 };

/* Where the folder may be, best first; "" is none. */
static void state_places(const char *settings, char out[STATE_PLACES][PATH_MAX])
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX];

	memset(out, 0, STATE_PLACES * PATH_MAX);
	state_parent(settings, dir);
	if (xdg && xdg[0] == '/')
		snprintf(out[0], PATH_MAX, "%s/helix-settings", xdg);
	else if (home && home[0] == '/')
		snprintf(out[0], PATH_MAX, "%s/.local/state/helix-settings", home);
	if (home && home[0] == '/')
		snprintf(out[1], PATH_MAX, "%s/.config/.helix-settings", home);
	snprintf(out[2], PATH_MAX, "%.*s/.helix-settings", (int)(PATH_MAX - 20), dir);
}

static void state_choose(const char *settings, char out[static PATH_MAX])
{
	char places[STATE_PLACES][PATH_MAX], dir[PATH_MAX];
	dev_t dev;
	bool have_dev;

	state_parent(settings, dir);
	have_dev = state_device(dir, &dev);
	state_places(settings, places);
	for (int anywhere = !have_dev; anywhere < 2; anywhere++) {
		for (size_t i = 0; i < STATE_PLACES; i++) {
			memcpy(out, places[i], PATH_MAX);
			if (out[0] && state_try(out, anywhere ? NULL : &dev))
				return;
		}
	}
}

static int state_lock(struct state_dir *s, struct err *e)
{
	int error;

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

static void state_drop(struct state_dir *s)
{
	if (s->slots_open)
		slots_close(&s->slots);
	s->slots_open = false;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = s->lock_fd = -1;
}

static int state_open_files(struct state_dir *s, struct err *e)
{
	int r;

	s->lock_fd =
	    openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_set(e, -errno, "%s/lock: %s", s->path, strerror(errno));
	r = state_lock(s, e);
	if (r)
		return r;
	s->slots_open = true;
	return slots_open(&s->slots, s->fd, s->path, e);
}

static int state_take(struct state_dir *s, struct err *e)
{
	int r = state_make_path(s->path);

	if (r)
		return err_set(e, r, "%s: %s", s->path, strerror(-r));
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return err_set(e, -errno, "%s: %s", s->path, strerror(errno));
	r = state_open_files(s, e);
	if (r)
		state_drop(s);
	return r;
}

/* What is written into a folder that was removed is nowhere. */
static bool state_is_removed(const struct state_dir *s)
{
	struct stat st;

	return s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_nlink == 0;
}

/* It may be had by now. */
static int state_have(struct state_dir *s, struct err *e)
{
	int r;

	if (state_is_removed(s))
		state_drop(s);
	r = s->fd >= 0 ? 0 : state_take(s, e);
	snprintf(s->problem, sizeof(s->problem), "%s", r ? e->text : "");
	return r;
}

int state_dir_open(const struct state_dir_conf *c, struct state_dir **out, struct err *e)
{
	struct state_dir *s = calloc(1, sizeof(*s));

	must(s);
	s->fd = s->lock_fd = -1;
	if (c->dir)
		snprintf(s->path, sizeof(s->path), "%s", c->dir);
	else
		state_choose(c->settings, s->path);
	if (state_have(s, e) == ERROR_CONFLICT) {
		state_dir_close(s);
		return ERROR_CONFLICT;
	}
	*out = s;
	return 0;
}

struct state_dir *state_dir_close(struct state_dir *s)
{
	if (!s)
		return NULL;
	state_drop(s);
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

const char *state_dir_problem(const struct state_dir *s)
{
	return s->problem;
}

/* records */

static const enum slot_word state_words[] = {
    [STATE_LAST] = SLOT_LAST, [STATE_NEXT] = SLOT_NEXT};

int state_save(
    struct state_dir *s, enum state_slot slot, const struct record *r, struct err *e)
{
	int rc = state_have(s, e);

	return rc ? rc : slots_save(&s->slots, state_words[slot], r, e);
}

int state_load(
    struct state_dir *s, enum state_slot slot, struct record *out, struct err *e)
{
	int r = state_have(s, e);

	return r ? r : slots_load(&s->slots, state_words[slot], out, e);
}

int state_commit(struct state_dir *s, struct err *e)
{
	return slots_turn(&s->slots, SLOT_NEXT, SLOT_LAST, e);
}

int state_abort(struct state_dir *s, struct err *e)
{
	int r = state_have(s, e);

	return r ? r : slots_turn(&s->slots, SLOT_NEXT, SLOT_FREE, e);
}

void state_forget(struct state_dir *s)
{
	struct err e = ERR_NULL;

	/* with those that were last before */
	for (size_t i = 0; s->slots_open && i < SLOTS_N; i++) {
		if (slots_turn(&s->slots, SLOT_LAST, SLOT_FREE, &e))
			return;
	}
}

/* older texts */

static int state_fail(const struct state_dir *s, const char *name, struct err *e)
{
	int error = errno;

	return err_set(e, -error, "%s/%s: %s", s->path, name, strerror(error));
}

/* @name, whole or as it was. */
static int state_put(
    struct state_dir *s, const char *name, struct slice text, struct err *e)
{
	char tmp[48];
	int fd, r;

	snprintf(tmp, sizeof(tmp), "%.32s.tmp", name);
	fd = openat(
	    s->fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return state_fail(s, tmp, e);
	r = file_write_at(fd, text, 0);
	if (r)
		err_set(e, r, "%s/%s: %s", s->path, tmp, strerror(-r));
	close(fd);
	if (!r && renameat(s->fd, tmp, s->fd, name) < 0)
		r = state_fail(s, name, e);
	if (r)
		(void)unlinkat(s->fd, tmp, 0);
	return r;
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
	char name[32];
	int r = state_have(s, e);

	if (r)
		return r;
	if (mkdirat(s->fd, "bak", 0700) < 0 && errno != EEXIST)
		return state_fail(s, "bak", e);
	snprintf(name, sizeof(name), "bak/%02u", state_backup_slot(s));
	return state_put(s, name, text, e);
}
