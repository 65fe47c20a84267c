/* Log events of settings-sync-daemon. */
#pragma once

#include "base/log.h"

#define EVENT LOG_EVENT_DECLARE
#include "sessiond/sidecar/events.tbl.h"
#undef EVENT

extern const struct log_event *const sidecar_events[]; /* NULL ends */
