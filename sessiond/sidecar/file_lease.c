/* There is no way to wait for a lease but to try again; inotify tells whether trying has
 * any point. Where that cannot be had, everybody counts as holding on. */
#include "sessiond/sidecar/file_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	LEASE_WAIT_US = 20 * 1000,
	LEASE_WAIT_MAX_US = 250 * 1000,
	LEASE_STEP_US = 50, /* not longer each time: the moments are short */
};

void file_lease_init(void)
{
	signal(SIGIO, SIG_IGN);
}

int file_lease_try(int fd)
{
	return fcntl(fd, F_SETLEASE, F_WRLCK) < 0 ? errno : 0;
}

void file_lease_drop(int fd)
{
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* Hears of whoever closes the file; -1: cannot. */
static int lease_listen(int fd)
{
	char path[40];
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (in >= 0 && inotify_add_watch(in, path, IN_CLOSE) < 0) {
		close(in);
		return -1;
	}
	return in;
}

/* Somebody closed it since the last call. */
static bool lease_heard(int in)
{
	_Alignas(struct inotify_event) char events[1024];
	bool heard = false;

	while (in >= 0 && read(in, events, sizeof(events)) > 0)
		heard = true;
	return heard;
}

static int lease_wait(int fd, int in)
{
	int64_t start_us = clock_mono_us(), until_us = start_us + LEASE_WAIT_US;
	int r;

	while ((r = file_lease_try(fd)) == EAGAIN) {
		int64_t now_us = clock_mono_us();

		if (now_us >= until_us) {
			if (!lease_heard(in) || now_us - start_us >= LEASE_WAIT_MAX_US)
				return EAGAIN;
			until_us = now_us + LEASE_WAIT_US;
		}
		usleep(LEASE_STEP_US);
	}
	return r;
}

int file_lease_take(int fd)
{
	int r = file_lease_try(fd), in;

	if (r != EAGAIN)
		return r;
	in = lease_listen(fd);
	r = lease_wait(fd, in);
	if (in >= 0)
		close(in);
	return r;
}
