/* What a daemon costs that has nothing to do, and how long it takes to be there. */
#pragma once

#include "tests/bench/e2e/desk.h"

/* Memory that is this process's alone, and how often it wakes. */
void footprint_print(const struct desk *d);
/* Start -> /health says 200, @n times each: with a file never seen before, with one it
 * knows, and with no server to be had. */
void starts_print(const struct desk *d, size_t n);
