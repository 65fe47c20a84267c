/* Starting is measured with calls that block: nothing of ours stands between the program
 * and the clock. */
#include "tests/bench/e2e/footprint.h"
#include "tests/bench/e2e/samples.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

enum {
	IDLE_MS = 6000,
	PRIVATE_LIMIT_KB = 4096,
	START_LIMIT_US = 20 * 1000,
	ASK_AGAIN_US = 500,
};

/* memory and wake-ups */

static long field_kb(const char *path, const char *field)
{
	char line[256];
	FILE *f = fopen(path, "re");
	long kb = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)) == 0)
			kb = strtol(line + strlen(field), NULL, 10);
	}
	if (f)
		fclose(f);
	return kb;
}

/* Of all its threads. */
static long n_switches(pid_t pid, unsigned *n_threads_out)
{
	char path[320];
	const struct dirent *e;
	long n = 0;
	DIR *d;

	*n_threads_out = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", pid, e->d_name);
		n += field_kb(path, "voluntary_ctxt_switches:");
		++*n_threads_out;
	}
	if (d)
		closedir(d);
	return n;
}

void footprint_print(const struct desk *d)
{
	char path[64];
	unsigned n_threads;
	long n, clean, dirty;

	rig_pace(d->r, 1000); /* what it did last has settled */
	n = n_switches(d->pid, &n_threads);
	rig_pace(d->r, IDLE_MS);
	n = n_switches(d->pid, &n_threads) - n;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", d->pid);
	clean = field_kb(path, "Private_Clean:");
	dirty = field_kb(path, "Private_Dirty:");
	printf("\nidle daemon: private %ld KB (clean %ld, dirty %ld; limit %d), "
	       "resident %ld KB, %u threads, %.1f wake-ups a second\n",
	    clean + dirty, clean, dirty, PRIVATE_LIMIT_KB, field_kb(path, "Rss:"), n_threads,
	    (double)n * 1000 / IDLE_MS);
}

/* starting */

static bool health_is_ok(uint16_t port)
{
	static const char ask[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				  "Connection: close\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64] = "";
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		  send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0 &&
		  recv(fd, answer, sizeof(answer) - 1, 0) > 0;

	if (fd >= 0)
		close(fd);
	return ok && strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static pid_t spawn_daemon(const struct desk *d)
{
	struct desk_command c;
	posix_spawn_file_actions_t fa;
	char path[512];
	pid_t pid;

	desk_command(d, &c);
	rig_find_program(d->r, c.argv[0], path, sizeof(path));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, path, &fa, NULL, (char *const *)(uintptr_t)c.argv,
		(char *const *)(uintptr_t)c.env))
		rig_die("%s: %m", path);
	posix_spawn_file_actions_destroy(&fa);
	return pid;
}

static int64_t one_start(const struct desk *d)
{
	int64_t t0 = clock_mono_us(), took_us;
	pid_t pid = spawn_daemon(d);

	while (!health_is_ok(d->port)) {
		if (clock_mono_us() - t0 > (int64_t)RIG_TIMEOUT_MS * 1000)
			rig_die("/health never said 200");
		usleep(ASK_AGAIN_US);
	}
	took_us = clock_mono_us() - t0;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return took_us;
}

static void measure_starts(struct desk *d, size_t n, bool fresh, struct samples *out)
{
	out->n = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned no = fresh ? i : 0;

		snprintf(d->state, sizeof(d->state), "%s/state.%u", d->folder, no);
		snprintf(d->settings, sizeof(d->settings), "%s/settings.%u.json", d->folder,
		    no);
		samples_add(out, one_start(d));
	}
}

void starts_print(const struct desk *desk, size_t n)
{
	static struct samples s;
	struct rig nowhere = *desk->r;
	struct desk d = *desk;

	d.port = rig_free_port();
	snprintf(d.folder, sizeof(d.folder), "%s/starts", d.r->dir);
	mkdir(d.folder, 0700);
	samples_print_list_header("start -> /health 200");
	measure_starts(&d, n, true, &s);
	samples_print_list_row("first time, server there", &s, START_LIMIT_US);
	measure_starts(&d, n, false, &s);
	samples_print_list_row("known settings, server there", &s, START_LIMIT_US);
	nowhere.sessiond_port = rig_free_port();
	d.r = &nowhere;
	measure_starts(&d, n, false, &s);
	samples_print_list_row("known settings, no server", &s, START_LIMIT_US);
}
