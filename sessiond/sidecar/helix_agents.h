/* How Zed starts the agent that Helix configured: its entry in "agent_servers". */
#pragma once

#include "sessiond/sidecar/helix_base.h"

/* NULL: Zed needs none (its own agent, and any it knows by itself), or it cannot be
 * started yet because nobody is signed in. In @a; borrows. */
struct jval *helix_agent_servers(
    struct arena *a, const struct helix_agent *agent, const struct helix_base_conf *c);
