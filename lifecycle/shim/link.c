/* The shim's socket: the connection it was born with, or one that a later runner made.
 * The newest client is the only one. Writes never block: a client that does not read is
 * dropped, and learns everything from HELLO when it comes back. */
#include "lifecycle/shim/shim.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	LINK_BACKLOG = 4,
	LINK_READ_BYTES = 64 * 1024,
	LINK_SLOW_BYTES = 64 * 1024, /* output is dropped while more than this waits */
};

int shim_listen(struct shim *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = SHIM_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)unlink(SHIM_SOCKET);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    chmod(SHIM_SOCKET, 0600) < 0 || listen(fd, LINK_BACKLOG) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	s->listen_fd = fd;
	return 0;
}

void shim_drop_client(struct shim *s)
{
	if (s->client_fd < 0)
		return;
	close(s->client_fd);
	s->client_fd = -1;
	s->n_in = 0;
	s->idle_since_ms = shim_now_ms();
}

void shim_send(struct shim *s, enum shim_type type, const void *a, size_t n_a,
    const void *b, size_t n_b)
{
	struct shim_head h = {.n = (uint32_t)(n_a + n_b), .type = type};
	struct iovec v[3] = {
	    {&h, sizeof h},
	    {(void *)(uintptr_t)a, n_a},
	    {(void *)(uintptr_t)b, n_b},
	};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};

	if (s->client_fd < 0)
		return;
	if (sendmsg(s->client_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)(sizeof h + n_a + n_b))
		shim_drop_client(s);
}

bool shim_client_is_slow(const struct shim *s)
{
	int queued = 0;

	return s->client_fd < 0 || ioctl(s->client_fd, SIOCOUTQ, &queued) < 0 ||
	       queued > LINK_SLOW_BYTES;
}

void shim_send_hello(struct shim *s)
{
	struct shim_hello h = {
	    .version = SHIM_VERSION, .pid = getpid(), .empty = !s->has_children};
	struct shim_task_info v[SHIM_TASKS_MAX];

	strncpy(h.identity, s->identity, sizeof h.identity - 1);
	for (uint32_t i = 0; i < SHIM_TASKS_MAX; i++) {
		const struct shim_task *t = &s->tasks[i];

		if (t->state == SHIM_TASK_NONE)
			continue;
		v[h.n_tasks++] = (struct shim_task_info){.task = i,
		    .run = t->run,
		    .state = t->state,
		    .pid = t->pid,
		    .exit_code = t->exit_code,
		    .signal = t->signal,
		    .start_ticks = t->start_ticks,
		    .at_unix_ms = t->ended_unix_ms};
	}
	shim_send(s, SHIM_HELLO, &h, sizeof h, v, h.n_tasks * sizeof v[0]);
}

void shim_on_listener(struct shim *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	shim_drop_client(s);
	s->client_fd = fd;
	shim_send_hello(s);
}

static bool link_reserve(struct shim *s, size_t n)
{
	char *p;

	if (n <= s->cap_in)
		return true;
	p = realloc(s->in, n);
	if (!p)
		return false;
	s->in = p;
	s->cap_in = n;
	return true;
}

/* Handle every whole frame in the buffer; false when the peer talks nonsense. */
static bool link_frames(struct shim *s)
{
	struct shim_head h;
	size_t at = 0;

	while (s->n_in - at >= sizeof h) {
		memcpy(&h, s->in + at, sizeof h);
		if (h.n > SHIM_PAYLOAD_MAX)
			return false;
		if (s->n_in - at < sizeof h + h.n)
			break;
		if (at) { /* frames start aligned, as their readers expect */
			memmove(s->in, s->in + at, s->n_in - at);
			s->n_in -= at;
			at = 0;
		}
		shim_handle(s, (enum shim_type)h.type, s->in + sizeof h, h.n);
		if (s->client_fd < 0)
			return true; /* dropped meanwhile: the buffer is void */
		at = sizeof h + h.n;
	}
	memmove(s->in, s->in + at, s->n_in - at);
	s->n_in -= at;
	return true;
}

void shim_on_client(struct shim *s)
{
	ssize_t n;

	if (!link_reserve(s, s->n_in + LINK_READ_BYTES)) {
		shim_drop_client(s);
		return;
	}
	n = recv(s->client_fd, s->in + s->n_in, s->cap_in - s->n_in, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		shim_drop_client(s);
		return;
	}
	s->n_in += (size_t)n;
	if (!link_frames(s))
		shim_drop_client(s);
}
