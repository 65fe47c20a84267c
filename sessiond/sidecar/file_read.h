/* Small local files, read whole. */
#pragma once

#include "base/buf.h"

/* At most @max bytes into @out (emptied first); what is longer is cut there. 0 or -errno.
 */
int file_read(const char *path, size_t max, struct buf *out) MUST_CHECK;
int file_read_fd(int fd, size_t max, struct buf *out) MUST_CHECK;
