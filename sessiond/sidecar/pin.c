/* happy path: a save by rename; the held inode gets its text, both change places, the new
 * one is put aside for a minute
 * failure modes: no hard link can be had (nothing is held; said so), nobody watches the
 * held inode (the new one is held instead), somebody has the file open (later), another
 * save slips in between (the places are changed back, later), killed in between (whoever
 * watches what decides at the next start) */
#include "sessiond/sidecar/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/file_write.h"
#include "sessiond/sidecar/watchers.h"

enum {
	PIN_TEXT_MAX = RECORD_FIELD_MAX,
};

static const char pin_name[] = "pin", pin_orphan_name[] = "orphan";

const char *pin_hearing_name(enum pin_hearing h)
{
	static const char *const names[] = {"unknown", "alive", "dead"};

	return names[h];
}

static bool pin_stat(const struct pin *p, const char *name, struct stat *out)
{
	return fstatat(state_dir_fd(p->state), name, out, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(out->st_mode);
}

/* The file's inode under a second name. */
static int pin_hold(struct pin *p, const char *path)
{
	int dir = state_dir_fd(p->state);
	/* The first open for writing is what makes an overlay copy it up: before it is
	 * held. */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
	(void)unlinkat(dir, pin_name, 0);
	if (linkat(AT_FDCWD, path, dir, pin_name, 0) == 0) {
		p->is = PIN_IN_PLACE;
		p->held = true;
		p->why[0] = '\0';
		return 0;
	}
	p->is = PIN_NONE;
	snprintf(p->why, sizeof(p->why), "no hard link in %.80s: %s",
	    state_dir_path(p->state), dir < 0 ? "cannot be had" : strerror(errno));
	return 0;
}

/* Both have the same text; they change places. */
static int pin_swap(
    struct pin *p, const char *path, const struct stat *now, struct err *e)
{
	int dir = state_dir_fd(p->state);
	struct stat out;

	if (renameat2(dir, pin_name, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
		return file_fail(path, "exchange", e);
	if (!pin_stat(p, pin_name, &out) || out.st_ino != now->st_ino) {
		/* Another save came in between: it goes back into its place. */
		if (renameat2(dir, pin_name, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
			return file_fail(path, "exchange", e);
		return err_set(e, -EAGAIN, "%s: saved again", path);
	}
	if (renameat(dir, pin_name, dir, pin_orphan_name) < 0 ||
	    linkat(AT_FDCWD, path, dir, pin_name, 0) < 0)
		return file_fail(path, "hold", e);
	return 0;
}

/* Text into the held inode, which somebody may still be reading by its old name. */
static int pin_fill(struct pin *p, const struct buf *text, struct err *e)
{
	AUTO(buf_deinit) struct buf old = BUF_NULL(PIN_TEXT_MAX);
	char name[4200];
	struct file_write w = {
	    .path = name, .mode = FILE_WRITE_AUTO, .text = buf_slice(text)};
	int r;

	snprintf(name, sizeof(name), "%s/%s", state_dir_path(p->state), pin_name);
	r = file_read(name, PIN_TEXT_MAX, &old);
	if (r)
		return err_set(e, r, "%s: %s", name, strerror(-r));
	w.expect = buf_slice(&old);
	if (slice_eq(w.expect, w.text))
		return 0;
	r = file_write(&w, e);
	return r == FILE_WRITE_CHANGED ? err_set(e, -EAGAIN, "%s: written to", name) : r;
}

/* Under a lease nobody can open the file, and so nobody write it, while it is compared
 * and exchanged. */
static int pin_swap_leased(
    struct pin *p, const char *path, int fd, const struct buf *text, struct err *e)
{
	struct stat now;
	int r = 0;

	if (fstat(fd, &now) < 0)
		return file_fail(path, "stat", e);
	if (file_lease_try(fd) == EAGAIN)
		return err_set(e, -EAGAIN, "%s: somebody has it open", path);
	/* Without leases on this file system the comparison has to do. */
	if (!file_content_is(fd, buf_slice(text)))
		r = err_set(e, -EAGAIN, "%s: written to", path);
	else
		r = pin_swap(p, path, &now, e);
	file_lease_drop(fd);
	return r;
}

static void pin_keep_orphan(struct pin *p)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", state_dir_path(p->state), pin_orphan_name);
	p->has_orphan = file_look(path, &p->orphan) == 0 && p->orphan.exists;
}

static int pin_rehome(struct pin *p, const char *path, struct err *e)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(PIN_TEXT_MAX);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

	if (fd < 0)
		return file_fail(path, "open", e);
	r = file_read_fd(fd, PIN_TEXT_MAX, &text);
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
	else
		r = pin_fill(p, &text, e);
	if (!r)
		r = pin_swap_leased(p, path, fd, &text, e);
	close(fd);
	if (r)
		return r;
	p->is = PIN_IN_PLACE;
	pin_keep_orphan(p);
	return 0;
}

/* Who hears what. Where nobody can be looked at, whoever listens does so to what we hold
 * for as long as we run. */
static void pin_listen(struct pin *p, const struct stat *file, const struct stat *held)
{
	struct watchers w = {
	    .inodes = {file->st_ino, held->st_ino}, .n = 2, .dev = file->st_dev};

	watchers_find(&w);
	if (w.by[0])
		p->hearing = PIN_HEARING_ALIVE;
	else if (held->st_ino && held->st_ino != file->st_ino &&
		 (w.by[1] || (!w.readable && p->held)))
		p->hearing = PIN_HEARING_DEAD;
	else if (p->listener && kill(p->listener, 0) == 0)
		p->hearing = PIN_HEARING_DEAD;
	else
		p->hearing = PIN_HEARING_UNKNOWN;
	p->listener = w.by[0]				? w.by[0]
		      : p->hearing == PIN_HEARING_DEAD ? p->listener
						       : 0;
}

int pin_settle(struct pin *p, const char *path, struct err *e)
{
	struct stat file, held;
	int r;

	if (lstat(path, &file) < 0 || !S_ISREG(file.st_mode)) {
		p->is = p->is == PIN_NONE ? PIN_NONE : PIN_APART;
		return 0; /* not there now: there will be a run for it */
	}
	if (!pin_stat(p, pin_name, &held) || held.st_dev != file.st_dev)
		held.st_ino = 0;
	if (!p->hurry || (held.st_ino && held.st_ino != file.st_ino))
		pin_listen(p, &file, &held);
	if (held.st_ino == file.st_ino) {
		p->is = PIN_IN_PLACE;
		p->held = true;
		return 0;
	}
	p->is = PIN_APART;
	if (p->hearing != PIN_HEARING_DEAD || !held.st_ino)
		return pin_hold(p, path);
	r = pin_rehome(p, path, e);
	if (!r)
		p->hearing = PIN_HEARING_ALIVE;
	return r;
}

bool pin_orphan_written(struct pin *p, struct buf *text)
{
	char path[4200];
	struct file_look look;

	snprintf(path, sizeof(path), "%s/%s", state_dir_path(p->state), pin_orphan_name);
	if (!p->has_orphan || file_read_look(path, PIN_TEXT_MAX, text, &look) ||
	    !look.exists || file_look_same(&look, &p->orphan))
		return false;
	/* a change of its links alone is no writing */
	if (look.mtime_ns == p->orphan.mtime_ns && look.size == p->orphan.size)
		return false;
	p->orphan = look;
	return true;
}

void pin_drop_orphan(struct pin *p)
{
	(void)unlinkat(state_dir_fd(p->state), pin_orphan_name, 0);
	p->has_orphan = false;
}
