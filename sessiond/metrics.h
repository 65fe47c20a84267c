/* Metrics of sessiond. */
#pragma once

#include "base/metric.h"

#define METRIC METRIC_DECLARE
#include "sessiond/metrics.tbl.h"
#undef METRIC

extern struct metric *const sessiond_metrics[]; /* NULL ends */
