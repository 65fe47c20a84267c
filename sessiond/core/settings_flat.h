/* The base as Helix's settings daemon wants to read it: the fields it knows at the top,
 * beside the whole. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/jval.h"

/* What the body of GET zed-config is made of. */
struct settings_flat {
	const struct jval *settings; /* object */
	const struct jval
	    *policy; /* in force; NULL: the built-in one, and not in the body */
	const struct jval *helix; /* object; its members go to the top */
	uint64_t version;
	const char *session_id;
};

/* context_servers is always an object; language_models, assistant, agent, external_sync
 * only if they are objects; theme always a string. */
void settings_flat_print(struct arena *a, struct buf *out, const struct settings_flat *f);

/* What is wrong with the "helix" member of a PUT: the pointer below it and a message;
 * NULL message if nothing. */
struct settings_helix_problem {
	struct slice path;
	const char *message;
};
struct settings_helix_problem settings_helix_check(
    struct arena *a, const struct jval *helix);
/* @old with the members of @changes: null removes. */
struct jval *settings_helix_join(
    struct arena *a, const struct jval *old, const struct jval *changes);
