/* SHA-256 of libcrypto: what a text is known by. */
#pragma once

#include "base/slice.h"

enum {
	DIGEST_HEX_LEN = 64, /* without the NUL */
};

/* As lower-case hexadecimal digits. */
void digest_hex(struct slice text, char out[static DIGEST_HEX_LEN + 1]);
