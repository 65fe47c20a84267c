/* The four paths that are measured, each with its floor. */
#pragma once

#include "tests/bench/e2e/rig.h"

/* start command published -> main() of the instance; floor: bare stored publish, then
 * bare spawn */
void bench_start(struct rig *r, size_t n);
/* POST of a message -> 202; floor: bare stored publish */
void bench_message(struct rig *r, size_t n);
/* Zed's frame -> frame at a subscriber; floor: bare WebSocket echo */
void bench_frame(struct rig *r, size_t n);
/* PUT of a setting -> bytes in settings.json; floor: bare write of a file of that size,
 * seen by inotify */
void bench_setting(struct rig *r, size_t n);
