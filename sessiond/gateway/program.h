/* What main() runs. */
#pragma once

#include "base/io/daemon.h"

extern const struct daemon_def sessiond_def;
