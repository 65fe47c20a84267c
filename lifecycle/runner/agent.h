/* The runner on the broker: hears its assignments, tells reports, its record and its
 * heartbeat. Level-triggered: the feed, the doorbell, every reconnect and a timer all
 * lead to the same comparison of what shall be with what is.
 *
 * happy path: connected, list own assignments, record stored, feed, reports
 * failure modes: no broker, no streams yet (waits, says so in not_ready); messages lost
 * (bell, listing every 15 s); a report that could not be stored (kept and sent again; the
 * latest wins) */
#pragma once

#include "lifecycle/runner/runner.h"

/* Subscribes. 0; ERROR_INVALID */
int agent_new(struct runner *r, struct agent **out, struct err *e) MUST_CHECK;
/* Tells and hears no more; answers under way may still come until the broker is closed.
 */
void agent_stop(struct agent *a);
struct agent *agent_free(struct agent *a); /* takes NULL; returns NULL */
void agent_on_bus(struct agent *a, enum bus_event ev);
/* What keeps it from working, one reason a line. */
void agent_not_ready(const struct agent *a, struct buf *reasons);
/* Tell the workload's report if it is due. */
void agent_flush(struct agent *a, struct workload *w);
/* Compare desired and observed of one instance, or of all, and act. May free it. */
void agent_reconcile(struct agent *a, struct workload *w);
/* The runner's record changed (profiles, draining): store it now. */
void agent_tell_record(struct agent *a);
/* No report is waiting to be stored. */
bool agent_is_quiet(const struct agent *a);
