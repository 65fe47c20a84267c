/* Metrics of lifecycled. */
#pragma once

#include "base/metric.h"

#define METRIC METRIC_DECLARE
#include "lifecycle/control/metrics.tbl.h"
#undef METRIC

extern struct metric *const control_metrics[]; /* NULL ends */
