/* Definitions of the log events of base/io and of every daemon. */
#include "base/io/events.h"

#include <stddef.h>

#define EVENT LOG_EVENT_DEFINE
#include "base/io/events.tbl.h"
#undef EVENT

const struct log_event *const io_events[] = {
#define EVENT LOG_EVENT_LIST
#include "base/io/events.tbl.h"
#undef EVENT
    NULL,
};
