/* Routes of streams. */
#include "sessiond/gateway/route.h"

const struct route stream_routes[] = {
    {0},
};
