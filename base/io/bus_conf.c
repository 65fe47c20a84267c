/* Settings of the broker connection: URLs, credentials, TLS. Apart from bus_link.c
 * because none of it knows threads, and because each try to connect reads the files
 * again. */
#include "base/io/bus_conf.h"

#include <errno.h>
#include <nats/nats.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/io/addr.h"
#include "base/io/bus_link.h"

enum {
	BUS_N_SERVERS_MAX = 16,
	BUS_SECRET_FILE_MAX = 64 * 1024,
	BUS_PORT_DEFAULT = 4222,
};

struct bus_settings {
	char *name, *url, *creds, *user, *password_file, *token_file, *nkey, *ca, *cert,
	    *key;
};

static char *settings_copy(const char *s)
{
	char *copy = s && *s ? strdup(s) : NULL;

	must(copy || !s || !*s);
	return copy;
}

struct bus_settings *bus_settings_new(const struct bus_conf *conf)
{
	struct bus_settings *s = calloc(1, sizeof(*s));

	must(s);
	s->name = settings_copy(conf->name);
	s->url = settings_copy(conf->url);
	s->creds = settings_copy(conf->creds);
	s->user = settings_copy(conf->user);
	s->password_file = settings_copy(conf->password_file);
	s->token_file = settings_copy(conf->token_file);
	s->nkey = settings_copy(conf->nkey);
	s->ca = settings_copy(conf->ca);
	s->cert = settings_copy(conf->cert);
	s->key = settings_copy(conf->key);
	return s;
}

struct bus_settings *bus_settings_free(struct bus_settings *s)
{
	if (!s)
		return NULL;
	free(s->name);
	free(s->url);
	free(s->creds);
	free(s->user);
	free(s->password_file);
	free(s->token_file);
	free(s->nkey);
	free(s->ca);
	free(s->cert);
	free(s->key);
	free(s);
	return NULL;
}

/* URLs */

struct bus_url {
	struct addr addr;
	bool tls;
};

/* One of "nats://", "tls://" or nothing, then userinfo@, host, :port. */
static bool bus_url_parse(const char *text, size_t n, struct bus_url *out)
{
	char url[ADDR_HOST_MAX + 16], *host, *at;
	size_t n_scheme = 0;

	if (n >= 7 && strncasecmp(text, "nats://", 7) == 0)
		n_scheme = 7;
	else if (n >= 6 && strncasecmp(text, "tls://", 6) == 0)
		n_scheme = 6;
	out->tls = n_scheme == 6;
	text += n_scheme;
	n -= n_scheme;
	at = memrchr(text, '@', n);
	host = at ? at + 1 : (char *)(uintptr_t)text;
	n -= (size_t)(host - text);
	if (n == 0 || n > ADDR_HOST_MAX + 6 || memchr(host, '/', n) ||
	    memchr(host, ' ', n))
		return false;
	memcpy(url, host, n);
	url[n] = '\0';
	/* a port is needed by addr_parse, not by us */
	at = strrchr(url, ']');
	if (!strchr(at ? at : url, ':'))
		snprintf(url + n, sizeof(url) - n, ":%d", BUS_PORT_DEFAULT);
	return addr_parse(url, &out->addr, NULL) == 0 && out->addr.port != 0;
}

/* The @i-th of a list separated by commas, without blanks around it; false after the
 * last. */
static bool bus_url_item(const char *urls, size_t i, const char **p_out, size_t *n_out)
{
	const char *end;

	for (; i > 0; i--) {
		urls = strchr(urls, ',');
		if (!urls)
			return false;
		urls++;
	}
	end = strchrnul(urls, ',');
	while (urls < end && *urls == ' ')
		urls++;
	while (end > urls && end[-1] == ' ')
		end--;
	*p_out = urls;
	*n_out = (size_t)(end - urls);
	return true;
}

