/* Private to bus_link.c: what the broker says of itself. */
#pragma once

#include <stddef.h>

/* Blocks for BUS_PROBE_TIMEOUT_MS at most. @url: as nats.c tells it. *server_out becomes
 * HOST:PORT without userinfo; *version_out what the broker's greeting says, "" if it does
 * not greet in time. */
void bus_probe(const char *url, char *server_out, size_t cap_server, char *version_out,
    size_t cap_version);
