/* Log events of base/io and of every daemon. */
#pragma once

#include "base/log.h"

#define EVENT LOG_EVENT_DECLARE
#include "base/io/events.tbl.h"
#undef EVENT

extern const struct log_event *const io_events[]; /* NULL ends */
