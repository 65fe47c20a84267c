/* Reading is short and local: it may be done on the loop. Writing is for a worker. */
#include "sessiond/sidecar/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_CHUNK_BYTES = 16 * 1024,
};

int file_read_fd(int fd, size_t max, struct buf *out)
{
	char chunk[FILE_CHUNK_BYTES];

	buf_reset(out);
	while (out->n < max) {
		size_t want = max - out->n < sizeof(chunk) ? max - out->n : sizeof(chunk);
		ssize_t n = read(fd, chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_add(out, chunk, (size_t)n);
	}
	return buf_check(out);
}

int file_read(const char *path, size_t max, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	buf_reset(out);
	if (fd < 0)
		return -errno;
	r = file_read_fd(fd, max, out);
	close(fd);
	return r;
}

static int64_t file_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void file_look_of(const struct stat *st, struct file_look *out)
{
	*out = (struct file_look){.exists = true,
	    .dev = st->st_dev,
	    .ino = st->st_ino,
	    .size = st->st_size,
	    .mtime_ns = file_ns(st->st_mtim),
	    .ctime_ns = file_ns(st->st_ctim),
	    .mode = st->st_mode,
	    .uid = st->st_uid};
}

int file_look(const char *path, struct file_look *out)
{
	struct stat st;

	*out = (struct file_look){0};
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	file_look_of(&st, out);
	return 0;
}

bool file_look_same(const struct file_look *a, const struct file_look *b)
{
	if (!a->exists || !b->exists)
		return a->exists == b->exists;
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

int file_read_look(
    const char *path, size_t max, struct buf *out, struct file_look *look_out)
{
	/* A FIFO in its place must not stop us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	struct stat st;

	buf_reset(out);
	*look_out = (struct file_look){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!r)
		r = file_read_fd(fd, max, out);
	close(fd);
	if (!r)
		file_look_of(&st, look_out);
	return r;
}

bool file_content_is(int fd, struct slice text)
{
	char chunk[FILE_CHUNK_BYTES];
	size_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (size_t)n > text.n - at)
			return false;
		if (n == 0)
			return at == text.n;
		if (memcmp(chunk, text.p + at, (size_t)n) != 0)
			return false;
		at += (size_t)n;
	}
}

int file_write_at(int fd, struct slice text, size_t at)
{
	for (size_t done = 0; done < text.n;) {
		ssize_t n = pwrite(fd, text.p + done, text.n - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int file_fail(const char *path, const char *what, struct err *e)
{
	int error = errno;

	return err_set(e, -error, "%s: %s: %s", path, what, strerror(error));
}
