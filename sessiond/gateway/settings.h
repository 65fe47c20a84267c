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
void settings_stop(struct settings *s);
struct settings *settings_free(struct settings *s);
void settings_ensure(struct settings *s, store_cb *done, void *data);
/* The broker is out of reach; messages of it were dropped. */
void settings_cut_off(struct settings *s);
void settings_missed(struct settings *s);
/* @body is one strict JSON object; numbers may be of any size. Return: 0; ERROR_INVALID;
 * ERROR_TOO_LARGE */
int settings_body_check(struct slice body, struct err *e) MUST_CHECK;
bool settings_ready(const struct settings *s);
/* The session is gone: remove what is stored for it. */
void settings_forget(struct settings *s, const struct id *session);
