/* What a WebSocket client says first, and what it takes for an answer. */
#include "base/io/ws_handshake.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io/ws_codec.h"

void ws_handshake_write(struct buf *out, const struct url *url, const char *bearer,
    bool with_port, char key_out[static WS_KEY_MAX])
{
	unsigned char nonce[16];

	arc4random_buf(nonce, sizeof(nonce));
	EVP_EncodeBlock((unsigned char *)key_out, nonce, sizeof(nonce));
	buf_addf(out, "GET %s HTTP/1.1\r\n", url->target);
	url_write_host(out, url, with_port);
	buf_addf(out,
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
	    key_out);
	if (bearer)
		buf_addf(out, "Authorization: Bearer %s\r\n", bearer);
	buf_adds(out, "\r\n");
}

const char *ws_handshake_check(const struct http_head *answer, const char *key)
{
	const char *got = http_head_field(answer, "sec-websocket-accept");
	char accept[WS_ACCEPT_MAX];

	if (answer->status != 101)
		return "the handshake was refused";
	ws_accept_value(key, accept);
	if (!http_list_has(http_head_field(answer, "upgrade"), "websocket") ||
	    !http_list_has(http_head_field(answer, "connection"), "upgrade") || !got ||
	    strcmp(got, accept) != 0)
		return "the answer is not that of a WebSocket server";
	if (http_head_field(answer, "sec-websocket-extensions") ||
	    http_head_field(answer, "sec-websocket-protocol"))
		return "the server chose what was not offered";
	return NULL;
}
