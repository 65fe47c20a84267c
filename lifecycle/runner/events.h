/* Log events and metrics of zed-runner. */
#pragma once

#include "base/log.h"
#include "base/metric.h"

#define EVENT LOG_EVENT_DECLARE
#include "lifecycle/runner/events.tbl.h"
#undef EVENT

#define METRIC METRIC_DECLARE
#include "lifecycle/runner/metrics.tbl.h"
#undef METRIC

extern const struct log_event *const runner_events[]; /* NULL ends */
extern struct metric *const runner_metrics[];         /* likewise */
