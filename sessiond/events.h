/* Log events of sessiond. */
#pragma once

#include "base/log.h"

#define EVENT LOG_EVENT_DECLARE
#include "sessiond/events.tbl.h"
#undef EVENT

extern const struct log_event *const sessiond_events[]; /* NULL ends */
