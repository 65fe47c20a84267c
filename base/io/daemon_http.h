/* /healthz, /readyz and /metrics, and the way past them to the program's own handlers. */
#pragma once

#include "base/io/http.h"

struct daemon;

/* For --listen: the three, then the program's. */
struct http_handlers daemon_http_handlers(struct daemon *d);
/* For --health-listen: the three alone. */
struct http_handlers daemon_health_handlers(struct daemon *d);
