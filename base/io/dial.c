/* happy path: dial_start, lookup (skipped for numeric addresses), connect, callback
 *
 * failure modes: unknown name; every address refuses (the last one's error is told);
 * cancelled in any phase: a lookup under way cannot be stopped, so the object outlives
 * the cancel until it returns */
#include "base/io/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"

enum {
	DIAL_KEEPIDLE_S = 60,
};

struct dial_try {
	uv_poll_t poll;
	struct dial *dial;
	int fd;
};

struct dial {
	struct loop *loop;
	dial_cb *cb;
	void *data;
	bool cancelled; /* while the lookup runs */
	char port[8];
	uv_getaddrinfo_t lookup;
	const char *refusal; /* of the name; NULL: none */
	struct addrinfo *addrs, *next;
	struct dial_try *trying;
	int last_error;
	char host[];
};

static void dial_try_next(struct dial *d);

static void dial_free(struct dial *d)
{
	if (d->addrs)
		freeaddrinfo(d->addrs);
	free(d);
}

static void dial_finish(struct dial *d, int fd, const char *why)
{
	dial_cb *cb = d->cb;
	void *data = d->data;

	dial_free(d);
	cb(data, fd, why);
}

/* one address */

static void try_on_closed(uv_handle_t *h)
{
	free(h->data);
}

/* The descriptor stays open. */
static void try_let_go(struct dial_try *t)
{
	t->dial->trying = NULL;
	uv_close((uv_handle_t *)&t->poll, try_on_closed);
}

static void try_on_poll(uv_poll_t *h, int status, int events)
{
	struct dial_try *t = h->data;
	struct dial *d = t->dial;
	int fd = t->fd, r = 0;
	socklen_t n = sizeof(r);

	(void)status, (void)events; /* SO_ERROR knows better */
	try_let_go(t);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &n))
		r = errno;
	if (r == 0) {
		dial_finish(d, fd, NULL);
		return;
	}
	close(fd);
	d->last_error = r;
	dial_try_next(d);
}

static int dial_connect(const struct addrinfo *a)
{
	int on = 1, idle_s = DIAL_KEEPIDLE_S, r;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static void dial_try_next(struct dial *d)
{
	while (d->next) {
		struct dial_try *t;
		int fd = dial_connect(d->next);

		d->next = d->next->ai_next;
		if (fd < 0) {
			d->last_error = -fd;
			continue;
		}
		t = calloc(1, sizeof(*t));
		must(t && uv_poll_init(loop_uv(d->loop), &t->poll, fd) == 0);
		t->poll.data = t;
		t->dial = d;
		t->fd = fd;
		d->trying = t;
		uv_poll_start(&t->poll, UV_WRITABLE, try_on_poll);
		return;
	}
	dial_finish(d, -d->last_error, strerror(d->last_error));
}

/* lookup */

static void dial_on_addresses(struct dial *d, const char *why)
{
	if (d->cancelled) {
		dial_free(d);
	} else if (why) {
		dial_finish(d, -EHOSTUNREACH, why);
	} else {
		d->next = d->addrs;
		dial_try_next(d);
	}
}

static void dial_on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *addrs)
{
	struct dial *d = req->data;

	d->addrs = addrs;
	dial_on_addresses(d, status ? uv_strerror(status) : NULL);
}

static void dial_on_known(void *data)
{
	struct dial *d = data;

	dial_on_addresses(d, d->refusal);
}

/* Of libuv, which lets slow lookups have no more than half of the workers. */
static void dial_look_up(struct dial *d)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM};

	int r;

	if (getaddrinfo(d->host, d->port, &hints, &d->addrs) == 0) { /* never blocks */
		loop_defer(d->loop, dial_on_known, d);
		return;
	}
	hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
	d->lookup.data = d;
	r = uv_getaddrinfo(
	    loop_uv(d->loop), &d->lookup, dial_on_looked_up, d->host, d->port, &hints);
	if (r) { /* no name at all, or too long for one */
		d->refusal = uv_strerror(r);
		loop_defer(d->loop, dial_on_known, d);
	}
}

struct dial *dial_start(
    struct loop *l, const char *host, uint16_t port, dial_cb *cb, void *data)
{
	size_t n = strlen(host) + 1;
	struct dial *d = calloc(1, sizeof(*d) + n);

	must(d);
	*d = (struct dial){.loop = l, .cb = cb, .data = data, .last_error = EHOSTUNREACH};
	memcpy(d->host, host, n);
	snprintf(d->port, sizeof(d->port), "%u", port);
	dial_look_up(d);
	return d;
}

void dial_cancel(struct dial *d)
{
	struct dial_try *t = d->trying;

	if (!t) {
		d->cancelled = true;
		return;
	}
	try_let_go(t);
	close(t->fd);
	dial_free(d);
}
