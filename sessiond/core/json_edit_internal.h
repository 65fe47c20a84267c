/* What the two halves of json_edit share: values (json_edit.c) and members
 * (json_edit_members.c). */
#pragma once

#include "sessiond/core/json_doc.h"

struct json_edit {
	size_t start, end; /* bytes replaced; equal: an insertion */
	size_t seq;
	struct slice text;
};

struct edit_pair {
	const struct jval *from, *to;
	struct edit_pair *next;
};

struct editor {
	struct arena *a;
	const struct json_doc *d;
	struct json_edit *edits;
	size_t n, cap;
	struct slice unit; /* of the document, once asked for */
	struct edit_pair *todo;
};

/* What happens to the members of one object. */
struct member_plan {
	const struct jval *obj, *to;
	size_t n_gone, n_kept, n_new; /* shadowed members count too */
	const struct jval *last_kept;
};

void json_edit_add(struct editor *ed, size_t start, size_t end, struct slice text);
/* One step of indentation beside a line that begins with @indent. */
struct slice json_edit_unit(struct editor *ed, struct slice indent);
void json_edit_members(struct editor *ed, const struct member_plan *mp);
