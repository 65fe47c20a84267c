/* Which control group trees this process may use: mounts from /proc/self/mountinfo, our
 * place in each from /proc/self/cgroup, and a folder of ours there. */
#include "lifecycle/runner/limits_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

static const char *const limits_names[LIMITS_N_] = {"memory", "cpu", "pids"};

/* One tree: where it is mounted, which part of it, and where we are in it. */
struct limits_tree {
	char mount[PATH_MAX], root[PATH_MAX], own[PATH_MAX];
};

static bool limits_has_word(const char *list, const char *word, char separator)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p;
	     p = strchr(p, separator), p = p ? p + 1 : NULL) {
		if (strncmp(p, word, n) == 0 &&
		    (p[n] == separator || p[n] == '\0' || p[n] == '\n'))
			return true;
	}
	return false;
}

/* @controller NULL: the version 2 tree. */
static bool limits_find_mount(const char *controller, struct limits_tree *t)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[3 * PATH_MAX], type[32], options[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f)) {
		const char *tail = strstr(line, " - ");

		if (!tail ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", t->root, t->mount) != 2 ||
		    sscanf(tail, " - %31s %*s %511s", type, options) != 2)
			continue;
		found = controller ? strcmp(type, "cgroup") == 0 &&
					 limits_has_word(options, controller, ',')
				   : strcmp(type, "cgroup2") == 0;
	}
	if (f)
		fclose(f);
	return found;
}

static bool limits_find_own(const char *controller, struct limits_tree *t)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 256];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f)) {
		char *names = strchr(line, ':'),
		     *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		names++;
		path[strcspn(path, "\n")] = '\0';
		found =
		    controller ? limits_has_word(names, controller, ',') : *names == '\0';
		if (found)
			snprintf(t->own, sizeof t->own, "%s", path);
	}
	if (f)
		fclose(f);
	return found;
}

/* Our own group's folder; false if it lies outside of what is mounted. */
static bool limits_own_dir(const char *controller, char out[static PATH_MAX])
{
	struct limits_tree t;
	size_t n_root;

	if (!limits_find_mount(controller, &t) || !limits_find_own(controller, &t))
		return false;
	n_root = strcmp(t.root, "/") == 0 ? 0 : strlen(t.root);
	if (strncmp(t.own, t.root, n_root) != 0)
		n_root = 0; /* a namespace shows paths from its own root */
	if (strstr(t.own, "/.."))
		return false;
	return snprintf(out, PATH_MAX, "%s%s", t.mount,
		   strcmp(t.own + n_root, "/") ? t.own + n_root : "") < PATH_MAX - 256;
}

static bool limits_make_ours(const char *own, const char *id, char out[static PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/zed-runner-%s", own, id) < PATH_MAX &&
	    (mkdir(out, 0755) == 0 || errno == EEXIST) && access(out, W_OK) == 0)
		return true;
	out[0] = '\0';
	return false;
}

static bool limits_v2_offers(const char *dir, const char *file, const char *controller)
{
	char path[PATH_MAX + 64], text[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return limits_has_word(text, controller, ' ');
}

/* A group that hands controllers to its children holds no processes itself: step aside
 * into one of our own. */
static void limits_step_aside(const char *own)
{
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof dir, "%s/zed-runner-self", own) >= (int)sizeof dir)
		return;
	if (mkdir(dir, 0755) == 0 || errno == EEXIST)
		(void)limits_write(dir, "cgroup.procs", "0");
}

static bool limits_v2_enable(const char *own, const char *ours, const char *controller)
{
	char text[32];

	if (!limits_v2_offers(own, "cgroup.controllers", controller))
		return false;
	snprintf(text, sizeof text, "+%s", controller);
	if (limits_write(own, "cgroup.subtree_control", text) == -EBUSY) {
		limits_step_aside(own);
		(void)limits_write(own, "cgroup.subtree_control", text);
	}
	if (!limits_v2_offers(ours, "cgroup.controllers", controller))
		return false;
	(void)limits_write(ours, "cgroup.subtree_control", text);
	return limits_v2_offers(ours, "cgroup.subtree_control", controller);
}

static bool limits_is_v2(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static void limits_init_v2(struct limits *l, const char *id)
{
	char own[PATH_MAX];

	if (!limits_own_dir(NULL, own) || !limits_is_v2(own) ||
	    !limits_make_ours(own, id, l->v2))
		return;
	for (enum limits_kind k = 0; k < LIMITS_N_; k++)
		l->v2_has[k] = limits_v2_enable(own, l->v2, limits_names[k]);
}

void limits_init(struct limits *l, const char *name)
{
	char own[PATH_MAX];

	memset(l, 0, sizeof *l);
	limits_init_v2(l, name);
	for (enum limits_kind k = 0; k < LIMITS_N_; k++) {
		if (l->v2_has[k])
			continue;
		if (limits_own_dir(limits_names[k], own) &&
		    limits_make_ours(own, name, l->v1[k]))
			continue;
		snprintf(l->problems[l->n_problems++], sizeof l->problems[0],
		    "limits: no %s limits: this host has no cgroup that may be written",
		    limits_names[k]);
	}
	if (!l->v2[0])
		snprintf(l->problems[l->n_problems++], sizeof l->problems[0],
		    "limits: no cgroup v2: process trees are ended one by one");
}

void limits_deinit(struct limits *l)
{
	if (l->v2[0])
		(void)rmdir(l->v2);
	for (enum limits_kind k = 0; k < LIMITS_N_; k++) {
		if (l->v1[k][0])
			(void)rmdir(l->v1[k]);
	}
}
