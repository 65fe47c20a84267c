/* Reading profile files: trust first, content second. */
#include "lifecycle/runner/profiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lifecycle/runner/account.h"
#include "lifecycle/runner/events.h"

/* ---- trust */

static int profiles_check_owner(const struct stat *st, const char *what, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, ERROR_FORBIDDEN,
		    "%s belongs to uid %u, not to root or the runner", what, st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERROR_FORBIDDEN,
		    "%s may be written by others (mode %04o)", what, st->st_mode & 07777);
	return 0;
}

/* The folder the opened file really lies in, after all symbolic links. */
static int profiles_check_folder(int fd, struct err *e)
{
	char link[40], path[PATH_MAX];
	struct statvfs vfs;
	struct stat st;
	ssize_t n;
	int dir, r;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return err_set(e, -errno, "cannot tell its folder: %s", strerror(errno));
	path[n] = '\0';
	*(strrchr(path, '/') + 1) = '\0';
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, -errno, "its folder: %s", strerror(errno));
	r = fstat(dir, &st) < 0 ? err_set(e, -errno, "its folder: %s", strerror(errno))
				: 0;
	/* Mode bits of a read-only mount (a container's configuration volume) let nobody
	 * write. */
	if (!r && !(fstatvfs(dir, &vfs) == 0 && (vfs.f_flag & ST_RDONLY)))
		r = profiles_check_owner(&st, "its folder", e);
	close(dir);
	return r;
}

static int profiles_open(
    const struct profiles_env *env, const struct id *name, int *fd_out, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, r;

	if (snprintf(path, sizeof path, "%s/%s.json", env->dir, name->s) >=
	    (int)sizeof path)
		return err_set(e, -ENAMETOOLONG, "path too long");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_set(
		    e, errno == ENOENT ? ERROR_NOT_FOUND : -errno, "%s", strerror(errno));
	r = fstat(fd, &st) < 0 ? err_set(e, -errno, "%s", strerror(errno)) : 0;
	if (!r && !S_ISREG(st.st_mode))
		r = err_set(e, ERROR_FORBIDDEN, "is not a regular file");
	r = r ? r : profiles_check_owner(&st, "the file", e);
	r = r ? r : profiles_check_folder(fd, e);
	if (r)
		close(fd);
	else
		*fd_out = fd;
	return r;
}

static int profiles_read_all(int fd, struct buf *out, struct err *e)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(out, chunk, (size_t)n);
	if (n < 0)
		return err_set(e, -errno, "%s", strerror(errno));
	return buf_check(out)
		   ? err_set(e, ERROR_INVALID, "is over %d bytes", PROFILE_BYTES_MAX)
		   : 0;
}

/* ---- content */

static struct hash profiles_hash(const struct buf *text)
{
	struct hash h;

	digest_hex(buf_slice(text), h.hex);
	return h;
}

/* A user that this runner cannot become makes the whole profile unusable: better said now
 * than at the first start. */
static int profiles_check_user(
    const struct profiles_env *env, const struct profile *p, struct err *e)
{
	struct account a;

	if (strcmp(p->user, "@each") != 0)
		return account_find(p->user, &a, e);
	if (geteuid() != 0)
		return err_set(e, ERROR_FORBIDDEN,
		    "user @each: only root may start programs as another user");
	if (!env->has_uid_range)
		return err_set(e, ERROR_FORBIDDEN, "user @each needs --uid-range");
	return 0;
}

int profile_read(const struct profiles_env *env, const struct id *name,
    struct profile *out, struct err *e)
{
	struct buf text = BUF_NULL(PROFILE_BYTES_MAX);
	int fd = -1, r = profiles_open(env, name, &fd, e);

	if (!r) {
		r = profiles_read_all(fd, &text, e);
		close(fd);
	}
	r = r ? r : profile_parse(name, buf_slice(&text), out, e);
	r = r ? r : profiles_check_user(env, out, e);
	if (!r)
		out->offer.hash = profiles_hash(&text);
	buf_deinit(&text);
	return r;
}

/* ---- the folder */

static void profiles_add_problem(
    struct profiles *p, const char *name, const struct err *e)
{
	char text[sizeof e->text + 128];

	snprintf(text, sizeof text, "profile %.80s: %s", name, e->text);
	p->problems = reallocarray(p->problems, p->n_problems + 1, sizeof *p->problems);
	must(p->problems);
	p->problems[p->n_problems] = strdup(text);
	must(p->problems[p->n_problems]);
	p->n_problems++;
	log_event(EV_profile_refused, LF("profile", name), LF("detail", e->text));
}

static void profiles_add(
    const struct profiles_env *env, const char *file, struct profiles *out)
{
	struct slice stem = {file, strlen(file) - strlen(".json")};
	struct profile p = PROFILE_NULL;
	struct err e = ERR_NULL;
	struct id name;

	if (!id_parse(stem, &name)) {
		err_set(&e, ERROR_INVALID, "the name must match [A-Za-z0-9_-]{1,64}");
		profiles_add_problem(out, file, &e);
		return;
	}
	if (profile_read(env, &name, &p, &e)) {
		profiles_add_problem(out, name.s, &e);
	} else {
		out->offers =
		    reallocarray(out->offers, out->n_offers + 1, sizeof *out->offers);
		must(out->offers);
		offer_copy(&out->offers[out->n_offers++], &p.offer);
		log_event(EV_profile_loaded, LF("profile", name.s),
		    LF("hash", p.offer.hash.hex));
	}
	profile_deinit(&p);
}

static int profiles_is_file(const struct dirent *de)
{
	size_t n = strlen(de->d_name);

	return de->d_name[0] != '.' && n > 5 && strcmp(de->d_name + n - 5, ".json") == 0;
}

void profiles_load(const struct profiles_env *env, struct profiles *out)
{
	struct dirent **v = NULL;
	struct err e = ERR_NULL;
	int n = scandir(env->dir, &v, profiles_is_file, alphasort);

	if (n < 0) {
		err_set(&e, -errno, "%s: %s", env->dir, strerror(errno));
		profiles_add_problem(out, "folder", &e);
		return;
	}
	for (int i = 0; i < n; i++) {
		profiles_add(env, v[i]->d_name, out);
		free(v[i]);
	}
	free(v);
}

void profiles_deinit(struct profiles *p)
{
	for (size_t i = 0; i < p->n_offers; i++)
		offer_deinit(&p->offers[i]);
	for (size_t i = 0; i < p->n_problems; i++)
		free(p->problems[i]);
	free(p->offers);
	free(p->problems);
	*p = PROFILES_NULL;
}
