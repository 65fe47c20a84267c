/* Whether an edit of a settings text kept what it should. */
#pragma once

#include "sessiond/core/json_doc.h"

/* What is missing of @before in @after: a comment, or the path of a member that says the
 * same but is not written the same; NULL if nothing is, or one of them is no document. */
const char *bytes_lost(struct arena *a, struct slice before, struct slice after);
