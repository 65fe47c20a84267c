/* The metrics of sessiond, from their table. */
#include "sessiond/metrics.h"

#include <stddef.h>

#define METRIC METRIC_DEFINE
#include "sessiond/metrics.tbl.h"
#undef METRIC

struct metric *const sessiond_metrics[] = {
#define METRIC METRIC_LIST
#include "sessiond/metrics.tbl.h"
#undef METRIC
    NULL};
