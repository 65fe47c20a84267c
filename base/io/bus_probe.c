/* nats.c 3.4.1 does not tell the broker's version. Every broker sends it in its first
 * line, before TLS and credentials, so the keeper connects once more and reads that line.
 */
#include "base/io/bus_probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/addr.h"
#include "base/io/bus_link.h"

static bool probe_wait(int fd, short events, int64_t due_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left_ms = due_ms - clock_mono_ms();

	return left_ms > 0 && poll(&p, 1, (int)left_ms) == 1;
}

static int probe_connect(const struct addr *a, int64_t due_ms)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[8];
	int fd = -1, error = 0;

	snprintf(port, sizeof(port), "%u", (unsigned)a->port);
	if (getaddrinfo(a->host, port, &hints, &list) != 0)
		return -1;
	for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
		socklen_t n = sizeof(error);

		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		if ((connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ||
			errno == EINPROGRESS) &&
		    probe_wait(fd, POLLOUT, due_ms) &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0)
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

/* INFO {"server_id":"...","version":"2.9.10",...}\r\n. No JSON parser: cJSON is not for
 * two threads at once. */
static void probe_read(int fd, int64_t due_ms, char *version_out, size_t cap_version)
{
	static const char key[] = "\"version\":\"";
	char line[8192];
	size_t n = 0;
	char *at;

	while (n < sizeof(line) - 1 && !memchr(line, '\n', n) &&
	       probe_wait(fd, POLLIN, due_ms)) {
		ssize_t r = recv(fd, line + n, sizeof(line) - 1 - n, 0);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	line[n] = '\0';
	at = strncmp(line, "INFO ", 5) == 0 ? strstr(line, key) : NULL;
	if (!at)
		return;
	at += sizeof(key) - 1;
	n = strcspn(at, "\"");
	if (n < cap_version) {
		memcpy(version_out, at, n);
		version_out[n] = '\0';
	}
}

void bus_probe(const char *url, char *server_out, size_t cap_server, char *version_out,
    size_t cap_version)
{
	int64_t due_ms = clock_mono_ms() + BUS_PROBE_TIMEOUT_MS;
	const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
	struct addr a;
	int fd;

	url = at ? at + 1 : scheme ? scheme + 3 : url;
	snprintf(server_out, cap_server, "%s", url);
	version_out[0] = '\0';
	if (addr_parse(url, &a, NULL))
		return;
	fd = probe_connect(&a, due_ms);
	if (fd < 0)
		return;
	probe_read(fd, due_ms, version_out, cap_version);
	close(fd);
}
