/* The HTTP of the sidecar itself: health for whoever starts the editor, the merged
 * settings, what goes on, and the answers people give. */
#pragma once

#include "base/io/http.h"

struct sidecar;
struct local;

/* Installs its handlers. */
struct local *local_new(struct sidecar *s);
struct local *local_free(struct local *l); /* takes NULL; returns NULL */
/* Requests that wait are answered now. */
void local_stop(struct local *l);
/* Something went on: requests that wait for it may be answered. */
void local_progress(struct local *l);
