/* happy path: open, readable, read, write, flush, close
 * failure modes: the peer resets (a read, a flush or the poll itself says so), the peer
 * stops reading (the queue grows; its bound is the owner's) */
#include "base/io/http_sock.h"

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

struct http_piece {
	struct list_link link;
	size_t n_sent, n, cap;
	char data[];
};

/* events */

static void sock_watch(struct http_sock *s)
{
	int events = s->reading ? UV_READABLE : 0;

	if (!s->reading && !s->hung_up)
		events |= UV_DISCONNECT;
	if (s->n_out > 0 || s->tls_wants_write)
		events |= UV_WRITABLE;
	if (s->tls_wants_read)
		events |= UV_READABLE;
	if (events == s->watched)
		return;
	s->watched = events;
	if (events)
		uv_poll_start(&s->poll, events, s->cb);
	else
		uv_poll_stop(&s->poll);
}

int http_sock_open(
    struct http_sock *s, uv_loop_t *loop, int fd, struct ssl_st *tls, uv_poll_cb cb)
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
	http_sock_set_reading(s, true);
	return 0;
}

void http_sock_close(struct http_sock *s, uv_close_cb closed_cb)
{
	struct list_link *link;

	while ((link = list_pop(&s->out)))
		free(list_entry(link, struct http_piece, link));
	s->n_out = 0;
	SSL_free(s->tls);
	s->tls = NULL;
	uv_close((uv_handle_t *)&s->poll, closed_cb);
	close(s->fd);
	s->fd = -1;
}

void http_sock_set_reading(struct http_sock *s, bool on)
{
	s->reading = on;
	sock_watch(s);
}

/* TLS */

/* What a call on the TLS layer that did not succeed means. */
static int tls_status(struct http_sock *s, int r)
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

static ssize_t tls_read(struct http_sock *s, void *p, size_t n)
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

static ssize_t tls_write(struct http_sock *s, const void *p, size_t n)
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

ssize_t http_sock_read(struct http_sock *s, void *p, size_t n)
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

void http_sock_write(struct http_sock *s, const void *data, size_t n)
{
	const char *p = data;
	struct http_piece *tail =
	    s->out.n ? list_entry(s->out.head.prev, struct http_piece, link) : NULL;
	size_t n_fit = tail ? tail->cap - tail->n : 0;

	if (n_fit > n)
		n_fit = n;
	s->n_out += n;
	if (n_fit > 0) {
		memcpy(tail->data + tail->n, p, n_fit);
		tail->n += n_fit;
		p += n_fit;
		n -= n_fit;
	}
	if (n > 0) {
		size_t cap = n > PIECE_MIN_BYTES ? n : PIECE_MIN_BYTES;

		tail = malloc(sizeof(*tail) + cap);
		must(tail);
		*tail = (struct http_piece){.n = n, .cap = cap};
		memcpy(tail->data, p, n);
		list_push(&s->out, &tail->link);
	}
}

static void sock_sent(struct http_sock *s, size_t n)
{
	s->n_out -= n;
	while (n > 0) {
		struct http_piece *piece =
		    list_entry(list_first(&s->out), struct http_piece, link);
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

static ssize_t plain_write(struct http_sock *s)
{
	struct iovec iov[IOV_PIECES];
	int n_iov = 0;
	ssize_t r;

	list_for_each (it, &s->out) {
		struct http_piece *piece = list_entry(it, struct http_piece, link);

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

int http_sock_flush(struct http_sock *s)
{
	ssize_t r = 0;

	while (s->n_out > 0 && r >= 0) {
		if (s->tls) {
			struct http_piece *piece =
			    list_entry(list_first(&s->out), struct http_piece, link);

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

void http_sock_shutdown(struct http_sock *s)
{
	if (s->tls && SSL_is_init_finished(s->tls)) {
		ERR_clear_error();
		SSL_shutdown(s->tls);
	}
	shutdown(s->fd, SHUT_WR);
}
