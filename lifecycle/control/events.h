/* Log events of lifecycled. */
#pragma once

#include "base/log.h"

#define EVENT LOG_EVENT_DECLARE
#include "lifecycle/control/events.tbl.h"
#undef EVENT

extern const struct log_event *const control_events[]; /* NULL ends */
