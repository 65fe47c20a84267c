/* settings.json as Zed treats it: watched by inode (so that a rename over it leaves the
 * watch dead), read whole 100 ms after the first sign of a change, rejected as a whole
 * for one bad entry, saved by temporary file and rename. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/jsn.h"
#include "tests/sim/sim_stats.h"

struct sim_settings;

/* Reads what is there and begins to watch. @dir is borrowed; "" means there is no
 * configuration at all. */
struct sim_settings *sim_settings_new(
    struct loop *l, const char *dir, struct sim_stats *stats);
struct sim_settings *sim_settings_free(
    struct sim_settings *s); /* takes NULL; handles close on the loop */

/* The settings in force; an object; borrowed until the loop turns. */
const struct jsn *sim_settings_value(const struct sim_settings *s);
/* Save @text as Zed's own user interface does. Return: 0; ERROR_INVALID (not a document
 * Zed would write); -errno. */
int sim_settings_save(
    struct sim_settings *s, struct slice text, struct err *e) MUST_CHECK;
/* {"path","watch":"alive|dead|missing","last_error","value"}; caller frees. */
struct jsn *sim_settings_describe(const struct sim_settings *s);
