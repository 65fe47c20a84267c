/* The processes of an instance, found by their marks: what the runner says is never taken
 * for it. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proctree.h"
#include "base/shim_msg.h"

/* Marks hold generation and fence: any of them counts. */
static bool rf_is_of(pid_t pid, const char *instance)
{
	char path[64], want[160];
	bool found = false;
	char *env;
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	snprintf(want, sizeof want, SHIM_MARK_INSTANCE "=%s.%s:", rf_tenant, instance);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	env = calloc(1, 65536);
	n = env ? read(fd, env, 65535) : 0;
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(env + i) + 1)
		found = found || strncmp(env + i, want, strlen(want)) == 0;
	free(env);
	close(fd);
	return found;
}

/* Every process of the instance, with @signo for each unless it is 0. */
size_t rf_signal_all(const char *instance, int signo)
{
	DIR *d = opendir("/proc");
	struct proctree_stat st;
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d))) {
		pid_t pid = (pid_t)strtol(de->d_name, NULL, 10);

		if (pid <= 0 || !proctree_read_stat(pid, &st) || st.state == 'Z' ||
		    !rf_is_of(pid, instance))
			continue;
		n++;
		if (signo)
			(void)proctree_signal(&st, signo);
	}
	closedir(d);
	return n;
}

size_t rf_processes(struct runner_fixture *f, const char *instance)
{
	(void)f;
	return rf_signal_all(instance, 0);
}

void rf_wait_processes(struct runner_fixture *f, const char *instance, size_t n)
{
	int64_t limit = clock_mono_ms() + RF_LIMIT_MS;

	while (rf_processes(f, instance) != n) {
		if (clock_mono_ms() > limit)
			rf_fail(f, instance, "not that many processes");
		run_for(f->store.bus.loop, 20);
	}
}

pid_t rf_shim(const char *instance)
{
	DIR *d = opendir("/proc");
	char path[64], want[160], cmd[512];
	struct proctree_stat st;
	struct dirent *de;
	pid_t found = 0;

	snprintf(want, sizeof want, "%s.%s:", rf_tenant, instance);
	while (d && !found && (de = readdir(d))) {
		pid_t pid = (pid_t)strtol(de->d_name, NULL, 10);
		ssize_t n;
		int fd;

		snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
		fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		n = read(fd, cmd, sizeof cmd - 1);
		close(fd);
		cmd[n > 0 ? n : 0] = '\0';
		if (n > 10 && strcmp(cmd, "zed-shim") == 0 &&
		    strncmp(cmd + 9, want, strlen(want)) == 0 &&
		    proctree_read_stat(pid, &st) && st.state != 'Z')
			found = pid;
	}
	closedir(d);
	return found;
}
