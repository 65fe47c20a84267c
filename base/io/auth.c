/* Bearer tokens: the token file and where a request carries its token. What a role may do
 * is its program's business. */
#include "base/io/auth.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/jsn.h"
#include "base/map.h"

enum {
	AUTH_LINE_MAX = 64 * 1024,
	SECRET_BYTES = AUTH_SECRET_LEN / 4 * 3,
};

struct auth_table {
	struct map *by_hash; /* struct auth_identity, owned */
	bool enabled;
};

const struct auth_identity auth_local_admin = {.role = AUTH_ADMIN, .sub = "local"};

static const char *const role_names[AUTH_ROLE_N_] = {
    [AUTH_ADMIN] = "admin",
    [AUTH_SERVICE] = "service",
    [AUTH_OPERATOR] = "operator",
    [AUTH_USER] = "user",
    [AUTH_AGENT] = "agent",
};

const char *auth_role_name(enum auth_role r)
{
	must(r < AUTH_ROLE_N_);
	return role_names[r];
}

bool auth_role_parse(const char *s, enum auth_role *out)
{
	for (int i = 0; i < AUTH_ROLE_N_; i++) {
		if (s && strcmp(s, role_names[i]) == 0) {
			*out = (enum auth_role)i;
			return true;
		}
	}
	return false;
}

void auth_hash(const char *secret, size_t n, char out[static AUTH_HASH_LEN + 1])
{
	digest_hex((struct slice){secret, n}, out);
}

void auth_make_secret(char out[static AUTH_SECRET_LEN + 1])
{
	unsigned char bytes[SECRET_BYTES];

	random_bytes(bytes, sizeof(bytes));
	must(EVP_EncodeBlock((unsigned char *)out, bytes, sizeof(bytes)) ==
	     AUTH_SECRET_LEN);
	for (char *p = out; *p; p++) {
		if (*p == '+')
			*p = '-';
		else if (*p == '/')
			*p = '_';
	}
}

/* token file */

static struct auth_identity *identity_free(struct auth_identity *id)
{
	if (!id)
		return NULL;
	for (size_t i = 0; i < id->n_sessions; i++)
		free(id->sessions[i]);
	free(id->sessions);
	free(id);
	return NULL;
}

struct auth_table *auth_table_free(struct auth_table *t)
{
	if (!t)
		return NULL;
	map_for_each (it, t->by_hash) {
		identity_free(map_value(it));
	}
	map_clear(&t->by_hash);
	free(t);
	return NULL;
}

static bool hash_valid(const char *s)
{
	if (!s || strlen(s) != AUTH_HASH_LEN)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s) && !(*s >= 'a' && *s <= 'f'))
			return false;
	}
	return true;
}

static int parse_sessions(const struct jsn *v, struct auth_identity *id, struct err *e)
{
	if (jsn_type(v) == JSN_NULL)
		return 0;
	if (jsn_type(v) != JSN_ARRAY || jsn_count(v) > AUTH_SESSIONS_MAX)
		return err_set(e, ERROR_INVALID,
		    "\"sessions\" must be an array of at most %d ids", AUTH_SESSIONS_MAX);
	id->sessions = calloc(jsn_count(v) + 1, sizeof(char *));
	must(id->sessions);
	jsn_for_each (it, v) {
		const char *s = jsn_string(it);

		if (!s || !id_token_valid(slice_of(s)))
			return err_set(e, ERROR_INVALID,
			    "\"sessions\" holds something that is no id");
		id->sessions[id->n_sessions] = strdup(s);
		must(id->sessions[id->n_sessions]);
		id->n_sessions++;
	}
	return 0;
}

static int parse_expiry(const struct jsn *v, struct auth_identity *id, struct err *e)
{
	if (jsn_type(v) == JSN_NULL)
		return 0;
	if (!jsn_string(v) || !clock_parse_rfc3339(jsn_string(v), &id->expires_unix_ms))
		return err_set(
		    e, ERROR_INVALID, "\"expires_at\" must be an RFC 3339 time");
	return 0;
}

static int check_members(const struct jsn *obj, struct err *e)
{
	static const char *const known[] = {
	    "sha256", "role", "sub", "sessions", "expires_at"};

	jsn_for_each (it, obj) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found = found || strcmp(jsn_key(it), known[i]) == 0;
		if (!found)
			return err_set(
			    e, ERROR_INVALID, "unknown member \"%.64s\"", jsn_key(it));
	}
	return 0;
}

/* One line of the file into @id and @hash_out (borrowed from @obj). */
static int parse_identity(
    const struct jsn *obj, struct auth_identity *id, const char **hash_out, struct err *e)
{
	const char *sub = jsn_get_string(obj, "sub");
	int r;

	if (jsn_type(obj) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "not a JSON object");
	r = check_members(obj, e);
	if (r)
		return r;
	*hash_out = jsn_get_string(obj, "sha256");
	if (!hash_valid(*hash_out))
		return err_set(
		    e, ERROR_INVALID, "\"sha256\" must be 64 lower-case hex digits");
	if (!auth_role_parse(jsn_get_string(obj, "role"), &id->role))
		return err_set(e, ERROR_INVALID,
		    "\"role\" must be admin, service, operator, user or agent");
	if (!sub || !*sub || strlen(sub) > AUTH_SUB_MAX)
		return err_set(
		    e, ERROR_INVALID, "\"sub\" must be 1 to %d bytes", AUTH_SUB_MAX);
	memcpy(id->sub, sub, strlen(sub) + 1);
	r = parse_sessions(jsn_get(obj, "sessions"), id, e);
	return r ? r : parse_expiry(jsn_get(obj, "expires_at"), id, e);
}

