/* What is measured, each path with its floor. */
#pragma once

#include "tests/bench/e2e/rig.h"

/* start command published -> main() of the instance; floor: bare stored publish, then
 * bare spawn */
void bench_start(struct rig *r, size_t n);
/* POST of a message -> 202; floor: bare stored publish */
void bench_message(struct rig *r, size_t n);
/* Zed's frame -> frame at a subscriber; floor: bare WebSocket echo */
void bench_frame(struct rig *r, size_t n);
/* PUT of a setting -> bytes in settings.json, save -> taken by the server, what the
 * daemon needs while idle and to start; floors: each hop those are made of */
void bench_settings(struct rig *r, size_t n);
