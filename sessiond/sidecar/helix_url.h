/* "localhost" in what Helix says is where its API runs, not where the editor does. */
#pragma once

#include "sessiond/core/arena.h"

/* Host and port: without user and password in front, without a path behind. Empty: @url
 * has none. */
struct slice helix_url_host(struct slice url);

/* @url with the host and port of @api_url, if its host has "localhost" in it; else @url
 * as it is. In @a, or borrowed. */
struct slice helix_url_localise(struct arena *a, struct slice url, const char *api_url);
/* The way back: @url with @host, if it has the host and port of @api_url; else as it is. */
struct slice helix_url_globalise(
    struct arena *a, struct slice url, const char *api_url, struct slice host);