static int add_line(struct auth_table *t, const char *line, size_t n, struct err *e)
{
	AUTO(jsn_freep) struct jsn *obj = NULL;
	struct auth_identity *id;
	const char *hash = NULL;
	int r = jsn_parse(line, n, &obj, e);

	if (r)
		return r;
	id = calloc(1, sizeof(*id));
	must(id);
	r = parse_identity(obj, id, &hash, e);
	if (r) {
		identity_free(id);
		return r;
	}
	identity_free(map_put(&t->by_hash, slice_of(hash), id));
	return 0;
}

static bool line_blank(const char *line, size_t n)
{
	return n == 0 || line[0] == '#' || strspn(line, " \t\r\n") >= n;
}

static int load_lines(struct auth_table *t, FILE *f, const char *path, struct err *e)
{
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	int r = 0;

	for (int no = 1; !r; no++) {
		ssize_t n = getline(&line, &cap, f);

		if (n < 0)
			return ferror(f)
				   ? err_set(e, -EIO, "tokens: %s cannot be read", path)
				   : 0;
		if (n > AUTH_LINE_MAX)
			return err_set(
			    e, ERROR_INVALID, "tokens: %s line %d is too long", path, no);
		if (line_blank(line, (size_t)n))
			continue;
		r = add_line(t, line, (size_t)n, e);
		if (r)
			err_prefix(e, "tokens: %s line %d", path, no);
	}
	return r;
}

int auth_table_load(const char *path, struct auth_table **out, struct err *e)
{
	struct auth_table *t = calloc(1, sizeof(*t));
	FILE *f;
	int r;

	must(t);
	*out = NULL;
	if (!path || !*path) {
		*out = t;
		return 0;
	}
	t->enabled = true;
	f = fopen(path, "re");
	if (!f) {
		r = err_set(e, -errno, "tokens: %s: %s", path, strerror(errno));
	} else {
		r = load_lines(t, f, path, e);
		fclose(f);
	}
	if (r) {
		auth_table_free(t);
		return r;
	}
	*out = t;
	return 0;
}

bool auth_table_enabled(const struct auth_table *t)
{
	return t->enabled;
}

const struct auth_identity *auth_table_find(
    const struct auth_table *t, const char *secret, int64_t now_unix_ms)
{
	char hash[AUTH_HASH_LEN + 1];
	const struct auth_identity *id;

	if (!secret || !*secret)
		return NULL;
	/* Looking up by digest leaks nothing of the secret, however long the comparison
	 * runs. */
	auth_hash(secret, strlen(secret), hash);
	id = map_get(t->by_hash, slice_of(hash));
	if (id && id->expires_unix_ms && id->expires_unix_ms <= now_unix_ms)
		return NULL;
	return id;
}

/* requests */

static const char *cookie_token(const char *cookies, char *scratch, size_t n_scratch)
{
	static const char name[] = "access_token=";

	for (const char *p = cookies; p && *p;) {
		size_t n;

		p += strspn(p, " ;");
		n = strcspn(p, ";");
		if (n > sizeof(name) - 1 && memcmp(p, name, sizeof(name) - 1) == 0) {
			size_t n_value = n - (sizeof(name) - 1);

			if (n_value >= n_scratch)
				return NULL;
			memcpy(scratch, p + sizeof(name) - 1, n_value);
			scratch[n_value] = '\0';
			return scratch;
		}
		p += n;
	}
	return NULL;
}

const char *auth_request_token(const struct http_req *r, char *scratch, size_t n_scratch)
{
	static const char bearer[] = "Bearer ";
	const char *v = http_req_header(r, "authorization");

	if (v && strncmp(v, bearer, sizeof(bearer) - 1) == 0 && v[sizeof(bearer) - 1])
		return v + sizeof(bearer) - 1;
	v = http_req_header(r, "x-api-key");
	if (v && *v)
		return v;
	v = http_req_header(r, "api-key");
	if (v && *v)
		return v;
	return cookie_token(http_req_header(r, "cookie"), scratch, n_scratch);
}

bool auth_host_is_loopback(const struct http_req *r)
{
	const char *host = http_req_header(r, "host");
	char name[64];
	size_t n;

	if (!host)
		return false;
	if (host[0] == '[')
		return strncmp(host, "[::1]", 5) == 0 &&
		       (host[5] == '\0' || host[5] == ':');
	n = strcspn(host, ":");
	if (n == 0 || n >= sizeof(name))
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	return strcasecmp(name, "localhost") == 0 || addr_is_loopback(name);
}
