#include "base/digest.h"

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/must.h"

void digest_hex(struct slice text, char out[static DIGEST_HEX_LEN + 1])
{
	unsigned char sum[DIGEST_HEX_LEN / 2];
	unsigned n = sizeof(sum);

	must(EVP_Digest(text.p, text.n, sum, &n, EVP_sha256(), NULL) == 1);
	hex_print(sum, sizeof(sum), out);
}
