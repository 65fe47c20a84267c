/* Subscribers of a session: SSE streams and user WebSockets. This part is what other
 * concerns may tell them. */
#pragma once

#include "base/ids.h"
#include "base/jsn.h"

struct gateway;

/* {"type":"config_changed","field":...} to ws/user and an SSE event config_changed.
 * @field NULL: none. @extra may add members (revision...); takes. */
void fanout_config_changed(
    struct gateway *g, const struct id *session, const char *field, struct jsn *extra);
/* {"type":"user_settings_changed","revision":N} and the SSE event overrides. */
void fanout_user_settings_changed(
    struct gateway *g, const struct id *session, uint64_t revision);
