/* Settings of sessions at the server: base and overrides with one revision counter per
 * session. Routes are in settings_routes (route.h). */
#pragma once

#include "base/ids.h"
#include "base/io/store.h"

struct gateway;
struct settings;

/* Streams and buckets are made by settings_ensure; @done once with 0 or a failure, after
 * every broker connect. */
struct settings *settings_new(struct gateway *g);
struct settings *settings_free(struct settings *s);
void settings_ensure(struct settings *s, store_cb *done, void *data);
bool settings_ready(const struct settings *s);
/* The session is gone: remove what is stored for it. */
void settings_forget(struct settings *s, const struct id *session);
