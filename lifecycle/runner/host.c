/* What a runner finds and sets up on its host before anything runs: names, folders and
 * their lock, the shim, sessiond's address, control groups, profiles; and the instances
 * that an earlier run left. */
#include "lifecycle/runner/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/runner/events.h"
#include "lifecycle/runner/workload.h"

#ifndef ZED_SHIM_INSTALLED
#define ZED_SHIM_INSTALLED "/usr/libexec/zedbus/zed-shim"
#endif

enum {
	HOST_SOCKET_PATH_MAX = 107,
	HOST_PORT_TRIES = 64,
};

/* The deepest socket of an instance: Zed's own, in its data folder. */
#define HOST_DEEPEST_SOCKET "/home/.local/share/zed/zed-preview.sock"

/* ---- names */

static int host_id(struct runner *r, struct err *e)
{
	char name[256] = "";

	if (r->conf->id) {
		if (id_parse(slice_of(r->conf->id), &r->id))
			return 0;
		return err_set(e, ERROR_INVALID,
		    "--id: \"%.80s\" must match [A-Za-z0-9_-]{1,64}", r->conf->id);
	}
	(void)gethostname(name, sizeof name - 1);
	for (char *p = name; *p; p++) {
		if (*p == '.')
			*p = '-'; /* no subject token; the rest of a host name is one */
	}
	if (!id_parse(slice_of(name), &r->id))
		return err_set(e, ERROR_INVALID,
		    "--id: the host's name \"%.80s\" cannot serve as one", name);
	return 0;
}

static int host_boot_id(struct runner *r, struct err *e)
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return id_parse(slice_of(text), &r->boot_id)
		   ? 0
		   : err_set(e, -EIO, "boot_id: cannot be read");
}

static int host_labels(struct runner *r, struct err *e)
{
	for (size_t i = 0; i < r->conf->label.n; i++) {
		AUTO_FREE char *pair = strdup(r->conf->label.items[i]);
		char *value = pair ? strchr(pair, '=') : NULL;

		if (!value || value == pair || strlen(pair) > SPEC_LABEL_BYTES_MAX)
			return err_set(e, ERROR_INVALID, "--label: \"%.80s\" is not K=V",
			    r->conf->label.items[i]);
		*value++ = '\0';
		strmap_put(&r->labels, pair, value);
	}
	return 0;
}

/* "http[s]://host[:port][/...]" to "host:port". */
static int host_session_url(struct runner *r, struct err *e)
{
	const char *url = r->conf->session_url, *host, *end;
	bool bracketed;

	r->helix_tls = strncmp(url, "https://", 8) == 0;
	host = r->helix_tls ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
	end = host ? host + strcspn(host, "/") : NULL;
	if (!host || end == host || end - host > 200 || (*end && end[1]) ||
	    memchr(host, '@', (size_t)(end - host)))
		return err_set(e, ERROR_INVALID,
		    "--session-url: \"%.120s\" is not http[s]://HOST[:PORT]", url);
	snprintf(r->session_url, sizeof r->session_url, "%.*s", (int)(end - url), url);
	bracketed = host[0] == '[';
	if (memchr(bracketed ? memchr(host, ']', (size_t)(end - host)) : host, ':',
		bracketed ? (size_t)(end - strchr(host, ']')) : (size_t)(end - host)))
		snprintf(
		    r->helix_url, sizeof r->helix_url, "%.*s", (int)(end - host), host);
	else
		snprintf(r->helix_url, sizeof r->helix_url, "%.*s:%d", (int)(end - host),
		    host, r->helix_tls ? 443 : 80);
	return 0;
}

static int host_absolute_roots(const struct runner *r, struct err *e)
{
	for (size_t i = 0; i < r->conf->workspace_root.n; i++) {
		if (r->conf->workspace_root.items[i][0] != '/')
			return err_set(e, ERROR_INVALID,
			    "--workspace-root: \"%.120s\" is not an absolute path",
			    r->conf->workspace_root.items[i]);
	}
	return 0;
}

/* ---- folders */

static int host_mkdirs(const char *path, struct err *e)
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return err_set(e, ERROR_INVALID, "--state-dir: path too long");
	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(copy, 0755);
		*p = '/';
	}
	if (mkdir(copy, 0711) < 0 && errno != EEXIST)
		return err_set(
		    e, ERROR_INVALID, "--state-dir %s: %s", path, strerror(errno));
	return 0;
}

