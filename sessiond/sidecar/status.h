/* What /status and /settings say. */
#pragma once

#include "base/buf.h"

struct sidecar;
struct record;

void status_print(struct sidecar *s, struct buf *out);
/* The settings as applied, one JSON object without comments. Secret values are "***"
 * unless @secrets. */
void status_settings_print(const struct record *r, bool secrets, struct buf *out);
