/* The control socket: what a person at the machine would do to Zed, as lines, each
 * answered by one JSON line. */
#pragma once

#include "base/err.h"

struct sim;
struct sim_control;

/* Listens on the unix socket @path, which it makes (0600) and removes; a leftover one is
 * replaced. Return: 0; ERROR_INVALID (path too long); -errno */
int sim_control_new(struct sim *sim, const char *path, struct sim_control **out,
    struct err *e) MUST_CHECK;
struct sim_control *sim_control_free(
    struct sim_control *c); /* takes NULL; handles close on the loop */
