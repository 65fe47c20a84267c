/* Where a client connects to and what it asks for there. */
#pragma once

#include "base/buf.h"
#include "base/io/addr.h"

enum {
	URL_TARGET_MAX = 8 * 1024,
};

struct url {
	bool tls;
	bool is_default_port;
	struct addr addr; /* to connect to */
	char host_text[ADDR_HOST_MAX +
		       3]; /* for the Host header, IPv6 in brackets, without port */
	char target[URL_TARGET_MAX + 1]; /* path and query, "/" at least */
};

/* @scheme: "http" or "ws"; with an s behind it it is TLS. Return: 0; ERROR_INVALID (@e
 * never holds the query: it may carry a secret) */
int url_parse(const char *text, const char *scheme, struct url *out,
    struct err *e) MUST_CHECK;
/* Append the Host header. */
void url_write_host(struct buf *out, const struct url *url, bool with_port);
