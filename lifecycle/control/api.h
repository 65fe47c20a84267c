/* lifecycle.v1.api.<verb>[.<tenant>]: requests with an answer. */
#pragma once

#include "lifecycle/control/control.h"

struct api;

/* Subscribes. */
int api_new(struct control *c, struct api **out, struct err *e) MUST_CHECK;
/* A record changed: whoever waits for its state is answered. */
void api_entry_changed(struct api *a, struct entry *e);
/* Stop: whoever waits is told to ask again. */
void api_close(struct api *a);
struct api *api_free(struct api *a); /* takes NULL; after the store is gone */
