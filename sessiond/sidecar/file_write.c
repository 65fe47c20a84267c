/* Writing in place. A write lease makes other openers wait, for well under a millisecond,
 * so that no reader ever sees part of a text; where there are none, the text is laid down
 * in steps that are each a valid document, padded with spaces.
 *
 * happy path: open, lease, compare, write, cut, let go, sync
 * failure modes: somebody has it open and does not let go (in steps), no leases
 * on this file system (in steps), content differs (CHANGED), no room (nothing written),
 * not writable, write fails half way (said so; recovery has both texts) */
#include "sessiond/sidecar/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessiond/sidecar/file_lease.h"
#include "sessiond/sidecar/file_place.h"

enum {
	WRITE_PHASE_BEGIN_MS = 95,
	WRITE_PHASE_END_MS = 130,
};

static const char *const write_mode_names[] = {
    "auto", "lease", "pad", "exchange", "create"};

const char *file_write_mode_name(enum file_write_mode m)
{
	return write_mode_names[m];
}

enum file_write_mode file_write_mode_parse(const char *s)
{
	enum file_write_mode m = 0;

	while (m < FILE_WRITE_CREATE && strcmp(s, write_mode_names[m]) != 0)
		m++;
	return m < FILE_WRITE_CREATE ? m : FILE_WRITE_MODE_N_;
}

/* Under the lease: nothing here but what must be. */
static int write_whole(int fd, struct file_write *w, struct err *e)
{
	int r;

	if (!file_content_is(fd, w->expect))
		return FILE_WRITE_CHANGED;
	r = file_write_at(fd, w->text, 0);
	if (r)
		return err_set(e, r, "%s: write: %s", w->path, strerror(-r));
	if (w->text.n < w->expect.n && ftruncate(fd, (off_t)w->text.n) < 0)
		return file_fail(w->path, "truncate", e);
	return 0;
}

/* Each call leaves a valid document: old text and spaces, new text and spaces, new text.
 */
static int write_padded(int fd, struct file_write *w, struct err *e)
{
	size_t n_long = w->text.n > w->expect.n ? w->text.n : w->expect.n;
	AUTO_FREE char *padded = malloc(n_long + 1);
	int r;

	must(padded);
	memset(padded, ' ', n_long);
	if (!file_content_is(fd, w->expect))
		return FILE_WRITE_CHANGED;
	r = file_write_at(fd, (struct slice){padded, n_long - w->expect.n}, w->expect.n);
	if (r == 0) {
		memcpy(padded, w->text.p, w->text.n);
		r = file_write_at(fd, (struct slice){padded, n_long}, 0);
	}
	if (r)
		return err_set(e, r, "%s: write: %s", w->path, strerror(-r));
	if (ftruncate(fd, (off_t)w->text.n) < 0)
		return file_fail(w->path, "truncate", e);
	return 0;
}

static int64_t write_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* The editor reads 100 ms after it has heard of a change. Who cannot be kept from opening
 * the file is not to find it half written then. */
static void write_out_of_phase(const struct stat *before)
{
	struct timespec now;
	int64_t changed_ns = write_ns(&before->st_mtim), age_ms;

	if (write_ns(&before->st_ctim) > changed_ns)
		changed_ns = write_ns(&before->st_ctim);
	clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (write_ns(&now) - changed_ns) / 1000000;
	if (age_ms >= WRITE_PHASE_BEGIN_MS && age_ms < WRITE_PHASE_END_MS)
		usleep((useconds_t)(WRITE_PHASE_END_MS - age_ms) * 1000);
}

static void write_no_lease(int refused, char *why, size_t n_why)
{
	snprintf(why, n_why, "no lease: %s",
	    refused == EAGAIN ? "somebody has the file open" : strerror(refused));
}

/* @before: of the file, as it was found. */
static int write_place(
    int fd, struct file_write *w, const struct stat *before, struct err *e)
{
	int refused = w->mode == FILE_WRITE_PAD ? 0 : file_lease_take(fd), r;

	if (refused)
		write_no_lease(refused, w->why, sizeof(w->why));
	if (refused && w->mode == FILE_WRITE_LEASE)
		return err_set(e, -refused, "%s: %s", w->path, w->why);
	if (refused || w->mode == FILE_WRITE_PAD) {
		w->used = FILE_WRITE_PAD;
		write_out_of_phase(before);
		return write_padded(fd, w, e);
	}
	w->used = FILE_WRITE_LEASE;
	r = w->in_steps ? write_padded(fd, w, e) : write_whole(fd, w, e);
	file_lease_drop(fd);
	return r;
}

static int write_check(int fd, struct file_write *w, struct stat *st, struct err *e)
{
	if (fstat(fd, st) < 0)
		return file_fail(w->path, "stat", e);
	if (!S_ISREG(st->st_mode))
		return FILE_WRITE_CHANGED;
	if (!(st->st_mode & 0222)) /* root could, but was asked not to */
		return err_set(e, -EACCES, "%s: is marked read-only", w->path);
	/* Find out now that there is no room, not in the middle. Where that cannot be
	 * asked, the write will tell. */
	if (w->text.n > w->expect.n &&
	    fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)w->text.n) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		return file_fail(w->path, "no room", e);
	return 0;
}

static int write_in_place(struct file_write *w, int64_t start_us, struct err *e)
{
	int fd = open(w->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return FILE_WRITE_CHANGED;
	if (fd < 0)
		return file_fail(w->path, "open", e);
	r = write_check(fd, w, &st, e);
	if (r == 0)
		r = write_place(fd, w, &st, e);
	w->visible_us = clock_mono_us() - start_us;
	if (r == 0 && fdatasync(fd) < 0)
		r = file_fail(w->path, "sync", e);
	close(fd);
	w->synced_us = clock_mono_us() - start_us;
	if (r)
		return r;
	r = file_look(w->path, &w->look);
	if (r)
		return err_set(e, r, "%s: %s", w->path, strerror(-r));
	/* Renamed over meanwhile: what we wrote is nowhere, what they wrote is whole. */
	return w->look.exists && w->look.ino == st.st_ino && w->look.dev == st.st_dev
		   ? FILE_WRITE_DONE
		   : FILE_WRITE_CHANGED;
}

enum file_write_mode file_write_probe(const char *path, char *why, size_t n_why)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), refused;

	why[0] = '\0';
	if (fd < 0) {
		snprintf(why, n_why, "%s", strerror(errno));
		return FILE_WRITE_AUTO;
	}
	refused = file_lease_try(fd);
	if (refused && refused != EAGAIN) /* who has it open lets go of it */
		write_no_lease(refused, why, n_why);
	close(fd);
	return why[0] ? FILE_WRITE_PAD : FILE_WRITE_LEASE;
}

int file_write(struct file_write *w, struct err *e)
{
	int64_t start_us = clock_mono_us();
	int r;

	w->why[0] = '\0';
	w->used = w->missing ? FILE_WRITE_CREATE : w->mode;
	if (!w->missing && w->mode != FILE_WRITE_EXCHANGE)
		return write_in_place(w, start_us, e);
	r = w->missing ? file_place_create(w, e) : file_place_exchange(w, e);
	w->visible_us = w->synced_us = clock_mono_us() - start_us;
	return r;
}
