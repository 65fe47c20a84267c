/* What waits here for somebody's word is told to the server, where everybody sees it; what
 * is decided there is carried out here.
 *
 * happy path: something is held, the list is reported; somebody decides, the push says
 * that something changed, the list is reported again and answered with what was decided,
 * which goes into a step; what is left is reported
 * failure modes: no answer: again with the next news, or after a while; a server that does
 * not know of such lists: it is not told
 */
#pragma once

#include "sessiond/sidecar/sidecar.h"

struct held *held_new(struct sidecar *s);
/* Nothing is begun any more; freed when the server client has closed. */
void held_stop(struct held *h);
struct held *held_free(struct held *h); /* takes NULL */
/* Report, if there is something new. */
void held_progress(struct held *h);
/* Something may have been decided: look. */
void held_look(struct held *h);
