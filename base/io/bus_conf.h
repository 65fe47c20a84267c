/* The broker's settings as nats.c wants them. Private to bus*.c. */
#pragma once

#include "base/io/bus.h"

struct __natsOptions;

struct bus_settings; /* owned copies of a struct bus_conf */

struct bus_settings *bus_settings_new(const struct bus_conf *conf);
struct bus_settings *bus_settings_free(struct bus_settings *s);

/* Read the credential files and make the options of one try to connect (so that what was
 * rotated is used at the next one). Any thread. Return: 0 and *out (free with
 * natsOptions_Destroy); ERROR_INVALID with @e naming the setting. */
int bus_settings_options(
    const struct bus_settings *s, struct __natsOptions **out, struct err *e) MUST_CHECK;

enum {
	BUS_NKEY_SEED_LEN = 58,
	BUS_NKEY_PUBLIC_LEN = 56,
};

/* The public user key that belongs to @seed ("SU..."). False if it is no seed of a user.
 */
bool bus_nkey_public(const char *seed, char out[static BUS_NKEY_PUBLIC_LEN + 1]);
