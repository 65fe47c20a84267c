/* A sealed value is: one byte of version, nonce, tag, ciphertext. Nonces are random: with
 * 96 bits, one key is good for more values than a session server will ever store. */
#include "base/io/seal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hex.h"
#include "base/ids.h"

enum {
	SEAL_VERSION = 1,
	NONCE_BYTES = 12,
	TAG_BYTES = 16,
	HEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES,
};

_Static_assert((int)HEAD_BYTES == (int)SEAL_OVERHEAD, "overhead");

static void seal_run(
    EVP_CIPHER_CTX *ctx, struct slice where, struct slice in, unsigned char *out)
{
	int n = 0;

	must(in.n < INT_MAX && where.n < INT_MAX);
	must(EVP_EncryptUpdate(
		 ctx, NULL, &n, (const unsigned char *)where.p, (int)where.n) == 1);
	must(
	    EVP_EncryptUpdate(ctx, out, &n, (const unsigned char *)in.p, (int)in.n) == 1);
	must(EVP_EncryptFinal_ex(ctx, out + n, &n) == 1);
}

void seal(
    const struct seal_key *key, struct slice where, struct slice plain, struct buf *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char *p = malloc(HEAD_BYTES + plain.n);

	must(ctx && p);
	p[0] = SEAL_VERSION;
	random_bytes(p + 1, NONCE_BYTES);
	must(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, p + 1) == 1);
	seal_run(ctx, where, plain, p + HEAD_BYTES);
	must(EVP_CIPHER_CTX_ctrl(
		 ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, p + 1 + NONCE_BYTES) == 1);
	EVP_CIPHER_CTX_free(ctx);
	buf_add(out, p, HEAD_BYTES + plain.n);
	free(p);
}

bool unseal(
    const struct seal_key *key, struct slice where, struct slice sealed, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)sealed.p;
	unsigned char tag[TAG_BYTES], *plain;
	EVP_CIPHER_CTX *ctx;
	int n = 0, n_last = 0;
	bool ok;

	if (sealed.n < HEAD_BYTES || sealed.n > INT_MAX || p[0] != SEAL_VERSION)
		return false;
	ctx = EVP_CIPHER_CTX_new();
	plain = malloc(sealed.n);
	must(ctx && plain);
	memcpy(tag, p + 1 + NONCE_BYTES, TAG_BYTES);
	ok = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, p + 1) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
	     EVP_DecryptUpdate(
		 ctx, NULL, &n, (const unsigned char *)where.p, (int)where.n) == 1 &&
	     EVP_DecryptUpdate(
		 ctx, plain, &n, p + HEAD_BYTES, (int)(sealed.n - HEAD_BYTES)) == 1 &&
	     EVP_DecryptFinal_ex(ctx, plain + n, &n_last) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		buf_add(out, plain, sealed.n - HEAD_BYTES);
	free(plain);
	return ok && buf_check(out) == 0;
}

void seal_hash(
    const struct seal_key *key, struct slice value, char out[static SEAL_HASH_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	must(HMAC(EVP_sha256(), key->bytes, SEAL_KEY_BYTES,
		 (const unsigned char *)value.p, value.n, digest, &n) != NULL);
	hex_print(digest, SEAL_HASH_LEN / 2, out);
}
