/* Members that making and changing a session share. */
#pragma once

#include "sessiond/gateway/route.h"

/* The metadata member as text; empty when absent or null. False: answered. */
bool metadata_read(struct call *c, struct buf *out);
/* @agent_id is no session of somebody else. False: answered. */
bool agent_id_may_be(struct call *c, const char *agent_id);
