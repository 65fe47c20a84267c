/* The trail as it is fetched: pages of history until enough is there. */
#pragma once

#include "zedctl/settings.h"
#include "zedctl/trail.h"

/* What lies after revision @from up to @to, at, above or below @pointer. */
struct settings_span {
	int64_t from, to;
	const char *pointer; /* "": all */
};

/* All of @span's revisions; -1 in @span->to becomes the newest. A revision that is not
 * there is a refusal. */
int settings_trail_load(struct ctl *c, const char *session, struct settings_span *span,
    struct trail *out);
/* The newest @limit (0: all) that touch @pointer. */
int settings_trail_newest(struct ctl *c, const char *session, int64_t limit,
    const char *pointer, struct trail *out);
/* What a loaded span changed, or with @reversed what taking it back would. */
void settings_trail_show(struct ctl *c, const struct trail *t,
    const struct settings_span *span, bool reversed);
