/* The events a simulated Zed tells its server, but for those of a running turn
 * (sim_turn.h). */
#pragma once

#include "tests/sim/sim_agent.h"

/* Queue one event; takes @data. */
void sim_tell(struct sim_agent *a, const char *type, struct jsn *data);
/* Silent with --no-ready. @agent_name "" is the built-in one, @thread_id may be NULL. */
void sim_tell_ready(struct sim_agent *a, const char *agent_name, const char *thread_id);
void sim_tell_created(
    struct sim_agent *a, const struct sim_thread *t, const char *request_id);
void sim_tell_load_error(
    struct sim_agent *a, const char *thread_id, const char *request_id, const char *why);
void sim_tell_cancelled(struct sim_agent *a, const char *request_id, const char *status);
/* Entry @i of @t, outside of any turn. */
void sim_tell_entry(
    struct sim_agent *a, const struct sim_thread *t, size_t i, const char *request_id);
