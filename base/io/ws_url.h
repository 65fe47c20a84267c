/* ws:// and wss:// URLs taken apart. */
#pragma once

#include "base/err.h"
#include "base/io/addr.h"

enum {
	WS_TARGET_MAX = 8 * 1024,
};

struct ws_url {
	bool tls;
	bool is_default_port;
	struct addr addr; /* to connect to */
	char host_text[ADDR_HOST_MAX +
		       3]; /* for the Host header, IPv6 in brackets, without port */
	char target[WS_TARGET_MAX + 1]; /* path and query, "/" at least */
};

/* Return: 0; ERROR_INVALID (@e never holds the query: it may carry a secret) */
int ws_url_parse(const char *text, struct ws_url *out, struct err *e) MUST_CHECK;
