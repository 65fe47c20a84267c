/* The WebSocket client's handshake: the request and the answer to it. */
#pragma once

#include "base/buf.h"
#include "base/io/http_head.h"
#include "base/io/url.h"
#include "base/io/ws_codec.h"

/* Append the request. @bearer may be NULL. @key_out is what the answer must prove to have
 * seen. */
void ws_handshake_write(struct buf *out, const struct url *url, const char *bearer,
    bool with_port, char key_out[static WS_KEY_MAX]);
/* NULL: a WebSocket now; else why not (static text). */
const char *ws_handshake_check(const struct http_head *answer, const char *key);
