/* Each beside its name. The files are in the rig's folder, where everything measured is. */
#include "tests/bench/e2e/floors.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	BLOCK = 4096,
};

/* another process: closes a written file whenever it is told to, and notes when */

static _Noreturn void writer(int orders, const char *path, volatile int64_t *closing_us)
{
	char order;

	while (read(orders, &order, 1) == 1) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || write(fd, "x", 1) != 1)
			_exit(1);
		*closing_us = clock_mono_us();
		close(fd);
	}
	_exit(0);
}

static void await_event(int fd)
{
	_Alignas(struct inotify_event) char batch[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, RIG_TIMEOUT_MS) != 1 || read(fd, batch, sizeof(batch)) < 0)
		rig_die("the floor's file did not change");
}

static void begin_wake(struct floors *f)
{
	int orders[2];
	char dir[80], path[100];

	f->closing_us = mmap(NULL, sizeof(*f->closing_us), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	f->inotify = inotify_init1(IN_CLOEXEC);
	snprintf(dir, sizeof(dir), "%s/wake", f->r->dir);
	snprintf(path, sizeof(path), "%s/file", dir);
	mkdir(dir, 0700);
	if (f->closing_us == MAP_FAILED || f->inotify < 0 || pipe2(orders, O_CLOEXEC) ||
	    inotify_add_watch(f->inotify, dir, IN_CLOSE_WRITE) < 0)
		rig_die("wake-up: %m");
	f->writer = fork();
	if (f->writer < 0)
		rig_die("fork: %m");
	if (f->writer == 0) {
		close(orders[1]);
		writer(orders[0], path, f->closing_us);
	}
	close(orders[0]);
	f->orders = orders[1];
}

static void sample_wake(struct floors *f)
{
	if (write(f->orders, "g", 1) != 1)
		rig_die("wake-up: %m");
	await_event(f->inotify);
	samples_add(&f->wake, clock_mono_us() - *f->closing_us);
}

/* the disk */

static int open_file(const struct floors *f, const char *name)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->r->dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		rig_die("%s: %m", path);
	return fd;
}

static void sample_sync(int fd, size_t at, char fill, struct samples *out)
{
	char block[BLOCK];
	int64_t t0 = clock_mono_us();

	memset(block, fill, sizeof(block));
	if (pwrite(fd, block, BLOCK, (off_t)at) != BLOCK || fdatasync(fd))
		rig_die("the floor's file: %m");
	samples_add(out, clock_mono_us() - t0);
}

/* all of them */

void floors_begin(struct rig *r, struct floors *f)
{
	f->r = r;
	f->n = 0;
	begin_wake(f);
	f->over_fd = open_file(f, "sync.over");
	f->append_fd = open_file(f, "sync.append");
	sample_sync(f->over_fd, 0, 'a', &f->sync); /* makes the file */
	f->wake.n = f->sync.n = f->append.n = f->http.n = f->store.n = 0;
}

void floors_sample(struct floors *f)
{
	char answer[256];
	int64_t t0;

	sample_wake(f);
	sample_sync(f->over_fd, 0, (char)('a' + f->n % 26), &f->sync);
	sample_sync(f->append_fd, f->n * BLOCK, 'a', &f->append);
	t0 = clock_mono_us();
	if (rig_call(f->r, "GET", "/healthz", NULL, answer, sizeof(answer)) != 200)
		rig_die("/healthz: %s", answer);
	samples_add(&f->http, clock_mono_us() - t0);
	samples_add(&f->store, rig_publish(f->r, "bench.floor", SLICE_LIT("{}")));
	f->n++;
}

void floors_end(struct floors *f)
{
	close(f->orders);
	waitpid(f->writer, NULL, 0);
	close(f->inotify);
	close(f->over_fd);
	close(f->append_fd);
	munmap((void *)(uintptr_t)f->closing_us, sizeof(*f->closing_us));
}

void floors_print(struct floors *f)
{
	samples_print_list_header("floors in this run");
	samples_print_list_row("watch: close -> another process knows", &f->wake, 0);
	samples_print_list_row("disk: 4 KB over what is there, fdatasync", &f->sync, 0);
	samples_print_list_row("disk: 4 KB appended, fdatasync", &f->append, 0);
	samples_print_list_row("HTTP: GET on a kept connection", &f->http, 0);
	samples_print_list_row("broker: publish -> stored", &f->store, 0);
}
