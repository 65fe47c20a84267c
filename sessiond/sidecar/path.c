/* Symlinks by hand: realpath() would say where they lead but not over which folders. */
#include "sessiond/sidecar/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
	char done[PATH_MAX]; /* resolved so far; "" is the root */
	char rest[PATH_MAX]; /* still to go */
	size_t n_links;
	struct path_route *out;
	struct err *e;
};

static int walk_fail(struct walk *w, int error, const char *name)
{
	return err_set(w->e, -error, "%s/%s: %s", w->done, name, strerror(error));
}

/* First component of w->rest to @name; false if there is none. */
static bool walk_next(struct walk *w, char name[static NAME_MAX + 2])
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/"), shown = n > NAME_MAX ? NAME_MAX + 1 : n;

	if (n == 0)
		return false;
	memcpy(name, p, shown);
	name[shown] = '\0';
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static bool walk_is_last(const struct walk *w)
{
	return w->rest[strspn(w->rest, "/")] == '\0';
}

static int walk_note_hop(struct walk *w, const char *name)
{
	struct path_route *o = w->out;
	struct path_hop *h = &o->hops[o->n_hops];

	if (o->n_hops == PATH_HOPS_MAX)
		return walk_fail(w, ELOOP, name);
	snprintf(h->dir, sizeof(h->dir), "%s", w->done[0] ? w->done : "/");
	snprintf(h->name, sizeof(h->name), "%s", name);
	o->n_hops++;
	return 0;
}

/* The symlink's text goes before what is left. */
static int walk_link(struct walk *w, const char *name, const char *full)
{
	char to[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlink(full, to, sizeof(to) - 1);
	int r = walk_note_hop(w, name);

	if (r)
		return r;
	if (n < 0)
		return walk_fail(w, errno, name);
	to[n] = '\0';
	if (++w->n_links > PATH_LINKS_MAX)
		return walk_fail(w, ELOOP, name);
	if (snprintf(rest, sizeof(rest), "%s/%s", to, w->rest) >= PATH_MAX)
		return walk_fail(w, ENAMETOOLONG, name);
	memcpy(w->rest, rest, strlen(rest) + 1);
	if (to[0] == '/')
		w->done[0] = '\0';
	return 0;
}

static void walk_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
}

/* 1: there, and *st_out says what it is; 0: nothing there, which the last component may
 * be; -errno. */
static int walk_look(
    struct walk *w, const char *name, char full[static PATH_MAX], struct stat *st_out)
{
	if (strlen(name) > NAME_MAX ||
	    snprintf(full, PATH_MAX, "%s/%s", w->done, name) >= PATH_MAX)
		return walk_fail(w, ENAMETOOLONG, name);
	if (lstat(full, st_out) == 0)
		return 1;
	if (errno == ENOENT && walk_is_last(w))
		return 0;
	return walk_fail(w, errno, name);
}

/* 0: go on; 1: arrived; -errno. */
static int walk_step(struct walk *w, const char *name)
{
	char full[PATH_MAX];
	struct stat st = {0};
	int r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		walk_up(w);
		return 0;
	}
	r = walk_look(w, name, full, &st);
	if (r < 0)
		return r;
	if (r == 1 && S_ISLNK(st.st_mode))
		return walk_link(w, name, full);
	if (walk_is_last(w)) {
		r = walk_note_hop(w, name);
		snprintf(w->out->real, sizeof(w->out->real), "%s", full);
		return r ? r : 1;
	}
	snprintf(w->done, sizeof(w->done), "%s", full);
	return 0;
}

int path_resolve(const char *path, struct path_route *out, struct err *e)
{
	struct walk w = {.out = out, .e = e};
	char name[NAME_MAX + 2];
	int r = 0;

	out->n_hops = 0;
	out->real[0] = '\0';
	if (path[0] != '/' || strlen(path) >= sizeof(w.rest))
		return err_set(e, -EINVAL, "%.80s: not an absolute path", path);
	snprintf(w.rest, sizeof(w.rest), "%s", path);
	while (r == 0 && walk_next(&w, name))
		r = walk_step(&w, name);
	if (r == 0)
		return err_set(e, -EISDIR, "%s: names a folder", path);
	return r < 0 ? r : 0;
}

bool path_same(const struct path_route *a, const struct path_route *b)
{
	if (a->n_hops != b->n_hops || strcmp(a->real, b->real) != 0)
		return false;
	for (size_t i = 0; i < a->n_hops; i++) {
		if (strcmp(a->hops[i].dir, b->hops[i].dir) != 0 ||
		    strcmp(a->hops[i].name, b->hops[i].name) != 0)
			return false;
	}
	return true;
}

int path_make_parents(const char *path)
{
	char part[PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}
