/* Reading /proc: see the header. */
#include "base/proctree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	STAT_BYTES = 1024,
	ENVIRON_BYTES_MAX = 4 * 1024 * 1024,
	CHUNK_BYTES = 64 * 1024,
};

static ssize_t proctree_read(pid_t pid, const char *file, char *out, size_t n)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, out, n);
	close(fd);
	return got;
}

/* "pid (comm) state ppid ... starttime ...": comm may hold anything, so the last ')'
 * counts. */
bool proctree_read_stat(pid_t pid, struct proctree_stat *out)
{
	char text[STAT_BYTES], *open_at, *p, *end;
	ssize_t n = proctree_read(pid, "stat", text, sizeof text - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	open_at = strchr(text, '(');
	p = strrchr(text, ')');
	if (!open_at || !p || p[1] != ' ')
		return false;
	*out = (struct proctree_stat){.pid = pid, .state = p[2]};
	snprintf(
	    out->comm, sizeof out->comm, "%.*s", (int)(p - open_at - 1), open_at + 1);
	p += 3;
	out->ppid = (pid_t)strtol(p, &p, 10);
	for (int field = 5; field < 22; field++)
		(void)strtoll(p, &p, 10);
	out->start_ticks = strtoull(p, &end, 10);
	return end != p;
}

/* ---- all processes */

struct proctree_all {
	struct proctree_stat *v;
	size_t n, cap;
};

static bool proctree_push(struct proctree_all *a, const struct proctree_stat *st)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 256;
		struct proctree_stat *v = realloc(a->v, cap * sizeof *v);

		if (!v)
			return false;
		a->v = v;
		a->cap = cap;
	}
	a->v[a->n++] = *st;
	return true;
}

static void proctree_read_all(struct proctree_all *a)
{
	DIR *d = opendir("/proc");
	struct proctree_stat st;
	struct dirent *de;

	if (!d)
		return;
	while ((de = readdir(d))) {
		if (isdigit((unsigned char)de->d_name[0]) &&
		    proctree_read_stat((pid_t)strtol(de->d_name, NULL, 10), &st) &&
		    !proctree_push(a, &st))
			break;
	}
	closedir(d);
}

static bool proctree_is_child_of_any(
    const struct proctree_stat *st, pid_t root, const struct proctree_stat *v, size_t n)
{
	if (st->ppid == root)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (v[i].pid == st->ppid)
			return true;
	}
	return false;
}

/* Move what is below @root to the front of @a, parents first; returns how many. */
static size_t proctree_gather(struct proctree_all *a, pid_t root)
{
	size_t n = 0, before;

	do {
		before = n;
		for (size_t i = n; i < a->n; i++) {
			struct proctree_stat st = a->v[i];

			if (st.pid == root ||
			    !proctree_is_child_of_any(&st, root, a->v, n))
				continue;
			a->v[i] = a->v[n];
			a->v[n++] = st;
		}
	} while (n != before);
	return n;
}

size_t proctree_descendants(pid_t root, struct proctree_stat *out, size_t cap)
{
	struct proctree_all a = {0};
	size_t n_out = 0, n;

	proctree_read_all(&a);
	n = proctree_gather(&a, root);
	for (size_t i = 0; i < n && n_out < cap; i++) {
		if (a.v[i].state != 'Z')
			out[n_out++] = a.v[i];
	}
	free(a.v);
	return n_out;
}

/* ---- marks */

/* A run of NUL-terminated strings seen in pieces: compares each with @want as it streams
 * by. */
struct proctree_match {
	const char *want;
	size_t n_want, at;
	bool differs;
};

static bool proctree_match_feed(struct proctree_match *m, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\0') {
			if (!m->differs && m->at == m->n_want)
				return true;
			m->at = 0;
			m->differs = false;
		} else if (!m->differs) {
			m->differs = m->at >= m->n_want || m->want[m->at] != p[i];
			m->at++;
		}
	}
	return false;
}

bool proctree_has_mark(pid_t pid, const char *name, const char *value)
{
	char want[512], path[64], *chunk;
	struct proctree_match m = {.want = want};
	int len = snprintf(want, sizeof want, "%s=%s", name, value);
	bool found = false;
	size_t total = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	if (len < 0 || (size_t)len >= sizeof want ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	m.n_want = (size_t)len;
	chunk = malloc(CHUNK_BYTES);
	while (chunk && !found && total < ENVIRON_BYTES_MAX &&
	       (n = read(fd, chunk, CHUNK_BYTES)) > 0) {
		found = proctree_match_feed(&m, chunk, (size_t)n);
		total += (size_t)n;
	}
	free(chunk);
	close(fd);
	return found;
}

size_t proctree_marked(
    const char *name, const char *value, struct proctree_stat *out, size_t cap)
{
	struct proctree_all a = {0};
	size_t n_out = 0;

	proctree_read_all(&a);
	for (size_t i = 0; i < a.n && n_out < cap; i++) {
		if (a.v[i].state != 'Z' && a.v[i].pid != getpid() &&
		    proctree_has_mark(a.v[i].pid, name, value))
			out[n_out++] = a.v[i];
	}
	free(a.v);
	return n_out;
}

int proctree_signal(const struct proctree_stat *who, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, who->pid, 0U), r = 0;
	struct proctree_stat now;

	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	/* Read after the pidfd holds it: equal start time means it is the one that was
	 * seen. */
	if (!proctree_read_stat(who->pid, &now) || now.start_ticks != who->start_ticks)
		r = -ESRCH;
	else if (syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0U) < 0)
		r = -errno;
	close(fd);
	return r;
}
