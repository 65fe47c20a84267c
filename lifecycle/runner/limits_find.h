/* Between limits.c and limits_find.c. */
#pragma once

#include "lifecycle/runner/limits.h"

int limits_write(const char *dir, const char *file, const char *text);
