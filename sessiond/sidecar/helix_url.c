#include "sessiond/sidecar/helix_url.h"

#include "base/buf.h"

struct slice helix_url_host(struct slice url)
{
	const char *end = url.p + url.n;
	const char *p = url.n ? memmem(url.p, url.n, "://", 3) : NULL, *at;
	size_t n = 0;

	if (!p)
		return (struct slice){url.p, 0};
	p += 3;
	while (p + n < end && p[n] != '/' && p[n] != '?' && p[n] != '#')
		n++;
	at = memrchr(p, '@', n);
	return at ? (struct slice){at + 1, n - (size_t)(at + 1 - p)}
		  : (struct slice){p, n};
}

/* @host is a part of @url. */
static struct slice url_put(
    struct arena *a, struct slice url, struct slice host, struct slice other)
{
	AUTO(buf_deinit) struct buf moved = BUF_NULL(SIZE_MAX);
	size_t n_before = (size_t)(host.p - url.p);

	buf_add(&moved, url.p, n_before);
	buf_add_slice(&moved, other);
	buf_add(&moved, host.p + host.n, url.n - n_before - host.n);
	return arena_copy(a, buf_slice(&moved));
}

struct slice helix_url_localise(struct arena *a, struct slice url, const char *api_url)
{
	struct slice host = helix_url_host(url), api = helix_url_host(slice_of(api_url));

	if (!api.n || !host.n || !memmem(host.p, host.n, "localhost", 9))
		return url;
	return url_put(a, url, host, api);
}

struct slice helix_url_globalise(
    struct arena *a, struct slice url, const char *api_url, struct slice host)
{
	struct slice here = helix_url_host(url);

	if (!host.n || !here.n || !slice_eq(here, helix_url_host(slice_of(api_url))))
		return url;
	return url_put(a, url, here, host);
}
