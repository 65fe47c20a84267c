/* Opening and locking workspaces. */
#include "lifecycle/runner/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	WORKSPACE_DEPTH_MAX = 64,
};

static int workspace_openat2(int root, const char *path)
{
	struct open_how how = {
	    .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

/* @path's part beneath @root, without slashes at its ends; NULL if it is not beneath it.
 */
static const char *workspace_beneath(const char *path, const char *root)
{
	size_t n = strlen(root);

	while (n > 0 && root[n - 1] == '/')
		n--;
	if (strncmp(path, root, n) != 0 || path[n] != '/')
		return NULL;
	path += n;
	while (*path == '/')
		path++;
	return *path ? path : NULL;
}

static bool workspace_has_dotdot(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

static int workspace_make_one(int parent, const char *name, const struct account *a)
{
	int fd;

	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (!a->drop)
		return 0;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, a->uid, a->gid) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	close(fd);
	return 0;
}

/* Open @rest beneath @root, making each missing folder of it. */
static int workspace_walk(int root, const char *rest, const struct account *a)
{
	char path[PATH_MAX];
	size_t n = 0, depth = 0;
	int parent = fcntl(root, F_DUPFD_CLOEXEC, 3), fd;

	if (parent < 0)
		return -errno;
	while (*rest) {
		size_t len = strcspn(rest, "/"), at = n;

		if (n + len + 2 > sizeof path || ++depth > WORKSPACE_DEPTH_MAX) {
			close(parent);
			return -ENAMETOOLONG;
		}
		memcpy(path + n, rest, len);
		path[n + len] = '\0';
		fd = workspace_openat2(root, path);
		if (fd == -ENOENT) {
			int r = workspace_make_one(parent, path + at, a);

			fd = r ? r : workspace_openat2(root, path);
		}
		close(parent);
		if (fd < 0)
			return fd;
		parent = fd;
		n += len;
		path[n++] = '/';
		rest += len + strspn(rest + len, "/");
	}
	return parent;
}

static int workspace_real_path(int fd, char *out)
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, out, PATH_MAX - 1);
	if (n <= 0)
		return -errno;
	out[n] = '\0';
	return 0;
}

int workspace_open(const char *path, char *const *roots, size_t n_roots,
    const struct account *account, int *fd_out, char *real_out, struct err *e)
{
	const char *rest = path[0] == '/' ? NULL : path, *root = n_roots ? roots[0] : "";
	int root_fd, fd, r;

	for (size_t i = 0; !rest && i < n_roots; i++) {
		root = roots[i];
		rest = workspace_beneath(path, root);
	}
	if (!rest || !*rest || !n_roots || workspace_has_dotdot(path))
		return err_set(e, ERROR_INVALID,
		    "workspace %.160s is not beneath a workspace root", path);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_set(
		    e, -errno, "workspace root %.160s: %s", root, strerror(errno));
	fd = workspace_walk(root_fd, rest, account);
	close(root_fd);
	if (fd == -EXDEV || fd == -ELOOP || fd == -ENOTDIR)
		return err_set(e, ERROR_INVALID,
		    "workspace %.160s leads out of its root or is no folder", path);
	if (fd < 0)
		return err_set(e, fd, "workspace %.160s: %s", path, strerror(-fd));
	r = workspace_real_path(fd, real_out);
	if (r) {
		close(fd);
		return err_set(e, r, "workspace %.160s: %s", path, strerror(-r));
	}
	*fd_out = fd;
	return 0;
}

/* ---- locks */

static void workspace_lock_name(dev_t dev, ino_t ino, char out[static 48])
{
	snprintf(out, 48, "%llx-%llx", (unsigned long long)dev, (unsigned long long)ino);
}

static int workspace_busy(int fd, struct err *e)
{
	char who[160];
	ssize_t n = pread(fd, who, sizeof who - 1, 0);

	who[n > 0 ? n : 0] = '\0';
	close(fd);
	return err_set(e, ERROR_CONFLICT, "the workspace is held by %s",
	    who[0] ? who : "another instance");
}

int workspace_lock(
    int locks_dir, int workspace_fd, const char *who, int *lock_out, struct err *e)
{
	struct stat ws, mine, there;
	char name[48];
	int fd;

	if (fstat(workspace_fd, &ws) < 0)
		return err_set(e, -errno, "workspace: %s", strerror(errno));
	workspace_lock_name(ws.st_dev, ws.st_ino, name);
	for (;;) {
		fd = openat(
		    locks_dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_set(e, -errno, "workspace lock: %s", strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return workspace_busy(fd, e);
		/* The file may have been removed between open and flock: then this lock
		 * is worth nothing. */
		if (fstat(fd, &mine) == 0 &&
		    fstatat(locks_dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mine.st_ino == there.st_ino)
			break;
		close(fd);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, who, strlen(who), 0) < 0)
		(void)0; /* only for people: a full disk takes the name, not the lock */
	*lock_out = fd;
	return 0;
}

void workspace_unlock_file(int locks_dir, dev_t dev, ino_t ino)
{
	char name[48];
	int fd;

	workspace_lock_name(dev, ino, name);
	fd = openat(locks_dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(locks_dir, name, 0);
	close(fd);
}
