/* The text of an open turn, stored as it grows: a log of patches in SESSION_LIVE, at most
 * a few records a second, at once at the beginning. It lets an answer survive a restart
 * in its middle. */
#pragma once

#include "sessiond/gateway/turn_store.h"

void live_init(struct turn_shell *ts);
void live_deinit(struct turn_shell *ts);
/* Its entries have changed. */
void live_mark(struct turn_shell *ts);
/* @cb once all text there is now is stored; at once if it is. -ECANCELED: the turn is
 * gone. */
void live_flush(struct turn_shell *ts, durable_cb *cb, void *data);
/* The turn is in the transcript: remove its log. @ts may go at once. */
void live_purge(struct turn_shell *ts);
