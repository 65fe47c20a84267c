/* Log events of zed-sim. */
#pragma once

#include "base/log.h"

#define EVENT LOG_EVENT_DECLARE
#include "tests/sim/sim_events.tbl.h"
#undef EVENT
