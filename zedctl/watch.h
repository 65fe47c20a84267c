/* --watch: a verb's output again at every change. */
#pragma once

#include "zedctl/ctl.h"

typedef int watch_show(struct ctl *c, const struct args *a);

/* Run @show once; with --watch again whenever something is published on @subject (NULL:
 * nothing tells, so every two seconds), until it fails or the user has had enough. */
int watch_run(struct ctl *c, const struct args *a, const char *subject, watch_show *show);
/* The same, again whenever settings of @session change. */
int watch_session(
    struct ctl *c, const struct args *a, const char *session, watch_show *show);
