/* Routes of agents. */
#include "sessiond/gateway/route.h"

const struct route agent_routes[] = {
    {0},
};
