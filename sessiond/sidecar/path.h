/* Where the settings file really is: symlinks followed one by one, so that every folder
 * in which one stands can be watched too. */
#pragma once

#include "base/err.h"

#include <limits.h>

enum {
	PATH_HOPS_MAX = 16,  /* folders watched */
	PATH_LINKS_MAX = 40, /* as the kernel allows */
};

/* A name whose change may lead elsewhere, and the folder it stands in. */
struct path_hop {
	char dir[PATH_MAX]; /* without symlinks */
	char name[NAME_MAX + 1];
};

struct path_route {
	char real[PATH_MAX]; /* the file itself, whether it exists or not */
	struct path_hop hops[PATH_HOPS_MAX]; /* symlinks in order, the file last */
	size_t n_hops;
};

/**
 * path_resolve() - follow @path to the file it means
 * @path: absolute
 *
 * The last component may be missing, also behind a dangling symlink; folders may not.
 *
 * Return: 0; -ENOENT, -ENOTDIR (a folder on the way), -ELOOP, -EACCES ...; then @out
 * holds what was found so far
 */
int path_resolve(const char *path, struct path_route *out, struct err *e) MUST_CHECK;
bool path_same(const struct path_route *a, const struct path_route *b);
/* The folder of @path, made if need be with those above (0700). 0 or -errno. */
int path_make_parents(const char *path) MUST_CHECK;
