/* What happens to a record by itself, seen from this replica: its runner's report, the
 * runner's silence, a place for what waits, deadlines. Level-triggered: looking once too
 * often does nothing. */
#pragma once

#include "lifecycle/control/control.h"

/* Change @i (a copy of @e's record, or the outcome of a command on it) as the world
 * stands now. Returns whether it did. */
bool look_apply(
    struct control *c, const struct entry *e, struct instance *i, int64_t now_unix_ms);
/* Is there something to apply to the placed @e now (cheap)? */
bool look_due(const struct control *c, const struct entry *e);
/* Milliseconds until the next thing happens to @e by itself; -1: nothing will. */
int64_t look_next_ms(const struct control *c, const struct entry *e, int64_t now_unix_ms);
