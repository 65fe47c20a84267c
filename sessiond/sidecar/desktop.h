/* --helix-desktop: what Helix's own daemon does on a desktop beside the settings. Keymap,
 * the agents' sign-ins and files, the colours of the desktop, the end of an editor that
 * is to start anew. None of it ever holds up the settings file for good. */
#pragma once

#include "sessiond/sidecar/server_base.h"

struct sidecar;
struct desktop;
struct jsn;

/* The keymap is there when it returns. */
struct desktop *desktop_new(struct sidecar *s);
/* Nothing happens any more; programs under way go on. */
void desktop_stop(struct desktop *d);
/* After the server client is closed. Takes NULL; returns NULL. */
struct desktop *desktop_free(struct desktop *d);

/* An answer of the server; NULL: as before. */
void desktop_on_base(struct desktop *d, const struct server_base *b);
/* Sign-ins that were not looked at yet are being looked at: a base that is made now lacks
 * them. Takes NULL: false. */
bool desktop_is_looking(const struct desktop *d);
/* For people: sign-ins and what is the matter with them. Takes NULL: NULL. */
struct jsn *desktop_status(const struct desktop *d);
/* Every editor of this session and user is asked to end, and made to if it does not. */
void desktop_restart_editor(struct desktop *d);
