/* Turning a loop in a test until something has happened, with a limit. */
#pragma once

#include "base/io/loop.h"

#include <stdbool.h>

/* Until *flag. False if that took longer than @limit_ms. */
bool run_until(struct loop *l, const bool *flag, int64_t limit_ms);
/* The same for a counter that reaches @n. */
bool run_until_n(struct loop *l, const size_t *counter, size_t n, int64_t limit_ms);
/* For @ms, whatever happens: only to see that something does not. */
void run_for(struct loop *l, int64_t ms);
