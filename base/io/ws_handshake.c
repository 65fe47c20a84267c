/* What a WebSocket client says first, and what it takes for an answer. No userinfo and no
 * fragment in URLs: neither has a meaning here. */
#include "base/io/ws_handshake.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io/ws_codec.h"

static int refuse(struct err *e, const char *why)
{
	return err_set(e, ERROR_INVALID, "the WebSocket URL %s", why);
}

static int parse_authority(const char *p, size_t n, struct ws_url *out, struct err *e)
{
	char text[ADDR_HOST_MAX + 16];
	const char *colon;
	unsigned default_port = out->tls ? 443 : 80;

	if (n == 0 || n > ADDR_HOST_MAX)
		return refuse(e, "has no host, or one too long");
	if (memchr(p, '@', n))
		return refuse(e, "has a user in it");
	colon = memrchr(p, ':', n);
	if (colon && p[n - 1] != ']')
		snprintf(text, sizeof(text), "%.*s", (int)n, p);
	else
		snprintf(text, sizeof(text), "%.*s:%u", (int)n, p, default_port);
	if (addr_parse(text, &out->addr, NULL) || out->addr.port == 0)
		return refuse(e, "has a malformed host or port");
	out->is_default_port = out->addr.port == default_port;
	snprintf(out->host_text, sizeof(out->host_text),
	    strchr(out->addr.host, ':') ? "[%s]" : "%s", out->addr.host);
	return 0;
}

int ws_url_parse(const char *text, struct ws_url *out, struct err *e)
{
	size_t n_authority, n_target;

	*out = (struct ws_url){0};
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '#')
			return refuse(e, "has a character that must be escaped");
	out->tls = strncasecmp(text, "wss://", 6) == 0;
	if (!out->tls && strncasecmp(text, "ws://", 5) != 0)
		return refuse(e, "does not begin with ws:// or wss://");
	text += out->tls ? 6 : 5;
	n_authority = strcspn(text, "/?");
	if (parse_authority(text, n_authority, out, e))
		return ERROR_INVALID;
	text += n_authority;
	n_target = strlen(text);
	if (n_target + 1 > WS_TARGET_MAX)
		return refuse(e, "is too long");
	snprintf(out->target, sizeof(out->target), "%s%s", *text == '/' ? "" : "/", text);
	return 0;
}

void ws_handshake_write(struct buf *out, const struct ws_url *url, const char *bearer,
    bool with_port, char key_out[static WS_KEY_MAX])
{
	unsigned char nonce[16];

	arc4random_buf(nonce, sizeof(nonce));
	EVP_EncodeBlock((unsigned char *)key_out, nonce, sizeof(nonce));
	buf_addf(out, "GET %s HTTP/1.1\r\nHost: %s", url->target, url->host_text);
	if (with_port && !url->is_default_port)
		buf_addf(out, ":%u", url->addr.port);
	buf_addf(out,
	    "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
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
