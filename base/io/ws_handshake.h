/* The WebSocket client's handshake: its URL, the request and the answer to it. */
#pragma once

#include "base/buf.h"
#include "base/io/addr.h"
#include "base/io/http_head.h"
#include "base/io/ws_codec.h"

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

/* Append the request. @bearer may be NULL. @key_out is what the answer must prove to have
 * seen. */
void ws_handshake_write(struct buf *out, const struct ws_url *url, const char *bearer,
    bool with_port, char key_out[static WS_KEY_MAX]);
/* NULL: a WebSocket now; else why not (static text). */
const char *ws_handshake_check(const struct http_head *answer, const char *key);
