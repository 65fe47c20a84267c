/* Bearer tokens: the token file (one JSON object a line, only hashes in it) and where a
 * request carries its token. */
#pragma once

#include "base/digest.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/io/addr.h"
#include "base/io/http.h"

#include <stdint.h>

enum auth_role {
	AUTH_ADMIN,
	AUTH_SERVICE,
	AUTH_OPERATOR,
	AUTH_USER,
	AUTH_AGENT,
	AUTH_ROLE_N_
};

enum {
	AUTH_SESSIONS_MAX = 64,
	AUTH_SUB_MAX = 128,
	AUTH_SECRET_LEN =
	    48, /* characters of a secret this project makes, without the NUL */
	AUTH_HASH_LEN = DIGEST_HEX_LEN,
};

struct auth_identity {
	enum auth_role role;
	char sub[AUTH_SUB_MAX + 1];
	char **sessions; /* agents: ids; owned by the table */
	size_t n_sessions;
	int64_t expires_unix_ms; /* 0: never */
};

struct auth_table;

/* Read @path (NULL: no tokens configured). Any malformed line refuses the file: @e names
 * line and field. Return: 0; ERROR_INVALID; -errno */
int auth_table_load(const char *path, struct auth_table **out, struct err *e) MUST_CHECK;
struct auth_table *auth_table_free(struct auth_table *t);
/* False: no tokens are configured and everyone is admin "local". */
bool auth_table_enabled(const struct auth_table *t);
/* The identity of @secret, NULL if unknown or expired at @now_unix_ms; borrowed from the
 * table. Constant time in the secret's content. */
const struct auth_identity *auth_table_find(
    const struct auth_table *t, const char *secret, int64_t now_unix_ms);
extern const struct auth_identity auth_local_admin;

const char *auth_role_name(enum auth_role r);
bool auth_role_parse(const char *s, enum auth_role *out);

/* The token a request carries: Authorization: Bearer, x-api-key, api-key, cookie
 * access_token; NULL if none. Borrowed from the request, or from @scratch when cut out of
 * a cookie. */
const char *auth_request_token(const struct http_req *r, char *scratch, size_t n_scratch);
/* Host header of a request names loopback (127.0.0.0/8, ::1, localhost), whatever its
 * port. */
bool auth_host_is_loopback(const struct http_req *r);

void auth_hash(const char *secret, size_t n, char out[static AUTH_HASH_LEN + 1]);
void auth_make_secret(char out[static AUTH_SECRET_LEN + 1]);
