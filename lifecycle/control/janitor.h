/* What happens by the clock: timers of instances, silence of runners, retries of what
 * waits, checks of what may have been left half done, records that are old enough to go.
 */
#pragma once

#include "lifecycle/control/control.h"

void janitor_start(struct control *c);
void janitor_stop(struct control *c);
/* mirror_callbacks */
void janitor_entry_changed(void *data, struct entry *e);
void janitor_runner_changed(void *data, struct runner *r);
void janitor_room(void *data);
void janitor_synced(void *data);
