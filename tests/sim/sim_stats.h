/* Counters of one zed-sim process, all its Zeds together. */
#pragma once

#include <stdint.h>

struct sim_stats {
#define STAT(name, sentence) int64_t name;
#include "tests/sim/sim_stats.tbl.h"
#undef STAT
};
