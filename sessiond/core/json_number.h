/* Comparing JSON numbers as the decimals they are: 1, 1.0 and 10e-1 are equal, 2^53 and
 * 2^53+1 are not. */
#pragma once

#include "base/slice.h"

/* Both must be JSON numbers. -0 equals 0. No size limit, no rounding. */
bool json_number_equal(struct slice a, struct slice b);
