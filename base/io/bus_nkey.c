/* The public half of an NKey. nats.c signs with a seed file but wants to be told the
 * public key, which operators do not keep beside it; hence the two encodings of NKeys
 * here: base32 and a checksum. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/io/bus_conf.h"

enum {
	NKEY_PREFIX_SEED = 18 << 3,
	NKEY_PREFIX_USER = 20 << 3,
	NKEY_RAW = 32,
	NKEY_SEED_BYTES = 2 + NKEY_RAW + 2,
	NKEY_PUBLIC_BYTES = 1 + NKEY_RAW + 2,
};

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* CRC-16/XMODEM */
static uint16_t nkey_crc(const unsigned char *p, size_t n)
{
	unsigned crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned)p[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1;
		crc &= 0xFFFF;
	}
	return (uint16_t)crc;
}

static bool nkey_decode(const char *text, size_t n_text, unsigned char *out, size_t n_out)
{
	unsigned acc = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < n_text; i++) {
		const char *at = text[i] ? strchr(base32, text[i]) : NULL;

		if (!at)
			return false;
		acc = ((acc << 5) | (unsigned)(at - base32)) & 0xFFFF;
		n_bits += 5;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (n == n_out)
			return false;
		out[n++] = (unsigned char)(acc >> n_bits);
	}
	return n == n_out;
}

static void nkey_encode(const unsigned char *p, size_t n, char *out)
{
	unsigned acc = 0, n_bits = 0;

	for (size_t i = 0; i < n; i++) {
		acc = ((acc << 8) | p[i]) & 0xFFFF;
		n_bits += 8;
		while (n_bits >= 5) {
			n_bits -= 5;
			*out++ = base32[(acc >> n_bits) & 31];
		}
	}
	*out = '\0';
}

static bool nkey_derive(
    const unsigned char raw[static NKEY_RAW], unsigned char *public_out)
{
	EVP_PKEY *key =
	    EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, NKEY_RAW);
	size_t n = NKEY_RAW;
	bool ok = key && EVP_PKEY_get_raw_public_key(key, public_out, &n) == 1;

	EVP_PKEY_free(key);
	return ok;
}

bool bus_nkey_public(const char *seed, char out[static BUS_NKEY_PUBLIC_LEN + 1])
{
	unsigned char s[NKEY_SEED_BYTES], p[NKEY_PUBLIC_BYTES];
	uint16_t crc;
	bool ok;

	if (strlen(seed) != BUS_NKEY_SEED_LEN ||
	    !nkey_decode(seed, BUS_NKEY_SEED_LEN, s, sizeof(s)))
		return false;
	crc = nkey_crc(s, sizeof(s) - 2);
	ok = (s[0] & 0xF8) == NKEY_PREFIX_SEED &&
	     (unsigned char)((s[0] & 7) << 5 | s[1] >> 3) == NKEY_PREFIX_USER &&
	     s[sizeof(s) - 2] == (crc & 0xFF) && s[sizeof(s) - 1] == crc >> 8;
	p[0] = NKEY_PREFIX_USER;
	ok = ok && nkey_derive(s + 2, p + 1);
	OPENSSL_cleanse(s, sizeof(s));
	if (!ok)
		return false;
	crc = nkey_crc(p, sizeof(p) - 2);
	p[sizeof(p) - 2] = (unsigned char)(crc & 0xFF);
	p[sizeof(p) - 1] = (unsigned char)(crc >> 8);
	nkey_encode(p, sizeof(p), out);
	return true;
}
