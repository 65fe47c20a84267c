/* Reading is short and local: it may be done on the loop. */
#include "sessiond/sidecar/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int file_read_fd(int fd, size_t max, struct buf *out)
{
	char chunk[16 * 1024];

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