bool bus_url_is_loopback(const char *url)
{
	struct bus_url u;
	const char *p;
	size_t n;

	for (size_t i = 0; bus_url_item(url, i, &p, &n); i++)
		if (!bus_url_parse(p, n, &u) ||
		    !(addr_is_loopback(u.addr.host) ||
			strcasecmp(u.addr.host, "localhost") == 0))
			return false;
	return true;
}

/* options */

static int options_fail(struct err *e, const char *setting, natsStatus s)
{
	const char *words = nats_GetLastError(NULL);

	return err_set(e, ERROR_INVALID, "%s: %s", setting,
	    words && *words ? words : natsStatus_GetText(s));
}

static int options_set_servers(
    natsOptions *o, const struct bus_settings *s, bool *tls_out, struct err *e)
{
	const char *url = s->url ? s->url : "nats://127.0.0.1:4222", *p;
	char *servers[BUS_N_SERVERS_MAX];
	struct bus_url u;
	natsStatus st;
	size_t n = 0, len;
	int r = 0;

	for (size_t i = 0; r == 0 && bus_url_item(url, i, &p, &len); i++) {
		if (i == BUS_N_SERVERS_MAX)
			r = err_set(e, ERROR_INVALID, "nats: more than %d URLs",
			    BUS_N_SERVERS_MAX);
		else if (!bus_url_parse(p, len, &u))
			r = err_set(e, ERROR_INVALID,
			    "nats: URL %zu is not nats://HOST:PORT", i + 1);
		else
			must((servers[n++] = strndup(p, len)));
		*tls_out = *tls_out || (r == 0 && u.tls);
	}
	if (r == 0) {
		st = natsOptions_SetServers(o, (const char **)(uintptr_t)servers, (int)n);
		if (st != NATS_OK)
			r = options_fail(e, "nats", st);
	}
	while (n > 0)
		free(servers[--n]);
	return r;
}

/* First line of a small file, or the line that holds an NKey seed. */
static int options_read_secret(const char *setting, const char *path, const char *start,
    char *out, size_t cap, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap_line = 0;
	ssize_t n;
	int r = 0;

	if (!f)
		return err_set(
		    e, ERROR_INVALID, "%s: %s: %s", setting, path, strerror(errno));
	out[0] = '\0';
	while ((n = getline(&line, &cap_line, f)) >= 0 && n < BUS_SECRET_FILE_MAX) {
		while (n > 0 && strchr("\r\n \t", line[n - 1]))
			line[--n] = '\0';
		if (n == 0 || strncmp(line, start, strlen(start)) != 0)
			continue;
		if ((size_t)n < cap)
			memcpy(out, line, (size_t)n + 1);
		else
			r = err_set(e, ERROR_INVALID, "%s: %s: the line is too long",
			    setting, path);
		break;
	}
	if (r == 0 && !*out)
		r = err_set(e, ERROR_INVALID, "%s: %s: holds no secret", setting, path);
	if (line)
		OPENSSL_cleanse(line, cap_line);
	free(line);
	fclose(f);
	return r;
}

