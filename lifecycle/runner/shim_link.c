/* Sockets to shims.
 *
 * happy path: socketpair, spawn, HELLO, frames, QUIT, end of stream, closed
 * failure modes: exec of the shim fails (told by shim_link_spawn); the shim dies (end of
 * stream: closed); the runner leaves (shim_link_close: the shim lives on and listens). A
 * shim that is our child is waited for even after its link is gone. */
#include "lifecycle/runner/shim_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io/proc.h"

enum {
	SHIM_READ_BYTES = 64 * 1024,
};

struct shim_link {
	uv_pipe_t pipe;
	struct shim_link_cb cb;
	char *in; /* received, not yet a whole frame */
	size_t n_in, cap_in;
	bool closing;
};

struct shim_child {
	struct list_link link;
	struct shim_children *all;
	struct proc *proc;
};

struct shim_write {
	uv_write_t req;
	char data[];
};

/* ---- end */

static void shim_link_on_closed(uv_handle_t *h)
{
	struct shim_link *k = h->data;

	free(k->in);
	free(k);
}

struct shim_link *shim_link_close(struct shim_link *k)
{
	if (!k || k->closing)
		return NULL;
	k->closing = true;
	uv_close((uv_handle_t *)&k->pipe, shim_link_on_closed);
	return NULL;
}

static void shim_link_lost(struct shim_link *k)
{
	if (k->closing)
		return;
	k->cb.closed(k->cb.data);
	shim_link_close(k);
}

/* ---- frames in */

static void shim_link_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct shim_link *k = h->data;

	(void)suggested;
	if (k->cap_in < k->n_in + SHIM_READ_BYTES) {
		k->cap_in = k->n_in + SHIM_READ_BYTES;
		k->in = realloc(k->in, k->cap_in);
		must(k->in);
	}
	*out = uv_buf_init(k->in + k->n_in, (unsigned)(k->cap_in - k->n_in));
}

static void shim_link_frames(struct shim_link *k)
{
	struct shim_head h;
	size_t at = 0;

	while (!k->closing && k->n_in - at >= sizeof h) {
		memcpy(&h, k->in + at, sizeof h);
		if (h.n > SHIM_PAYLOAD_MAX) {
			shim_link_lost(k);
			return;
		}
		if (k->n_in - at < sizeof h + h.n)
			break;
		k->cb.frame(
		    k->cb.data, (enum shim_type)h.type, k->in + at + sizeof h, h.n);
		at += sizeof h + h.n;
	}
	memmove(k->in, k->in + at, k->n_in - at);
	k->n_in -= at;
}

static void shim_link_on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct shim_link *k = st->data;

	(void)b;
	if (n == 0 || k->closing)
		return;
	if (n < 0) {
		shim_link_lost(k);
		return;
	}
	k->n_in += (size_t)n;
	shim_link_frames(k);
}

/* ---- frames out */

static void shim_link_on_written(uv_write_t *req, int status)
{
	(void)status; /* a broken pipe is seen by the reader */
	free(container_of(req, struct shim_write, req));
}

void shim_link_send(struct shim_link *k, enum shim_type type, const void *a, size_t n_a,
    const void *b, size_t n_b)
{
	struct shim_head h = {.n = (uint32_t)(n_a + n_b), .type = type};
	struct shim_write *w;
	uv_buf_t buf;

	if (k->closing)
		return;
	w = malloc(sizeof *w + sizeof h + n_a + n_b);
	must(w);
	memcpy(w->data, &h, sizeof h);
	if (n_a)
		memcpy(w->data + sizeof h, a, n_a);
	if (n_b)
		memcpy(w->data + sizeof h + n_a, b, n_b);
	buf = uv_buf_init(w->data, (unsigned)(sizeof h + n_a + n_b));
	if (uv_write(&w->req, (uv_stream_t *)&k->pipe, &buf, 1, shim_link_on_written))
		free(w);
}

/* ---- begin */

/* Takes @fd, also on failure. */
static int shim_link_open(
    struct loop *l, int fd, const struct shim_link_cb *cb, struct shim_link **out)
{
	struct shim_link *k = calloc(1, sizeof *k);
	int r;

	must(k);
	k->cb = *cb;
	must(uv_pipe_init(loop_uv(l), &k->pipe, 0) == 0);
	k->pipe.data = k;
	r = uv_pipe_open(&k->pipe, fd);
	if (r)
		close(fd);
	r = r ? r
	      : uv_read_start(
		    (uv_stream_t *)&k->pipe, shim_link_alloc, shim_link_on_read);
	if (r) {
		shim_link_close(k);
		return r;
	}
	*out = k;
	return 0;
}

void shim_children_init(struct shim_children *c)
{
	list_init(&c->list);
}

void shim_children_abandon(struct shim_children *c)
{
	struct list_link *e;

	while ((e = list_pop(&c->list))) {
		struct shim_child *child = list_entry(e, struct shim_child, link);

		proc_abandon(child->proc);
		free(child);
	}
}

/* Only waited for: the end of the stream tells the rest. */
static void shim_child_on_exit(void *data, struct proc *p, int exit_code, int signal)
{
	struct shim_child *child = data;

	(void)p;
	(void)exit_code;
	(void)signal;
	list_del(&child->all->list, &child->link);
	free(child);
}

static int shim_link_exec(
    struct loop *l, const struct shim_spec *s, int fd, struct err *e)
{
	struct shim_child *child;
	char number[16], identity[SHIM_IDENTITY_MAX], name[] = "zed-shim";
	char *argv[] = {name, identity, number, NULL}, *envp[] = {NULL};
	int keep[4] = {fd, -1, -1, -1};
	struct proc_spec spec = {.path = s->program,
	    .argv = argv,
	    .envp = envp,
	    .cwd = s->dir,
	    .in = PROC_NULL,
	    .out = PROC_NULL,
	    .err = PROC_INHERIT, /* its own complaints stand in the runner's log */
	    .keep = keep,
	    .new_session = true};
	size_t n = 1;
	int r;

	snprintf(identity, sizeof identity, "%s", s->identity);
	snprintf(number, sizeof number, "%d", fd);
	if (s->lock_fd >= 0)
		keep[n++] = s->lock_fd;
	if (s->workspace_fd >= 0)
		keep[n++] = s->workspace_fd;
	child = calloc(1, sizeof *child);
	must(child);
	child->all = s->children;
	r = proc_spawn(l, &spec, shim_child_on_exit, child, &child->proc, e);
	if (r)
		free(child);
	else
		list_push(&s->children->list, &child->link);
	return r;
}

int shim_link_spawn(struct loop *l, const struct shim_spec *spec,
    const struct shim_link_cb *cb, struct shim_link **out, struct err *e)
{
	struct shim_link *k;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set(e, -errno, "socketpair: %s", strerror(errno));
	r = shim_link_open(l, fds[0], cb, &k);
	if (r) {
		close(fds[1]);
		return err_set(e, r, "shim socket: %s", strerror(-r));
	}
	r = shim_link_exec(l, spec, fds[1], e);
	close(fds[1]);
	if (r) {
		shim_link_close(k);
		return r;
	}
	*out = k;
	return 0;
}

int shim_link_connect(
    struct loop *l, int dir_fd, const struct shim_link_cb *cb, struct shim_link **out)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Through the folder's descriptor: its path may be longer than a socket address.
	 */
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" SHIM_SOCKET, dir_fd);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return shim_link_open(l, fd, cb, out);
}
