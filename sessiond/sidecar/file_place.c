/* Never a plain rename: that would erase a save made in the meantime. What was there is
 * looked at after it was exchanged out, and goes back if it is not what was expected.
 *
 * happy path: write beside, sync, exchange, compare what came out, remove it
 * failure modes: another file appeared (CHANGED), what came out differs (back again,
 * CHANGED), no exchange on this file system (said so), no room (nothing changed) */
#include "sessiond/sidecar/file_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PLACE_PREFIX ".helix-"
#define PLACE_SUFFIX "XXXXXX"

enum {
	PLACE_TEXT_MAX = 4 * 1024 * 1024,
	PLACE_XATTRS_MAX = 4096,
	PLACE_SWAPS_MAX = 8,
};

struct place {
	struct file_write *w;
	struct err *e;
	char tmp[PATH_MAX];
	int dir_fd, fd; /* of tmp */
};

static int place_fail(struct place *p, const char *what)
{
	return file_fail(p->w->path, what, p->e);
}

static int place_begin(struct place *p)
{
	const char *slash = strrchr(p->w->path, '/');
	int n_dir = slash ? (int)(slash - p->w->path) : 0, r;

	p->fd = p->dir_fd = -1;
	if (snprintf(p->tmp, sizeof(p->tmp), "%.*s/" PLACE_PREFIX PLACE_SUFFIX, n_dir,
		p->w->path) >= PATH_MAX)
		return err_set(p->e, -ENAMETOOLONG, "%s: too long", p->w->path);
	p->tmp[n_dir + 1] = '\0';
	p->dir_fd = open(p->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->tmp[n_dir + 1] = '.';
	if (p->dir_fd < 0)
		return place_fail(p, "folder");
	p->fd = mkostemp(p->tmp, O_CLOEXEC);
	if (p->fd < 0)
		return place_fail(p, "new file");
	r = file_write_at(p->fd, p->w->text, 0);
	if (r)
		return err_set(p->e, r, "%s: new file: %s", p->w->path, strerror(-r));
	return 0;
}

/* The temporary name goes, whatever stands there. */
static void place_end(struct place *p)
{
	if (p->fd >= 0) {
		close(p->fd);
		(void)unlink(p->tmp);
	}
	if (p->dir_fd >= 0) {
		(void)fsync(p->dir_fd);
		close(p->dir_fd);
	}
}

static int place_look(struct place *p)
{
	int r = file_look(p->w->path, &p->w->look);

	return r ? err_set(p->e, r, "%s: %s", p->w->path, strerror(-r)) : 0;
}

static int place_move_in(struct place *p)
{
	if (renameat2(AT_FDCWD, p->tmp, AT_FDCWD, p->w->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return FILE_WRITE_CHANGED;
	if (errno != EINVAL && errno != ENOSYS)
		return place_fail(p, "create");
	/* UNTESTED: needs a file system that cannot refuse to replace (NFS) */
	if (link(p->tmp, p->w->path) == 0)
		return 0;
	return errno == EEXIST ? FILE_WRITE_CHANGED : place_fail(p, "create");
}

int file_place_create(struct file_write *w, struct err *e)
{
	struct place p = {.w = w, .e = e};
	int r = place_begin(&p);

	if (!r && fdatasync(p.fd) < 0)
		r = place_fail(&p, "sync");
	if (!r)
		r = place_move_in(&p);
	if (!r)
		r = place_look(&p);
	place_end(&p);
	return r;
}

/* Mode, owner and attributes of the file it takes the place of; an owner that may not be
 * given is kept. */
static int place_dress(struct place *p, int old_fd)
{
	char names[PLACE_XATTRS_MAX], value[PLACE_XATTRS_MAX];
	ssize_t n = flistxattr(old_fd, names, sizeof(names));
	struct stat st;

	if (fstat(old_fd, &st) < 0)
		return place_fail(p, "stat");
	if (fchown(p->fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return place_fail(p, "owner");
	if (fchmod(p->fd, st.st_mode & 07777) < 0)
		return place_fail(p, "mode");
	for (const char *name = names; n > 0 && name < names + n;
	     name += strlen(name) + 1) {
		ssize_t size = fgetxattr(old_fd, name, value, sizeof(value));

		if (size >= 0)
			(void)fsetxattr(p->fd, name, value, (size_t)size, 0);
	}
	return 0;
}

static bool place_tmp_is(const struct place *p, struct slice text)
{
	int fd = open(p->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool is = fd >= 0 && file_content_is(fd, text);

	if (fd >= 0)
		close(fd);
	return is;
}

/* Until what stands beside is one of the two texts this write knows: whatever anybody
 * else saved then stands in its place. */
static int place_swap(struct place *p)
{
	for (int i = 0; i < PLACE_SWAPS_MAX; i++) {
		if (renameat2(AT_FDCWD, p->tmp, AT_FDCWD, p->w->path, RENAME_EXCHANGE) <
		    0)
			return errno == ENOENT ? FILE_WRITE_CHANGED
					       : place_fail(p, "exchange");
		if (place_tmp_is(p, p->w->expect))
			return FILE_WRITE_DONE;
		if (i > 0 && place_tmp_is(p, p->w->text))
			return FILE_WRITE_CHANGED;
	}
	/* UNTESTED: needs a save between every two of the swaps */
	return err_set(p->e, -EBUSY, "%s: saved over and over", p->w->path);
}

int file_place_exchange(struct file_write *w, struct err *e)
{
	struct place p = {.w = w, .e = e};
	int old_fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

	if (old_fd < 0)
		return errno == ENOENT || errno == ELOOP ? FILE_WRITE_CHANGED
							 : file_fail(w->path, "open", e);
	p.fd = p.dir_fd = -1;
	r = file_content_is(old_fd, w->expect) ? place_begin(&p) : FILE_WRITE_CHANGED;
	if (!r)
		r = place_dress(&p, old_fd);
	if (!r && fdatasync(p.fd) < 0)
		r = place_fail(&p, "sync");
	close(old_fd);
	if (!r)
		r = place_swap(&p);
	if (!r)
		r = place_look(&p);
	place_end(&p);
	return r;
}

/* afterwards */

static bool sweep_is_ours(const struct dirent *entry)
{
	return entry->d_type == DT_REG &&
	       strncmp(entry->d_name, PLACE_PREFIX, sizeof(PLACE_PREFIX) - 1) == 0 &&
	       strlen(entry->d_name) == sizeof(PLACE_PREFIX PLACE_SUFFIX) - 1;
}

static bool sweep_is_save(const struct file_place_sweep *s, const struct buf *text)
{
	return s->is_save(s->data, (struct slice){buf_cstr(text), text->n});
}

static void sweep_one(const struct file_place_sweep *s, const char *path)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(PLACE_TEXT_MAX);
	AUTO(buf_deinit) struct buf now = BUF_NULL(PLACE_TEXT_MAX);

	if (file_read(path, PLACE_TEXT_MAX, &text))
		return;
	/* A save after that one stays where it is. */
	if (sweep_is_save(s, &text) && file_read(s->path, PLACE_TEXT_MAX, &now) == 0 &&
	    !sweep_is_save(s, &now) &&
	    renameat2(AT_FDCWD, path, AT_FDCWD, s->path, RENAME_EXCHANGE) == 0) {
		(void)unlink(path);
		return;
	}
	s->drop(s->data, (struct slice){buf_cstr(&text), text.n});
	(void)unlink(path);
}

void file_place_sweep(const struct file_place_sweep *s)
{
	char dir[PATH_MAX], path[PATH_MAX];
	const struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "%.*s/", (int)(strrchr(s->path, '/') - s->path),
	    s->path);
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (sweep_is_ours(entry) &&
		    snprintf(path, sizeof(path), "%s%s", dir, entry->d_name) < PATH_MAX)
			sweep_one(s, path);
	}
	if (d)
		closedir(d);
}
