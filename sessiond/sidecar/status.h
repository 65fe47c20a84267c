/* What /status and /settings say. */
#pragma once

#include "base/buf.h"

struct sidecar;
struct record;
struct jsn;

/* What waits for somebody's word: [{"id","kind","since","paths"}]. The caller frees. */
struct jsn *status_held(const struct record *r);
void status_print(struct sidecar *s, struct buf *out);
/* The settings as applied, one JSON object without comments. Secret values, and any with
 * @token in it (may be NULL), are "***" unless @secrets. */
void status_settings_print(
    const struct record *r, const char *token, bool secrets, struct buf *out);
