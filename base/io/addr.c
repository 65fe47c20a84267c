/* Addresses as they stand in settings. */
#include "base/io/addr.h"

#include <arpa/inet.h>
#include <string.h>

bool addr_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return false;
}

static bool parse_port(const char *s, uint16_t *out)
{
	unsigned long v = 0;

	if (!*s || strlen(s) > 5)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (unsigned long)(*s - '0');
	}
	if (v > UINT16_MAX)
		return false;
	*out = (uint16_t)v;
	return true;
}

int addr_parse(const char *text, struct addr *out, struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t n_host = colon ? (size_t)(colon - text) : 0;

	if (n_host >= 2 && host[0] == '[' && host[n_host - 1] == ']') {
		host++;
		n_host -= 2;
	} else if (memchr(host, ':', n_host)) {
		n_host = 0; /* an IPv6 address without brackets is ambiguous */
	}
	if (!colon || n_host == 0 || n_host > ADDR_HOST_MAX ||
	    !parse_port(colon + 1, &out->port))
		return err_set(e, ERROR_INVALID, "'%s' is not ADDR:PORT", text);
	memcpy(out->host, host, n_host);
	out->host[n_host] = '\0';
	return 0;
}
