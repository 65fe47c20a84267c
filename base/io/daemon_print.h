/* --help, --version and --print of every daemon: the references the documents are made
 * from. */
#pragma once

#include "base/io/daemon.h"

/* Return: -1 (printed; exit 0) or the exit code, with its line on stderr. */
int daemon_print(const struct daemon_def *def, enum conf_outcome what, const char *name);
