/* happy path: open, readable, read, write, flush, close
 *
 * failure modes: the peer resets (a read, a flush or the poll itself says so), the peer
 * stops reading (the queue grows; its bound is the owner's) */
#include "base/io/sock.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	PIECE_MIN_BYTES = 2048 - 64,
	IOV_PIECES = 32,
};

struct sock_piece {
	struct list_link link;
	size_t n_sent, n, cap;
	char data[];
};

/* events */

static void sock_watch(struct sock *s)
{
	int events = s->reading ? UV_READABLE : 0;

	if (!s->reading && !s->hung_up)
		events |= UV_DISCONNECT;
	if (s->n_out > 0 || (s->reading && s->tls_wants_write))
		events |= UV_WRITABLE;
	if (s->tls_wants_read)
		events |= UV_READABLE;
	if (s->connecting)
		events = UV_WRITABLE;
	if (events == s->watched)
		return;
	s->watched = events;
	if (events)
		uv_poll_start(&s->poll, events, s->cb);
	else
		uv_poll_stop(&s->poll);
}

int sock_open(struct sock *s, uv_loop_t *loop, int fd, struct ssl_st *tls, uv_poll_cb cb)
{
	int r = uv_poll_init(loop, &s->poll, fd);

	if (r) {
		SSL_free(tls);
		close(fd);
		return r;
	}
	s->fd = fd;
	s->tls = tls;
	s->cb = cb;
	list_init(&s->out);
	if (tls)
		SSL_set_fd(tls, fd);
	sock_set_reading(s, true);
	return 0;
}

void sock_close(struct sock *s, uv_close_cb closed_cb)
{
	struct list_link *link;

	while ((link = list_pop(&s->out)))
		free(list_entry(link, struct sock_piece, link));
	s->n_out = 0;
	SSL_free(s->tls);
	s->tls = NULL;
	uv_close((uv_handle_t *)&s->poll, closed_cb);
	close(s->fd);
	s->fd = -1;
}

void sock_set_connecting(struct sock *s, bool on)
{
	s->connecting = on;
	sock_watch(s);
}

void sock_set_reading(struct sock *s, bool on)
{
	s->reading = on;
	sock_watch(s);
}

/* TLS */

/* What a call on the TLS layer that did not succeed means. */
static int tls_status(struct sock *s, int r)
{
	int saved_errno = errno;

	switch (SSL_get_error(s->tls, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved_errno ? -saved_errno : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static ssize_t tls_read(struct sock *s, void *p, size_t n)
{
	size_t n_read;
	int r;

	ERR_clear_error();
	errno = 0;
	s->tls_wants_write = false;
	r = SSL_read_ex(s->tls, p, n, &n_read);
	if (r == 1)
		return (ssize_t)n_read;
	r = tls_status(s, r);
	s->tls_wants_write = r == -EAGAIN && SSL_want_write(s->tls);
	return r;
}

static ssize_t tls_write(struct sock *s, const void *p, size_t n)
{
	size_t n_written;
	int r;

	ERR_clear_error();
	errno = 0;
	s->tls_wants_read = false;
	r = SSL_write_ex(s->tls, p, n, &n_written);
	if (r == 1)
		return (ssize_t)n_written;
	r = tls_status(s, r);
	s->tls_wants_read = r == -EAGAIN && SSL_want_read(s->tls);
	return r ? r : -EPIPE;
}

/* reading */

ssize_t sock_read(struct sock *s, void *p, size_t n)
{
	ssize_t r;

	if (s->tls) {
		r = tls_read(s, p, n);
	} else {
		do
			r = recv(s->fd, p, n, 0);
		while (r < 0 && errno == EINTR);
		r = r < 0 ? -errno : r;
	}
	if (r == 0)
		s->hung_up = true;
	sock_watch(s);
	return r;
}

/* writing */

static struct sock_piece *sock_tail(struct sock *s)
{
	return s->out.n ? list_entry(s->out.head.prev, struct sock_piece, link) : NULL;
}

char *sock_write_space(struct sock *s, size_t n)
{
	struct sock_piece *tail = sock_tail(s);

	if (!tail || tail->cap - tail->n < n) {
		size_t cap = n > PIECE_MIN_BYTES ? n : PIECE_MIN_BYTES;

		tail = malloc(sizeof(*tail) + cap);
		must(tail);
		*tail = (struct sock_piece){.cap = cap};
		list_push(&s->out, &tail->link);
	}
	tail->n += n;
	s->n_out += n;
	return tail->data + tail->n - n;
}

void sock_write(struct sock *s, const void *data, size_t n)
{
	const char *p = data;
	struct sock_piece *tail = sock_tail(s);
	size_t n_fit = tail ? tail->cap - tail->n : 0;

	if (n_fit > n)
		n_fit = n;
	if (n_fit > 0)
		memcpy(sock_write_space(s, n_fit), p, n_fit);
	if (n > n_fit)
		memcpy(sock_write_space(s, n - n_fit), p + n_fit, n - n_fit);
}

static void sock_sent(struct sock *s, size_t n)
{
	s->n_out -= n;
	while (n > 0) {
		struct sock_piece *piece =
		    list_entry(list_first(&s->out), struct sock_piece, link);
		size_t n_here = piece->n - piece->n_sent;

		if (n_here > n)
			n_here = n;
		piece->n_sent += n_here;
		n -= n_here;
		if (piece->n_sent == piece->n) {
			list_del(&s->out, &piece->link);
			free(piece);
		}
	}
}

static ssize_t plain_write(struct sock *s)
{
	struct iovec iov[IOV_PIECES];
	int n_iov = 0;
	ssize_t r;

	list_for_each (it, &s->out) {
		struct sock_piece *piece = list_entry(it, struct sock_piece, link);

		if (n_iov == IOV_PIECES)
			break;
		iov[n_iov++] =
		    (struct iovec){piece->data + piece->n_sent, piece->n - piece->n_sent};
	}
	do
		r = writev(s->fd, iov, n_iov);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int sock_flush(struct sock *s)
{
	ssize_t r = 0;

	while (s->n_out > 0 && r >= 0) {
		if (s->tls) {
			struct sock_piece *piece =
			    list_entry(list_first(&s->out), struct sock_piece, link);

			r = tls_write(
			    s, piece->data + piece->n_sent, piece->n - piece->n_sent);
		} else {
			r = plain_write(s);
		}
		if (r > 0)
			sock_sent(s, (size_t)r);
	}
	sock_watch(s);
	return r < 0 ? (int)r : 0;
}

void sock_shutdown(struct sock *s)
{
	if (s->tls && SSL_is_init_finished(s->tls)) {
		ERR_clear_error();
		SSL_shutdown(s->tls);
	}
	shutdown(s->fd, SHUT_WR);
}
