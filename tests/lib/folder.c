/* A folder of a test's own. */
#include "tests/lib/folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"

enum {
	FOLDER_BUFFERS = 8,
	FOLDER_TEXT_MAX = 8 * 1024 * 1024,
};

void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/zed-test-XXXXXX");
	must(mkdtemp(f->path));
}

void folder_make_built(struct folder *f)
{
	char self[FOLDER_PATH_MAX - 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	must(n > 0 && n < (ssize_t)sizeof(self) - 1);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(f->path, sizeof(f->path), "%s/zed-test-XXXXXX", self);
	must(mkdtemp(f->path));
}

bool folder_make_tmpfs(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/dev/shm/zed-test-XXXXXX");
	return mkdtemp(f->path) != NULL;
}

static int folder_drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_remove(struct folder *f)
{
	if (f->path[0])
		nftw(f->path, folder_drop, 16, FTW_DEPTH | FTW_PHYS);
	f->path[0] = '\0';
}

const char *folder_at(const struct folder *f, const char *name)
{
	static char paths[FOLDER_BUFFERS][FOLDER_PATH_MAX * 2];
	static size_t next;
	char *path = paths[next++ % FOLDER_BUFFERS];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->path, name);
	return path;
}

void folder_put(const struct folder *f, const char *name, const char *text)
{
	int fd = open(folder_at(f, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

void folder_put_by_rename(const struct folder *f, const char *name, const char *text)
{
	folder_put(f, ".new", text);
	must(rename(folder_at(f, ".new"), folder_at(f, name)) == 0);
}

char *folder_get(const struct folder *f, const char *name)
{
	int fd = open(folder_at(f, name), O_RDONLY | O_CLOEXEC);
	char *text;
	ssize_t n;

	if (fd < 0)
		return NULL;
	text = malloc(FOLDER_TEXT_MAX + 1);
	must(text);
	n = read(fd, text, FOLDER_TEXT_MAX);
	must(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

bool folder_says(const struct folder *f, const char *name, const char *text)
{
	char *is = folder_get(f, name);
	bool same = is && strcmp(is, text) == 0;

	if (!same)
		fprintf(stderr, "%s says: %s\n", name, is ? is : "(no file)");
	free(is);
	return same;
}

ino_t folder_inode(const struct folder *f, const char *name)
{
	struct stat st;

	return stat(folder_at(f, name), &st) == 0 ? st.st_ino : 0;
}
