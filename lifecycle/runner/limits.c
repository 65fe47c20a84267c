/* Control groups of instances; finding the trees is limits_find.c. */
#include "lifecycle/runner/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/runner/limits_find.h"

enum {
	CPU_PERIOD_US = 100000,
};

int limits_write(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 64];
	int fd, r;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The number after @key (a line "key number"), or the whole file's when @key is NULL; 0
 * if there is none. */
static uint64_t limits_read_number(const char *dir, const char *file, const char *key)
{
	char path[PATH_MAX + 64], text[4096];
	const char *p = text;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	while (
	    key && p && !(strncmp(p, key, strlen(key)) == 0 && p[strlen(key)] == ' ')) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return p ? strtoull(p + (key ? strlen(key) : 0), NULL, 10) : 0;
}

void limits_group_deinit(struct limits_group *g)
{
	for (int i = 0; i < LIMITS_GROUP_DIRS_MAX; i++) {
		free(g->dirs[i]);
		g->dirs[i] = NULL;
	}
}

static int limits_make_dir(const char *base, const char *name, char **out)
{
	char *path = NULL;

	must(asprintf(&path, "%s/%s", base, name) > 0);
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		int r = -errno;

		free(path);
		return r;
	}
	free(*out);
	*out = path;
	return 0;
}

struct limits_setting {
	const char *v2_file, *v1_file;
	char v2_text[64], v1_text[64];
};

static bool limits_setting_of(
    enum limits_kind k, const struct limits_want *w, struct limits_setting *s)
{
	switch (k) {
	case LIMITS_MEMORY:
		s->v2_file = "memory.max";
		s->v1_file = "memory.limit_in_bytes";
		snprintf(s->v2_text, sizeof s->v2_text, "%lld",
		    (long long)w->memory_max_mb * 1024 * 1024);
		memcpy(s->v1_text, s->v2_text, sizeof s->v1_text);
		return w->memory_max_mb > 0;
	case LIMITS_CPU:
		s->v2_file = "cpu.max";
		s->v1_file = "cpu.cfs_quota_us";
		snprintf(s->v2_text, sizeof s->v2_text, "%lld %d",
		    (long long)w->cpu_milli * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
		snprintf(s->v1_text, sizeof s->v1_text, "%lld",
		    (long long)w->cpu_milli * (CPU_PERIOD_US / 1000));
		return w->cpu_milli > 0;
	case LIMITS_PIDS:
		s->v2_file = s->v1_file = "pids.max";
		snprintf(s->v2_text, sizeof s->v2_text, "%lld", (long long)w->pids_max);
		memcpy(s->v1_text, s->v2_text, sizeof s->v1_text);
		return w->pids_max > 0;
	case LIMITS_N_:
		break;
	}
	return false;
}

static int limits_set(const struct limits *l, enum limits_kind k, const char *name,
    const struct limits_setting *s, struct limits_group *g)
{
	int r;

	if (l->v2_has[k]) {
		g->memory_is_v2 = g->memory_is_v2 || k == LIMITS_MEMORY;
		r = limits_write(g->dirs[0], s->v2_file, s->v2_text);
		/* All of it or none: half an instance is worth nothing. */
		if (!r && k == LIMITS_MEMORY)
			(void)limits_write(g->dirs[0], "memory.oom.group", "1");
		return r;
	}
	if (!l->v1[k][0])
		return 0; /* a problem told at the start */
	r = limits_make_dir(l->v1[k], name, &g->dirs[1 + k]);
	return r ? r : limits_write(g->dirs[1 + k], s->v1_file, s->v1_text);
}

int limits_create(const struct limits *l, const char *name,
    const struct limits_want *want, struct limits_group *out, struct err *e)
{
	int r = l->v2[0] ? limits_make_dir(l->v2, name, &out->dirs[0]) : 0;

	if (r)
		return err_set(e, r, "cgroup %s: %s", name, strerror(-r));
	for (enum limits_kind k = 0; k < LIMITS_N_; k++) {
		struct limits_setting s = {0};

		if (!limits_setting_of(k, want, &s))
			continue;
		r = limits_set(l, k, name, &s, out);
		if (r)
			return err_set(
			    e, r, "cgroup %s: %s: %s", name, s.v2_file, strerror(-r));
	}
	return 0;
}

size_t limits_group_entries(const struct limits_group *g, char **out)
{
	size_t n = 0;

	for (int i = 0; i < LIMITS_GROUP_DIRS_MAX; i++) {
		if (g->dirs[i])
			must(asprintf(&out[n++], "%s/cgroup.procs", g->dirs[i]) > 0);
	}
	return n;
}

bool limits_group_kill(const struct limits_group *g)
{
	return g->dirs[0] && limits_write(g->dirs[0], "cgroup.kill", "1") == 0;
}

bool limits_group_populated(const struct limits_group *g)
{
	return g->dirs[0] &&
	       limits_read_number(g->dirs[0], "cgroup.events", "populated") > 0;
}

uint64_t limits_group_oom_kills(const struct limits_group *g)
{
	if (g->dirs[0] && g->memory_is_v2)
		return limits_read_number(g->dirs[0], "memory.events", "oom_kill");
	if (g->dirs[1 + LIMITS_MEMORY])
		return limits_read_number(
		    g->dirs[1 + LIMITS_MEMORY], "memory.oom_control", "oom_kill");
	return 0;
}

void limits_group_remove(const struct limits_group *g)
{
	for (int i = 0; i < LIMITS_GROUP_DIRS_MAX; i++) {
		if (g->dirs[i])
			(void)rmdir(g->dirs[i]);
	}
}
