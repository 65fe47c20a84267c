/* A TCP connection to a name: looks it up on the thread pool and tries its addresses one
 * after the other. */
#pragma once

#include "base/io/loop.h"

struct dial;

/* @fd: non-blocking, connected, the callee's; negative: -errno, @why says more
 * (borrowed). */
typedef void dial_cb(void *data, int fd, const char *why);

/* @cb comes once, later; @d is gone then. */
struct dial *dial_start(
    struct loop *l, const char *host, uint16_t port, dial_cb *cb, void *data);
/* No callback will come; @d is gone. */
void dial_cancel(struct dial *d);
