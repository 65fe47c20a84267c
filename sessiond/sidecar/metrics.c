/* The metrics of settings-sync-daemon, from their table. */
#include "sessiond/sidecar/metrics.h"

#include <stddef.h>

#define METRIC METRIC_DEFINE
#include "sessiond/sidecar/metrics.tbl.h"
#undef METRIC

struct metric *const sidecar_metrics[] = {
#define METRIC METRIC_LIST
#include "sessiond/sidecar/metrics.tbl.h"
#undef METRIC
    NULL};
