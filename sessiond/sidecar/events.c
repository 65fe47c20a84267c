/* The log events of settings-sync-daemon, from their table. */
#include "sessiond/sidecar/events.h"

#define EVENT LOG_EVENT_DEFINE
#include "sessiond/sidecar/events.tbl.h"
#undef EVENT

const struct log_event *const sidecar_events[] = {
#define EVENT LOG_EVENT_LIST
#include "sessiond/sidecar/events.tbl.h"
#undef EVENT
    NULL};
