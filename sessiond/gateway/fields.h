/* Reading the members of a request's body, each with its one clear error. */
#pragma once

#include "sessiond/gateway/route.h"

/* A string member of at most @max bytes, or null, or absent (*out NULL then). False:
 * answered with 400. */
bool field_string(struct call *c, const char *name, size_t max, const char **out);
/* Likewise true, false, null or absent (*out keeps its value). */
bool field_bool(struct call *c, const char *name, bool *out);
/* An object, null or absent; *out borrowed from the body. */
bool field_object(struct call *c, const char *name, const struct jsn **out);
/* ?name= as a whole number in min..max; absent: *out keeps its value. False: answered
 * with 400. */
bool query_int(struct call *c, const char *name, int64_t min, int64_t max, int64_t *out);
