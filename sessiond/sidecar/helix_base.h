/* The base as Helix's own API gives it: in parts, to which its daemon adds what every
 * desktop gets. */
#pragma once

#include "sessiond/core/jval.h"

struct helix_base_conf {
	const char
	    *api_url;       /* what "localhost" means to a server that speaks of itself */
	const char *bearer; /* NULL: none */
};

/* @answer: the body of GET zed-config. The base, in @a; borrows from @answer. */
struct jval *helix_base_build(
    struct arena *a, const struct jval *answer, const struct helix_base_conf *c);
