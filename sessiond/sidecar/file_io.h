/* Small local files: read whole, compared, written; and which file it was. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

/* At most @max bytes into @out (emptied first); what is longer is cut there. 0 or -errno.
 */
int file_read(const char *path, size_t max, struct buf *out) MUST_CHECK;
int file_read_fd(int fd, size_t max, struct buf *out) MUST_CHECK;

/* What a file was like when it was looked at. */
struct file_look {
	bool exists;
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t mtime_ns, ctime_ns;
	mode_t mode;
	uid_t uid;
};

/* A missing file is a look, not an error. 0 or -errno. */
int file_look(const char *path, struct file_look *out) MUST_CHECK;
bool file_look_same(const struct file_look *a, const struct file_look *b);
/* Bytes and look of the same file. -EISDIR, -EINVAL: no regular file. */
int file_read_look(
    const char *path, size_t max, struct buf *out, struct file_look *look_out) MUST_CHECK;
/* @fd holds @text and nothing else. */
bool file_content_is(int fd, struct slice text);
/* All of it, from @at on. 0 or -errno. */
int file_write_at(int fd, struct slice text, size_t at) MUST_CHECK;
/* Of errno: "PATH: WHAT: why". Returns -errno. */
int file_fail(const char *path, const char *what, struct err *e);