static int host_open_below(
    int dir, const char *name, mode_t mode, int *fd_out, struct err *e)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return err_set(e, -errno, "--state-dir: %s: %s", name, strerror(errno));
	*fd_out = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *fd_out < 0
		   ? err_set(e, -errno, "--state-dir: %s: %s", name, strerror(errno))
		   : 0;
}

static int host_lock(struct runner *r, int dir, struct err *e)
{
	r->state_lock_fd =
	    openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->state_lock_fd < 0)
		return err_set(e, ERROR_INVALID, "--state-dir %s: %s", r->state_dir,
		    strerror(errno));
	if (flock(r->state_lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERROR_INVALID,
		    "--state-dir %s: another zed-runner holds it", r->state_dir);
	return 0;
}

static int host_state_dir(struct runner *r, struct err *e)
{
	int dir, code = host_mkdirs(r->conf->state_dir, e);

	if (code)
		return code;
	if (!realpath(r->conf->state_dir, r->state_dir) ||
	    strlen(r->state_dir) > PATH_MAX / 2)
		return err_set(e, ERROR_INVALID, "--state-dir %s: %s", r->conf->state_dir,
		    strerror(errno));
	dir = open(r->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, ERROR_INVALID, "--state-dir %s: %s", r->state_dir,
		    strerror(errno));
	code = host_lock(r, dir, e);
	code = code ? code : host_open_below(dir, "i", 0711, &r->instances_dir_fd, e);
	code = code ? code : host_open_below(dir, "w", 0700, &r->locks_dir_fd, e);
	close(dir);
	return code;
}

/* ---- the shim */

static int host_shim(struct runner *r, struct err *e)
{
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = '\0';
	if (r->conf->shim)
		snprintf(r->shim_path, sizeof r->shim_path, "%s", r->conf->shim);
	else if (strrchr(self, '/'))
		snprintf(r->shim_path, sizeof r->shim_path, "%.*s/zed-shim",
		    (int)(strrchr(self, '/') - self), self);
	if (!r->conf->shim && access(r->shim_path, X_OK) < 0)
		snprintf(r->shim_path, sizeof r->shim_path, "%s", ZED_SHIM_INSTALLED);
	if (r->shim_path[0] != '/' || access(r->shim_path, X_OK) < 0)
		return err_set(e, ERROR_INVALID, "--shim: %s cannot be executed: %s",
		    r->shim_path,
		    r->shim_path[0] != '/' ? "not an absolute path" : strerror(errno));
	return 0;
}

/* Named by id and state folder: two runners of one id may share a host (and belong to
 * different brokers), and neither may ever take the other's groups for its own. */
