/* Definitions of zed-runner's log events and metrics. */
#include "lifecycle/runner/events.h"

#include <stddef.h>

#define EVENT LOG_EVENT_DEFINE
#include "lifecycle/runner/events.tbl.h"
#undef EVENT

const struct log_event *const runner_events[] = {
#define EVENT LOG_EVENT_LIST
#include "lifecycle/runner/events.tbl.h"
#undef EVENT
    NULL,
};

#define METRIC METRIC_DEFINE
#include "lifecycle/runner/metrics.tbl.h"
#undef METRIC

struct metric *const runner_metrics[] = {
#define METRIC METRIC_LIST
#include "lifecycle/runner/metrics.tbl.h"
#undef METRIC
    NULL,
};
