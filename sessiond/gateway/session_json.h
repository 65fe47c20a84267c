/* Sessions and interactions as callers see them. */
#pragma once

#include "base/jsn.h"

#include <stdint.h>

struct session;
struct turn;

struct jsn *session_json(const struct session *s);
/* @whole: with prompt, response and entries, as lists and snapshots show it; else without
 * the text, which streams get as deltas (the prompt is told until the turn has ended). */
struct jsn *interaction_json(const struct turn *t, bool whole);
/* What keeps the session's next prompt from Zed ("no_agent" ...), NULL if nothing does.
 */
const char *session_blocked_by(const struct session *s, int64_t *since_unix_ms_out);
/* "idle", "waiting" or "busy". */
const char *session_state(const struct session *s);
