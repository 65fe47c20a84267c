/* Secrets at rest: authenticated encryption of small values, and hashes that tell equal
 * values without showing them. AES-256-GCM and HMAC-SHA-256 of libcrypto. */
#pragma once

#include "base/buf.h"

enum {
	SEAL_KEY_BYTES = 32,
	SEAL_HASH_LEN = 16, /* characters of seal_hash, without the NUL */
	SEAL_OVERHEAD = 29, /* bytes a sealed value is longer */
};

struct seal_key {
	unsigned char bytes[SEAL_KEY_BYTES];
};

/* Append @plain sealed under @key; @where is bound to it: it opens there only. */
void seal(
    const struct seal_key *key, struct slice where, struct slice plain, struct buf *out);
/* False: not sealed by @key for @where, or changed. */
bool unseal(const struct seal_key *key, struct slice where, struct slice sealed,
    struct buf *out) MUST_CHECK;
/* Of the same value always the same; without the key it tells nothing. */
void seal_hash(
    const struct seal_key *key, struct slice value, char out[static SEAL_HASH_LEN + 1]);
