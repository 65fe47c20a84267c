/* Comparing JSON numbers as the decimals they are: 1, 1.0 and 10e-1 are equal, 2^53 and
 * 2^53+1 are not. */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* Both must be JSON numbers. -0 equals 0. No size limit, no rounding. */
bool json_number_equal(struct slice a, struct slice b);
/* Equal numbers have equal hashes. */
uint64_t json_number_hash(struct slice text);
