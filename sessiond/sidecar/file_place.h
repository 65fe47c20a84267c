/* Putting a complete new file in its place by name: where there is none yet, or where the
 * old one changes places with it. The inode is another one afterwards. */
#pragma once

#include "sessiond/sidecar/file_write.h"

/* As file_write(). CHANGED when there is one after all. */
int file_place_create(struct file_write *w, struct err *e) MUST_CHECK;
/* CHANGED: what stood there was not what was expected; it stands there again. */
int file_place_exchange(struct file_write *w, struct err *e) MUST_CHECK;
