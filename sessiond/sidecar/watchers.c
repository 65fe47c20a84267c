/* Lines "inotify wd:1 ino:20d41 sdev:fd01 ..." of /proc/PID/fdinfo/FD. Processes of other
 * users cannot be looked into and count as watching nothing. */
#include "sessiond/sidecar/watchers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	WATCHERS_PATH_MAX = 320,
};

/* The kernel's own number of a file system: not in every case what stat() tells, where
 * there is no device below it. */
static bool watchers_is_dev(dev_t dev, unsigned long sdev)
{
	unsigned long kernels = (unsigned long)major(dev) << 20 | minor(dev);

	return sdev == kernels || (major(dev) == 0 && sdev >> 20 == 0);
}

static void watchers_take_line(struct watchers *w, pid_t pid, const char *line)
{
	const char *at = strstr(line, " ino:"), *sdev = strstr(line, " sdev:");
	unsigned long long inode;

	if (!at || !sdev || !watchers_is_dev(w->dev, strtoul(sdev + 6, NULL, 16)))
		return;
	inode = strtoull(at + 5, NULL, 16);
	for (size_t i = 0; i < w->n; i++)
		w->by[i] = w->inodes[i] == inode ? pid : w->by[i];
}

static void watchers_read_info(struct watchers *w, const char *pid, const char *path)
{
	char text[4096];
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	while (fgets(text, sizeof(text), f)) {
		if (strncmp(text, "inotify ", 8) == 0)
			watchers_take_line(w, (pid_t)strtol(pid, NULL, 10), text);
	}
	fclose(f);
}

static bool watchers_is_inotify(const char *pid, const char *fd)
{
	char path[WATCHERS_PATH_MAX], to[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, fd);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	return strcmp(to, "anon_inode:inotify") == 0;
}

static void watchers_read_process(struct watchers *w, const char *pid)
{
	char path[WATCHERS_PATH_MAX];
	const struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	if (!d)
		return;
	w->readable = true;
	while ((e = readdir(d))) {
		if (!watchers_is_inotify(pid, e->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, e->d_name);
		watchers_read_info(w, pid, path);
	}
	closedir(d);
}

void watchers_find(struct watchers *w)
{
	const struct dirent *e;
	DIR *d = opendir("/proc");
	long self = (long)getpid();

	memset(w->by, 0, sizeof(w->by));
	w->readable = false;
	while (d && (e = readdir(d))) {
		long pid = strtol(e->d_name, NULL, 10);

		if (pid > 0 && pid != self)
			watchers_read_process(w, e->d_name);
	}
	if (d)
		closedir(d);
}
