/* No userinfo and no fragment: neither has a meaning here. */
#include "base/io/url.h"

#include <string.h>
#include <strings.h>

static int refuse(struct err *e, const char *why)
{
	return err_set(e, ERROR_INVALID, "the URL %s", why);
}

static int parse_authority(const char *p, size_t n, struct url *out, struct err *e)
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

int url_parse(const char *text, const char *scheme, struct url *out, struct err *e)
{
	size_t n_scheme = strlen(scheme), n_authority, n_target;

	*out = (struct url){0};
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '#')
			return refuse(e, "has a character that must be escaped");
	if (strncasecmp(text, scheme, n_scheme) == 0) {
		text += n_scheme;
		out->tls = *text == 's' || *text == 'S';
		text += out->tls;
	}
	if (strncmp(text, "://", 3) != 0)
		return err_set(e, ERROR_INVALID, "the URL does not begin with %s:// or %ss://",
		    scheme, scheme);
	text += 3;
	n_authority = strcspn(text, "/?");
	if (parse_authority(text, n_authority, out, e))
		return ERROR_INVALID;
	text += n_authority;
	n_target = strlen(text);
	if (n_target + 1 > URL_TARGET_MAX)
		return refuse(e, "is too long");
	snprintf(out->target, sizeof(out->target), "%s%s", *text == '/' ? "" : "/", text);
	return 0;
}

void url_write_host(struct buf *out, const struct url *url, bool with_port)
{
	buf_addf(out, "Host: %s", url->host_text);
	if (with_port && !url->is_default_port)
		buf_addf(out, ":%u", url->addr.port);
	buf_adds(out, "\r\n");
}
