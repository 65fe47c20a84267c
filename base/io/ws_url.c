/* No userinfo and no fragment: neither has a meaning here. */
#include "base/io/ws_url.h"

#include <string.h>
#include <strings.h>

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