static int options_set_password(
    natsOptions *o, const struct bus_settings *s, struct err *e)
{
	char secret[4096] = "";
	natsStatus st = NATS_OK;
	int r = 0;

	if (s->user) {
		if (s->password_file)
			r = options_read_secret("nats_password_file", s->password_file,
			    "", secret, sizeof(secret), e);
		if (r == 0)
			st = natsOptions_SetUserInfo(o, s->user, secret);
	} else if (s->token_file) {
		r = options_read_secret(
		    "nats_token_file", s->token_file, "", secret, sizeof(secret), e);
		if (r == 0)
			st = natsOptions_SetToken(o, secret);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	if (r)
		return r;
	return st == NATS_OK ? 0 : options_fail(e, "nats_user", st);
}

static int options_set_nkey(natsOptions *o, const struct bus_settings *s, struct err *e)
{
	char seed[BUS_NKEY_SEED_LEN + 2], public[BUS_NKEY_PUBLIC_LEN + 1];
	natsStatus st;
	bool ok;
	int r = options_read_secret("nats_nkey", s->nkey, "S", seed, sizeof(seed), e);

	if (r)
		return r;
	ok = bus_nkey_public(seed, public);
	OPENSSL_cleanse(seed, sizeof(seed));
	if (!ok)
		return err_set(e, ERROR_INVALID,
		    "nats_nkey: %s: holds no seed of a user key", s->nkey);
	st = natsOptions_SetNKeyFromSeed(o, public, s->nkey);
	return st == NATS_OK ? 0 : options_fail(e, "nats_nkey", st);
}

static int options_set_creds(natsOptions *o, const struct bus_settings *s, struct err *e)
{
	char line[64 * 1024];
	natsStatus st;
	int r = options_read_secret(
	    "nats_creds", s->creds, "-----BEGIN NATS USER JWT", line, sizeof(line), e);

	if (r)
		return r;
	st = natsOptions_SetUserCredentialsFromFiles(o, s->creds, NULL);
	return st == NATS_OK ? 0 : options_fail(e, "nats_creds", st);
}

static int options_set_tls(
    natsOptions *o, const struct bus_settings *s, bool tls, struct err *e)
{
	natsStatus st;

	if (!tls && !s->ca && !s->cert)
		return 0;
	st = natsOptions_SetSecure(o, true);
	if (st != NATS_OK)
		return options_fail(e, "nats", st);
	if (s->ca) {
		st = natsOptions_LoadCATrustedCertificates(o, s->ca);
		if (st != NATS_OK)
			return options_fail(e, "nats_ca", st);
	}
	if (!s->cert)
		return 0;
	if (!s->key)
		return err_set(e, ERROR_INVALID, "nats_cert needs nats_key");
	st = natsOptions_LoadCertificatesChain(o, s->cert, s->key);
	return st == NATS_OK ? 0 : options_fail(e, "nats_cert", st);
}

/* What we want of nats.c whatever the settings; none of it can fail but for memory. */
static void options_set_behaviour(natsOptions *o, const struct bus_settings *s)
{
	natsStatus st = natsOptions_SetName(o, s->name ? s->name : "zedbus");

	/* bus_link.c connects again; see there */
	st |= natsOptions_SetAllowReconnect(o, false);
	st |= natsOptions_SetIgnoreDiscoveredServers(o, true);
	st |= natsOptions_SetTimeout(o, BUS_CONNECT_TIMEOUT_MS);
	/* Without it a message waits up to a millisecond for the flusher. */
	st |= natsOptions_SetSendAsap(o, true);
	/* A publish from the loop thread waits at most this long for a broker that does
	 * not read. */
	st |= natsOptions_SetWriteDeadline(o, BUS_WRITE_TIMEOUT_MS);
	st |= natsOptions_SetPingInterval(o, BUS_PING_INTERVAL_MS);
	st |= natsOptions_SetMaxPingsOut(o, BUS_N_PINGS_OUT);
	/* One thread delivers all subscriptions: fewer threads, and messages keep their
	 * order across subscriptions. */
	st |= natsOptions_UseGlobalMessageDelivery(o, true);
	must(st == NATS_OK);
}

static int options_set_credentials(
    natsOptions *o, const struct bus_settings *s, struct err *e)
{
	int r = options_set_password(o, s, e);

	if (r == 0 && s->nkey)
		r = options_set_nkey(o, s, e);
	if (r == 0 && s->creds)
		r = options_set_creds(o, s, e);
	return r;
}

int bus_settings_options(const struct bus_settings *s, natsOptions **out, struct err *e)
{
	natsOptions *o = NULL;
	bool tls = false;
	int r;

	if (natsOptions_Create(&o) != NATS_OK)
		return err_set(e, -ENOMEM, "nats.c cannot start");
	options_set_behaviour(o, s);
	r = options_set_servers(o, s, &tls, e);
	if (r == 0)
		r = options_set_credentials(o, s, e);
	if (r == 0)
		r = options_set_tls(o, s, tls, e);
	if (r) {
		natsOptions_Destroy(o);
		return r;
	}
	*out = o;
	return 0;
}
