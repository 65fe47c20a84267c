/* Definitions of lifecycled's metrics. */
#include "lifecycle/control/metrics.h"

#include <stddef.h>

#define METRIC METRIC_DEFINE
#include "lifecycle/control/metrics.tbl.h"
#undef METRIC

struct metric *const control_metrics[] = {
#define METRIC METRIC_LIST
#include "lifecycle/control/metrics.tbl.h"
#undef METRIC
    NULL,
};
