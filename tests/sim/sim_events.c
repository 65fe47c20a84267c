#include "tests/sim/sim_events.h"

#define EVENT LOG_EVENT_DEFINE
#include "tests/sim/sim_events.tbl.h"
#undef EVENT
