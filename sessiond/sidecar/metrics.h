/* Metrics of settings-sync-daemon. */
#pragma once

#include "base/metric.h"

#define METRIC METRIC_DECLARE
#include "sessiond/sidecar/metrics.tbl.h"
#undef METRIC

extern struct metric *const sidecar_metrics[]; /* NULL ends */
