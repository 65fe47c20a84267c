/* Definitions of lifecycled's log events. */
#include "lifecycle/control/events.h"

#include <stddef.h>

#define EVENT LOG_EVENT_DEFINE
#include "lifecycle/control/events.tbl.h"
#undef EVENT

const struct log_event *const control_events[] = {
#define EVENT LOG_EVENT_LIST
#include "lifecycle/control/events.tbl.h"
#undef EVENT
    NULL,
};
