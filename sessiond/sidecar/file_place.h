/* Putting a complete new file in its place by name: where there is none yet, or where the
 * old one changes places with it. The inode is another one afterwards. */
#pragma once

#include "sessiond/sidecar/file_write.h"

/* As file_write(). CHANGED when there is one after all. */
int file_place_create(struct file_write *w, struct err *e) MUST_CHECK;
/* CHANGED: what stood there was not what was expected; it stands there again. */
int file_place_exchange(struct file_write *w, struct err *e) MUST_CHECK;

/* What a killed process of ours left beside the file: everything but what reads @is_save
 * is shown to @drop, and removed. A save of somebody that had been exchanged out is put
 * into its place again, unless another save stands there. */
struct file_place_sweep {
	const char *path;
	bool (*is_save)(void *data, struct slice text);
	void (*drop)(void *data, struct slice text);
	void *data;
};
void file_place_sweep(const struct file_place_sweep *s);
