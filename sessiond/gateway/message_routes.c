/* Routes of messages. */
#include "sessiond/gateway/route.h"

const struct route message_routes[] = {
    {0},
};