static void host_limits(struct runner *r)
{
	char name[ID_MAX + 48];
	struct stat st;

	must(fstat(r->instances_dir_fd, &st) == 0);
	snprintf(name, sizeof name, "%s-%llx-%llx", r->id.s,
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	limits_init(&r->limits, name);
}

int runner_host_init(struct runner *r, struct err *e)
{
	int code;

	(void)umask(022);
	r->state_lock_fd = r->instances_dir_fd = r->locks_dir_fd = -1;
	code = host_id(r, e);
	code = code ? code : host_boot_id(r, e);
	code = code ? code : host_labels(r, e);
	code = code ? code : host_session_url(r, e);
	code = code ? code : host_absolute_roots(r, e);
	code = code ? code : uid_range_parse(r->conf->uid_range, &r->uids, e);
	code = code ? code : host_shim(r, e);
	code = code ? code : host_state_dir(r, e);
	if (code)
		return code;
	host_limits(r);
	r->profiles_env = (struct profiles_env){
	    .dir = r->conf->profiles, .has_uid_range = r->uids.first != 0};
	profiles_load(&r->profiles_env, &r->profiles);
	return 0;
}

void runner_host_deinit(struct runner *r)
{
	limits_deinit(&r->limits);
	profiles_deinit(&r->profiles);
	strmap_deinit(&r->labels);
	if (r->instances_dir_fd >= 0)
		close(r->instances_dir_fd);
	if (r->locks_dir_fd >= 0)
		close(r->locks_dir_fd);
	if (r->state_lock_fd >= 0)
		close(r->state_lock_fd);
}

/* ---- what it cannot do */

static void host_add(char ***v, size_t *n, const char *text)
{
	*v = reallocarray(*v, *n + 1, sizeof **v);
	must(*v);
	(*v)[*n] = strdup(text);
	must((*v)[*n]);
	(*n)++;
}

void runner_degraded(const struct runner *r, char ***out, size_t *n_out)
{
	char text[256];

	*out = NULL;
	*n_out = 0;
	for (size_t i = 0; i < r->limits.n_problems; i++)
		host_add(out, n_out, r->limits.problems[i]);
	for (size_t i = 0; i < r->profiles.n_problems; i++)
		host_add(out, n_out, r->profiles.problems[i]);
	if (strlen(r->state_dir) + strlen("/i/") + WORKLOAD_DIR_NAME_MAX +
		strlen(HOST_DEEPEST_SOCKET) >
	    HOST_SOCKET_PATH_MAX) {
		snprintf(text, sizeof text,
		    "state-dir: its path of %zu bytes leaves too little for unix sockets "
		    "in homes",
		    strlen(r->state_dir));
		host_add(out, n_out, text);
	}
}

/* ---- ports and uids */

/* The port bound, @port or any if that is 0; 0 if it cannot be. */
static uint16_t host_try_port(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	port = 0;
	/* As servers do: what lingers of a closed connection is in nobody's way. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &n) == 0)
		port = ntohs(a.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

bool runner_port_is_free(uint16_t port)
{
	return host_try_port(port) == port;
}

static bool host_port_is_given(const struct runner *r, uint16_t port)
{
	list_for_each (it, &r->workloads) {
		const struct workload *w = list_entry(it, struct workload, link);

		for (int i = 0; i < SUP_TASKS_MAX; i++) {
			if (w->tasks[i].port == port)
				return true;
		}
	}
	return false;
}

uint16_t runner_free_port(struct runner *r)
{
	for (int i = 0; i < HOST_PORT_TRIES; i++) {
		uint16_t port = host_try_port(0);

		if (port && !host_port_is_given(r, port))
			return port;
	}
	return 0;
}

/* Some folder's home belongs to it: of an instance that runs, or of one whose home was
 * kept. */
static bool host_uid_is_given(const struct runner *r, uid_t uid)
{
	int fd = dup(r->instances_dir_fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool given = false;
	struct dirent *de;
	struct stat st;
	char home[300];

	if (!d)
		return true; /* not known to be free */
	rewinddir(d);
	while (!given && (de = readdir(d))) {
		snprintf(home, sizeof home, "%s/home", de->d_name);
		given =
		    fstatat(r->instances_dir_fd, home, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid == uid;
	}
	closedir(d);
	list_for_each (it, &r->workloads) {
		given = given || list_entry(it, struct workload, link)->range_uid == uid;
	}
	return given;
}

uid_t runner_free_uid(struct runner *r)
{
	for (uint64_t uid = r->uids.first; uid && uid <= r->uids.last; uid++) {
		if (!host_uid_is_given(r, (uid_t)uid))
			return (uid_t)uid;
	}
	return 0;
}

/* ---- what an earlier run left */

static void host_put_aside(
    struct runner *r, const char *name, int fd, const struct err *e)
{
	log_event(EV_state_unreadable, LF("folder", name), LF("detail", e->text));
	(void)r;
	(void)renameat(fd, "state.json", fd, "state.json.bad");
}

static void host_adopt_one(struct runner *r, const char *name)
{
	int fd = openat(r->instances_dir_fd, name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    code;
	struct id tenant, instance, boot_id = ID_NULL;
	struct err e = ERR_NULL;
	struct workload *w;

	if (fd < 0)
		return;
	code = workload_state_identify(fd, &tenant, &instance, &e);
	if (code) {
		if (code != ERROR_NOT_FOUND) /* a kept home has no state */
			host_put_aside(r, name, fd, &e);
		close(fd);
		return;
	}
	w = workload_new(r, &tenant, &instance);
	w->dir_fd = fd;
	w->seen_us = 0;
	if (strcmp(w->dir_name, name) != 0)
		code = err_set(&e, ERROR_INVALID, "it belongs to %s", w->key);
	code = code ? code : workload_state_load(w, &boot_id, &e);
	if (code) {
		host_put_aside(r, name, fd, &e);
		workload_free(w);
		return;
	}
	w->adopting = true;
	workload_adopt(w, &boot_id);
}

void runner_adopt_all(struct runner *r)
{
	int fd = dup(r->instances_dir_fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (de->d_name[0] != '.')
			host_adopt_one(r, de->d_name);
	}
	if (d)
		closedir(d);
}
