/* The log events of sessiond, from their table. */
#include "sessiond/events.h"

#define EVENT LOG_EVENT_DEFINE
#include "sessiond/events.tbl.h"
#undef EVENT

const struct log_event *const sessiond_events[] = {
#define EVENT LOG_EVENT_LIST
#include "sessiond/events.tbl.h"
#undef EVENT
    NULL};
