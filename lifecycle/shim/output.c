/* Standard output and error of a task: read at once, so that no process ever waits for a
 * reader, and kept in files of bounded size (the current one and its predecessor). */
#include "lifecycle/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const output_names[2] = {"out", "err"};

static void output_path(const struct shim_task *t, int is_err, char out[static 80])
{
	snprintf(out, 80, SHIM_LOG_DIR "/%s.%s", t->name, output_names[is_err]);
}

static void output_open_file(struct shim_task *t, int is_err)
{
	struct shim_stream *st = &t->streams[is_err];
	struct stat sb;
	char path[80];

	output_path(t, is_err, path);
	st->file_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	st->n_file =
	    st->file_fd >= 0 && fstat(st->file_fd, &sb) == 0 ? (size_t)sb.st_size : 0;
}

static void output_close_stream(struct shim_stream *st)
{
	if (st->pipe_fd >= 0)
		close(st->pipe_fd);
	if (st->file_fd >= 0)
		close(st->file_fd);
	st->pipe_fd = st->file_fd = -1;
}

void shim_output_close(struct shim_task *t)
{
	output_close_stream(&t->streams[0]);
	output_close_stream(&t->streams[1]);
}

/* @fds_out: the writing ends, for the child; the caller closes them. False with errno. */
bool shim_output_open(struct shim_task *t, int fds_out[2])
{
	int p[2];

	shim_output_close(t);
	(void)mkdir(SHIM_LOG_DIR, 0700);
	for (int i = 0; i < 2; i++) {
		if (pipe2(p, O_CLOEXEC) < 0) {
			int error = errno;

			if (i == 1)
				close(fds_out[0]);
			shim_output_close(t);
			errno = error;
			return false;
		}
		(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
		t->streams[i].pipe_fd = p[0];
		fds_out[i] = p[1];
		output_open_file(t, i);
	}
	return true;
}

static void output_rotate(struct shim_task *t, int is_err)
{
	char path[80], old[84];

	output_path(t, is_err, path);
	snprintf(old, sizeof old, "%s.1", path);
	(void)rename(path, old);
	close(t->streams[is_err].file_fd);
	output_open_file(t, is_err);
}

static void output_keep(struct shim_task *t, int is_err, const char *p, size_t n)
{
	struct shim_stream *st = &t->streams[is_err];
	ssize_t w;

	if (st->file_fd >= 0 && st->n_file + n > SHIM_LOG_BYTES_MAX)
		output_rotate(t, is_err);
	if (st->file_fd < 0)
		return;
	w = write(st->file_fd, p, n); /* a full disk loses output, never the instance */
	if (w > 0)
		st->n_file += (size_t)w;
}

static void output_forward(
    struct shim *s, uint32_t task, int is_err, const char *p, size_t n)
{
	struct shim_stream *st = &s->tasks[task].streams[is_err];
	struct shim_output m = {.task = task, .is_err = (uint32_t)is_err};

	if (!s->tasks[task].output)
		return;
	if (shim_client_is_slow(s)) {
		st->dropped += n;
		return;
	}
	m.seq = ++st->seq;
	m.dropped = st->dropped;
	shim_send(s, SHIM_OUTPUT, &m, sizeof m, p, n);
}

void shim_output_drain(struct shim *s, uint32_t task, int is_err)
{
	struct shim_task *t = &s->tasks[task];
	char chunk[SHIM_OUTPUT_MAX];
	ssize_t n;

	while (t->streams[is_err].pipe_fd >= 0) {
		n = read(t->streams[is_err].pipe_fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			output_close_stream(&t->streams[is_err]);
			return;
		}
		output_keep(t, is_err, chunk, (size_t)n);
		output_forward(s, task, is_err, chunk, (size_t)n);
		if ((size_t)n < sizeof chunk)
			return; /* poll says when there is more: nobody is starved by a
				   talker */
	}
}
