/* One TCP connection: a non-blocking socket, with TLS or without, and the queue of bytes
 * that go out on it. Knows nothing of HTTP; the HTTP server and the WebSocket client
 * stand on it. */
#pragma once

#include "base/list.h"
#include "base/slice.h"

#include <sys/types.h>
#include <uv.h>

struct ssl_st;

struct sock {
	uv_poll_t poll;
	int fd;
	struct ssl_st *tls; /* NULL: plain */
	struct list out;    /* struct sock_piece.link */
	size_t n_out;       /* bytes not yet taken by the kernel (with TLS: by it) */
	int watched;        /* events asked of libuv now */
	bool connecting;    /* only UV_WRITABLE matters: connected, or not */
	bool reading;       /* the owner wants to read */
	bool hung_up;       /* the peer has ended its side; told once */
	bool tls_wants_write, tls_wants_read; /* against the direction of the call */
	uv_poll_cb cb;
};

/* Takes @fd and @tls (may be NULL). 0 or -errno (both closed). @s->poll.data is the
 * owner's; @cb is called for UV_READABLE, UV_WRITABLE and UV_DISCONNECT (the peer will
 * send no more; only while not reading). Reading is on. */
int sock_open(struct sock *s, uv_loop_t *loop, int fd, struct ssl_st *tls, uv_poll_cb cb);
/* @closed_cb comes later and may free @s. What was not flushed is lost. */
void sock_close(struct sock *s, uv_close_cb closed_cb);

void sock_set_connecting(struct sock *s, bool on);
void sock_set_reading(struct sock *s, bool on);
/* Bytes read; 0: the peer has ended its side; -EAGAIN; -errno. */
ssize_t sock_read(struct sock *s, void *p, size_t n);
/* Queue bytes (copied); they go with sock_flush. */
void sock_write(struct sock *s, const void *p, size_t n);
/* Queue @n bytes that the caller writes where this points, at once. */
char *sock_write_space(struct sock *s, size_t n);
/* Give the kernel what it takes. 0: it has all; -EAGAIN: UV_WRITABLE comes when it takes
 * more; -errno. */
int sock_flush(struct sock *s);
/* End our side. */
void sock_shutdown(struct sock *s);
